"""Load Text Encoder: umt5-xxl, as long as it is needed."""

from __future__ import annotations

from comfy_api.latest import io

from . import sockets
from .comfy_bridge.host.model_files import choices, found, wrong_choice

FOLDER = "text_encoders"
GET_UMT5 = (
    "Put umt5_xxl_fp8_e4m3fn_scaled.safetensors (or umt5_xxl_fp16.safetensors) there, for the first run only."
)


class LoadTextEncoder(io.ComfyNode):
    """File to CLIP; where the empty prompt is kept, the file may be gone."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="XDubLoadTextEncoder",
            display_name="Load Text Encoder (X-Dub)",
            category=sockets.CATEGORY,
            description="Loads umt5-xxl for Empty Prompt (X-Dub), which needs it once. Later nothing is loaded; its "
            "file may be deleted.",
            search_aliases=["load clip", "umt5", "text encode"],
            inputs=[
                io.Combo.Input(
                    "clip_name",
                    options=choices(FOLDER, "umt5"),
                    tooltip="umt5-xxl from models/text_encoders, of 8, 16 or 32 bits. It may be gone once Empty Prompt "
                    "has kept what it needs.",
                ),
            ],
            outputs=[io.Clip.Output(display_name="clip", tooltip="For Empty Prompt (X-Dub).")],
        )

    @classmethod
    def validate_inputs(cls, clip_name: str | None = None) -> bool | str:
        from xdub_core.weights.kinds import Kind

        from .comfy_bridge.empty_prompt import kept_prompt

        if kept_prompt().is_file():  # then nothing is loaded
            return True
        what = "the umt5-xxl text encoder"
        return wrong_choice(FOLDER, clip_name, {Kind.TEXT_ENCODER}, what, GET_UMT5) or True

    @classmethod
    def execute(cls, clip_name: str) -> io.NodeOutput:
        from .comfy_bridge.empty_prompt import load_text_encoder

        return io.NodeOutput(load_text_encoder(found(FOLDER, clip_name)))
