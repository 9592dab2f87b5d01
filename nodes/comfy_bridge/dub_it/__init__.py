"""Dubbing with LTX-2, by JUST-DUB-IT: what it adds to ComfyUI's own model, VAEs and samplers, none of which is ours."""
