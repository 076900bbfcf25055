"""The two loops of the study, each a pipeline of its own: a task for every name, then one folder with all of them.

Of its own, because Kubeflow's local runners loop over a list that is an input, not over a named output of a task.
"""

from collections.abc import Callable
from typing import Any

from components.pretrain.component import pretrain
from components.transfer.component import transfer
from kfp import dsl

from pipelines.gather import gather

Placed = Callable[[dsl.PipelineTask], dsl.PipelineTask]
# Of what resumes from the store: a preempted pod costs a chunk of steps at most.
RETRY = {"num_retries": 3, "backoff_duration": "60s", "backoff_factor": 2.0}


def initializations(placed: Placed) -> Callable[..., Any]:
    """pretrain for every name; `placed` puts each task on its nodes."""

    @dsl.pipeline(name="initializations", description="Every initialization of the plan.")
    def all_initializations(plan: dsl.Input[dsl.Artifact], names: list[str], store: str) -> dsl.Artifact:
        with dsl.ParallelFor(items=names, name="for-each-initialization") as name:
            task = placed(pretrain(plan=plan, name=name, store=store)).set_retry(**RETRY)
        made = dsl.Collected(task.outputs["initialization"])
        return placed(gather(names=names, artifacts=made)).outputs["folder"]

    return all_initializations


def candidates(placed: Placed) -> Callable[..., Any]:
    """transfer for every name; `placed` puts each task on its nodes."""

    @dsl.pipeline(name="candidates", description="Every candidate of the plan.")
    def all_candidates(
        plan: dsl.Input[dsl.Artifact],
        names: list[str],
        dataset: dsl.Input[dsl.Artifact],
        initializations: dsl.Input[dsl.Artifact],
        store: str,
    ) -> dsl.Artifact:
        with dsl.ParallelFor(items=names, name="for-each-candidate") as name:
            fitted = transfer(plan=plan, name=name, dataset=dataset, initializations=initializations, store=store)
            task = placed(fitted).set_retry(**RETRY)
        made = dsl.Collected(task.outputs["candidate"])
        return placed(gather(names=names, artifacts=made)).outputs["folder"]

    return all_candidates
