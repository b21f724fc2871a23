"""``isthmus bench scale``: sweeps, jobs, drivers side by side and the cost model; each wants the machine for itself."""

from __future__ import annotations

PARTS = ("sweep", "submit", "cost", "drivers")
