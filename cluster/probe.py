"""Before work starts on a cluster: every node has our packages in our versions, and sees our store.

What runs on the nodes uses the standard library only, and travels by value: a node that lacks isthmus can say so.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cluster.tracking.records import output_uri
from cluster.workflow.failures import storage_errors
from cluster.workflow.provenance import PACKAGES, provenance, without_secrets
from components.errors import UserError
from components.files import Folder

TIMEOUT_S = 60.0
# a difference in these changes what comes out, or how it is read; others are recorded only
MATTER = tuple(name for name in PACKAGES if name != "mlflow")


@dataclass(frozen=True, kw_only=True)
class NodeReport:
    """What a node says of itself. ``packages``: name -> version, None if absent. ``sees``: what it read of the store,
    or why it could not."""

    node: str
    python: str
    packages: Mapping[str, str | None]
    sees: str


def probe_cluster(store_uri: str) -> list[NodeReport]:
    """Ask every node of the connected Ray.

    Args:
        store_uri: path or URI of the store, as the driver opens it.

    Raises:
        UserError: one lacks a package or has another version of it, or does not see the store; the node is named.
    """
    with _probe_file(store_uri) as (where, secret):
        reports = _ask(where)
    ours = {name: provenance()["packages"].get(name) for name in MATTER}
    check(reports, ours=ours, secret=secret, store=without_secrets(store_uri))
    return reports


def check(reports: list[NodeReport], *, ours: Mapping[str, str | None], secret: str, store: str) -> None:
    """Raises UserError for the first node that differs."""
    for report in reports:
        missing = [n for n, v in ours.items() if v and report.packages.get(n) is None]
        if missing:
            pins = ", ".join(f"{n}=={ours[n]}" for n in missing)
            do = f"install {pins} there, or use the project's image on all nodes"
            raise UserError(f"{', '.join(missing)} is not installed", where=f"node {report.node}", do=do)
        other = [
            f"{n} {there} instead of {v}"
            for n, v in ours.items()
            if v and _public(there := report.packages[n]) != _public(v)
        ]
        if other:
            do = "install the same versions on all nodes (constraints.txt)"
            raise UserError(f"it has {', '.join(other)}", where=f"node {report.node} (Python {report.python})", do=do)
        if report.sees != secret:
            told = f"it does not see the store {store} ({report.sees or 'a file written by the driver is not there'})"
            do = "use a store that all nodes see: a shared file system under the same path, or a URI (s3://…)"
            raise UserError(told, where=f"node {report.node}", do=do)


def _public(version: str | None) -> str:
    """2.15.0+cpu and 2.15.0+cu130 are one version: builds for nodes with and without a GPU."""
    return (version or "").partition("+")[0]


@contextlib.contextmanager
def _probe_file(store_uri: str) -> Iterator[tuple[str, str]]:
    store = Folder.at(store_uri)
    name, secret = f"probes/{secrets.token_hex(8)}", secrets.token_hex(16)
    with storage_errors(store.path):
        store.write_bytes(name, secret.encode())
    try:
        yield output_uri(f"{store.path}/{name}", store_uri), secret
    finally:
        with contextlib.suppress(OSError):
            store.fs.delete_file(f"{store.path}/{name}")


def _ask(where: str) -> list[NodeReport]:
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    task = ray.remote(num_cpus=0, max_retries=1)(_make_report())
    nodes = [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    asked = {
        task.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)).remote(
            where, MATTER
        ): f"{node['NodeManagerAddress']} ({node['NodeID'][:8]})"
        for node in nodes
    }
    reports = []
    for ref, name in asked.items():
        try:
            reports.append(NodeReport(node=name, **ray.get(ref, timeout=TIMEOUT_S)))
        except Exception as exc:
            told = f"it does not run our tasks ({type(exc).__name__})"
            raise UserError(told, where=f"node {name}", do="see the dashboard for its state") from exc
    return reports


def _make_report() -> Any:
    """A function of a function is pickled by value: the node needs no package of ours to run it."""

    def report(where: str, packages: tuple[str, ...]) -> dict[str, Any]:
        import platform
        from importlib.metadata import PackageNotFoundError, version

        found: dict[str, str | None] = {}
        for name in packages:
            try:
                found[name] = version(name)
            except PackageNotFoundError:
                found[name] = None
        try:
            if "://" in where:
                from pyarrow.fs import FileSystem

                fs, path = FileSystem.from_uri(where)
                with fs.open_input_stream(path) as stream:
                    sees = stream.read().decode()
            else:
                with open(where) as file:
                    sees = file.read()
        except Exception as exc:
            sees = getattr(exc, "strerror", None) or f"{type(exc).__name__}: {exc}"[:200]
        return {"python": platform.python_version(), "packages": found, "sees": sees}

    return report
