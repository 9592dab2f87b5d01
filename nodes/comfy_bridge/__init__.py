"""Adaptors: ComfyUI objects in the shapes that the engine asks for, and the other way round."""
