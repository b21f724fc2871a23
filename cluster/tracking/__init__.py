"""MLflow tracking that a run never waits for: events go to an outbox on disk, a thread carries them to MLflow."""
