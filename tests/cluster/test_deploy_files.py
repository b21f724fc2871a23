"""Deployment files: versions are the project's own, fields are those of the schemas, and nothing secret is in them.

Pods and the kinds of Kubernetes itself are checked against its published schemas. No package ships KubeRay's: its
fields are compared with a list from its reference (v1.6.2).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "cluster" / "deploy"
FILES = sorted(p for p in DEPLOY.iterdir() if p.name != "README.md")
CLUSTER = {
    "rayVersion", "authOptions", "enableInTreeAutoscaling", "autoscalerOptions", "headGroupSpec", "workerGroupSpecs",
}  # fmt: skip
GROUP = {"groupName", "replicas", "minReplicas", "maxReplicas", "rayStartParams", "template"}
JOB = {"submissionMode", "entrypoint", "backoffLimit", "deletionStrategy", "rayClusterSpec"}
KUBERNETES = "1.37"


def pinned(package: str) -> str:
    found = re.search(rf"^{package}==(\S+)$", (ROOT / "constraints.txt").read_text(), re.M)
    assert found
    return found[1]


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((DEPLOY / name).read_text()))


def clusters() -> list[dict[str, Any]]:
    return [documents("raycluster.yaml")[0]["spec"], documents("rayjob.yaml")[0]["spec"]["rayClusterSpec"]]


def pods(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if "containers" in value:
            yield value
        for inner in value.values():
            yield from pods(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from pods(inner)


def every_pod() -> list[dict[str, Any]]:
    return [p for name in ("raycluster.yaml", "rayjob.yaml", "mlflow-server.yaml") for p in pods(documents(name))]


def test_versions_are_the_projects_own() -> None:
    assert {c["rayVersion"] for c in clusters()} == {pinned("ray")}
    assert f"ray=={pinned('ray')} " in (DEPLOY / "vm.yaml").read_text()
    assert f"mlflow {pinned('mlflow')}" in (DEPLOY / "mlflow-server.yaml").read_text()
    docker = (DEPLOY / "Dockerfile").read_text()
    tested = re.search(r"Python (3\.\d+)", (ROOT / "constraints.txt").read_text())
    assert tested
    assert f"FROM python:{tested[1]}." in docker
    assert f"python{tested[1]} -m venv" in (DEPLOY / "vm.yaml").read_text()
    assert "-c constraints.txt '.[postgres]'" in docker
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    images = {c["image"] for pod in every_pod() for c in pod["containers"]}
    assert images == {f"isthmus:{ours}", "postgres:17.6"}


def test_the_image_copies_what_is_there() -> None:
    for line in (DEPLOY / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY "):
            for name in line.split()[1:-1]:
                assert (ROOT / name).exists(), name


@pytest.mark.parametrize("spec", clusters(), ids=["raycluster", "rayjob"])
def test_clusters_have_only_fields_of_kuberay_and_ask_for_a_token(spec: dict[str, Any]) -> None:
    assert set(spec) == CLUSTER
    assert spec["authOptions"] == {"mode": "token"}
    assert set(spec["headGroupSpec"]) == {"rayStartParams", "template"}
    for group in spec["workerGroupSpecs"]:
        assert set(group) == GROUP
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"]):
        assert all(isinstance(v, str) for v in group["rayStartParams"].values())
    gpus = [p for p in pods(spec) if "nvidia.com/gpu" in p["containers"][0]["resources"]["limits"]]
    assert len(gpus) == 1


def test_kubernetes_takes_the_pods_and_its_own_kinds() -> None:
    own = [d for n in ("raycluster.yaml", "mlflow-server.yaml") for d in documents(n) if d["apiVersion"] != "ray.io/v1"]
    assert len(own) == 7
    wrapped = [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}, "spec": pod} for pod in every_pod()]
    for document in (*own, *wrapped):
        kubernetes_validate.validate(document, KUBERNETES, strict=True)
    wrong = {**wrapped[0], "spec": {**wrapped[0]["spec"], "volume": []}}
    with pytest.raises(kubernetes_validate.ValidationError, match="volume"):
        kubernetes_validate.validate(wrong, KUBERNETES, strict=True)


def test_both_run_the_same_cluster() -> None:
    assert clusters()[0] == clusters()[1]


def test_a_job_ends_with_its_cluster() -> None:
    (job,) = documents("rayjob.yaml")
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    assert set(job["spec"]) == JOB
    assert job["spec"]["submissionMode"] in {"K8sJobMode", "HTTPMode", "SidecarMode"}
    rules = job["spec"]["deletionStrategy"]["deletionRules"]
    assert {r["condition"]["jobStatus"] for r in rules} == {"SUCCEEDED", "FAILED"}
    assert {r["policy"] for r in rules} == {"DeleteCluster"}
    assert all(set(r) == {"policy", "condition"} and set(r["condition"]) == {"jobStatus", "ttlSeconds"} for r in rules)


def test_pods_mount_what_they_declare() -> None:
    claims = {
        d["metadata"]["name"] for name in ("raycluster.yaml", "mlflow-server.yaml") for d in documents(name)
        if d["kind"] == "PersistentVolumeClaim"
    }  # fmt: skip
    assert len(every_pod()) == 8
    for pod in every_pod():
        volumes = {v["name"]: v for v in pod.get("volumes", [])}
        for volume in volumes.values():
            assert "persistentVolumeClaim" not in volume or volume["persistentVolumeClaim"]["claimName"] in claims
        for container in pod["containers"]:
            assert {m["name"] for m in container["volumeMounts"]} - set(volumes) <= {"data"}  # a StatefulSet's own


def test_the_server_of_mlflow_has_a_login_and_a_proxy() -> None:
    found = {(d["kind"], d["metadata"]["name"]): d for d in documents("mlflow-server.yaml")}
    (server,) = found["Deployment", "isthmus-mlflow"]["spec"]["template"]["spec"]["containers"]
    assert {"--app-name=basic-auth", "--serve-artifacts"} <= set(server["args"])
    env = {e["name"]: e for e in server["env"]}
    assert env["MLFLOW_BACKEND_STORE_URI"]["value"].startswith("postgresql+psycopg2://isthmus@isthmus-postgres:5432/")
    assert ("Service", "isthmus-postgres") in found
    assert "default_permission = NO_PERMISSIONS" in found["ConfigMap", "isthmus-mlflow"]["data"]["login.ini"]


def test_every_container_says_what_it_needs() -> None:
    for container in (c for pod in every_pod() for c in pod["containers"]):
        wanted = container["resources"]
        assert set(wanted["requests"]) >= {"cpu", "memory"}, container["name"]
        assert wanted["limits"]["memory"] == wanted["requests"]["memory"], container["name"]


def test_the_database_is_ready_only_after_it_was_set_up() -> None:
    (pod,) = (p for p in every_pod() if p["containers"][0]["name"] == "postgres")
    probe = pod["containers"][0]["readinessProbe"]["exec"]["command"]
    assert probe[:3] == ["pg_isready", "-h", "127.0.0.1"]  # its socket answers while logins.sql still runs


def test_mlflow_knows_the_options() -> None:
    from mlflow.cli import server

    known = {o for p in server.params for o in (*p.opts, *p.secondary_opts)}
    args = next(p for p in pods(documents("mlflow-server.yaml")) if p["containers"][0]["name"] == "mlflow")
    assert {a.partition("=")[0] for a in args["containers"][0]["args"]} <= known


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_nothing_secret_is_in_a_file(path: Path) -> None:
    from cluster.tracking.redact import is_secret_key

    text = path.read_text()
    assert not re.search(r"://[^/@\s]*:[^/@\s]*@", text)  # a password in an address
    assert not re.search(r"\b(?=\S*\d)[A-Za-z0-9+=]{20,}\b", text)  # a token
    assert "kind: Secret\n" not in text
    for pod in pods(list(yaml.safe_load_all(text))) if path.suffix == ".yaml" else ():
        for variable in (e for c in pod["containers"] for e in c.get("env", [])):
            secret = is_secret_key(variable["name"]) or variable["name"] in {"PGPASSWORD", "POSTGRES_PASSWORD"}
            assert not secret or "secretKeyRef" in variable["valueFrom"]


def test_the_launcher_takes_the_machines() -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    (config,) = documents("vm.yaml")
    validate_config(prepare_config(config))
    # what is copied is the folder it is called in, and that is installed there
    assert config["file_mounts"]["~/isthmus"] == "."
    assert f"ray up {(DEPLOY / 'vm.yaml').relative_to(ROOT)}" in (DEPLOY / "vm.yaml").read_text()
    for name in ("head_start_ray_commands", "worker_start_ray_commands"):
        assert "RAY_AUTH_MODE=token" in config[name][-1]
    with pytest.raises(Exception, match="not_a_key"):
        validate_config(prepare_config({**config, "not_a_key": 1}))
