"""ComfyUI's AUDIO as a recording for the engine, and as a file to go with a video."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from torch import Tensor

from xdub_core.audio.recording import Recording, recording_from_waveform
from xdub_core.errors import MediaError
from xdub_core.media.audio_track import AudioTrack
from xdub_core.media.containers import audio_stream

from .footage import temporary_path

logger = logging.getLogger(__name__)

_BLOCK = 1 << 16
_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}


def open_sound(audio: dict[str, Any] | None) -> Recording:
    """The recording, on disk in ComfyUI's temporary folder; close it when done. Raises MediaError for none."""
    folder = temporary_path("").parent
    return recording_from_waveform(waveform(audio), int(audio["sample_rate"]), folder, "the audio")  # type: ignore[index]


def waveform(audio: dict[str, Any] | None) -> Tensor:
    """The sound [channels, samples] of an AUDIO: the first of its batch. Raises MediaError for none."""
    if audio is None or not audio["waveform"].numel():
        raise MediaError("the audio input holds no sound: a video without sound, perhaps; load a recording")
    if len(audio["waveform"]) > 1:
        logger.warning(
            "X-Dub: the audio is a batch of %d recordings; the first is taken", len(audio["waveform"])
        )
    return audio["waveform"][0]


def check_sound(path: Path) -> None:
    """Raise MediaError for a file whose sound does not begin. Reads no further."""
    try:
        with av.open(str(path)) as container:
            next(container.decode(audio_stream(container, path)), None)
    except (av.FFmpegError, OSError) as error:
        raise _unreadable(path, error) from error


def read_sound(path: Path) -> dict[str, Any]:
    """A sound file as AUDIO, with its own channels and rate. Raises MediaError for one without sound."""
    blocks: list[Tensor] = []
    try:
        with av.open(str(path)) as container:
            stream = audio_stream(container, path)
            resampler = av.AudioResampler(format="fltp")
            for frame in (*container.decode(stream), None):
                blocks += [torch.from_numpy(block.to_ndarray()) for block in resampler.resample(frame)]
            rate = stream.rate
    except (av.FFmpegError, OSError) as error:
        raise _unreadable(path, error) from error
    return {"waveform": torch.cat(blocks, dim=1)[None], "sample_rate": rate}


def _unreadable(path: Path, error: Exception) -> MediaError:
    return MediaError(f"{path}: no sound can be read from it ({error}); choose another recording")


@contextmanager
def sound_file(audio: dict[str, Any] | None) -> Iterator[AudioTrack | None]:
    """The sound as a temporary WAV file for `VideoWriter`; None for no AUDIO."""
    if audio is None:
        yield None
        return
    path = temporary_path(".wav")
    try:
        write_wave(path, waveform(audio), int(audio["sample_rate"]))
        yield AudioTrack(path)
    finally:
        path.unlink(missing_ok=True)


def write_wave(path: Path, sound: Tensor, rate: int) -> None:
    """Write a sound [channels, samples] as float WAV. Channel numbers that have no usual layout keep the first two."""
    layout = _LAYOUTS.get(len(sound), "stereo")
    sound = sound if len(sound) in _LAYOUTS else sound[:2]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_f32le", rate=rate)
        stream.codec_context.layout = layout
        for start in range(0, sound.shape[1], _BLOCK):
            block = sound[:, start : start + _BLOCK].float().cpu().numpy()
            interleaved = np.ascontiguousarray(block.T).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(interleaved, format="flt", layout=layout)
            frame.sample_rate, frame.pts = rate, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
