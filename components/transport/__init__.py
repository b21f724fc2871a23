"""Optimal transport: one Sinkhorn with closed-form gradients; exact, partial and Gromov plans through POT."""
