"""Dubbing by JUST-DUB-IT (arXiv 2601.22143) on ComfyUI's LTX-2: what of it is neither a model nor ComfyUI's."""
