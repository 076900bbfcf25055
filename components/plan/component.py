"""plan as a Kubeflow component."""

from typing import NamedTuple

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def plan(
    params: str,
    overrides: list[str],
    source: str,
    tracking_uri: str,
    plan: dsl.Output[dsl.Artifact],
) -> NamedTuple("Names", [("initializations", list), ("candidates", list)]):  # type: ignore[valid-type]  # kfp's way: it copies this function's text alone
    """Check everything at once and write one file for every stage, initialization and candidate.

    Args:
        params: params.yaml itself (at most 10,000 characters), or the URI or path of one, on a line of its own.
        overrides: Settings that differ from params.yaml, each `key.sub=value`.
        source: Folder of the images as the pods see it; wins over `dataset.source`.
        tracking_uri: MLflow server as the pods reach it; wins over `registration.tracking_uri`.
        plan: The checked study.

    Returns:
        initializations: Names to run `pretrain` for.
        candidates: Names to run `transfer` for.
    """
    import json
    import tempfile
    from pathlib import Path

    import fsspec

    from medgraft.artifacts import read_json
    from medgraft.stages.plan import run

    text = params
    if "\n" not in params.strip():
        with fsspec.open(params.strip(), "r", encoding="utf-8") as stream:
            text = stream.read()
    # JSON strings are YAML: whatever a path holds, it stays one string.
    places = [f"dataset.source={json.dumps(source)}", f"registration.tracking_uri={json.dumps(tracking_uri)}"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "params.yaml")
        path.write_text(text, encoding="utf-8")
        run(path, [*overrides, *places], Path(plan.path))
    resolved = read_json(Path(plan.path, "params.json"))
    return list(resolved["initializations"]), list(resolved["candidates"])
