"""Load Built-in Model: everything that the small model of this pack needs, in one node."""

from __future__ import annotations

from pathlib import Path

from comfy_api.latest import io

from . import sockets


class LoadMini(io.ComfyNode):
    """MODEL, VAE, encoders, detector and settings of the mini."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="XDubLoadMini",
            display_name="Load Built-in Model (X-Dub)",
            category=sockets.CATEGORY,
            description="Loads the small model that comes with this pack, to learn the workflow with: it needs no "
            "download and runs on a CPU. It knows drawn heads only; for real people load the released model.",
            search_aliases=["xdub mini", "demo"],
            inputs=[
                io.Boolean.Input(
                    "experts",
                    default=True,
                    tooltip="With its two LoRA experts: one for the lips, one for fine detail.",
                ),
                io.String.Input(
                    "folder",
                    default="",
                    optional=True,
                    advanced=True,
                    placeholder="the one that comes with the pack",
                    tooltip="A folder with a small model of your own (made by `python -m xdub_core train mini`): its "
                    "name in ComfyUI's models folder, or the whole path of one that workflows may read. Empty for the "
                    "built-in one.",
                ),
            ],
            outputs=[
                io.Model.Output(display_name="model", tooltip="For Dub Video (X-Dub) or the X-Dub samplers."),
                io.Vae.Output(display_name="vae", tooltip="This model's own; no other fits it."),
                sockets.AudioEncoders.Output(
                    display_name="audio encoders", tooltip="For Audio Features (X-Dub) or Dub Video (X-Dub)."
                ),
                sockets.FaceDetector.Output(
                    display_name="face detector", tooltip="Finds drawn heads, not people."
                ),
                sockets.Guidance.Output(display_name="guidance", tooltip="The scales that suit this model."),
                io.Int.Output(display_name="crop size", tooltip="For Face Crop (X-Dub)."),
                io.Int.Output(display_name="clip frames", tooltip="For Reference Latents (X-Dub)."),
                io.Int.Output(display_name="steps", tooltip="For the scheduler."),
            ],
        )

    @classmethod
    def validate_inputs(cls, folder: str | None = None) -> bool | str:
        from xdub_core.errors import XDubError
        from xdub_core.mini.card import load_card

        try:
            load_card(_folder(folder or ""))
        except XDubError as error:
            return str(error)
        return True

    @classmethod
    def execute(cls, experts: bool, folder: str = "") -> io.NodeOutput:
        from .comfy_bridge.mini import load_mini_parts

        parts = load_mini_parts(_folder(folder), experts)
        return io.NodeOutput(
            parts.model,
            parts.vae,
            parts.encoders,
            parts.detector,
            parts.card.sampler.guidance,
            parts.card.crop,
            parts.card.clip_frames,
            parts.card.steps,
        )


def _folder(text: str) -> Path:
    """Raises SettingsError for a folder that is not there or that workflows may not read, whole."""
    from xdub_core.mini.card import BUILT_IN

    from .comfy_bridge.host.readable_folders import files_in, model_folder

    if not text.strip():
        return BUILT_IN
    folder = model_folder(text)
    files_in(folder)
    return folder
