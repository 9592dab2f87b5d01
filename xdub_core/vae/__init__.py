"""The VAEs: frames to latents and back, with a streaming decode."""
