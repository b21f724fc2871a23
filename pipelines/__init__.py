"""In what order: typed recipes, the DAGs built from them, the steps' bodies and the CLI."""
