"""X-Dub's engine: mask-free visual dubbing in plain PyTorch. It knows nothing of ComfyUI."""

__version__ = "0.1.0"
