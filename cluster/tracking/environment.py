"""How MLflow behaves inside our process: short timeouts, no pickles, no telemetry, its log lines in a file."""

from __future__ import annotations

import logging
import os
from logging.handlers import RotatingFileHandler
from pathlib import Path

LOG_NAME = "tracking.log"
_LOUD = ("mlflow", "alembic", "sqlalchemy", "git", "urllib3")
DEFAULTS = {
    # The outbox retries; MLflow's own seven retries with back-off would hold one call for four minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_SKIP_PIP_REQUIREMENTS_CHECK": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_CONFIGURE_LOGGING": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GIT_PYTHON_REFRESH": "quiet",
}


def log_path(home: Path) -> Path:
    return home / "logs" / LOG_NAME


def prepare(home: Path) -> logging.Logger:
    """Set the defaults (the user's own values stay); the libraries' log lines go to ``home/logs/tracking.log``."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    handler = _file_handler(log_path(home))
    for name in _LOUD:
        _redirect(logging.getLogger(name), handler)
    logger = logging.getLogger("isthmus.tracking")
    _redirect(logger, handler)
    logger.setLevel(logging.INFO)
    return logger


def _file_handler(path: Path) -> logging.Handler:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler: logging.Handler = RotatingFileHandler(
            path, maxBytes=2**21, backupCount=1, delay=True, encoding="utf-8"
        )
    except OSError:  # a home that cannot be written to: the run itself will say so
        return logging.NullHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    return handler


def _redirect(logger: logging.Logger, handler: logging.Handler) -> None:
    for old in list(logger.handlers):
        logger.removeHandler(old)
    logger.addHandler(handler)
    logger.propagate = False
