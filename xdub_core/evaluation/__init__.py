"""How good a dub is, in numbers that are printed beside their floor (the undubbed video) and ceiling (the true dub)."""
