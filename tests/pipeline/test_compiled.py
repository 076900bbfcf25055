"""Compiled YAML: fresh, documented, neutral; and what a policy does to it."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf import json_format
from kfp.kubernetes import kubernetes_executor_config_pb2 as kubernetes
from kfp.pipeline_spec import pipeline_spec_pb2
from pipelines.__main__ import main
from pipelines.compiling import NEUTRAL, ROOT, committed, compiled_study, stale
from pipelines.policy import Policy, read_policy

from medgraft.errors import UserError
from medgraft.stages import STAGES

POLICIES = sorted((ROOT / "pipelines" / "policies").glob("*.yaml"))
DIGEST = "registry.example.org/medgraft@sha256:" + "a" * 64
SECRETS = re.compile(r"password|secret|token|credential|access.?key|GROUP_KEY", re.IGNORECASE)


def documents(text: str) -> list[Any]:
    return list(yaml.safe_load_all(text))


def executors(ir: Any) -> dict[str, Any]:
    return {name.removeprefix("exec-"): e["container"] for name, e in ir["deploymentSpec"]["executors"].items()}


def test_committed_yaml_is_fresh() -> None:
    assert len(committed()) == 1 + len(STAGES)
    assert stale() == []
    assert main(["check"]) == 0


def test_check_fails_on_a_stale_file(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("pipelines.compiling.committed", lambda: {NEUTRAL: "something else"})
    assert main(["check"]) == 1
    assert "pipelines/medgraft.yaml is stale" in capsys.readouterr().err


def test_inputs_are_few_documented_and_never_blank() -> None:
    (ir,) = documents(NEUTRAL.read_text(encoding="utf-8"))
    inputs = ir["root"]["inputDefinitions"]["parameters"]
    assert 1 <= len(inputs) <= 12
    for name, definition in inputs.items():
        assert len(definition["description"]) > 20, name
        assert definition.get("defaultValue", "required") not in ("", False), name
    for stage in STAGES:
        (spec,) = documents((ROOT / "components" / stage / "component.yaml").read_text(encoding="utf-8"))
        parameters = spec["root"]["inputDefinitions"]["parameters"]
        assert all(parameter["description"] for parameter in parameters.values())


def test_the_neutral_ir_is_valid_and_names_no_cluster() -> None:
    (ir,) = documents(NEUTRAL.read_text(encoding="utf-8"))  # one document: no platform spec
    json_format.ParseDict(ir, pipeline_spec_pb2.PipelineSpec())
    for container in executors(ir).values():
        assert "resources" not in container
        assert container["image"].startswith("medgraft:")
        assert "env" not in container


def test_nothing_is_cached_by_names_and_what_resumes_is_retried() -> None:
    text = NEUTRAL.read_text(encoding="utf-8")
    assert "enableCache" not in text
    (ir,) = documents(text)
    tasks = {n: t for c in ir["components"].values() for n, t in c.get("dag", {}).get("tasks", {}).items()}
    assert {name for name, task in tasks.items() if task.get("retryPolicy", {}).get("maxRetryCount", 0) > 0} == {
        "pretrain",
        "transfer",
    }


def test_no_secret_is_in_any_ir() -> None:
    assert SECRETS.findall(NEUTRAL.read_text(encoding="utf-8")) == []
    policy = read_policy(ROOT / "pipelines" / "policies" / "gpu.yaml")
    ir, platform = documents(compiled_study(policy))
    assert SECRETS.findall(str(ir)) == []
    for executor in platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"].values():
        for secret in executor["secretAsEnv"]:  # names of secrets and keys, no values
            assert set(secret) == {"keyToEnv", "optional", "secretName", "secretNameParameter"}
            assert all(set(pair) == {"envVar", "secretKey"} for pair in secret["keyToEnv"])


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_policies_compile_to_known_fields(path: Path) -> None:
    policy = read_policy(path)
    ir, *platform = documents(compiled_study(policy))
    json_format.ParseDict(ir, pipeline_spec_pb2.PipelineSpec())
    assert {container["image"] for container in executors(ir).values()} == {policy.image}
    for document in platform:
        for executor in document["platforms"]["kubernetes"]["deploymentSpec"]["executors"].values():
            json_format.ParseDict(executor, kubernetes.KubernetesExecutorConfig())


def test_a_policy_reaches_every_stage_also_those_in_loops() -> None:
    pool = {
        "cpu": "8",
        "memory": "32Gi",
        "accelerator": {"type": "nvidia.com/gpu", "count": 2},
        "node_selector": {"pool": "gpu"},
        "tolerations": [{"key": "gpu", "operator": "Equal", "value": "yes"}],
        "shared_memory": "4Gi",
    }
    policy = Policy.model_validate(
        {
            "image": DIGEST,
            "default": {"cpu": "1", "memory": "2Gi"},
            "stages": {"pretrain": pool, "transfer": pool},
            "secrets": [{"name": "keys", "keys": {"key": "MEDGRAFT_GROUP_KEY"}, "stages": ["ingest"]}],
            "volumes": [{"claim": "images", "path": "/images"}],
        }
    )
    ir, platform = documents(compiled_study(policy))
    placed = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    for name, container in executors(ir).items():
        config = placed.get(f"exec-{name}", {})
        gpu = name in ("pretrain", "transfer")
        resources = container["resources"]
        assert resources["resourceCpuLimit"] == resources["resourceCpuRequest"] == ("8" if gpu else "1")
        assert resources["resourceMemoryLimit"] == resources["resourceMemoryRequest"] == ("32Gi" if gpu else "2Gi")
        assert resources.get("accelerator", {}).get("resourceCount") == ("2" if gpu else None)
        assert config.get("nodeSelector", {}).get("labels") == ({"pool": "gpu"} if gpu else None)
        assert [t["value"] for t in config.get("tolerations", [])] == (["yes"] if gpu else [])
        assert [m["mountPath"] for m in config.get("emptyDirMounts", [])] == (["/dev/shm"] if gpu else [])
        assert [s["secretName"] for s in config.get("secretAsEnv", [])] == (["keys"] if name == "ingest" else [])
        mounts = [m["mountPath"] for m in config.get("pvcMount", [])]
        assert mounts == (["/images"] if name in STAGES else [])


def test_a_policy_states_all_its_mistakes(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(
        "image: medgraft:latest\ndefault: {cpu: '1', memory: lots}\nstages: {train: {cpu: '1', memory: 1Gi}}\n"
    )
    with pytest.raises(UserError) as caught:
        read_policy(path)
    for part in ("image", "medgraft:latest", "default.memory", "stages.train"):
        assert part in str(caught.value)


def test_compiling_for_a_cluster_needs_a_file_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compile", "--policy", str(POLICIES[0])]) == 1
    assert "--out" in capsys.readouterr().err
    out = tmp_path / "ours.yaml"
    assert main(["compile", "--policy", str(POLICIES[0]), "--out", str(out)]) == 0
    assert out.read_text(encoding="utf-8") == compiled_study(read_policy(POLICIES[0]))
