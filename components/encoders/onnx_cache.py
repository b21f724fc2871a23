"""Networks converted once to ONNX, kept under a name that is the digest of all that made them."""

from __future__ import annotations

import hashlib
import os
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.encoders.device import num_threads
from components.encoders.protocol import LoadOptions

if TYPE_CHECKING:
    import onnxruntime
    import torch

_OPSET = 20
Axes = Sequence[Mapping[int, str]]


def default_cache_dir() -> Path:
    """``$XDG_CACHE_HOME/isthmus`` or ``~/.cache/isthmus``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "isthmus"


def file_digest(path: Path) -> str:
    """sha256 of a file, hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def cached_onnx(stem: str, made_from: str, build: Callable[[Path], None], cache_dir: Path | None) -> Path:
    """The ONNX file ``<stem>-<digest of made_from and the exporter>.onnx``, built now if the cache does not have it.

    Processes that miss at the same moment each build a private file and rename it into place: the last one wins, all
    files are alike, and no reader ever sees half of one. Renaming within a directory is atomic on POSIX.
    """
    folder = cache_dir or default_cache_dir()
    key = f"{made_from} opset {_OPSET} torch {version('torch')}"
    path = folder / f"{stem}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.onnx"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".building-") as private:
        fresh = Path(private) / path.name
        build(fresh)
        fresh.replace(path)
    return path


def export(
    module: torch.nn.Module, example: tuple[torch.Tensor, ...], path: Path, names: Sequence[str], dynamic: Axes
) -> None:
    """Write ``module`` in eval mode as one self-contained ONNX file with inputs ``names`` and output ``y``.

    Args:
        example: inputs to trace with.
        dynamic: for each input, ``{axis: name}`` of the axes that vary.
    """
    import torch

    common: dict[str, Any] = {"input_names": list(names), "output_names": ["y"], "opset_version": _OPSET}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecation of the first exporter, notes on slices
        try:
            # The TorchScript exporter takes 1 to 3 s where its successor takes 6 to 10, for the same numbers.
            axes = dict(zip(names, dynamic, strict=True))
            torch.onnx.export(module.eval(), example, str(path), dynamo=False, dynamic_axes=axes, **common)
        except (TypeError, ValueError, NotImplementedError, AttributeError):  # a torch that no longer has it
            shapes = tuple({axis: torch.export.Dim(name) for axis, name in one.items()} for one in dynamic)
            extra: dict[str, Any] = {"dynamic_shapes": shapes, "external_data": False, "verbose": False}
            torch.onnx.export(module.eval(), example, str(path), dynamo=True, **extra, **common)


def open_session(path: Path, options: LoadOptions) -> onnxruntime.InferenceSession:
    """A CPU session whose workers sleep when idle: encoders share their cores with the rest of a run."""
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = num_threads(options)
    settings.inter_op_num_threads = 1
    settings.log_severity_level = 3
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
