"""Jobs on a cluster through Ray's Jobs API: what is sent along, how it is submitted, watched and stopped."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from cluster.local_head import find
from cluster.rest import check_cluster, checked_address, token_of_user
from cluster.tracking.redact import is_secret_key, redact_text
from components.errors import UserError

RECIPE = "isthmus-recipe.yaml"
STOPPED = 130  # exit code of a job that somebody stopped, as a shell has it
_PASSED_ON = ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME")
_CHATTY = (
    "ray.dashboard.modules.dashboard_sdk",
    "ray.dashboard.modules.job.sdk",
    "ray._private.runtime_env.packaging",
)
_POLL_S, _RETRIES = 0.5, 20
_NO_AGENT, _AGENT_S = "No available agent", 60.0
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Where jobs go. ``local``: the head of this home, on this very machine: its files are ours."""

    address: str
    token: str | None = field(repr=False)
    local: bool = False

    @classmethod
    def at(cls, address: str | None, home: Path) -> Cluster:
        """The cluster at an address; None: the local head of this home. Raises UserError as check_cluster does."""
        head = find(home)
        if address is None and head is None:
            raise UserError(
                "no cluster of this home runs", do="give --address, or start one: isthmus cluster up --local"
            )
        where = checked_address(address or (head.address if head else ""))
        local = head is not None and where == head.address
        token = Path(head.token).read_text().strip() if head and local else token_of_user()
        check_cluster(where, token)
        return cls(address=where, token=token, local=local)

    def client(self) -> Any:
        """Ray's client. What the environment says of other clusters does not count."""
        from ray.job_submission import JobSubmissionClient

        for name in _CHATTY:
            logging.getLogger(name).setLevel(logging.WARNING)
        with _without("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS"):
            headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
            return JobSubmissionClient(self.address, headers=headers)


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job as the cluster tells it. ``seconds``: since it began, or until it ended. ``code``: of its process."""

    id: str
    status: str
    recipe: str
    started: float | None
    seconds: float
    code: int | None
    message: str

    @property
    def ended(self) -> bool:
        return self.status in {"SUCCEEDED", "FAILED", "STOPPED"}

    @property
    def exit_code(self) -> int:
        """As of the command: 0 if it ended well, that of its process if it failed, 130 if it was stopped."""
        if self.status == "STOPPED":
            return STOPPED
        return 0 if self.status == "SUCCEEDED" else self.code or 1


@dataclass(frozen=True, kw_only=True)
class Submission:
    """A recipe on its way to a cluster.

    Attributes:
        recipe: its name.
        folder: what is sent: :data:`RECIPE`, and what it reads if that was asked for.
        home, store: on the cluster.
        env: variables of the job; everybody who sees the dashboard reads them.
        num_cpus, num_gpus, memory_bytes: that the driver itself reserves; steps ask for theirs.
        resources: custom ones of the node that the driver has to run on.
    """

    recipe: str
    home: str
    folder: Path = Path()
    store: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    num_cpus: float = 0.0
    num_gpus: float = 0.0
    memory_bytes: int = 0
    resources: Mapping[str, float] = field(default_factory=dict)

    @property
    def entrypoint(self) -> str:
        """The command line: no secret is on it, since it is in the job's record."""
        store = ["--store", self.store] if self.store else []
        return shlex.join(["python", "-m", "pipelines.cli", "run", RECIPE, "--home", self.home, *store])


def environment(given: list[str] | None) -> dict[str, str]:
    """Variables of a job from ``NAME=VALUE`` or ``NAME`` (the value here), and those of MLflow that are set here.

    Raises:
        UserError: one of them is a secret, or is not set.
    """
    chosen = {name: os.environ[name] for name in _PASSED_ON if os.environ.get(name)}
    for entry in given or ():
        name, is_given, value = entry.partition("=")
        if not name or not (is_given or name in os.environ):
            raise UserError(f"the variable {name!r} is not set here", do="use --env NAME=VALUE")
        chosen[name] = value if is_given else os.environ[name]
    for name, value in chosen.items():
        if is_secret_key(name) or redact_text(value) != value:
            do = "put it into the environment of the cluster's nodes (on Kubernetes: a Secret)"
            raise UserError(f"{name} is a secret, and a job's variables can be read in the dashboard", do=do)
    return chosen


def submit(cluster: Cluster, what: Submission) -> str:
    """Send the folder and start the job. Returns its id.

    Raises:
        UserError: the store's address holds a password, or the cluster refuses the job.
    """
    if what.store and redact_text(what.store) != what.store:
        do = "leave it out, and put it into the environment of the cluster's nodes"
        raise UserError("the store's address holds a password, and a job's command can be read by all", do=do)
    with _refusals(cluster):
        return _once_it_has_an_agent(lambda: _submit(cluster, what))


def _submit(cluster: Cluster, what: Submission) -> str:
    return str(
        cluster.client().submit_job(
            entrypoint=what.entrypoint,
            submission_id=f"isthmus-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(2)}",
            runtime_env={"working_dir": str(what.folder), "env_vars": {"PYTHONUNBUFFERED": "1", **what.env}},
            metadata={"recipe": what.recipe, "isthmus": version("isthmus")},
            entrypoint_num_cpus=what.num_cpus or None,
            entrypoint_num_gpus=what.num_gpus or None,
            entrypoint_memory=what.memory_bytes or None,
            entrypoint_resources=dict(what.resources) or None,
        )
    )


def _once_it_has_an_agent(submit: Callable[[], str]) -> str:
    """The Jobs API of a head that has just started answers some seconds before it can take a job."""
    until = time.monotonic() + _AGENT_S
    while True:
        try:
            return submit()
        except RuntimeError as exc:
            if _NO_AGENT not in str(exc) or time.monotonic() > until:
                raise
        time.sleep(_POLL_S)


def jobs(cluster: Cluster) -> list[Job]:
    """All jobs that were submitted, newest first."""
    with _refusals(cluster):
        found = [_job(details) for details in cluster.client().list_jobs() if details.submission_id]
    return sorted(found, key=lambda job: job.started or time.time(), reverse=True)


def job(cluster: Cluster, job_id: str) -> Job:
    """Raises UserError if there is no such job."""
    return _known(cluster, job_id, lambda client: _job(client.get_job_info(job_id)))


def logs(cluster: Cluster, job_id: str) -> str:
    """What the job has printed so far. Raises UserError if there is no such job."""
    return _known(cluster, job_id, lambda client: str(client.get_job_logs(job_id)))


def stop(cluster: Cluster, job_id: str) -> bool:
    """Ask a job to end; False if it had ended already. Raises UserError if there is no such job."""
    return _known(cluster, job_id, lambda client: bool(client.stop_job(job_id)))


def follow(cluster: Cluster, job_id: str, tell: Callable[[str], None]) -> Job:
    """Hand on what a job prints until it ends. A connection that breaks is made again, and nothing is told twice.

    Raises:
        UserError: there is no such job, or the cluster does not come back.
    """
    told, failures = 0, 0
    while True:
        begin = told
        try:
            told = asyncio.run(_tail(cluster, job_id, told, tell))
            if (now := job(cluster, job_id)).ended:
                rest = logs(cluster, job_id)[told:]  # what it said between the last message and its end
                if rest:
                    tell(rest)
                return now
        except (OSError, RuntimeError, UserError):
            failures = 0 if told > begin else failures + 1
            if failures >= _RETRIES:
                raise
        time.sleep(_POLL_S)


async def _tail(cluster: Cluster, job_id: str, skip: int, tell: Callable[[str], None]) -> int:
    """Returns how many characters are told. Each connection begins at the beginning."""
    import aiohttp

    seen, told = 0, skip
    with contextlib.suppress(RuntimeError, aiohttp.ClientError):  # it hangs up: follow() calls again
        async for text in cluster.client().tail_job_logs(job_id):
            new = text[max(0, told - seen) :]
            seen += len(text)
            if new:
                tell(new)
                told += len(new)
    return told


def _job(details: Any) -> Job:
    began = details.start_time / 1000 if details.start_time else None
    end = details.end_time / 1000 if details.end_time else time.time()
    return Job(
        id=details.submission_id,
        status=str(getattr(details.status, "value", details.status)),
        recipe=(details.metadata or {}).get("recipe", ""),
        started=began,
        seconds=end - began if began else 0.0,
        code=details.driver_exit_code,
        message=" ".join((details.message or "").split()),
    )


def _known(cluster: Cluster, job_id: str, ask: Callable[[Any], T]) -> T:
    with _refusals(cluster):
        client = cluster.client()
        try:
            return ask(client)
        except RuntimeError as exc:
            if "404" in str(exc):
                raise UserError(f"there is no job {job_id!r}", where=cluster.address, do="see `isthmus jobs`") from None
            raise


@contextlib.contextmanager
def _refusals(cluster: Cluster) -> Iterator[None]:
    try:
        yield
    except (RuntimeError, ValueError, ConnectionError) as exc:
        if isinstance(exc, UserError):
            raise
        told = redact_text(" ".join(str(exc).split())[:300])
        raise UserError(f"the cluster refused it: {told}", where=cluster.address) from exc


@contextlib.contextmanager
def _without(*names: str) -> Iterator[None]:
    kept = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(kept)
