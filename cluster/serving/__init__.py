"""A model as a service on loopback: Ray Serve runs the replicas, a small front door speaks HTTP. See README.md."""
