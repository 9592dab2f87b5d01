"""The DiT, its audio projection, and checkpoint loading."""
