import hashlib
import hmac

import pytest

from medgraft.data.identity import PUBLIC_KEY, GroupKey, group_key
from medgraft.errors import UserError


def test_group_ids_are_hmac_sha256() -> None:
    key = GroupKey(b"a long enough secret")
    expected = hmac.new(b"a long enough secret", b"MRN-1", hashlib.sha256).hexdigest()[:32]
    assert key.group_id("MRN-1") == expected
    assert key.group_id("MRN-2") != expected
    assert GroupKey(b"another long secret").group_id("MRN-1") != expected


def test_key_ids_tell_keys_apart_and_nothing_else() -> None:
    a, b = GroupKey(b"a long enough secret"), GroupKey(b"another long secret")
    assert a.key_id != b.key_id
    assert a.key_id == GroupKey(b"a long enough secret").key_id
    assert len(a.key_id) == 8


def test_the_key_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert group_key("public").secret == PUBLIC_KEY
    monkeypatch.setenv("KEY_OF_TEST", "0123456789abcdef")
    assert group_key("env:KEY_OF_TEST").secret == b"0123456789abcdef"


@pytest.mark.parametrize(("value", "state"), [(None, "not set"), ("", "not set"), ("short secret", "shorter than 16")])
def test_no_key_says_how_to_make_one(monkeypatch: pytest.MonkeyPatch, value: str | None, state: str) -> None:
    monkeypatch.delenv("KEY_OF_TEST", raising=False)
    if value is not None:
        monkeypatch.setenv("KEY_OF_TEST", value)
    with pytest.raises(UserError, match=f"KEY_OF_TEST is {state}.*openssl rand.*group_key: public") as caught:
        group_key("env:KEY_OF_TEST")
    assert not value or value not in str(caught.value)
