"""Removes what no recent run uses."""

from __future__ import annotations

import time
from dataclasses import dataclass

from cluster.workflow.keys import object_name
from cluster.workflow.object_layout import entries, touched
from cluster.workflow.store import Store
from components.errors import UserError
from components.files import Folder

RECORDS_KEPT = 200


@dataclass(frozen=True, kw_only=True)
class Collected:
    """What was (or with ``dry_run`` would be) removed: names, and bytes on disk."""

    outputs: tuple[str, ...]
    drafts: int
    works: int
    leases: int
    records: int
    num_bytes: int


def gc(store: Store, *, keep_runs: int = 5, dry_run: bool = False, min_age_s: float = 3600.0) -> Collected:
    """Remove what the newest ``keep_runs`` runs do not use.

    Removed are: outputs that none of these runs names (whatever their state: a failed run will be resumed); drafts;
    work folders that no kept run will resume, or whose output is complete; released lease files; and run records
    beyond the newest 200. Nothing under a live lease is touched, and nothing that was written in the last
    ``min_age_s`` seconds, so that a run that has just begun on another host loses nothing.

    Raises:
        UserError: ``keep_runs`` below 1, or the store cannot be written.
    """
    if keep_runs < 1:
        raise UserError(f"keep_runs is {keep_runs}", do="keep at least 1 run")
    return _Gc(store, keep_runs, dry_run, time.time() - min_age_s).collect()


class _Gc:
    def __init__(self, store: Store, keep_runs: int, dry_run: bool, before: float) -> None:
        self._store, self._dry_run, self._before = store, dry_run, before
        self._leases = store.leases()
        self._used = _used(store, store.run_ids()[-keep_runs:])
        self._bytes = 0

    def collect(self) -> Collected:
        outputs = self._outputs()
        return Collected(
            outputs=tuple(outputs),
            drafts=self._drafts(),
            works=self._works(outputs),
            leases=self._released_leases(),
            records=self._records(),
            num_bytes=self._bytes,
        )

    def _outputs(self) -> list[str]:
        published = self._store.outputs()
        old = [o for o, t in sorted(published.items()) if o not in self._used and t < self._before]
        unused = [o for o in old if not self._leases.is_live(o)]
        for output in unused:
            folder = self._store.folder_of(output)
            self._bytes += _size(folder) if folder else 0
            if not self._dry_run:
                self._store.layout.remove(output)
        return unused

    def _drafts(self) -> int:
        live = self._leases.live_tokens()
        stale = [d for d in self._store.layout.drafts() if d.token not in live and d.touched < self._before]
        return self._delete([d.folder for d in stale])

    def _works(self, removed: list[str]) -> int:
        root = self._store.root.sub("work")
        complete = set(self._store.outputs()) - set(removed)
        names = sorted(i.base_name for i in entries(root))
        stale = [n for n in names if (n not in self._used or n in complete) and not self._leases.is_live(n)]
        return self._delete([root.sub(n) for n in stale if touched(root.sub(n)) < self._before])

    def _released_leases(self) -> int:
        names = [n for n in self._leases.names() if not self._leases.is_live(n)]
        old = [n for n in names if time.time() - self._leases.idle_for(n) < self._before]
        return self._delete([self._leases.root.sub(n) for n in old])

    def _records(self) -> int:
        stale = self._store.run_ids()[:-RECORDS_KEPT]
        runs = self._store.root.sub("runs")
        for run_id in stale if not self._dry_run else []:
            runs.fs.delete_file(f"{runs.path}/{run_id}.json")
        return len(stale)

    def _delete(self, folders: list[Folder]) -> int:
        for folder in folders:
            self._bytes += _size(folder)
            if not self._dry_run:
                folder.delete()
        return len(folders)


def _used(store: Store, run_ids: list[str]) -> set[str]:
    records = [store.read_run(run_id) for run_id in run_ids]
    used = {object_name(name, step["key"]) for record in records for name, step in record["steps"].items()}
    return used.union(*(record.get("outputs", ()) for record in records))  # of all trials of a sweep


def _size(folder: Folder) -> int:
    return sum(f.num_bytes for f in folder.files())
