"""Writing videos with their sound and what goes along with it."""
