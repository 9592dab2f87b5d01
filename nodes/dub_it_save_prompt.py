"""Dub It Save Prompt: an encoded text into a file, for training data."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from . import sockets


class DubItSavePrompt(io.ComfyNode):
    """CONDITIONING to a file of tensors."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="XDubItSavePrompt",
            display_name="Dub It Save Prompt (X-Dub)",
            category=sockets.DUB_IT,
            description="Saves an encoded prompt as a file of tensors (safetensors) in the output folder. The command "
            "train dub-it-data makes training data for a dub's LoRA with it; no dub needs it.",
            search_aliases=["just-dub-it", "training data", "save conditioning", "dataset"],
            is_output_node=True,
            inputs=[
                io.Conditioning.Input("conditioning", tooltip="One text, as CLIP Text Encode gives it."),
                io.String.Input(
                    "filename_prefix",
                    default="xdub_dub_it/prompt",
                    tooltip="Beginning of the file's name in ComfyUI's output folder, with a subfolder or without.",
                ),
            ],
            outputs=[],
        )

    @classmethod
    def execute(cls, conditioning: list[Any], filename_prefix: str) -> io.NodeOutput:
        from .comfy_bridge.dub_it.saved_prompt import save_prompt

        return io.NodeOutput(ui={"xdub_files": [save_prompt(conditioning, filename_prefix)]})
