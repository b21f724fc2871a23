"""What is computed: torch, numpy and pyarrow maths and data rules. No Ray, no MLflow, no CLI."""
