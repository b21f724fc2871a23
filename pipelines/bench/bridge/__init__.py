"""``isthmus bench bridge``: the kernel's speed, error and memory; the experiments of the paper; real data.

Recalls are means over seeds with Student's 95 % interval beside them (``…_ci95``).
"""

from __future__ import annotations

PARTS = ("kernel", "didactic", "digits", "emoji")
