"""Audio encoders as ComfyUI holds models: loaded where there is room, moved away when others need it."""

from __future__ import annotations

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
"""What listening takes beside the weights: wav2vec2 on five minutes in one pass takes 0.6 GB."""


class ReleasedEncoders:
    """Whisper large-v2 and wav2vec2-base-960h, which the released X-Dub hears with."""

    def __init__(self, whisper: WhisperAudioEncoder, wav2vec: Wav2VecEncoder) -> None:
        self._whisper = whisper
        self._wav2vec = wav2vec
        self.patchers = (managed(whisper), managed(wav2vec))

    @property
    def width(self) -> int:
        """Values per row of features."""
        return self._whisper.width + self._wav2vec.width

    def features(self, recording: Recording, on_progress: ProgressCallback) -> AudioFeatures:
        """The recording's features, computed now and kept on disk."""
        load(self.patchers)
        return _heard(EncodedAudio(recording, self._whisper, self._wav2vec), on_progress)


class MiniEncoders:
    """The built-in model's phoneme recogniser."""

    def __init__(self, network: PhonemeNet) -> None:
        self._network = network
        self.patchers = (managed(network),)

    @property
    def width(self) -> int:
        """Values per row of features."""
        return self._network.config.width

    def features(self, recording: Recording, on_progress: ProgressCallback) -> AudioFeatures:
        """The recording's features, computed now and kept on disk."""
        load(self.patchers)
        return _heard(MiniFeatures(recording, self._network), on_progress)


def managed(network: nn.Module) -> ModelPatcher:
    """A network that hears, which ComfyUI moves between device and RAM as it does text encoders.

    It runs once for a whole recording; so where VRAM is short, it may stay on the CPU.
    """
    device, offload = management.text_encoder_device(), management.text_encoder_offload_device()
    return ModelPatcher(network, load_device=device, offload_device=offload)


def load(patchers: tuple[ModelPatcher, ...]) -> None:
    """Bring networks to their device, whole: they are not made of ComfyUI's operations, which could run in parts."""
    management.load_models_gpu(list(patchers), memory_required=ACTIVATIONS_BYTES, force_full_load=True)


def _heard(features: AudioFeatures, on_progress: ProgressCallback) -> AudioFeatures:
    def progress(done: int, total: int) -> None:
        on_progress(Progress(Stage.AUDIO, done, total))

    return spooled_features(features, temporary_path("").parent, progress)
