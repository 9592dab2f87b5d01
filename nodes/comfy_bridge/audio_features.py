"""From AUDIO to the features that the model takes, as long as the dub shall be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from xdub_core.audio.recording import SAMPLE_RATE
from xdub_core.dub.length import Length, frames_of_audio, output_frames
from xdub_core.media.timeline import MODEL_FPS
from xdub_core.progress import ProgressCallback

from .media.sound import open_sound
from .types import AudioEncoders, SpeechFeatures


def speech_features(
    audio: dict[str, Any],
    encoders: AudioEncoders,
    length: Length,
    video_frames: int | None,
    on_progress: ProgressCallback,
    check: Callable[[int], object] | None = None,
) -> SpeechFeatures:
    """The features of a recording, followed by silence where the dub lasts longer than it.

    `video_frames`: of the video at 25 fps; None where only the speech counts. `check` is given the dub's number of
    frames before the recording is encoded, which takes long, and may raise. Raises MediaError for no sound.
    """
    with open_sound(audio) as recording:
        spoken = frames_of_audio(recording.samples)
        frames = spoken if video_frames is None else output_frames(video_frames, spoken, length)
        if check is not None:
            check(frames)
        if frames > spoken:
            recording = recording.padded(round(frames / MODEL_FPS * SAMPLE_RATE))
        return SpeechFeatures(encoders.features(recording, on_progress), frames)
