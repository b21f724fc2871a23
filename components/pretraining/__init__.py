"""Encoders trained on a user's own unpaired corpus."""
