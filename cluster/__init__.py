"""Where and how it runs: the workflow engine, Ray, storage and MLflow tracking."""
