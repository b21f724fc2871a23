"""Frozen image and text encoders behind one protocol."""
