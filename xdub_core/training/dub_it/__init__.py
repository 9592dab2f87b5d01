"""JUST-DUB-IT's training: an IC-LoRA for LTX-2, whose transformer stays ComfyUI's own and comes in as a function."""
