"""A dub's report: what the engine watched, and what only this host knows of it; and its files in ComfyUI's folders."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import comfyui_version
import folder_paths
from comfy_api.latest import io, ui

from xdub_core import __version__
from xdub_core.audio.loudness import recording_loudness
from xdub_core.media.timeline import MODEL_FPS
from xdub_core.media.video.video_info import scan_video
from xdub_core.report.facts import environment_facts, fact_of, flat_facts, video_file
from xdub_core.report.lips import SyncCurve
from xdub_core.report.model import Fact, Report, ReportedFile, report_json
from xdub_core.report.page import report_page, verdict
from xdub_core.report.saving import save_report
from xdub_core.report.watcher import DubWatcher
from xdub_core.report.words import clock, predictions_in_words

from .dub_video import DubbedVideo, DubChoices
from .host import warnings
from .media.sound import open_sound


@contextmanager
def watched() -> Iterator[DubWatcher]:
    """What watches a dub, and notes the warnings that come meanwhile."""
    with DubWatcher().listening(warnings.__name__) as watcher:
        yield watcher


def sync_curves(watcher: DubWatcher, dubbed: DubbedVideo) -> tuple[SyncCurve, ...]:
    """Lips against what is said, of a dub whose frames are all made."""
    heard = []
    for voice in dubbed.voices:
        with open_sound(voice.audio) as recording:
            heard.append(recording_loudness(recording, dubbed.scene.frames))
    return watcher.sync(heard, [named.number for named in dubbed.speakers])


def dub_report(
    watcher: DubWatcher,
    dubbed: DubbedVideo,
    choices: DubChoices,
    model: Any,
    written: Path,
    sync: tuple[SyncCurve, ...],
) -> Report:
    """The report of a dub whose frames are all made; `written`: the file that they went into."""
    people, untouched = watcher.people(dubbed.speakers)
    source = dubbed.source.info
    chosen = {
        field.name: fact_of(getattr(choices, field.name))
        for field in fields(choices)
        if getattr(choices, field.name) != field.default
    }
    numbers = [named.number for named in dubbed.speakers]
    return Report(
        made_by=f"X-Dub {__version__}",
        name="Dub of images" if source is None else f"Dub of {source.path.name}",
        files=(
            _images(dubbed) if source is None else _named(video_file("video", source.path, source)),
            # It has no name yet: Save Video gives it one.
            replace(video_file("output", written, scan_video(written).info), path="video"),
        ),
        settings={"dub_video": flat_facts(choices), "as_used": flat_facts(dubbed.settings)},
        chosen=chosen,
        model={
            "model": _model_name(model),
            "device": str(model.load_device),
            "arithmetic": str(model.model.get_dtype()).removeprefix("torch."),
        },
        environment=environment_facts() | {"comfyui": comfyui_version.__version__},
        frame_rate=MODEL_FPS,
        seconds=round(watcher.seconds, 3),
        people=tuple(sorted(people, key=lambda person: person.number)),
        clips=watcher.numbered_clips(numbers),
        untouched=untouched,
        warnings=tuple(watcher.warnings),
        stages=watcher.stages,
        cost=watcher.cost,
        sync=sync,
        guidance=dubbed.guidance.told,
    )


def saved_report(report: Report, prefix: str) -> tuple[ui.SavedResult, ui.SavedResult]:
    """The report as HTML and JSON in ComfyUI's output folder, numbered, in the place of nothing that is there.

    Raises MediaError where they cannot be written.
    """
    output = folder_paths.get_output_directory()
    folder, name, number, subfolder, _ = folder_paths.get_save_image_path(prefix, output)
    saved = []
    for suffix, pieces in (("html", [report_page(report)]), ("json", report_json(report))):
        path = Path(folder) / f"{name}_{number:05}_.{suffix}"
        save_report(path, pieces, overwrite=False)
        saved.append(ui.SavedResult(path.name, subfolder, io.FolderType.output))
    return saved[0], saved[1]


def told_in_short(report: Report) -> str:
    """A report in a few lines."""
    told, _ = verdict(report)
    work = sum(stage.seconds for stage in report.stages)
    people = ", ".join(person.name for person in report.people)
    return "\n".join(
        (
            told,
            f"{clock(report.seconds)} of video, {people}, {len(report.clips)} clips, {clock(work)} of work",
            *predictions_in_words(report.guidance),
            *report.warnings,
        )
    )


def _model_name(model: Any) -> str | None:
    """The name of the file that core loaded a MODEL from; None where it does not tell."""
    made = model.cached_patcher_init
    path = made[1][0] if made and made[1] else None
    return Path(path).name if isinstance(path, str) else None


def _named(file: ReportedFile) -> ReportedFile:
    """By its name alone: where it lies on the server is nobody's business who gets the report."""
    return replace(file, path=Path(file.path).name)


def _images(dubbed: DubbedVideo) -> ReportedFile:
    source = dubbed.source
    facts: dict[str, Fact] = {"width": source.width, "height": source.height, "frames": len(source.clock)}
    return ReportedFile("video", "images", facts)
