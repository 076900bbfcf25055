"""The pipeline: the same six stages that dvc.yaml runs, in containers."""

from collections.abc import Callable
from typing import Any

from kfp import dsl

from components.evaluate.component import evaluate
from components.ingest.component import ingest
from components.plan.component import plan
from components.pretrain.component import pretrain
from components.register.component import register
from components.transfer.component import transfer
from pipelines.gather import gather
from pipelines.policy import Policy, place

RETRIES = 3  # of what resumes from the store: a preempted pod loses a chunk of steps at most


def study(policy: Policy | None = None) -> Callable[..., Any]:
    """The pipeline, placed by `policy`; neutral, with the image by its tag, without one."""

    def placed(task: dsl.PipelineTask) -> dsl.PipelineTask:
        # Kubeflow's cache knows an input by name and an image by the text that names it. Whether a folder of images, a
        # weights file, the code or the libraries changed is known to the store's fingerprints: they decide, at once.
        task.set_caching_options(False)
        if policy is not None:
            place(task, task.component_spec.name, policy)
        return task

    @dsl.pipeline(name="medgraft", description="From a folder of medical images to one compact, calibrated, registered model.")
    def medgraft(params: str, source: str, tracking_uri: str, store: str, overrides: list = []) -> None:  # noqa: B006
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

        with dsl.ParallelFor(items=planned.outputs["initializations"], name="initializations") as name:
            pretrained = placed(pretrain(plan=the_plan, name=name, store=store))
            pretrained.set_retry(num_retries=RETRIES, backoff_duration="60s", backoff_factor=2.0)
        initializations = placed(
            gather(
                names=planned.outputs["initializations"],
                artifacts=dsl.Collected(pretrained.outputs["initialization"]),
            )
        ).set_display_name("gather initializations")

        with dsl.ParallelFor(items=planned.outputs["candidates"], name="candidates") as name:
            transferred = placed(
                transfer(
                    plan=the_plan,
                    name=name,
                    dataset=dataset,
                    initializations=initializations.outputs["folder"],
                    store=store,
                )
            )
            transferred.set_retry(num_retries=RETRIES, backoff_duration="60s", backoff_factor=2.0)
        candidates = placed(
            gather(names=planned.outputs["candidates"], artifacts=dsl.Collected(transferred.outputs["candidate"]))
        ).set_display_name("gather candidates")

        evaluated = placed(
            evaluate(
                plan=the_plan,
                dataset=dataset,
                sealed=ingested.outputs["sealed"],
                candidates=candidates.outputs["folder"],
                store=store,
            )
        )
        placed(
            register(
                plan=the_plan,
                dataset=dataset,
                candidates=candidates.outputs["folder"],
                evaluation=evaluated.outputs["evaluation"],
                store=store,
            )
        )

    return medgraft
