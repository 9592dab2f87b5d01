"""Facts that a report tells: of files, settings, the machine."""

from __future__ import annotations

import os
import platform
from dataclasses import fields, is_dataclass
from enum import Enum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from xdub_core.media.output.origin import stated_source_type
from xdub_core.media.sound.sound_place import AudioTrack
from xdub_core.media.video.video_info import VideoInfo
from xdub_core.report.model import Fact, ReportedFile

_PACKAGES = ("torch", "av", "numpy", "opencv-python-headless", "transformers")


def video_file(role: str, path: Path, info: VideoInfo) -> ReportedFile:
    """A video's facts."""
    facts: dict[str, Fact] = {
        "width": info.width,
        "height": info.height,
        "frames": info.frames,
        "frames_a_second": round(info.fps, 4),
        "seconds": round(info.duration, 3),
        "codec": info.codec,
        "pixel_format": info.pixel_format,
        "bit_depth": info.bit_depth,
    }
    if info.rotation or info.mirrored:
        facts["turned_by_degrees"] = info.rotation
    if info.sample_aspect_ratio != 1:
        facts["pixel_shape"] = str(info.sample_aspect_ratio)
    if info.stream is not None:
        facts |= {"bytes": path.stat().st_size, "digital_source_type": stated_source_type(path)}
    return ReportedFile(role, str(path), facts)


def recording_file(track: AudioTrack) -> ReportedFile:
    """What is known of a recording, and where it lies in the dub."""
    facts: dict[str, Fact] = {"bytes": track.path.stat().st_size, "audio_stream": track.number}
    if track.delay:
        facts["silence_before_seconds"] = round(track.delay, 3)
    if track.start:
        facts["cut_before_seconds"] = round(track.start, 3)
    if track.intact is not None:
        facts["one_whole_recording"] = track.intact
    return ReportedFile("recording", str(track.path), facts)


def flat_facts(settings: Any, prefix: str = "") -> dict[str, Fact]:
    """Nested settings by names with dots."""
    told: dict[str, Fact] = {}
    for field in fields(settings):
        value, name = getattr(settings, field.name), f"{prefix}{field.name}"
        told |= flat_facts(value, f"{name}.") if is_dataclass(value) else {name: fact_of(value)}
    return told


def fact_of(value: Any) -> Fact:
    """A setting as JSON has it: as it is, or else in words."""
    if isinstance(value, Enum):
        return fact_of(value.value)
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def environment_facts() -> dict[str, Fact]:
    """The machine and the packages that matter."""
    told: dict[str, Fact] = {"python": platform.python_version(), "system": platform.platform(terse=True)}
    for package in _PACKAGES:
        try:
            told[package] = version(package)
        except PackageNotFoundError:  # another wheel of the same module
            continue
    return told | {"processors": os.cpu_count()}
