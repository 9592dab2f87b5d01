"""A row of a manifest as a dub: its cells go through the very options of `dub`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import typer

from xdub_core.cli.dub_job import DubJob, check_options
from xdub_core.cli.options import grouped, plain_words
from xdub_core.cli.options.encoding import EncodingOptions
from xdub_core.cli.options.face import FaceOptions
from xdub_core.cli.options.files import FileOptions
from xdub_core.cli.options.model import MINI, RELEASED, UNTRAINED, ModelOptions
from xdub_core.cli.options.origin import OriginOptions
from xdub_core.cli.options.resume import ResumeOptions
from xdub_core.cli.options.sampling import SamplingOptions
from xdub_core.cli.options.speech import NothingSaidError, SpeechOptions
from xdub_core.errors import XDubError
from xdub_core.face.boxes import parse_box
from xdub_core.media.output.encode_settings import plan_encoding
from xdub_core.media.sound.sound_place import check_offset

REQUIRED = ("video", "out")
SPEECH = ("audio", "voice")
"""One of them is needed too."""
_NUMBERED = re.compile(r"(.+)_(\d+)")
_YES, _NO = ("yes", "true", "1"), ("no", "false", "0")
Wrong = dict[tuple[str, ...], str]
"""What is wrong, by the columns that it is in."""

_rows = typer.Typer(add_completion=False)


@_rows.command()
@grouped
def _row(
    files: FileOptions,
    model: ModelOptions,
    face: FaceOptions,
    sampling: SamplingOptions,
    encoding: EncodingOptions,
    origin: OriginOptions,
    resume: ResumeOptions,
    speech: SpeechOptions,
) -> DubJob:
    return DubJob(files, model, face, sampling, encoding, origin, resume, speech)


_COMMAND = typer.main.get_command(_rows)
_OPTIONS: dict[str, Any] = {str(option.name): option for option in _COMMAND.params}


def says_something(columns: Iterable[str]) -> bool:
    """Whether any of the columns holds speech."""
    return any(_option_and_number(name)[0] in SPEECH for name in columns)


def _option_and_number(column: str) -> tuple[str, str]:
    """The option that a column stands for, and whose: voice_2 is --voice of person 2; "" where nobody's."""
    if (numbered := _NUMBERED.fullmatch(column)) and getattr(_OPTIONS.get(numbered[1]), "multiple", False):
        return numbered[1], numbered[2]
    return column, ""


def unknown_column(name: str) -> str:
    """What to say of a column that is no option of `dub`; empty for one that is."""
    if _option_and_number(name)[0] in _OPTIONS:
        return ""
    near = get_close_matches(name, _OPTIONS, n=1)
    meant = f"did you mean {near[0]}?" if near else "`python -m xdub_core dub --help` has them"
    return f"dub has no such option; {meant}"


def parse_row(cells: Mapping[str, str]) -> tuple[DubJob | None, Wrong]:
    """The dub that a row's cells describe, its paths as written; None where something is wrong."""
    wrong: Wrong = {(name,): what for name in cells if (what := unknown_column(name))}
    needed_cells = REQUIRED if says_something(cells) else (*REQUIRED, "audio")
    wrong |= {(name,): "this cell must not be empty" for name in needed_cells if name not in cells}
    known = {name: text for name, text in cells.items() if not unknown_column(name)}
    needed = dict.fromkeys(REQUIRED, "empty")
    given = needed | known  # the other cells are looked at all the same
    job = None
    while job is None:
        try:
            job = _job(given)
        except typer.BadParameter as error:  # of the first cell that does not fit
            name = str(error.param.name if error.param else "")
            wrong[(name,)] = f"{given.pop(name)!r} does not fit: {plain_words(error).rstrip('.')}"
            given = needed | given
        except XDubError as error:  # cells that contradict each other
            wrong[_blamed(given, str(error), _job)] = str(error)
            break
    return None if wrong else job, wrong


def check_row(cells: Mapping[str, str], folder: Path) -> Wrong:
    """What no dub with these cells (which `parse_row` took) could do, found without reading a video or recording."""

    def check(some: Mapping[str, str]) -> None:
        job = at_home(_job(some), folder)
        model, settings, encoding = check_options(job)
        check_offset(job.files.audio_offset)
        if job.face.box is not None:
            parse_box(job.face.box)
        plan_encoding(job.files.out, encoding)
        job.origin.check(job.files.out)
        model.checked(settings, detects=job.face.needs_detector)

    try:
        check(cells)
    except XDubError as error:
        columns = _blamed(cells, str(error), check)
        return {columns or (("out",) if cells["out"] in str(error) else ()): str(error)}
    return {}


def at_home(job: DubJob, folder: Path) -> DubJob:
    """The dub with its relative paths taken from a folder."""
    model = job.model.model
    if model not in (RELEASED, MINI, UNTRAINED):
        model = str(folder / model)
    return DubJob(
        _paths_at_home(job.files, folder),
        replace(_paths_at_home(job.model, folder), model=model),
        _paths_at_home(job.face, folder),
        job.sampling,
        job.encoding,
        _paths_at_home(job.origin, folder),
        _paths_at_home(job.resume, folder),
        job.speech.with_paths(lambda path: folder / path),
    )


def _paths_at_home(options: Any, folder: Path) -> Any:
    paths = {name: folder / value for name, value in vars(options).items() if isinstance(value, Path)}
    return replace(options, **paths)


def _job(cells: Mapping[str, str]) -> DubJob:
    """Raises typer.BadParameter for a cell that does not fit, and what the options raise."""
    arguments = [argument for name, text in cells.items() for argument in _arguments(name, text)]
    with _COMMAND.make_context("dub", arguments) as context:
        return _COMMAND.invoke(context)


def _arguments(column: str, text: str) -> list[str]:
    """What `dub`'s command line would have for a cell."""
    name, number = _option_and_number(column)
    option = _OPTIONS[name]
    if not option.is_flag:
        return [f"{option.opts[0]}={f'{number}=' if number else ''}{text}"]
    if text.lower() not in (*_YES, *_NO):
        raise typer.BadParameter("use yes or no", param=option)
    return option.opts[:1] if text.lower() in _YES else option.secondary_opts[:1]


def _blamed(cells: Mapping[str, str], refusal: str, check: Any) -> tuple[str, ...]:
    """The columns without any one of which the refusal is another, or none; of them those that it quotes, if any."""

    def without(name: str) -> str:
        try:
            check({other: text for other, text in cells.items() if other != name})
        except NothingSaidError:
            return refusal  # that the cell is needed does not make it wrong
        except XDubError as error:
            return str(error)
        return ""

    blamed = [name for name in cells if name not in REQUIRED and without(name) != refusal]
    return tuple([name for name in blamed if cells[name] in refusal] or blamed)
