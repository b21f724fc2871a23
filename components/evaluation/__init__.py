"""Retrieval metrics, intervals, controls and the alignability gauge."""
