"""Commands that leave a choice: an agent in a maze is told a row or a column, not a place (LUCL's experiment)."""
