from __future__ import annotations

import signal
from pathlib import Path

import pytest
from tracking_helpers import script

from cluster.tracking.outbox import FileLock, Journal, Progress, keep_rejected, leftovers


def numbers(journal: Journal, offset: int = 0) -> list[int]:
    return [record["n"] for _, record in journal.read(offset) if record]


def test_records_come_back_in_order_and_from_any_offset(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "run")
    journal.append({"n": 0}, {"n": 1})
    journal.append({"n": 2, "text": "Ärger\n☂"})
    offsets = [offset for offset, _ in journal.read(0)]
    assert numbers(journal) == [0, 1, 2]
    assert numbers(journal, offsets[0]) == [1, 2]
    assert journal.num_pending(Progress(offset=offsets[1])) == 1


def test_a_torn_line_is_ignored_and_what_follows_is_not_lost(tmp_path: Path) -> None:
    first = Journal(tmp_path, "run")
    first.append({"n": 0})
    first.close()
    with open(first.records, "ab") as stream:
        stream.write(b'{"n": 1, "half')
    assert numbers(first) == [0]
    again = Journal(tmp_path, "run")
    again.append({"n": 2})
    assert numbers(again) == [0, 2]


WRITER = """
import sys
from pathlib import Path
from cluster.tracking.outbox import Journal
journal = Journal(Path(sys.argv[1]), "run")
assert journal.lock()
n = 0
while True:
    journal.append({"n": n, "text": "x" * 300})
    if n % 50 == 0:
        print(n, flush=True)
    n += 1
"""


def test_sigkill_loses_nothing_that_was_written_and_frees_the_lock(tmp_path: Path) -> None:
    writer = script(WRITER, str(tmp_path))
    assert writer.stdout is not None
    acknowledged = [int(writer.stdout.readline()) for _ in range(5)][-1]
    journal = Journal(tmp_path, "run")
    assert not journal.lock(), "two processes hold one journal"
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    found = numbers(journal)
    assert found == list(range(len(found)))
    assert len(found) > acknowledged
    assert journal.lock()


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from cluster.tracking.outbox import Journal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
journal = Journal(Path(sys.argv[1]), "run")
for n in range(100):
    try:
        journal.append({"n": n, "text": "x" * 100})
    except OSError as error:
        print(n, type(error).__name__)
        break
"""


def test_a_full_disk_raises_and_leaves_whole_records_only(tmp_path: Path) -> None:
    out, err = script(FULL_DISK, str(tmp_path)).communicate(timeout=60)
    count = int(out.split()[0])
    assert 0 < count < 100, err
    journal = Journal(tmp_path, "run")
    assert numbers(journal) == list(range(count))
    assert journal.records.read_bytes().endswith(b"\n")


def test_a_lock_is_exclusive_within_a_process_too(tmp_path: Path) -> None:
    first, second = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert first.acquire(wait=False)
    assert not second.acquire(wait=False)
    first.release()
    assert second.acquire(wait=False)


def test_a_lock_on_a_removed_folder_does_not_count(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "run")
    assert journal.lock()
    journal.remove()
    other = Journal(tmp_path, "run")
    assert other.lock(), "the file is a new one, nobody holds it"


def test_progress_survives_and_a_damaged_one_starts_over(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "run")
    journal.append({"n": 0})
    progress = Progress(offset=8, runs={"run": "id"}, unfinished=["run"], unsure=["x"], attempts=2)
    journal.save_progress(progress)
    assert journal.load_progress() == progress
    (journal.path / "progress.json").write_text('{"offset": 8, "ru')
    assert journal.load_progress() == Progress()


@pytest.mark.parametrize("name", ["", "..", ".hidden", "a/b"])
def test_run_ids_cannot_leave_the_outbox(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="run id"):
        Journal(tmp_path, name)


def test_leftovers_are_the_other_runs(tmp_path: Path) -> None:
    for name in ("a", "b"):
        Journal(tmp_path / "outbox", name).append({"n": 0})
    assert [j.run_id for j in leftovers(tmp_path, but="b")] == ["a"]
    assert leftovers(tmp_path / "nowhere") == []


def test_rejected_records_are_kept_up_to_a_bound(tmp_path: Path) -> None:
    (tmp_path / "outbox").mkdir()
    for n in range(100):
        keep_rejected(tmp_path, "run", {"n": n}, "reason", max_bytes=2000)
    path = tmp_path / "outbox" / "rejected.jsonl"
    assert 1000 < path.stat().st_size <= 2000
    assert '"reason"' in path.read_text()
