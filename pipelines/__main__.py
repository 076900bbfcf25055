"""`python -m pipelines compile | check | submit`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from medgraft.errors import UserError
from pipelines.compiling import ROOT, committed, compiled_study, stale
from pipelines.policy import read_policy


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.command(options))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipelines", description="medgraft on Kubeflow Pipelines.")
    commands = parser.add_subparsers(required=True)

    one = commands.add_parser("compile", help="write the committed YAML, or the IR for one cluster with --policy")
    one.add_argument("--policy", type=Path, help="node-pool policy; start from pipelines/policies/")
    one.add_argument("--out", type=Path, help="file to write the IR to")
    one.set_defaults(command=_compile)

    one = commands.add_parser("check", help="exit with 1 if committed YAML is not what the sources compile to")
    one.set_defaults(command=_check)

    one = commands.add_parser("submit", help="compile for a policy and start a run")
    one.add_argument("--host", required=True, help="address of the Kubeflow Pipelines API")
    one.add_argument("--policy", type=Path, required=True, help="node-pool policy")
    one.add_argument("--params", type=Path, default=Path("params.yaml"), help="the study (sent as text)")
    one.add_argument("--source", required=True, help="folder of the images as the pods see it")
    one.add_argument("--tracking-uri", required=True, help="MLflow server as the pods reach it")
    one.add_argument("--store", required=True, help="folder or URI of the durable store")
    one.add_argument("--set", action="append", default=[], metavar="KEY.SUB=VALUE", help="override of params.yaml")
    one.add_argument("--experiment", default="medgraft", help="Kubeflow experiment")
    one.set_defaults(command=_submit)
    return parser


def _compile(options: argparse.Namespace) -> int:
    if options.policy is None and options.out is None:
        files = committed()
    elif options.out is None:
        raise UserError("--policy needs --out: the committed IR is neutral; name a file for this cluster's")
    else:
        files = {options.out: compiled_study(read_policy(options.policy) if options.policy else None)}
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")
        print(path.resolve().relative_to(ROOT) if path.resolve().is_relative_to(ROOT) else path)
    return 0


def _check(options: argparse.Namespace) -> int:
    del options
    found = stale()
    for path in found:
        print(f"{path.relative_to(ROOT)} is stale; run `python -m pipelines compile`", file=sys.stderr)
    return 1 if found else 0


def _submit(options: argparse.Namespace) -> int:
    from kfp.client import Client  # only here: it reads the cluster's configuration

    if not options.params.is_file():
        raise UserError(f"the params file {options.params} does not exist; write one, or start from a file in recipes/")
    text = options.params.read_text(encoding="utf-8")
    if len(text) > MAX_PARAMETER:
        raise UserError(
            f"{options.params} has {len(text)} characters, Kubeflow takes {MAX_PARAMETER} at most; put it where the "
            "pods can read it and start the run in the UI with its URI"
        )
    arguments = {
        "params": text,
        "source": options.source,
        "tracking_uri": options.tracking_uri,
        "store": options.store,
        "overrides": options.set,
    }
    with TemporaryDirectory() as folder:
        path = Path(folder, "medgraft.yaml")
        path.write_text(compiled_study(read_policy(options.policy)), encoding="utf-8")
        run = Client(host=options.host).create_run_from_pipeline_package(
            str(path), arguments=arguments, experiment_name=options.experiment
        )
    print(run.run_id)
    return 0


MAX_PARAMETER = 10_000

if __name__ == "__main__":
    sys.exit(main())
