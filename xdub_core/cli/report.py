"""The report beside an output: what the command line knows of a dub, put into words and files."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import Enum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from xdub_core import __version__
from xdub_core.cli.chosen_model import ChosenModel
from xdub_core.cli.options.files import FileOptions
from xdub_core.dub.settings import DubSettings
from xdub_core.errors import MediaError
from xdub_core.media.container.opening import reason
from xdub_core.media.output.origin import stated_source_type
from xdub_core.media.output.output_file import HiddenFile
from xdub_core.media.sound.sound_place import AudioTrack
from xdub_core.media.timeline import MODEL_FPS
from xdub_core.media.video.video_info import VideoInfo, scan_video
from xdub_core.report.model import Fact, Facts, Report, ReportedFile, report_json
from xdub_core.report.page import report_page
from xdub_core.report.people import Named
from xdub_core.report.watcher import DubWatcher

_PACKAGES = ("torch", "av", "numpy", "opencv-python-headless", "transformers")
_NOT_TOLD = frozenset({"overwrite", "reference", "c2pa_key"})
"""Options that say nothing of the output, or are nobody's business."""
_TOLD_ELSEWHERE = frozenset({"video", "audio", "out", "report"})


@dataclass(frozen=True)
class Dubbed:
    """What a report tells beside what was watched: the video, every speaker's name and sound, model and settings."""

    video: VideoInfo
    sounds: Sequence[tuple[Named, AudioTrack]]
    model: ChosenModel
    settings: DubSettings


def write_report(files: FileOptions, options: Mapping[str, Any], dubbed: Dubbed, watcher: DubWatcher) -> None:
    """Write `files.report_paths`, when the output is in its place.

    `options`: every group of the command line's options, by name. Raises MediaError where a file cannot be written, or
    one has appeared there meanwhile that shall not be replaced.
    """
    report = _report(files, options, dubbed, watcher)
    for path, pieces in zip(files.report_paths, (report_json(report), (report_page(report),)), strict=True):
        _write(path, pieces, files.overwrite)


def _report(files: FileOptions, options: Mapping[str, Any], dubbed: Dubbed, watcher: DubWatcher) -> Report:
    people, untouched = watcher.people([named for named, _ in dubbed.sounds])
    numbers = [named.number for named, _ in dubbed.sounds]
    written = [("output", files.out)] + ([("output", files.preview_path)] if files.preview else [])
    return Report(
        made_by=f"X-Dub {__version__}",
        name=files.out.name,
        files=(
            _video("video", dubbed.video.path, dubbed.video),
            *(_recording(track) for _, track in dubbed.sounds),
            *(_video(role, path, scan_video(path).info) for role, path in written),
        ),
        settings=_all_options(options) | {"as_used": _flat(dubbed.settings)},
        chosen=_chosen(options),
        model={
            "model": dubbed.model.name,
            "device": dubbed.model.device,
            "arithmetic": str(dubbed.model.dtype or torch.float32).removeprefix("torch."),
        },
        environment=_environment(),
        frame_rate=MODEL_FPS,
        seconds=round(watcher.seconds, 3),
        people=tuple(sorted(people, key=lambda person: person.number)),
        clips=tuple(replace(clip, person=numbers[clip.person - 1]) for clip in watcher.clips),
        untouched=untouched,
        warnings=tuple(watcher.warnings),
        stages=watcher.stages,
        cost=watcher.cost,
    )


def _video(role: str, path: Path, info: VideoInfo) -> ReportedFile:
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


def _recording(track: AudioTrack) -> ReportedFile:
    facts: dict[str, Fact] = {"bytes": track.path.stat().st_size, "audio_stream": track.number}
    if track.delay:
        facts["silence_before_seconds"] = round(track.delay, 3)
    if track.start:
        facts["cut_before_seconds"] = round(track.start, 3)
    if track.intact is not None:
        facts["one_whole_recording"] = track.intact
    return ReportedFile("recording", str(track.path), facts)


def _all_options(options: Mapping[str, Any]) -> dict[str, Facts]:
    return {
        name: {field.name: _fact(getattr(group, field.name)) for field in _told(group)}
        for name, group in options.items()
    }


def _chosen(options: Mapping[str, Any]) -> dict[str, Fact]:
    """What differs from its default."""
    return {
        field.name: _fact(value)
        for group in options.values()
        for field in _told(group)
        if field.name not in _TOLD_ELSEWHERE and (value := getattr(group, field.name)) != field.default
    }


def _told(group: Any) -> Iterable[Any]:
    return (field for field in fields(group) if field.name not in _NOT_TOLD)


def _flat(settings: Any, prefix: str = "") -> dict[str, Fact]:
    """Nested settings by names with dots."""
    told: dict[str, Fact] = {}
    for field in fields(settings):
        value, name = getattr(settings, field.name), f"{prefix}{field.name}"
        told |= _flat(value, f"{name}.") if is_dataclass(value) else {name: _fact(value)}
    return told


def _fact(value: Any) -> Fact:
    if isinstance(value, Enum):
        return _fact(value.value)
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def _environment() -> dict[str, Fact]:
    told: dict[str, Fact] = {"python": platform.python_version(), "system": platform.platform(terse=True)}
    for package in _PACKAGES:
        try:
            told[package] = version(package)
        except PackageNotFoundError:  # another wheel of the same module
            continue
    return told | {"processors": os.cpu_count()}


def _write(path: Path, pieces: Iterable[str], overwrite: bool) -> None:
    file = HiddenFile(path, overwrite)
    try:
        with file.path.open("w", encoding="utf-8", newline="\n") as content:
            content.writelines(pieces)
    except BaseException as error:
        file.discard()
        if isinstance(error, OSError):
            raise MediaError(f"{path}: the report cannot be written ({reason(error)})") from error
        raise
    file.keep()
