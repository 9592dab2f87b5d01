"""Training on ComfyUI's own LTX-2, which no node needs: `PYTHON nodes/comfy_bridge/training --help`, by ComfyUI's."""
