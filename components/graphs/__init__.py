"""Nearest-neighbour graphs, affinities and random walks."""
