"""The pipeline: the same six stages that dvc.yaml runs, in containers."""

from collections.abc import Callable
from typing import Any

from components.evaluate.component import evaluate
from components.ingest.component import ingest
from components.plan.component import plan
from components.register.component import register
from kfp import dsl

from pipelines.loops import candidates, initializations
from pipelines.policy import Policy, place


def uncached(task: dsl.PipelineTask) -> dsl.PipelineTask:
    """Kubeflow's cache off: the store decides what is finished.

    That cache knows an input by name and an image by the text that names it. Whether a folder of images, a weights
    file, the code or a library changed is known to the store's fingerprints alone; finished work is restored at once.
    """
    return task.set_caching_options(False)


def study(policy: Policy | None = None) -> Callable[..., Any]:
    """The pipeline, placed by `policy`; neutral, with the image by its tag, without one."""

    def placed(task: dsl.PipelineTask) -> dsl.PipelineTask:
        if policy is not None:
            place(task, task.component_spec.name, policy)
        return uncached(task)

    every_initialization, every_candidate = initializations(placed), candidates(placed)

    @dsl.pipeline(
        name="medgraft", description="From a folder of medical images to one compact, calibrated, registered model."
    )
    def medgraft(params: str, source: str, tracking_uri: str, store: str, overrides: list[str] = []) -> None:  # noqa: B006  (kfp reads it as the default)
        """Six stages: plan, ingest, pretrain, transfer, evaluate, register.

        Args:
            params: params.yaml itself (at most 10,000 characters), or the URI or path of one, on a line of its own.
            source: Folder of the images as the pods see it; wins over `dataset.source`.
            tracking_uri: MLflow server as the pods reach it; wins over `registration.tracking_uri`.
            store: Folder on a shared volume, or URI (`s3://…`), where finished work and checkpoints are kept.
            overrides: Settings that differ from params.yaml, a list of `key.sub=value`.
        """
        planned = placed(plan(params=params, overrides=overrides, source=source, tracking_uri=tracking_uri))
        the_plan = planned.outputs["plan"]
        ingested = placed(ingest(plan=the_plan, store=store))
        dataset = ingested.outputs["dataset"]
        made = uncached(every_initialization(plan=the_plan, names=planned.outputs["initializations"], store=store))
        fitted = uncached(
            every_candidate(
                plan=the_plan,
                names=planned.outputs["candidates"],
                dataset=dataset,
                initializations=made.output,
                store=store,
            )
        )
        chosen = placed(
            evaluate(
                plan=the_plan,
                dataset=dataset,
                sealed=ingested.outputs["sealed"],
                candidates=fitted.output,
                store=store,
            )
        )
        placed(
            register(
                plan=the_plan,
                dataset=dataset,
                candidates=fitted.output,
                evaluation=chosen.outputs["evaluation"],
                store=store,
            )
        )

    return medgraft
