"""Schema, validation, quarantine, pairs and splits of corpora, and the built-in ones."""
