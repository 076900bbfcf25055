"""The recipes on the real sets, from params to a registered model; what pretraining must show on each."""

from pathlib import Path

import pytest
import yaml
from tests.servers import shared_mlflow_server
from tests.shared import shared_data
from tests.workspace import medgraft, write_params

from medgraft.artifacts import read_json

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.mark.acceptance
@pytest.mark.timeout(7200)
@pytest.mark.parametrize(
    ("recipe", "data", "gains"),
    [
        ("malaria_cells", "malaria_cells", True),
        ("knee_kl_grade", "knee_kl_grade_ordinal", True),
        # 500 training images of 96 px: published weights are ahead of random ones by less than a standard error.
        ("nih_cxr_multilabel", "nih_cxr_multilabel", False),
    ],
)
def test_a_recipe_ends_in_a_registered_model_and_published_beats_random(
    recipe: str, data: str, gains: bool, tmp_path: Path
) -> None:
    params = yaml.safe_load((RECIPES / f"{recipe}.yaml").read_text(encoding="utf-8"))
    params["dataset"]["source"] = str(shared_data(data))
    write_params(tmp_path, params)
    medgraft(tmp_path, "run", MLFLOW_TRACKING_URI=shared_mlflow_server())
    print(medgraft(tmp_path, "leaderboard"))
    assert (
        read_json(tmp_path / "artifacts/registration/receipt.json")["model_name"]
        == params["registration"]["model_name"]
    )
    rows = {row["name"]: row for row in read_json(tmp_path / "artifacts/evaluation/selection.json")["rows"]}
    metrics = read_json(tmp_path / "artifacts/evaluation/metrics.json")
    for split in ("validation", "test"):
        gain, error = _gain(metrics["candidates"], split, metrics["metric"])
        assert gain > (error if gains else -2 * error), (split, gain, error)
    assert not gains or rows["linear_imagenet"]["mean"] > rows["linear_random"]["mean"]


def _gain(candidates: dict[str, dict[str, dict[str, object]]], split: str, metric: str) -> tuple[float, float]:
    """How far `linear` from published weights is ahead of random ones, and the standard error of that."""
    if split == "test":
        figure = candidates["linear_imagenet"]["difference"][metric]
        assert isinstance(figure, dict)
        return float(figure["estimate"]), float(figure["se"])
    scores = [candidates[name]["validation"] for name in ("linear_imagenet", "linear_random")]
    (a, b), (sa, sb) = (
        [float(str(s["score"])) for s in scores],
        [float(str(s["standard_error"])) for s in scores],
    )
    return a - b, (sa**2 + sb**2) ** 0.5
