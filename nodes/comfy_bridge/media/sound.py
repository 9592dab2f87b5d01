"""ComfyUI's AUDIO as a recording for the engine, and as a file to go with a video."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import torch
from torch import Tensor

from xdub_core.audio.decode import decode_waveform
from xdub_core.audio.recording import Recording, recording_from_waveform
from xdub_core.errors import MediaError
from xdub_core.media.sound.mix import Sound, mixed
from xdub_core.media.sound.resample import packed_frame
from xdub_core.media.sound.sound_place import AudioTrack, place_sound

from .footage import temporary_path
from .frames import Footage

logger = logging.getLogger(__name__)

_BLOCK = 1 << 16
_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}


def open_sound(audio: Mapping[str, Any] | None) -> Recording:
    """The recording, on disk in ComfyUI's temporary folder; close it when done. Raises MediaError for none."""
    folder = temporary_path("").parent
    return recording_from_waveform(waveform(audio), int(audio["sample_rate"]), folder, "the audio")  # type: ignore[index]


def waveform(audio: Mapping[str, Any] | None) -> Tensor:
    """The sound [channels, samples] of an AUDIO: the first of its batch. Raises MediaError for none."""
    if audio is None or not audio["waveform"].numel():
        raise MediaError("the audio input holds no sound: a video without sound, perhaps; load a recording")
    if len(audio["waveform"]) > 1:
        logger.warning(
            "X-Dub: the audio is a batch of %d recordings; the first is taken", len(audio["waveform"])
        )
    return audio["waveform"][0]


def check_sound(path: Path) -> None:
    """Raise MediaError for a file without sound that can be decoded. Reads no further than its first."""
    place_sound(path)


def read_sound(path: Path) -> dict[str, Any]:
    """A sound file as AUDIO, with its own channels and rate. Raises MediaError for one without sound."""
    sound, rate = decode_waveform(place_sound(path))
    return {"waveform": torch.from_numpy(sound)[None], "sample_rate": rate}


def own_sound(footage: Footage) -> AudioTrack | None:
    """A video's own sound, on the clock of its first frame that is shown; None where it has none that can be read."""
    if footage.info is None:
        return None
    try:
        sound = place_sound(footage.info.path, footage.info, warn=False)
    except MediaError:
        return None
    missing = max(0.0, footage.begins - sound.delay)  # of a trimmed video
    return replace(sound, start=sound.start + missing, delay=max(0.0, sound.delay - footage.begins))


@contextmanager
def heard_together(audios: Sequence[Mapping[str, Any]]) -> Iterator[Sound | None]:
    """What is heard of AUDIOs together, from temporary WAV files, for `VideoWriter`; None for none."""
    different = {id(audio["waveform"]): audio for audio in audios}  # two may speak with one voice
    with ExitStack() as stack:
        tracks = [AudioTrack(stack.enter_context(_wave_file(audio))) for audio in different.values()]
        yield mixed(tracks) if tracks else None


@contextmanager
def _wave_file(audio: Mapping[str, Any]) -> Iterator[Path]:
    path = temporary_path(".wav")
    try:
        write_wave(path, waveform(audio), int(audio["sample_rate"]))
        yield path
    finally:
        path.unlink(missing_ok=True)


def write_wave(path: Path, sound: Tensor, rate: int) -> None:
    """Write a sound [channels, samples] as float WAV."""
    layout = _LAYOUTS.get(len(sound), f"{len(sound)} channels")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_f32le", rate=rate)
        stream.codec_context.layout = layout
        for start in range(0, sound.shape[1], _BLOCK):
            frame = packed_frame(sound[:, start : start + _BLOCK].float().cpu().numpy(), rate, layout)
            frame.pts = start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
