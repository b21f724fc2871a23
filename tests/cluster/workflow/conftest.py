"""These tests, their subprocesses and Ray workers import the helpers that lie here (``workflow_bodies`` and others)."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_HERE = str(Path(__file__).parent)
_PATHS = os.environ.get("PYTHONPATH", "")
if _HERE not in sys.path:
    sys.path.append(_HERE)
if _HERE not in _PATHS.split(os.pathsep):  # at import: before the session's Ray is started
    os.environ["PYTHONPATH"] = os.pathsep.join(p for p in (_PATHS, _HERE) if p)
