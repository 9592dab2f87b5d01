"""Reference Latents: the source crops as the model sees them, clip by clip."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io
from torch import Tensor

from . import inputs, sockets
from .comfy_bridge.types import SpeechFeatures, TrackedFace
from .inputs import EXTENSIONS


class EncodeReference(io.ComfyNode):
    """Crops + VAE to reference latents."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="XDubReferenceLatents",
            display_name="Reference Latents (X-Dub)",
            category=sockets.CATEGORY,
            description="Plans the clips of the dub and encodes the source crops that each of them sees.",
            search_aliases=["vae encode", "clip plan"],
            inputs=[
                io.Image.Input("crops", tooltip="From Face Crop (X-Dub)."),
                sockets.FaceTrack.Input("face_track", tooltip="From the same Face Crop (X-Dub)."),
                io.Vae.Input(
                    "vae",
                    tooltip="wan2.2_vae.safetensors for the released model, or the built-in model's own.",
                ),
                sockets.AudioFeatures.Input(
                    "audio_features", tooltip="The new speech, which says how long the dub is."
                ),
                io.Int.Input(
                    "clip_frames",
                    default=77,
                    min=5,
                    max=401,
                    step=4,
                    tooltip="Frames that are made at once: a multiple of 4 plus 1, 77 for the released model. Fewer "
                    "need less VRAM.",
                ),
                io.Int.Input(
                    "motion_frames",
                    default=5,
                    min=1,
                    max=77,
                    step=4,
                    advanced=True,
                    tooltip="Frames of the clip before that each clip goes on from, so that no seam shows. 5 for the "
                    "released model.",
                ),
                inputs.extend(),
            ],
            outputs=[
                sockets.Reference.Output(
                    display_name="reference",
                    tooltip="For the X-Dub samplers, stitching, colours and paste-back.",
                )
            ],
        )

    @classmethod
    def validate_inputs(cls, clip_frames: int | None = None, motion_frames: int | None = None) -> bool | str:
        from xdub_core.dub.clip_plan import ClipGeometry
        from xdub_core.errors import SettingsError

        if clip_frames is None or motion_frames is None:
            return True
        try:
            ClipGeometry(clip_frames, motion_frames)
        except SettingsError as error:
            return str(error)
        return True

    @classmethod
    def execute(
        cls,
        crops: Tensor,
        face_track: TrackedFace,
        vae: Any,
        audio_features: SpeechFeatures,
        clip_frames: int,
        motion_frames: int,
        extend: str = EXTENSIONS[0],
    ) -> io.NodeOutput:
        from xdub_core.media.timeline import Extend

        from .comfy_bridge.reference_latents import encode_reference

        reference = encode_reference(
            crops, face_track, vae, audio_features, (clip_frames, motion_frames), Extend(extend)
        )
        return io.NodeOutput(reference)
