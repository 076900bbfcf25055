"""The node-pool policy: on what a cluster runs each stage. It changes where a study runs, never what comes out.

Kubeflow fixes accelerators, pools, images and secrets at compile time, so every cluster compiles its own policy.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from kfp import dsl, kubernetes
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from medgraft.errors import UserError, raise_all
from medgraft.stages import STAGES

Quantity = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?(m|[kMGT]i?)?$")]
StageName = Literal["plan", "ingest", "pretrain", "transfer", "evaluate", "register"]
ALL: tuple[StageName, ...] = ("plan", "ingest", "pretrain", "transfer", "evaluate", "register")


class Block(BaseModel):
    """A block of the policy: unknown keys are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Toleration(Block):
    """A taint that the pod puts up with (Kubernetes core/v1 Toleration)."""

    key: str = Field(min_length=1)
    operator: Literal["Exists", "Equal"] = "Exists"
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] = "NoSchedule"

    @model_validator(mode="after")
    def _value_goes_with_equal(self) -> "Toleration":
        if (self.operator == "Equal") != (self.value is not None):
            raise ValueError("operator Equal needs a value, Exists must have none")
        return self


class Accelerator(Block):
    """Devices a pod."""

    type: str = Field("nvidia.com/gpu", pattern=r"^[a-z0-9.-]+/[a-z0-9._-]+$", description="Resource name.")
    count: int = Field(1, ge=1, description="How many; training uses one.")


class Pool(Block):
    """Nodes and resources of a stage's pod."""

    cpu: Quantity = Field(description="CPU request and limit.")
    memory: Quantity = Field(description="Memory request and limit.")
    accelerator: Accelerator | None = None
    node_selector: dict[str, str] = Field(default_factory=dict, description="Labels the node must carry.")
    tolerations: list[Toleration] = Field(default_factory=list)
    shared_memory: Quantity | None = Field(
        None, description="Size of /dev/shm, which loading processes (`study.workers`) share images by."
    )


class Secret(Block):
    """A Kubernetes secret whose values a stage gets as environment variables."""

    name: str = Field(min_length=1, description="Name of the secret.")
    keys: dict[str, str] = Field(min_length=1, description="Key in the secret → environment variable.")
    stages: tuple[StageName, ...] = Field(ALL, description="The stages that need it, and no others.")


class Volume(Block):
    """A persistent volume claim that every stage mounts: the images, or a store on a shared filesystem."""

    claim: str = Field(min_length=1)
    path: str = Field(pattern=r"^/.+", description="Where it is mounted.")


class Policy(Block):
    """All of a policy file."""

    image: str = Field(
        pattern=r"^[^@\s]+@sha256:[0-9a-f]{64}$",
        description="By digest: a tag can be moved, and then two runs of one IR would run different code.",
    )
    default: Pool = Field(description="Where a stage runs that has no pool of its own.")
    stages: dict[StageName, Pool] = Field(default_factory=dict, description="Pools of single stages.")
    secrets: list[Secret] = Field(default_factory=list)
    volumes: list[Volume] = Field(default_factory=list)


def read_policy(path: Path) -> Policy:
    """The policy in a YAML file; raises `UserError` with every mistake in it."""
    try:
        return Policy.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise UserError(f"the policy {path} does not exist; start from a file in pipelines/policies/") from error
    except yaml.YAMLError as error:
        raise UserError(f"the policy {path} is not valid YAML: {error}") from error
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}, got {e['input']!r}" for e in error.errors()]
        raise_all(problems, str(path))
        raise


def place(task: dsl.PipelineTask, stage: str, policy: Policy) -> None:
    """Put a task on its pool, with its image, secrets and volumes. What is no stage (gather) runs on the default."""
    pool = next((pool for name, pool in policy.stages.items() if name == stage), policy.default)
    task.set_container_image(policy.image)
    _resources(task, pool)
    for secret in policy.secrets:
        if stage in secret.stages:
            kubernetes.use_secret_as_env(task, secret_name=secret.name, secret_key_to_env=dict(secret.keys))
    if stage in STAGES:
        for volume in policy.volumes:
            kubernetes.mount_pvc(task, pvc_name=volume.claim, mount_path=volume.path)


def _resources(task: dsl.PipelineTask, pool: Pool) -> None:
    task.set_cpu_request(pool.cpu).set_cpu_limit(pool.cpu)
    task.set_memory_request(pool.memory).set_memory_limit(pool.memory)
    if pool.accelerator:
        task.set_accelerator_type(pool.accelerator.type).set_accelerator_limit(pool.accelerator.count)
    for key, value in pool.node_selector.items():
        kubernetes.add_node_selector(task, label_key=key, label_value=value)
    for toleration in pool.tolerations:
        settings: dict[str, Any] = toleration.model_dump(exclude_none=True)
        kubernetes.add_toleration(task, **settings)
    if pool.shared_memory:
        kubernetes.empty_dir_mount(
            task, volume_name="shm", mount_path="/dev/shm", medium="Memory", size_limit=pool.shared_memory
        )
