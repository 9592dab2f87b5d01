"""Audio encoders as ComfyUI holds models: loaded where there is room, moved away when others need it."""

from __future__ import annotations

from collections.abc import Callable

import comfy.model_management as management
from comfy.model_patcher import ModelPatcher
from torch import nn

from xdub_core.audio.encoded import EncodedAudio, spooled_features
from xdub_core.audio.features import AudioFeatures
from xdub_core.audio.recording import Recording
from xdub_core.audio.wav2vec import Wav2VecEncoder
from xdub_core.audio.whisper import WhisperAudioEncoder
from xdub_core.mini.phonemes import MiniFeatures, PhonemeNet
from xdub_core.progress import Progress, ProgressCallback, Stage

from .media.footage import temporary_path

ACTIVATIONS_BYTES = 2**30
"""What encoding takes beside the weights: wav2vec2 on five minutes in one pass takes 0.6 GB."""


class ManagedEncoders:
    """`AudioEncoders` that ComfyUI holds. `width`: of a row of features, which `encode` makes with the networks."""

    def __init__(
        self, width: int, encode: Callable[[Recording], AudioFeatures], *networks: nn.Module
    ) -> None:
        self.width = width
        self._encode = encode
        self.patchers = tuple(map(managed, networks))

    def features(self, recording: Recording, on_progress: ProgressCallback) -> AudioFeatures:
        """The recording's features, computed now and kept on disk."""
        load(self.patchers)
        folder = temporary_path("").parent
        return spooled_features(
            self._encode(recording),
            folder,
            lambda done, total: on_progress(Progress(Stage.AUDIO, done, total)),
        )


def released_encoders(whisper: WhisperAudioEncoder, wav2vec: Wav2VecEncoder) -> ManagedEncoders:
    """Whisper large-v2 and wav2vec2-base-960h, which the released X-Dub takes its audio features from."""
    width = whisper.width + wav2vec.width
    return ManagedEncoders(
        width, lambda recording: EncodedAudio(recording, whisper, wav2vec), whisper, wav2vec
    )


def mini_encoders(network: PhonemeNet) -> ManagedEncoders:
    """The built-in model's phoneme recogniser."""
    return ManagedEncoders(network.config.width, lambda recording: MiniFeatures(recording, network), network)


def managed(network: nn.Module) -> ModelPatcher:
    """An audio encoder that ComfyUI moves between device and RAM as it does text encoders.

    It runs once for a whole recording; so where VRAM is short, it may stay on the CPU.
    """
    device, offload = management.text_encoder_device(), management.text_encoder_offload_device()
    return ModelPatcher(network, load_device=device, offload_device=offload)


def load(patchers: tuple[ModelPatcher, ...]) -> None:
    """Bring networks to their device, whole: they are not made of ComfyUI's operations, which could run in parts."""
    management.load_models_gpu(list(patchers), memory_required=ACTIVATIONS_BYTES, force_full_load=True)
