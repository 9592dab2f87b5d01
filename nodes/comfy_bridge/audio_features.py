"""From AUDIO to the features that the model takes, as long as the dub shall be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from fractions import Fraction
from typing import Any

from xdub_core.audio.encoded import spooled_features
from xdub_core.audio.recording import SAMPLE_RATE, Recording
from xdub_core.dub.length import Length, frames_of_audio, output_end, output_frames
from xdub_core.dub.silence import Silence, heard_with
from xdub_core.job.kept_features import KeptFeatures, recording_key
from xdub_core.media.timeline import MODEL_FPS
from xdub_core.progress import ProgressCallback

from .host.kept import NOWHERE, KeptWork, maker_key
from .media.footage import temporary_path
from .media.sound import open_sound
from .types import AudioEncoders, SpeechFeatures


def speech_features(
    audios: Sequence[Mapping[str, Any]],
    encoders: AudioEncoders,
    length: Length,
    video_frames: int | None,
    on_progress: ProgressCallback,
    check: Callable[[int], object] | None = None,
    kept: KeptWork = NOWHERE,
    silence: Silence = Silence.CLOSED,
) -> tuple[SpeechFeatures, ...]:
    """The features of recordings that are heard together, each followed by silence where the dub lasts longer than it.

    `video_frames`: of the video at 25 fps; None where only the speech counts, the longest of it. `check` is given the
    dub's number of frames before anything is encoded, which takes long, and may raise. What is `kept` is not encoded
    again. `silence`: what lips do while their speaker is silent. Raises MediaError for no sound.
    """
    with ExitStack() as stack:
        recordings = [stack.enter_context(open_sound(audio)) for audio in audios]
        samples = max(recording.samples for recording in recordings)
        if video_frames is None:
            length = Length.AUDIO
        frames = output_frames(video_frames or 0, frames_of_audio(samples), length)
        end = output_end(video_frames or 0, samples, length)
        if check is not None:
            check(frames)
        return tuple(
            _heard(recording, frames, end, silence, encoders, on_progress, kept) for recording in recordings
        )


def _heard(
    spoken: Recording,
    frames: int,
    end: Fraction | None,
    silence: Silence,
    encoders: AudioEncoders,
    on_progress: ProgressCallback,
    kept: KeptWork,
) -> SpeechFeatures:
    """The features of a recording in a dub of so many frames, computed now or kept before; `end`: the dub's."""
    made_by = maker_key(encoders)
    folder = temporary_path("").parent
    recording, strength = heard_with(silence, _lasting(spoken, frames), frames, folder)
    with recording:
        if kept.store is None or made_by is None:
            heard = encoders.features(recording, on_progress)
            return SpeechFeatures(heard, frames, spoken.samples, strength, end=end)
        key = kept.key("features", recording_key(recording), made_by)
        features = KeptFeatures(kept.store, str(key), lambda: encoders.features(recording, on_progress))
        spooled = spooled_features(features, folder)  # recording and store may go
        return SpeechFeatures(spooled, frames, spoken.samples, strength, key, end)


def _lasting(recording: Recording, frames: int) -> Recording:
    """The recording, with silence after it up to the end of so many frames."""
    if frames <= frames_of_audio(recording.samples):
        return recording
    return recording.padded(round(frames / MODEL_FPS * SAMPLE_RATE))
