"""``isthmus bench alignment``: corpora x methods x pair budgets x seeds x protocols x splits x choices of pairs."""
