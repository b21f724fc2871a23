"""Which pairs to ask for: items whose partners would teach an aligner most, chosen before any partner is known."""
