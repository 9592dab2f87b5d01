"""Paste Back: dubbed crops into the source, as VIDEO or IMAGE."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from comfy_api.latest import io
from torch import Tensor

from . import inputs, sockets
from .comfy_bridge.types import ReferenceLatents, TrackedFace
from .inputs import only

if TYPE_CHECKING:
    from xdub_core.compose.paste_back import PasteMode

VIDEO, IMAGES = "video", "images"
MODES: dict[str, PasteMode] = {"change": "change", "whole crop": "crop", "as released": "as_released"}


class PasteBack(io.ComfyNode):
    """Crops + track + source to VIDEO or IMAGE."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="XDubPasteBack",
            display_name="Paste Back (X-Dub)",
            category=sockets.CATEGORY,
            description="Puts the dubbed crops back into the video. Pixels outside of the face's box stay as they "
            "were, and so do frames without a face.",
            search_aliases=["composite", "uncrop", "stitch"],
            is_input_list=True,
            has_intermediate_output=True,
            inputs=[
                io.MultiType.Input(
                    "source", [io.Video, io.Image], tooltip="The same video (or images) that Face Crop has."
                ),
                io.Image.Input(
                    "images", tooltip="The dubbed crops, from Colour Match (X-Dub) or VAE Decode."
                ),
                sockets.FaceTrack.Input("face_track", tooltip="From Face Crop (X-Dub)."),
                inputs.reference("The same that the sampler has."),
                io.Combo.Input(
                    "paste",
                    options=list(MODES),
                    default="change",
                    tooltip="'change' puts in only what the dub changed, with the camera's grain, and leaves all else "
                    "as it was; 'whole crop' shows the model's picture throughout; 'as released' is for comparison, "
                    "with Face Crop's as_released on.",
                ),
                inputs.switch(
                    "keep_unchanged",
                    True,
                    "With paste = change: where the dub shows what the source shows, the camera's own pixels stay, and "
                    "not the VAE's picture of them. Decodes the reference once more.",
                ),
                io.Combo.Input(
                    "output",
                    options=[VIDEO, IMAGES],
                    default=VIDEO,
                    tooltip="A video is written as it is made; images are all held in memory (25 MB a frame at 1080p).",
                ),
                inputs.quality(),
                inputs.image_fps(),
                io.Audio.Input("audio", optional=True, tooltip="The new speech, to go with the video."),
            ],
            outputs=[
                io.Video.Output(display_name="video", tooltip="With output = video. For Save Video."),
                io.Image.Output(
                    display_name="images", tooltip="With output = images: the source's own frames."
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        source: list[Any],
        images: list[Tensor],
        face_track: list[TrackedFace],
        reference: list[ReferenceLatents],
        paste: list[str],
        keep_unchanged: list[bool],
        output: list[str],
        quality: list[int],
        image_fps: list[float],
        audio: list[Any] | None = None,
    ) -> io.NodeOutput:
        from comfy_execution.graph_utils import ExecutionBlocker

        from .comfy_bridge.face_crop import check_track
        from .comfy_bridge.host.progress import counted
        from .comfy_bridge.media.footage import footage
        from .comfy_bridge.media.result import image_of, shown, video_of
        from .comfy_bridge.paste_back import pasted, shots_of_crops

        plan, face = only(reference, "reference"), only(face_track, "face_track")
        frames = footage(only(source, "source"), only(image_fps, "image_fps"), face.clock is not None)
        sounds, crf = [only(audio, "audio")] if audio else [], only(quality, "quality")
        mode, made = MODES[only(paste, "paste")], only(output, "output")
        through_vae = only(keep_unchanged, "keep_unchanged") and mode == "change"
        check_track(face, frames)
        clock, dubbed = pasted(frames, face, shots_of_crops(images, plan), plan, mode, through_vae)
        finished = counted(dubbed, len(clock))
        blocked = ExecutionBlocker(f"Paste Back's output is set to {made!r}: use its other output")
        if made == IMAGES:
            return io.NodeOutput(blocked, image_of(finished, len(clock), frames))
        video = video_of(finished, frames, sounds, crf, clock)
        return io.NodeOutput(video, blocked, ui=shown(video))
