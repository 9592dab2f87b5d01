"""Noise schedules, guidance, samplers, and one clip sampled with them, its known latents kept."""
