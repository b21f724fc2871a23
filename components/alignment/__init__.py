"""Aligners: one method a file, one protocol."""
