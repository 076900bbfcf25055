"""plan: params.yaml → one file for every stage, initialization and candidate, all checked."""

from collections.abc import Callable, Sequence
from pathlib import Path

from medgraft.artifacts import fingerprint, write_card, write_json, writing
from medgraft.stages.estimating import describe, estimates
from medgraft.stages.preflight import check_reachable
from medgraft.stages.resolution import item_files, resolve


def run(params: Path, overrides: Sequence[str], plan: Path, *, say: Callable[[str], None] = print) -> str:
    """Check everything at once, write the plan, say what will run and roughly how long.

    Raises one `UserError` with every mistake in the params, or else with everything that cannot be reached;
    nothing is written then.
    """
    resolved = resolve(params, overrides)
    files = item_files(resolved)
    rows = check_reachable(resolved)
    print_ = fingerprint("plan", files, {}, "")
    with writing(plan) as folder:
        for name, content in files.items():
            write_json(folder / name, content)
        write_card(folder, "plan", print_, {})
    for line in describe(estimates(resolved, rows), rows, resolved):
        say(line)
    return "built"
