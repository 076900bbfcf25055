"""Patients become HMACs before anything is written."""

import hashlib
import hmac
import os
from dataclasses import dataclass

from medgraft.errors import UserError

PUBLIC_KEY = b"medgraft public key: for phantoms and for sets whose ids are public already"


@dataclass(frozen=True)
class GroupKey:
    """The secret key and its id; the id may be written, the key never."""

    secret: bytes

    @property
    def key_id(self) -> str:
        """8 hex digits that tell keys apart without telling the key."""
        return hashlib.sha256(b"medgraft key id\x1f" + self.secret).hexdigest()[:8]

    def group_id(self, raw: str) -> str:
        """32 hex digits for a raw patient id."""
        return hmac.new(self.secret, raw.encode(), hashlib.sha256).hexdigest()[:32]


def group_key(setting: str) -> GroupKey:
    """The key that `dataset.group_key` names: `public`, or `env:NAME`; raises `UserError` when NAME is not set."""
    if setting == "public":
        return GroupKey(PUBLIC_KEY)
    name = setting.removeprefix("env:")
    value = os.environ.get(name, "")
    if len(value) < 16:
        state = "not set" if not value else "shorter than 16 characters"
        raise UserError(
            f"dataset.group_key: the environment variable {name} is {state}; put a long random secret there "
            f"(`export {name}=$(openssl rand -hex 32)`, and keep it), or set `group_key: public` if these patient "
            "ids are public already"
        )
    return GroupKey(value.encode())
