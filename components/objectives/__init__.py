"""Losses that train encoders, one a file, behind one signature: ``criterion(GlobalBatch) -> Scored``."""
