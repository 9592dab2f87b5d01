"""The report beside an output: what the command line knows of a dub, put into words and files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch

from xdub_core import __version__
from xdub_core.cli.chosen_model import ChosenModel
from xdub_core.cli.options.files import FileOptions
from xdub_core.dub.settings import DubSettings
from xdub_core.media.sound.sound_place import AudioTrack
from xdub_core.media.timeline import MODEL_FPS
from xdub_core.media.video.video_info import VideoInfo, scan_video
from xdub_core.report.facts import environment_facts, fact_of, flat_facts, recording_file, video_file
from xdub_core.report.guidance import GuidanceWatch, ReportedGuidance
from xdub_core.report.model import Fact, Facts, Report, report_json
from xdub_core.report.page import report_page
from xdub_core.report.people import Named
from xdub_core.report.saving import save_report
from xdub_core.report.watcher import DubWatcher
from xdub_core.sampling.clip_sampling import SamplerSettings

_NOT_TOLD = frozenset({"overwrite", "reference", "c2pa_key"})
"""Options that say nothing of the output, or are nobody's business."""
_TOLD_ELSEWHERE = frozenset({"video", "audio", "out", "report"})


@dataclass(frozen=True)
class Dubbed:
    """What a report tells beside what was watched: the video, every speaker's name, sound and its
    loudness in each frame, model and settings."""

    video: VideoInfo
    sounds: Sequence[tuple[Named, AudioTrack]]
    model: ChosenModel
    settings: DubSettings
    loudness: Sequence[np.ndarray]


def write_report(files: FileOptions, options: Mapping[str, Any], dubbed: Dubbed, watcher: DubWatcher) -> None:
    """Write `files.report_paths`, when the output is in its place.

    `options`: every group of the command line's options, by name. Raises MediaError where a file cannot be written, or
    one has appeared there meanwhile that shall not be replaced.
    """
    report = _report(files, options, dubbed, watcher)
    for path, pieces in zip(files.report_paths, (report_json(report), (report_page(report),)), strict=True):
        save_report(path, pieces, files.overwrite)


def _report(files: FileOptions, options: Mapping[str, Any], dubbed: Dubbed, watcher: DubWatcher) -> Report:
    people, untouched = watcher.people([named for named, _ in dubbed.sounds])
    numbers = [named.number for named, _ in dubbed.sounds]
    written = [("output", files.out)] + ([("output", files.preview_path)] if files.preview else [])
    return Report(
        made_by=f"X-Dub {__version__}",
        name=files.out.name,
        files=(
            video_file("video", dubbed.video.path, dubbed.video),
            *(recording_file(track) for _, track in dubbed.sounds),
            *(video_file(role, path, scan_video(path).info) for role, path in written),
        ),
        settings=_all_options(options) | {"as_used": flat_facts(dubbed.settings)},
        chosen=_chosen(options),
        model={
            "model": dubbed.model.name,
            "device": dubbed.model.device,
            "arithmetic": str(dubbed.model.dtype or torch.float32).removeprefix("torch."),
        },
        environment=environment_facts(),
        frame_rate=MODEL_FPS,
        seconds=round(watcher.seconds, 3),
        people=tuple(sorted(people, key=lambda person: person.number)),
        clips=watcher.numbered_clips(numbers),
        untouched=untouched,
        warnings=tuple(watcher.warnings),
        stages=watcher.stages,
        cost=watcher.cost,
        sync=watcher.sync(dubbed.loudness, numbers),
        guidance=_guidance(dubbed.settings.sampler),
    )


def _guidance(sampler: SamplerSettings) -> ReportedGuidance:
    """As it is planned: what several processes ask of the model nobody counts here."""
    return GuidanceWatch(sampler.guidance, sampler.sigmas[:-1].tolist(), sampler.reuse).reported()


def _all_options(options: Mapping[str, Any]) -> dict[str, Facts]:
    return {
        name: {field.name: fact_of(getattr(group, field.name)) for field in _told(group)}
        for name, group in options.items()
    }


def _chosen(options: Mapping[str, Any]) -> dict[str, Fact]:
    """What differs from its default."""
    return {
        field.name: fact_of(value)
        for group in options.values()
        for field in _told(group)
        if field.name not in _TOLD_ELSEWHERE and (value := getattr(group, field.name)) != field.default
    }


def _told(group: Any) -> Iterable[Any]:
    return (field for field in fields(group) if field.name not in _NOT_TOLD)
