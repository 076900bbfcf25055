"""The model card: what a stranger must know before using the model (Mitchell et al., arXiv 1810.03993)."""

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from medgraft.evaluation.cautions import subgroup_cautions
from medgraft.evaluation.checklists import checklists
from medgraft.evaluation.checklists.facts import known
from medgraft.evaluation.wording import unit, why_withheld
from medgraft.networks.assembly import BackboneSpec
from medgraft.networks.network import NetworkSpec
from medgraft.registry.winner import Winner

NAMES = {
    "auroc": "AUROC",
    "auprc": "AUPRC (average precision)",
    "f1": "F1",
    "balanced_accuracy": "balanced accuracy",
    "quadratic_kappa": "quadratic-weighted kappa",
    "mae": "mean absolute error (grades)",
    "sensitivity": "sensitivity at the target specificity's threshold",
    "specificity": "specificity at that threshold",
    "nll": "negative log-likelihood",
    "brier": "Brier score",
    "ece": "expected calibration error",
}


def model_card(
    winner: Winner, spec: NetworkSpec, model_name: str, openings: int, fingerprints: Mapping[str, str]
) -> str:
    """The card in Markdown; `openings`: how often the test set's labels were opened."""
    environment = Environment(
        loader=PackageLoader("medgraft.registry", "."),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "interval": interval,
        "number": number,
        "figure": lambda name: NAMES.get(name, name),
        "cell": lambda text: text.replace("|", "\\|"),
        "code": lambda text: f"`{text}`",
        "extract": lambda label, counts: counts[label],
    }
    figures, origins = winner.figures, winner.candidate["origins"]
    facts = known(winner.metrics, winner.dataset, winner.quality, winner.failures, origins, openings)
    return environment.get_template("model_card.md").render(
        model_name=model_name,
        task=winner.metrics["task"],
        metrics=winner.metrics,
        dataset=winner.dataset,
        spacing=winner.spacing,
        candidate=winner.candidate,
        figures=figures,
        test=figures["test"],
        calibration=figures["calibration"],
        unit=unit(winner.metrics["unit"]),
        cautions=subgroup_cautions(winner.metrics["subgroups"], figures["test"]["per_class"]),
        checklists=checklists(facts),
        openings=openings,
        spec=spec,
        network=", and ".join(backbone(b, spec.dimensions) for b in spec.backbones),
        settings=_settings(winner.candidate["settings"]),
        chosen=_settings(winner.candidate["chosen"]),
        origins=origins,
        fit=packaged_fit(winner.candidate["fits"]),
        warnings=warnings(winner),
        fingerprints=fingerprints,
    )


def backbone(spec: BackboneSpec, dimensions: int) -> str:
    """A backbone in words: what it is, what is left of it, what its input becomes."""
    above = "nothing" if spec.above == "removed" else "half as wide"
    cut = f", {above} above `{spec.cut}`" if spec.cut else ""
    volumes = f", for volumes ({spec.volumes})" if spec.volumes else ""
    sides = " × ".join([str(spec.image_size)] * dimensions)
    kind = "images resized to {} pixels" if dimensions == 2 else "volumes resized to {} voxels"
    return f"`{spec.architecture}`{cut}{volumes} ({kind.format(sides)}, aspect ratio not kept)"


def warnings(winner: Winner) -> list[str]:
    """Every sentence a report of this model must carry, each once."""
    own = (*winner.dataset["warnings"], *winner.metrics["dataset"]["warnings"])
    return list(dict.fromkeys([*own, *winner.candidate["warnings"], *winner.figures["warnings"]]))


def packaged_fit(fits: list[dict[str, Any]]) -> dict[str, Any]:
    """The training run whose model is packaged: the first listed seed with all labels."""
    return next(fit for fit in fits if fit["fraction"] == 1.0)


def interval(figure: Mapping[str, Any]) -> str:
    """`0.912 (0.871 to 0.948)`, or why there is no such interval."""
    if figure["estimate"] is None:
        return "undefined"
    if figure["low"] is None:
        return f"{number(figure['estimate'])} (interval withheld: {why_withheld(figure)})"
    return f"{number(figure['estimate'])} ({number(figure['low'])} to {number(figure['high'])})"


def number(value: float | None, digits: int = 3) -> str:
    """A figure with a fixed number of decimals."""
    return "undefined" if value is None else f"{value:.{digits}f}"


def _settings(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} = {value}" for key, value in settings.items() if key != "strategy")
