"""`python -m xdub_core batch`: many dubs from one table, one after another, with one report."""
