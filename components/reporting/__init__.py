"""What a reader sees of a run: headline, tables, figures, one self-contained HTML page, contact sheets."""
