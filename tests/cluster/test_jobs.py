"""Jobs over HTTP, against a stand-in of the server: what is sent, what is refused, and that no secret is in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import jobs_server
import pytest

from cluster.jobs import STOPPED, Cluster, Job, Submission, environment, job, jobs, logs, stop, submit
from components.errors import UserError


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[jobs_server.JobsServer]:
    token = tmp_path / "token"
    token.write_text(jobs_server.TOKEN)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(token))
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with jobs_server.jobs_server() as state:
        yield state


def at(server: jobs_server.JobsServer, home: Path) -> Cluster:
    return Cluster.at(server.address, home)


def what(folder: Path, **more: object) -> Submission:
    folder.mkdir()
    (folder / "isthmus-recipe.yaml").write_text("name: x\n")
    return Submission(folder=folder, recipe="x", home="/data/it's home", **more)


def test_a_job_has_its_files_its_command_and_its_resources(server: jobs_server.JobsServer, tmp_path: Path) -> None:
    cluster = at(server, tmp_path)
    sent = what(tmp_path / "f", store="s3://bucket/store", env={"A": "1"}, num_cpus=2.0, resources={"big": 1.0})
    job_id = submit(cluster, sent)
    taken = server.jobs[job_id]
    assert taken["entrypoint"] == (
        "python -m pipelines.cli run isthmus-recipe.yaml --home '/data/it'\"'\"'s home' --store s3://bucket/store"
    )
    assert taken["entrypoint_num_cpus"] == 2.0
    assert taken["entrypoint_resources"] == {"big": 1.0}
    assert taken["runtime_env"]["env_vars"] == {"PYTHONUNBUFFERED": "1", "A": "1"}
    assert server.files() == {"isthmus-recipe.yaml": "name: x\n"}
    assert jobs_server.TOKEN not in json.dumps(taken)
    assert jobs_server.TOKEN not in repr(cluster)


def test_a_head_that_has_no_agent_yet_is_asked_again(server: jobs_server.JobsServer, tmp_path: Path) -> None:
    server.without_agent = 2
    assert submit(at(server, tmp_path), what(tmp_path / "f")) in server.jobs
    assert server.without_agent == 0


def test_jobs_are_listed_read_and_stopped(server: jobs_server.JobsServer, tmp_path: Path) -> None:
    cluster = at(server, tmp_path)
    job_id = submit(cluster, what(tmp_path / "f"))
    server.jobs[job_id] |= {"status": "FAILED", "start_time": 1000, "end_time": 4500, "driver_exit_code": 2}
    (listed,) = jobs(cluster)
    assert (listed.id, listed.recipe, listed.seconds, listed.exit_code) == (job_id, "x", 3.5, 2)
    assert job(cluster, job_id) == listed
    assert logs(cluster, job_id) == "one\ntwo\n"
    assert stop(cluster, job_id)
    with pytest.raises(UserError, match=r"there is no job 'nobody'; see `isthmus jobs`"):
        logs(cluster, "nobody")


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [("SUCCEEDED", 0, 0), ("FAILED", 2, 2), ("FAILED", None, 1), ("FAILED", 0, 1), ("STOPPED", -15, STOPPED)],
)
def test_the_exit_code_is_that_of_the_job(status: str, code: int | None, expected: int) -> None:
    ended = Job(id="j", status=status, recipe="", started=0.0, seconds=1.0, code=code, message="")
    assert ended.ended
    assert ended.exit_code == expected


def test_nobody_answers(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"http://127\.0\.0\.1:9: no Ray cluster answers \(Connection refused\)"):
        Cluster.at("http://127.0.0.1:9", tmp_path)
    with pytest.raises(UserError, match=r"no cluster of this home runs; give --address, or start one"):
        Cluster.at(None, tmp_path)


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("127.0.0.1:8265", "is no address of Ray's Jobs API; use http://HOST:PORT"),
        ("ray://h:10001", "is no address"),
        ("http://h:port", "is no address"),
        ("http://me:word@h:1", "holds a user or a password"),
    ],
)
def test_what_is_no_address_is_refused(address: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=told) as refused:
        Cluster.at(address, tmp_path)
    assert "word" not in str(refused.value).replace("password", "")


def test_a_wrong_token_and_none(
    server: jobs_server.JobsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "wrong" * 10)
    with pytest.raises(UserError, match=r"does not take this token \(HTTP 403\)") as refused:
        at(server, tmp_path)
    assert "wrong" not in str(refused.value)
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "not-there"))
    with pytest.raises(UserError, match=r"asks for a token \(HTTP 401\).*RAY_AUTH_TOKEN_PATH"):
        at(server, tmp_path)


def test_both_versions_are_said(server: jobs_server.JobsServer, tmp_path: Path) -> None:
    ours, server.ray = server.ray, "2.9.0"
    with pytest.raises(UserError, match=f"the cluster runs Ray 2.9.0, this is Ray {ours}"):
        at(server, tmp_path)


def test_other_clusters_of_the_environment_do_not_count(
    server: jobs_server.JobsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "http://127.0.0.1:9")
    assert jobs(at(server, tmp_path)) == []


def test_secrets_are_no_variables_of_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow:5000")
    monkeypatch.setenv("REGION", "north")
    assert environment(["REGION", "B=x=y"]) == {
        "MLFLOW_TRACKING_URI": "http://mlflow:5000", "REGION": "north", "B": "x=y",
    }  # fmt: skip
    with pytest.raises(UserError, match="AWS_SECRET_ACCESS_KEY is a secret"):
        environment(["AWS_SECRET_ACCESS_KEY=abcdefghijkl"])
    with pytest.raises(UserError, match="'NOT_SET' is not set here"):
        environment(["NOT_SET"])
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:pass-word@mlflow:5000")
    with pytest.raises(UserError, match="MLFLOW_TRACKING_URI is a secret") as refused:
        environment(None)
    assert "pass-word" not in str(refused.value)


def test_a_password_in_the_stores_address_is_refused(server: jobs_server.JobsServer, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the store's address holds a password"):
        submit(at(server, tmp_path), what(tmp_path / "f", store="s3://key:very-secret@bucket/store"))
    assert server.jobs == {}
