import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from medgraft.seeds import derive, unit

parts = st.lists(st.text(alphabet="abc0", max_size=3) | st.integers(), min_size=1, max_size=4)


@given(parts, parts)
def test_seeds_depend_on_their_parts_alone(a: list[object], b: list[object]) -> None:
    assert 0 <= derive(*a) < 2**63
    assert 0.0 <= unit(*a) < 1.0
    assert derive(*a) == derive(*a)
    assert (derive(*a) == derive(*b)) == ([str(x) for x in a] == [str(x) for x in b])


def test_seeds_are_the_same_in_every_process() -> None:
    code = "from medgraft.seeds import derive; print(derive('split', 0, 'p1'))"
    env = {"PYTHONHASHSEED": "1", "PYTHONPATH": ":".join(sys.path)}
    out = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True).stdout
    assert int(out) == derive("split", 0, "p1") == 7049034941829009963  # SHA-256, first 8 bytes, halved


def test_units_are_spread_evenly() -> None:
    values = [unit("x", i) for i in range(2000)]
    assert abs(sum(values) / 2000 - 0.5) < 0.02
    assert len(set(values)) == 2000
