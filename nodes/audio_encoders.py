"""Load Audio Encoders: the networks that turn speech into features."""

from __future__ import annotations

import torch
from comfy_api.latest import io

from . import sockets
from .comfy_bridge.host.model_files import choices, found, wrong_choice

FOLDER = "audio_encoders"
PRECISIONS = {"float32 (as released)": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
GET_WHISPER = "Put Whisper large-v2 (large-v2.pt, or model.safetensors of openai/whisper-large-v2) there."
GET_WAV2VEC = "Put model.safetensors of facebook/wav2vec2-base-960h there."


class LoadAudioEncoders(io.ComfyNode):
    """Whisper large-v2 and wav2vec2-base-960h."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="XDubLoadAudioEncoders",
            display_name="Load Audio Encoders (X-Dub)",
            category=sockets.CATEGORY,
            description="Loads the two networks that the released X-Dub hears speech with. ComfyUI moves them out of "
            "VRAM when the space is needed.",
            search_aliases=["whisper", "wav2vec2", "lip sync", "dubbing"],
            inputs=[
                io.Combo.Input(
                    "whisper",
                    options=choices(FOLDER, "large-v2", "large_v2", "whisper"),
                    tooltip="Whisper large-v2 (not v3) from models/audio_encoders.",
                ),
                io.Combo.Input(
                    "wav2vec2",
                    options=choices(FOLDER, "wav2vec2-base", "wav2vec2_base", "wav2vec"),
                    tooltip="wav2vec2-base-960h from models/audio_encoders.",
                ),
                io.Combo.Input(
                    "precision",
                    options=list(PRECISIONS),
                    default=next(iter(PRECISIONS)),
                    advanced=True,
                    tooltip="float32 takes 2.9 GB and hears exactly as the release does; the others take half.",
                ),
            ],
            outputs=[
                sockets.AudioEncoders.Output(
                    display_name="audio encoders", tooltip="For Audio Features (X-Dub) or Dub Video (X-Dub)."
                )
            ],
        )

    @classmethod
    def validate_inputs(cls, whisper: str | None = None, wav2vec2: str | None = None) -> bool | str:
        from xdub_core.weights.kinds import Kind

        problems = (
            wrong_choice(FOLDER, whisper, {Kind.WHISPER}, "Whisper large-v2", GET_WHISPER),
            wrong_choice(FOLDER, wav2vec2, {Kind.WAV2VEC2}, "wav2vec2-base-960h", GET_WAV2VEC),
        )
        return next((problem for problem in problems if problem), True)

    @classmethod
    def execute(cls, whisper: str, wav2vec2: str, precision: str) -> io.NodeOutput:
        from xdub_core.audio.wav2vec_checkpoint import load_wav2vec
        from xdub_core.audio.whisper import load_whisper
        from xdub_core.job.keys import fingerprint

        from .comfy_bridge.audio_encoders import released_encoders
        from .comfy_bridge.host.kept import made_of

        dtype, files = PRECISIONS[precision], (found(FOLDER, whisper), found(FOLDER, wav2vec2))
        encoders = released_encoders(load_whisper(files[0], dtype=dtype), load_wav2vec(files[1], dtype=dtype))
        return io.NodeOutput(made_of(encoders, fingerprint(files), precision))
