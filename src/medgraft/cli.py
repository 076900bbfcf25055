"""The command line: one command a stage, and a few beside them. Heavy imports wait until a command runs."""

import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="medgraft",
    help="Transfer learning for medical images: from a folder of images to a registered, calibrated model, chosen "
    "honestly. Stages: plan → ingest → pretrain → transfer → evaluate → register. Not a medical device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

ARTIFACTS = Path("artifacts")
ParamsFile = Annotated[Path, typer.Option("--params", help="The params file to read.")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY.SUB=VALUE", help="Override one value of the params file.")
]
StoreUri = Annotated[
    str, typer.Option("--store", envvar="MEDGRAFT_STORE", help="Durable store of finished work: a folder or a URI.")
]
Artifacts = Annotated[Path, typer.Option("--artifacts", help="Folder that holds the artifacts.")]
DEFAULT_STORE = ".medgraft/store"


@app.command()
def plan(params: ParamsFile = Path("params.yaml"), set_: Overrides = None, artifacts: Artifacts = ARTIFACTS) -> None:
    """Check everything at once, and say what will run and how long.

    Reads params.yaml. Writes artifacts/plan.
    """
    from medgraft.stages import plan as stage

    stage.run(params, set_ or [], artifacts / "plan", say=typer.echo)
    _done("plan", artifacts / "plan", "built")


@app.command()
def ingest(artifacts: Artifacts = ARTIFACTS, store: StoreUri = DEFAULT_STORE) -> None:
    """Read images, quarantine bad ones, split by patient, pack.

    Reads artifacts/plan and the source. Writes artifacts/dataset and artifacts/sealed (the test labels).
    """
    from medgraft.stages import ingest as stage
    from medgraft.store import Store

    dataset = artifacts / "dataset"
    outcome = stage.run(artifacts / "plan", dataset, artifacts / "sealed", Store(store))
    for line in stage.summary(dataset):
        typer.echo(line)
    _done("ingest", dataset, outcome)


@app.command()
def pretrain(
    name: Annotated[str, typer.Argument(help="Name of the initialization in params.yaml.")],
    artifacts: Artifacts = ARTIFACTS,
    store: StoreUri = DEFAULT_STORE,
) -> None:
    """Make one initialization: published, random or supervised weights.

    Reads artifacts/plan. Writes artifacts/initializations/NAME.
    """
    from medgraft.stages import pretrain as stage
    from medgraft.store import Store

    out = artifacts / "initializations" / name
    _done(f"pretrain {name}", out, stage.run(artifacts / "plan", name, out, Store(store)))


@app.command()
def transfer(
    name: Annotated[str, typer.Argument(help="Name of the candidate in params.yaml.")],
    artifacts: Artifacts = ARTIFACTS,
    store: StoreUri = DEFAULT_STORE,
) -> None:
    """Fit one candidate, every label fraction and seed of it; goes on where it was killed.

    Reads artifacts/plan, artifacts/dataset and artifacts/initializations. Writes artifacts/candidates/NAME.
    """
    from medgraft.stages import transfer as stage
    from medgraft.store import Store

    out = artifacts / "candidates" / name
    outcome = stage.run(
        artifacts / "plan", name, artifacts / "dataset", artifacts / "initializations", out, Store(store)
    )
    _done(f"transfer {name}", out, outcome)


@app.command()
def evaluate(artifacts: Artifacts = ARTIFACTS, store: StoreUri = DEFAULT_STORE) -> None:
    """Choose on validation, then open the sealed test once.

    Reads artifacts/plan, artifacts/dataset, artifacts/sealed, artifacts/candidates and, if it is there,
    artifacts/ranking. Writes artifacts/evaluation (metrics.json, report.html, plots).
    """
    from medgraft.stages import evaluate as stage
    from medgraft.store import Store

    names = ("plan", "dataset", "sealed", "candidates", "ranking", "evaluation")
    folders = {name: artifacts / name for name in names}
    outcome = stage.run(**folders, store=Store(store))
    _print_leaderboard(folders["evaluation"])
    _done("evaluate", folders["evaluation"], outcome)


@app.command()
def rank(artifacts: Artifacts = ARTIFACTS) -> None:
    """Score the initializations by transferability, as advice; after a study, say whether it helped.

    Reads artifacts/plan, artifacts/dataset, artifacts/initializations and, if they are there, artifacts/candidates and
    artifacts/evaluation. Writes artifacts/ranking.
    """
    from medgraft.stages import rank as command

    outcome = command.run(artifacts, artifacts / "ranking", say=typer.echo)
    typer.echo("\n".join([*command.table(artifacts / "ranking"), *command.outcome(artifacts, artifacts / "ranking")]))
    _done("rank", artifacts / "ranking", outcome)


@app.command()
def cuts(
    architecture: Annotated[str, typer.Argument(help="A timm architecture, or a `monai_…` one.")],
    image_size: Annotated[int, typer.Option(help="Side of the input in pixels or voxels.")] = 224,
    volumes: Annotated[str | None, typer.Option(help="acs, inflated or native: as in the initialization.")] = None,
) -> None:
    """List where a backbone can be cut: what `cut` of a strategy may be. Reads and writes nothing."""
    from medgraft.stages import cuts as command

    typer.echo("\n".join(command.run(architecture, image_size, volumes)))


@app.command()
def register(artifacts: Artifacts = ARTIFACTS, store: StoreUri = DEFAULT_STORE) -> None:
    """Pack the winner, check the package against its own predictions, register it with MLflow as `challenger`.

    Reads artifacts/plan, artifacts/dataset, artifacts/candidates and artifacts/evaluation. Writes
    artifacts/registration and a model version on the MLflow server.
    """
    from medgraft.artifacts import read_json
    from medgraft.stages import register as stage
    from medgraft.store import Store

    out = artifacts / "registration"
    outcome = stage.run(
        artifacts / "plan",
        artifacts / "dataset",
        artifacts / "candidates",
        artifacts / "evaluation",
        out,
        Store(store),
    )
    receipt = read_json(out / "receipt.json")
    typer.echo(f"{receipt['model_name']} version {receipt['version']} is registered as {receipt['alias']}")
    _done("register", out, outcome)


@app.command()
def promote(artifacts: Artifacts = ARTIFACTS) -> None:
    """Make the registered challenger the champion, if the gate in params.yaml holds.

    Reads artifacts/plan, artifacts/dataset, artifacts/evaluation and artifacts/registration. Writes the alias
    `champion` on the MLflow server.
    """
    from medgraft.stages import promote as command

    outcome = command.run(
        artifacts / "plan", artifacts / "dataset", artifacts / "evaluation", artifacts / "registration"
    )
    typer.echo(outcome)


@app.command()
def run(
    params: ParamsFile = Path("params.yaml"),
    set_: Overrides = None,
    artifacts: Artifacts = ARTIFACTS,
    store: StoreUri = DEFAULT_STORE,
) -> None:
    """All six stages one after the other, without DVC or Kubeflow.

    Reads params.yaml and the source. Writes every artifact below artifacts/.
    """
    from medgraft.artifacts import read_json

    plan(params, set_, artifacts)
    ingest(artifacts, store)
    resolved = read_json(artifacts / "plan" / "params.json")
    for name in resolved["initializations"]:
        pretrain(name, artifacts, store)
    for name in resolved["candidates"]:
        transfer(name, artifacts, store)
    evaluate(artifacts, store)
    register(artifacts, store)


@app.command()
def leaderboard(artifacts: Artifacts = ARTIFACTS) -> None:
    """Print the leaderboard of the last evaluation.

    Reads artifacts/evaluation. Writes nothing.
    """
    _print_leaderboard(artifacts / "evaluation")


@app.command()
def validate(
    model: Annotated[str, typer.Argument(help="A registered model: name@alias or name/version.")],
    dataset: Annotated[Path, typer.Argument(help="Dataset artifact; its plan and sealed labels lie beside it.")],
    store: StoreUri = DEFAULT_STORE,
) -> None:
    """Score a registered model on another dataset, with its own temperature and thresholds, and write the same report.

    Reads DATASET, the plan and the sealed labels beside it, and the model from the MLflow server. Writes the folder
    `validation` beside DATASET and a run on the server.
    """
    from medgraft.stages import validate as command
    from medgraft.store import Store

    out = dataset.parent / "validation"
    outcome = command.run(model, dataset, out, Store(store))
    for line in command.summary(out):
        typer.echo(line)
    _done("validate", out, outcome)


@app.command()
def withdraw(
    group: Annotated[str, typer.Argument(help="The patient, as the source names them.")],
    hashed: Annotated[bool, typer.Option("--hashed", help="GROUP is the HMAC id that artifacts show.")] = False,
    artifacts: Artifacts = ARTIFACTS,
    store: StoreUri = DEFAULT_STORE,
) -> None:
    """List every artifact, run and model version that holds a patient, for whoever must take the patient back.

    Reads artifacts/plan, all artifacts, the store, caches and the MLflow server. Writes nothing, deletes nothing.
    """
    from medgraft.stages import withdraw as command
    from medgraft.store import Store

    holdings = command.run(group, hashed, artifacts, Store(store))
    for line in command.describe(holdings):
        typer.echo(line)


@app.command()
def phantom(
    out: Annotated[Path, typer.Argument(help="Folder to write, as a hospital export would look.")],
    patients: Annotated[int, typer.Option(help="How many patients.")] = 160,
    size: Annotated[int, typer.Option(help="Side of the images in pixels.")] = 96,
    seed: Annotated[int, typer.Option(help="Another seed gives other phantoms.")] = 0,
) -> None:
    """Write digital phantoms: computer-generated images of no patient, to try medgraft with.

    Reads nothing. Writes images, masks and labels.csv into OUT.
    """
    from medgraft.data.phantom import write_phantoms

    summary = write_phantoms(out, patients=patients, size=size, seed=seed)
    state = "written" if summary.written else "already there, left as they are"
    typer.echo(f"{summary.rows} phantoms of {summary.patients} patients in {out} ({state})")


def _print_leaderboard(evaluation: Path) -> None:
    from rich.console import Console

    from medgraft.evaluation.leaderboard import leaderboard_table

    width = None if sys.stdout.isatty() else 140
    Console(width=width).print(leaderboard_table(evaluation))
    typer.echo(f"report: {evaluation / 'report.html'}")


def _done(stage: str, out: Path, outcome: str) -> None:
    typer.echo(f"{stage}: {outcome}, {out}")


def main() -> None:
    """Entry point: a `UserError` becomes one message and exit code 1."""
    from medgraft.errors import UserError

    try:
        app()
    except UserError as error:
        typer.echo(f"error: {error}", err=True)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
