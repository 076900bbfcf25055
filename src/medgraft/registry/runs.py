"""MLflow runs that are found again: by a fingerprint in a tag, so that a killed registration goes on in them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunStatus, ViewType

from medgraft.errors import UserError

FINGERPRINT = "medgraft.fingerprint"
PARENT = "mlflow.parentRunId"
# Limits of the tracking API, https://mlflow.org/docs/latest/rest-api.html#log-batch
PARAMS_A_BATCH, METRICS_A_BATCH, KEY_LENGTH, VALUE_LENGTH = 100, 1000, 250, 6000


@dataclass(frozen=True)
class Measurement:
    """A number a run shows; `step` is what it is drawn over."""

    key: str
    value: float
    step: int = 0


def experiment_id(client: MlflowClient, name: str) -> str:
    """The experiment of that name, created if there is none; raises `UserError` when it was deleted."""
    found = client.get_experiment_by_name(name)
    if found is None:
        return str(client.create_experiment(name))
    if found.lifecycle_stage != "active":
        raise UserError(
            f"the MLflow experiment '{name}' was deleted; restore it (`mlflow experiments restore --experiment-id "
            f"{found.experiment_id}`) or name another in registration.experiment"
        )
    return str(found.experiment_id)


def find_or_create(client: MlflowClient, experiment: str, name: str, tags: Mapping[str, str]) -> Run:
    """The run with these tags' fingerprint and parent, whatever its state, or a new one."""
    keys = [key for key in (FINGERPRINT, PARENT) if key in tags]
    found = list(search(client, experiment, {key: tags[key] for key in keys}, ViewType.ACTIVE_ONLY))
    alone = [run for run in found if PARENT in tags or PARENT not in run.data.tags]
    if alone:
        return min(alone, key=lambda run: (run.info.start_time, run.info.run_id))
    return client.create_run(experiment, run_name=name, tags=dict(tags))


def search(client: MlflowClient, experiment: str, tags: Mapping[str, str], view: int) -> Iterator[Run]:
    """Every run of the experiment with these tags."""
    condition = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
    token = None
    while True:
        page = client.search_runs([experiment], condition, view, max_results=1000, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def finished(run: Run) -> bool:
    """Whether all that belongs to the run was logged."""
    return bool(run.info.status == RunStatus.to_string(RunStatus.FINISHED))


def log(client: MlflowClient, run: Run, params: Mapping[str, str], measurements: Iterable[Measurement]) -> None:
    """Log what is not there yet.

    Every number carries the run's start time, so that a second log of it is the same record, not a further point.
    """
    time, run_id = run.info.start_time, run.info.run_id
    missing = {key[:KEY_LENGTH]: _cut(value) for key, value in params.items()}
    new = [Param(key, value) for key, value in missing.items() if key not in run.data.params]
    metrics = [Metric(m.key[:KEY_LENGTH], m.value, time, m.step) for m in measurements]
    for start in range(0, len(new), PARAMS_A_BATCH):
        client.log_batch(run_id, params=new[start : start + PARAMS_A_BATCH])
    for start in range(0, len(metrics), METRICS_A_BATCH):
        client.log_batch(run_id, metrics=metrics[start : start + METRICS_A_BATCH])


def _cut(value: str) -> str:
    return value if len(value) <= VALUE_LENGTH else f"{value[: VALUE_LENGTH - 1]}…"
