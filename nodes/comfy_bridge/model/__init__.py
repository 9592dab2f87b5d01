"""X-Dub and its VAEs as ComfyUI's MODEL and VAE, and back."""
