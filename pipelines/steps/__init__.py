"""Bodies of the steps: thin glue from a step context to components and cluster."""
