"""``isthmus bench applications``: what the shared space is good for, each application with its interval and control.

Its parts tell the keys ``zero_shot``, ``arithmetic``, ``transfer``, ``universality``, ``generation``, ``control`` and
``serve``.
"""

from __future__ import annotations

PARTS = ("space", "corpora", "drawings", "generation", "control", "serve")
