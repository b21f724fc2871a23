"""The workflow engine: content-addressed steps, atomic store, leases, executor."""
