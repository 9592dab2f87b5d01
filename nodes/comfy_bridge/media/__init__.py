"""ComfyUI's VIDEO, IMAGE and AUDIO as the engine's frames and recordings, and back."""
