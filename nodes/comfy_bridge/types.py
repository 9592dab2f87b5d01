"""What flows between the nodes, besides ComfyUI's own types. Needs no ComfyUI; `sockets.py` names the sockets.

    XDUB_AUDIO_ENCODERS  AudioEncoders       XDUB_FACE_DETECTOR  xdub_core.face.detector.FaceDetector
    XDUB_AUDIO_FEATURES  SpeechFeatures      XDUB_FACE_TRACK     TrackedFace
    XDUB_REFERENCE       ReferenceLatents    XDUB_GUIDANCE       xdub_core.sampling.guidance.Guidance
    XDUB_VOICES          tuple[Voice, ...]   XDUB_REPORT         xdub_core.report.model.Report

Latents in here are normalised, as the engine has them. On LATENT sockets they are as ComfyUI has them: as the VAE gives
them, which the model's latent format (`process_in`, `process_out`) turns into the former.

A video whose face is away for a while is dubbed in *shots*, each a chain of clips of its own (mostly there is one).
So latents are handed on as a list with one LATENT per shot: from the sampler [clips, C, f, h, w], from the
stitching [1, C, F, h, w].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:  # so that starting ComfyUI need not load the engine
    from collections.abc import Mapping
    from fractions import Fraction

    import numpy as np
    from torch import Tensor

    from xdub_core.audio.features import AudioFeatures
    from xdub_core.audio.recording import Recording
    from xdub_core.dub.clip_plan import Clip, ClipGeometry
    from xdub_core.dub.playback import Playback
    from xdub_core.face.track import FaceTrack
    from xdub_core.media.timeline import Extend, FrameClock, Timeline
    from xdub_core.progress import ProgressCallback
    from xdub_core.vae.protocol import VideoVAE


class AudioEncoders(Protocol):
    """What turns speech into features."""

    @property
    def width(self) -> int:
        """Values per row of features: 2048 for Whisper large-v2 with wav2vec2-base."""
        ...

    def features(self, recording: Recording, on_progress: ProgressCallback) -> AudioFeatures:
        """The features of a whole recording, ready to be read at any later time, when the recording is closed."""
        ...


@dataclass(frozen=True)
class SpeechFeatures:
    """The speech, and how many frames at 25 fps the dub lasts, with the silence around it.

    `samples`: of the recording alone, at 16 kHz. `strength`: float32 [frames], how far it shows; None: wholly. `key`:
    of what the features were made from, where they are kept (`host.kept`). `end`: seconds at which a dub that keeps the
    source's own clock ends; None: where the source does.
    """

    features: AudioFeatures
    frames: int
    samples: int
    strength: np.ndarray | None = None
    key: str | None = None
    end: Fraction | None = None


@dataclass(frozen=True)
class TrackedFace:
    """Where the face is in each slot of the 25-fps `timeline`, and `crop_size`, the pixels of its crops.

    `bystanders`: everybody else's faces, which stay as they are. `as_released`: for comparison with the release, whose
    clips are all of full length. `number`: the person's, as People (X-Dub) counts them; 0 where nobody counted.
    `clock`: the source's, which the dub keeps; None: its frames are the model's.
    """

    track: FaceTrack
    timeline: Timeline
    crop_size: int
    as_released: bool = False
    bystanders: tuple[FaceTrack, ...] = ()
    number: int = 0
    clock: FrameClock | None = None


@dataclass(frozen=True)
class Voice:
    """A recording (AUDIO), and who shall say it: the person who is chosen so, or the face that is tracked already."""

    audio: Mapping[str, Any]
    person: str = ""
    face: TrackedFace | None = None


@dataclass(frozen=True)
class ShotReference:
    """One shot: its frames of the output, the clips that cover them, and their reference latents.

    `slots`: int64, the timeline slot (hence crop, and box) that each frame covered by the clips shows; it is longer
    than `frames` where the last clip runs past the end. `latents`: per clip, normalised [1, C, f, h, w] on the CPU.
    """

    frames: range
    clips: tuple[Clip, ...]
    slots: np.ndarray
    latents: tuple[Tensor, ...]


@dataclass(frozen=True)
class ReferenceLatents:
    """The source crops as latents, clip by clip, and the plan of the whole dub: who makes which frame.

    `crops`: IMAGE [slots, size, size, 3]; `vae`: what encoded them, needed again between clips. `frames`: how many
    the whole output has, those without a face included. `as_released`: see `TrackedFace`. `strength`: float32 [frames],
    how far the speech shows in each; None: wholly. `extend`: how a video that is too short is made longer; None: to
    and fro. `playback`: the source on its own clock, where the dub keeps it.
    """

    shots: tuple[ShotReference, ...]
    geometry: ClipGeometry
    crops: Tensor
    vae: VideoVAE
    frames: int
    as_released: bool = False
    strength: np.ndarray | None = None
    extend: Extend | None = None
    playback: Playback | None = None

    @property
    def clips(self) -> int:
        """How many clips there are, all shots together."""
        return sum(len(shot.clips) for shot in self.shots)
