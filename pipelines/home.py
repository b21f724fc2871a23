"""The home folder: where a run keeps its store, logs, tracking database and results."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from components.errors import UserError
from components.files import Folder

DEFAULT = "isthmus-data"


@dataclass(frozen=True)
class Home:
    """Default ``./isthmus-data``, or ``ISTHMUS_HOME``, or ``--home``. The store may be any pyarrow filesystem URI."""

    path: Path
    store_uri: str

    @classmethod
    def open(cls, path: Path | None = None, store: str | None = None) -> Home:
        """Create the folder if need be. Raises UserError if it cannot be written."""
        root = (path or Path(os.environ.get("ISTHMUS_HOME", DEFAULT))).expanduser().resolve()
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"cannot make the home folder ({error.strerror})", where=str(root), do="choose another with --home"
            ) from None
        return cls(root, store or os.environ.get("ISTHMUS_STORE", str(root / "store")))

    @property
    def is_default(self) -> bool:
        """Whether a command in the same shell finds it without ``--home``."""
        return self.path == Path(os.environ.get("ISTHMUS_HOME", DEFAULT)).expanduser().resolve()

    @property
    def store(self) -> Folder:
        return Folder.at(self.store_uri)

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def cache(self) -> Path:
        """Digests of input files and converted encoders: can be deleted at any time."""
        return self.path / "cache"

    def results(self, recipe_name: str) -> Path:
        """Fixed names below it: ``report.html``, ``metrics.json``, ``model``."""
        return self.path / "results" / recipe_name
