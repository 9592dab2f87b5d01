"""How good a dub is, in numbers that stand beside their floor (the undubbed video) and ceiling (the true dub)."""
