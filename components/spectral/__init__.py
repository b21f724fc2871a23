"""Spectral embeddings: exact eigenvectors, SpectralNet, out-of-sample extension."""
