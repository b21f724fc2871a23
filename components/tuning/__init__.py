"""Search over settings: typed spaces and what proposes the next point."""
