"""From exceptions to sentences, and logs that keep their end."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from cluster.workflow.capture import captured, tail
from cluster.workflow.failures import sentence, storage_errors
from cluster.workflow.job import Throttle
from cluster.workflow.provenance import without_secrets
from components.errors import UserError


def chained(*errors: BaseException) -> BaseException:
    """Each error is the cause of the one before."""
    for outer, inner in pairwise(errors):
        outer.__cause__ = inner
    return errors[0]


class FakeRayTaskError(Exception):
    """What Ray raises for an error in a remote task."""

    __module__ = "ray.exceptions"

    def __init__(self, cause: BaseException) -> None:
        super().__init__("Traceback (most recent call last):\n  lots of it")
        self.cause = cause


class FakeWorkerGroupError(Exception):
    """What Ray Train raises for failed workers."""

    __module__ = "ray.train"

    def __init__(self, failures: dict[int, BaseException]) -> None:
        super().__init__("2 workers failed")
        self.worker_failures = failures


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (UserError("is empty", where="a.csv", do="add rows"), "a.csv: is empty; add rows"),
        (ValueError("bad"), "ValueError: bad"),
        (ValueError(), "ValueError"),
        (ValueError("two\n lines"), "ValueError: two lines"),
        (chained(RuntimeError("outer"), KeyError("k")), "RuntimeError: outer (because of KeyError: 'k')"),
        (chained(RuntimeError("outer"), UserError("the cause")), "the cause"),
        (chained(UserError("said well"), KeyError("k")), "said well"),
        (FakeRayTaskError(UserError("deep")), "deep"),
        (
            chained(RuntimeError("x"), FakeRayTaskError(FakeRayTaskError(ValueError("v")))),
            "RuntimeError: x (because of ValueError: v)",
        ),
        (FakeWorkerGroupError({0: FakeRayTaskError(ValueError("rank 0"))}), "ValueError: rank 0"),
        (
            OSError(errno.ENOSPC, "No space", "/d/x"),
            "/d/x: the disk is full; free some space and run the same command again",
        ),
        (
            RuntimeError("Traceback (most recent call last):\n File x\nKeyError: 'last line'"),
            "RuntimeError: KeyError: 'last line'",
        ),
    ],
)
def test_the_sentence_is_the_root_cause(error: BaseException, told: str) -> None:
    assert sentence(error) == told


def test_a_sentence_is_never_a_page() -> None:
    assert len(sentence(ValueError("x" * 5000))) < 700


def test_an_endless_chain_ends() -> None:
    error = ValueError("a")
    error.__cause__ = error
    assert sentence(error) == "ValueError: a"


def test_only_errors_of_the_disk_become_the_users() -> None:
    with pytest.raises(UserError, match="read-only"), storage_errors("/d"):
        raise OSError(errno.EROFS, "Read-only file system")
    with pytest.raises(FileNotFoundError), storage_errors("/d"):
        raise FileNotFoundError(errno.ENOENT, "no")


def test_a_long_log_keeps_its_end(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("start" + "x" * 2000 + "end")
    text = tail(tmp_path / "log", 100)
    assert text.startswith("[the first 1,908 bytes are cut]\n")
    assert text.endswith("end")
    assert tail(tmp_path / "none") == ""


def test_capture_takes_file_descriptors_and_gives_them_back(tmp_path: Path) -> None:
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom cluster.workflow.capture import captured\n"
        "print('before')\n"
        "with captured(Path(sys.argv[1])):\n    print('inside')\n    os.write(2, b'native\\n')\n"
        "print('after')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "log")], capture_output=True, text=True, check=True
    )
    assert done.stdout == "before\nafter\n"
    assert sorted((tmp_path / "log").read_text().split()) == ["inside", "native"]


def test_capture_ends_with_an_exception_too(tmp_path: Path) -> None:
    open_before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    with pytest.raises(ValueError, match="x"), captured(tmp_path / "log"):
        raise ValueError("x")
    assert (len(os.listdir("/proc/self/fd")) if open_before else 0) == open_before


def test_progress_is_thinned_but_its_end_and_all_else_arrive() -> None:
    got: list[dict[str, object]] = []
    emit = Throttle(lambda event: got.append(dict(event)))
    for done in range(1, 1001):
        emit({"kind": "progress", "done": done, "total": 1000})
        emit({"kind": "metric", "index": done})
    progress = [e for e in got if e["kind"] == "progress"]
    assert 2 <= len(progress) < 500
    assert progress[-1]["done"] == 1000
    assert len([e for e in got if e["kind"] == "metric"]) == 1000


def test_uris_lose_their_passwords() -> None:
    assert without_secrets("s3://key:secret@bucket/a@b") == "s3://***@bucket/a@b"
    assert without_secrets("/home/me@work/x") == "/home/me@work/x"
