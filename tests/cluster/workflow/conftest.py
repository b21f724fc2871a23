"""Ray workers and subprocesses of these tests import the bodies of ``workflow_bodies``."""

from __future__ import annotations

import os
from pathlib import Path

_HERE = str(Path(__file__).parent)
_PATHS = os.environ.get("PYTHONPATH", "")
if _HERE not in _PATHS.split(os.pathsep):  # at import: before the session's Ray is started
    os.environ["PYTHONPATH"] = os.pathsep.join(p for p in (_HERE, _PATHS) if p)
