"""A candidate that searches: finalists found inside train; validation chooses one, by the rule for candidates."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from medgraft.data.dataset import read_labels, read_rows
from medgraft.data.labels import Label
from medgraft.evaluation.choosing import Size, candidate_score, contender
from medgraft.evaluation.judge import judge
from medgraft.evaluation.parts import Part, part, refuse_contradictions
from medgraft.evaluation.results import Candidate
from medgraft.evaluation.selection import CandidateScore, select
from medgraft.networks.cost import mac_count, parameter_count
from medgraft.networks.network import Network
from medgraft.params import Evaluation
from medgraft.training.data import TrainingData
from medgraft.training.fitting import Fitted
from medgraft.training.prediction import predict
from medgraft.transfer import Run, Search, Strategy, StrategySettings, strategies


class RunOf(Protocol):
    """The run of a label fraction and a seed, or that of a finalist."""

    def __call__(self, fraction: float, seed: int, finalist: str = "") -> Run: ...


@dataclass(frozen=True)
class Found:
    """The settings to fit with; what has been fitted already with all labels, by seed; the search they came from."""

    settings: StrategySettings
    fits: Mapping[int, Fitted]
    search: Search | None


def find(
    strategy: Strategy, settings: StrategySettings, run_of: RunOf, seeds: Sequence[int], evaluation: Evaluation
) -> Found:
    """Search inside train, fit every finalist with all labels and seeds, choose one on validation.

    One finalist is no choice, and costs no look. The record tells the finalists, the choice and the number of looks.
    """
    assert strategy.search is not None
    first = run_of(1.0, seeds[0])
    validation = validation_part(first.data, evaluation)  # what it refuses, before anything is trained
    search = strategy.search(first, settings)
    fits = {
        name: {seed: fit_finalist(run_of(1.0, seed, name), finalist) for seed in seeds}
        for name, finalist in search.finalists.items()
    }
    record = search.record | {"finalists": list(fits), "looks": len(fits) if len(fits) > 1 else 0}
    winner = next(iter(fits))
    if len(fits) > 1:
        selection = select([score(name, by_seed, validation, first.data.folder) for name, by_seed in fits.items()])
        winner = selection.winner
        record |= {"selection": asdict(selection), "metric": evaluation.metric}
    record |= {"chosen": winner} | search.reflect({name: by_seed[seeds[0]] for name, by_seed in fits.items()})
    return Found(search.finalists[winner], fits[winner], replace(search, record=record))


def fit_finalist(run: Run, settings: StrategySettings) -> Fitted:
    """One run of a finalist, by the strategy that its settings name."""
    fit = strategies.get(settings.strategy).fit
    assert fit is not None
    return fit(run, settings)


def validation_part(data: TrainingData, evaluation: Evaluation) -> Part:
    """What finalists are chosen by; raises `UserError` where it cannot judge them."""
    labels: dict[str, Label] = {
        image_id: label
        for image_id, label in zip(data.validation["image_id"], read_labels(data.validation), strict=True)
        if label is not None
    }
    found = part("validation", data.validation, labels, judge(data.card, evaluation))
    refuse_contradictions(found)
    return found


def score(name: str, by_seed: Mapping[int, Fitted], validation: Part, dataset: Path) -> CandidateScore:
    """What `evaluation.selection.select` compares: a finalist's runs, by seed, on validation."""
    networks = [fitted.network for fitted in by_seed.values()]
    found = dict(zip(by_seed, _predicted(networks, validation, dataset), strict=True))
    logits = {"validation": {(1.0, seed): values for seed, values in found.items()}}
    card = {"fits": [{"fraction": 1.0, "seed": seed} for seed in by_seed]}
    size = Size(parameter_count(networks[0]), mac_count(networks[0]), _bytes(networks[0]))
    return candidate_score(contender(Candidate(name, dataset, card, logits), size, validation), validation)


def _predicted(networks: Sequence[Network], validation: Part, dataset: Path) -> list[NDArray[np.float64]]:
    """Logits of the validation images that have a label, in the order of the part."""
    logits = predict(networks, dataset, ["validation"])
    rows = {image_id: row for row, image_id in enumerate(read_rows(dataset, ["validation"])["image_id"])}
    wanted = [rows[i] for i in validation.image_ids]
    return [values[wanted].astype(np.float64) for values in logits]


def _bytes(network: Network) -> int:
    return sum(tensor.nbytes for tensor in network.state_dict().values())
