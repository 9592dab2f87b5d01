"""Empty Prompt: the embedding that X-Dub is always sampled with."""

from __future__ import annotations

from typing import Any

import folder_paths
from comfy_api.latest import io

from . import sockets
from .comfy_bridge.host.model_files import found
from .inputs import UNCONNECTED

AUTOMATIC = "automatic"


class EmptyPrompt(io.ComfyNode):
    """CLIP or file to CONDITIONING; what is kept needs neither."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="XDubEmptyPrompt",
            display_name="Empty Prompt (X-Dub)",
            category=sockets.CATEGORY,
            description="X-Dub's prompt is always empty, so its embedding is computed only once, and kept (16 kB) in "
            "ComfyUI's user folder. After that the text encoder is not loaded any more; its file may go.",
            search_aliases=["text encode", "umt5", "prompt"],
            inputs=[
                io.Combo.Input(
                    "source",
                    options=_sources(),
                    default=AUTOMATIC,
                    tooltip="'automatic' takes what is kept, else asks the connected CLIP. Or a file of "
                    "models/text_encoders: an empty_prompt.safetensors, or umt5-xxl in 16 or 32 bits.",
                ),
                io.Clip.Input(
                    "clip",
                    optional=True,
                    lazy=True,
                    tooltip="umt5_xxl, from Load Text Encoder (X-Dub), or Load CLIP with type wan. Loaded only the "
                    "first time.",
                ),
            ],
            outputs=[io.Conditioning.Output(display_name="empty prompt", tooltip="For the X-Dub samplers.")],
        )

    @classmethod
    def check_lazy_status(cls, source: str, clip: Any = None) -> list[str]:
        from .comfy_bridge.empty_prompt import kept_prompt

        return ["clip"] if source == AUTOMATIC and clip is None and not kept_prompt().is_file() else []

    @classmethod
    def validate_inputs(cls, source: str | None = None, clip: Any = UNCONNECTED) -> bool | str:
        from .comfy_bridge.empty_prompt import HOW_TO_GET_IT, kept_prompt

        if source not in (None, *_sources()) and not kept_prompt().is_file():
            return (
                f"there is no {source!r} in models/text_encoders: choose 'automatic' or a file that is there"
            )
        if source == AUTOMATIC and clip == UNCONNECTED and not kept_prompt().is_file():
            return f"there is no embedding of the empty prompt yet: {HOW_TO_GET_IT}"
        return True

    @classmethod
    def execute(cls, source: str, clip: Any = None) -> io.NodeOutput:
        from xdub_core.errors import MissingModelError
        from xdub_core.released.empty_prompt import load_empty_prompt, padded_context

        from .comfy_bridge import empty_prompt as prompt

        if source != AUTOMATIC and source in _sources():
            context = prompt.prompt_from_file(found("text_encoders", source))
        elif prompt.kept_prompt().is_file():
            context = padded_context(load_empty_prompt(prompt.kept_prompt()))
        elif clip is not None:
            context = prompt.prompt_from_clip(clip)
        else:
            raise MissingModelError(f"there is no embedding of the empty prompt yet: {prompt.HOW_TO_GET_IT}")
        return io.NodeOutput([[context, {}]])


def _sources() -> list[str]:
    return [AUTOMATIC, *folder_paths.get_filename_list("text_encoders")]
