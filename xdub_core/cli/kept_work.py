"""What a dub keeps on its way, and goes on from: faces, what was heard, and clips, in its job's folder."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import av
import numpy as np
import torch

from xdub_core import __version__
from xdub_core.audio.features import AudioFeatures
from xdub_core.audio.recording import Recording
from xdub_core.cli.chosen_model import ChosenModel, ModelPart
from xdub_core.cli.console import tell
from xdub_core.cli.options.resume import ResumeOptions
from xdub_core.dub.kept_clips import Chains, KeptClips
from xdub_core.dub.redo import redo_counts
from xdub_core.dub.scene import Speaker
from xdub_core.errors import FaceError, JobError, SettingsError, XDubError
from xdub_core.job.folder import CLIPS, FACES, FORMAT, JobFolder, Run, is_job, open_job, read_manifest
from xdub_core.job.kept_features import KeptFeatures, features_key, recording_key
from xdub_core.job.keys import file_fingerprint, fingerprint, key_of
from xdub_core.job.packing import remembered
from xdub_core.media.video.numbered_pictures import find_pictures, is_pattern

Result = TypeVar("Result")
_NO_INPUTS = ("out", "c2pa_cert", "c2pa_key")
"""Paths among the options that are not what a dub is made from."""
_PICTURES_HASHED = 16


def versions() -> dict[str, str]:
    """Of what decides about the numbers that are kept."""
    return {"job": str(FORMAT), "xdub": __version__, "torch": torch.__version__, "av": av.__version__}


@dataclass
class KeptWork:
    """The work of one dub; without a folder nothing is kept, and everything is made.

    `run`: the dub as its job's folder notes it; `hashes`: of the files of each part of the model.
    """

    output: str
    model: ChosenModel
    resume: ResumeOptions
    run: Run
    hashes: Mapping[ModelPart, Mapping[str, str]]
    folder: JobFolder | None = None

    def remembered(self, declared: Sequence[Any], result: type[Result], make: Callable[[], Result]) -> Result:
        """What was found in the video before with the same `declared` options, or else is now."""
        if self.folder is None:
            return make()
        contents = [_with_contents(options) for options in declared]
        key = key_of(
            "found", self.run.versions, self.run.inputs["video"], self.hashes[ModelPart.SEES], contents
        )
        return remembered(self.folder.store, FACES, key, result, make)

    def heard(self, recording: Recording, listen: Callable[[], AudioFeatures]) -> AudioFeatures:
        """The features of a recording: those that are kept are read, the others made by what `listen` gives."""
        if self.folder is None:
            return listen()
        hears = self.model.name, self.hashes[ModelPart.HEARS]
        return KeptFeatures(
            self.folder.store, key_of("features", self.run.versions, recording_key(recording), hears), listen
        )

    def clips(self, speakers: Iterable[Speaker]) -> KeptClips | None:
        """Where the clips are kept; None: nowhere."""
        if self.folder is None:
            return None
        dubs = [self.model.name, str(self.model.dtype), self.hashes[ModelPart.DUBS]]
        if self.model.changed_by:
            dubs.append(self.model.changed_by)
        inputs = key_of("clips", self.run.versions, self.run.inputs["video"], dubs)
        heard = tuple(features_key(speaker.features) for speaker in speakers)
        return KeptClips(self.folder.store, inputs, heard, self._planned)

    def note_begun(self, hidden: Iterable[Path]) -> None:
        """Note the hidden files that are being written: the next run removes what a killed one left of them."""
        if self.folder is not None:
            self._note(replace(self.run, hidden=[_name(path) for path in hidden]))

    def note_finished(self, sizes: Mapping[Path, int]) -> None:
        """Note the sizes of outputs that are whole and about to take their places: they are then known for our own."""
        if self.folder is not None:
            self._note(replace(self.run, sizes={_name(path): size for path, size in sizes.items()}))

    def finish(self) -> None:
        """The outputs are in their places: remove the job's folder, or keep it where that is asked for."""
        assert self.folder is not None
        if self.resume.keep_job or self.resume.redo is not None:
            self._note(replace(self.run, kept=True, redo="", hidden=()))
            tell(f"{self.folder.path} keeps the clips: --redo with --overwrite samples chosen ones again")
            return
        self.folder.note(self.output, None)
        if self.folder.manifest.runs:
            tell(f"{self.folder.path} stays: it keeps the work of {', '.join(self.folder.manifest.runs)}")
        else:
            self.folder.remove()

    def _note(self, run: Run, redone: Mapping[str, int] | None = None) -> None:
        assert self.folder is not None
        self.run = run
        self.folder.note(self.output, run, redone)

    def _planned(self, chains: Chains, size: int) -> Mapping[str, int]:
        """See `KeptClips.planned`."""
        assert self.folder is not None
        clips = {number: key for chain in chains for number, key in chain.items()}
        chosen = set(redo_counts(self.resume.redone, len(clips), f"--redo {self.resume.redo}"))
        begun = self.folder.manifest.runs.get(self.output)
        counted = dict(self.folder.manifest.redone)
        new = {}
        if chosen and not (begun is not None and begun.redo == self.resume.redo):
            new = {clips[number]: counted.get(clips[number], 0) + 1 for number in chosen}
        self._note(replace(self.run, clips=len(clips), redo=self.resume.redo or ""), new)
        if chosen:
            following = sum(
                max(chain) - min(again) + 1 - len(again) for chain in chains if (again := chosen & set(chain))
            )
            others = f", and {following} that continue them in their shots" if following else ""
            tell(f"sampling {len(chosen)} of {len(clips)} clips again{others}")
        self.folder.store.expect(CLIPS, size)
        return self.folder.manifest.redone


@contextmanager
def kept_work(options: Any, model: ChosenModel) -> Iterator[KeptWork]:
    """The work of a dub with these options (a `DubJob`), and its job's folder as long as the context lasts.

    Left without an error, the dub is finished: its outputs must be in their places. Whatever ends it before that, it is
    told how to go on.

    Raises JobError as `open_job` does, and for --redo where nothing was kept.
    """
    resume: ResumeOptions = options.resume
    path, output = resume.folder(options.files.out), _name(options.files.out)
    if not resume.resume:
        yield KeptWork(output, model, resume, Run(""), {})
        return
    kept = is_job(path) and any((path / CLIPS).iterdir() if (path / CLIPS).is_dir() else ())
    if resume.redo is not None and not (kept and output in read_manifest(path, warn=False).runs):
        raise JobError(
            f"{path} keeps no clips of {options.files.out}: dub it with --keep-job first, then --redo samples chosen "
            "ones again"
        )
    with open_job(path, round(resume.job_limit * 1e9)) as folder:
        run, hashes = _begin(options, model)
        before = folder.manifest.runs.get(output)
        if before is not None:
            _tell_of(path, before, run)
            _remove_hidden(before.hidden, options.files.out)
            run = replace(run, redo=before.redo)
        folder.note(output, run)
        work = KeptWork(output, model, resume, run, hashes, folder)
        try:
            yield work
            work.finish()
        except BaseException as error:
            folder.note(output, replace(work.run, hidden=()))  # they are gone, or are told as finished
            if not folder.keeps_something:
                raise
            mistake = isinstance(error, (SettingsError, FaceError))  # to be mended first
            told = f"{path} keeps what is done" + (
                "" if mistake else ", and the same command goes on with it"
            )
            if isinstance(error, KeyboardInterrupt):
                raise KeyboardInterrupt(told) from error
            tell(told)
            raise


def forget_finished(options: Any) -> None:
    """Remove the job's folder of a dub whose outputs are all in their places, unless it shall stay or others use it."""
    path, output = options.resume.folder(options.files.out), _name(options.files.out)
    if not is_job(path) or (run := read_manifest(path).runs.get(output)) is None or run.kept:
        return
    with open_job(path) as folder:
        folder.note(output, None)
        if not folder.manifest.runs:
            folder.remove()


def finished_outputs(options: Any, model: ChosenModel) -> set[Path]:
    """Outputs that this very dub finished before it was ended, so that it could not remove its job's folder."""
    path = options.resume.folder(options.files.out)
    if not options.resume.resume or options.resume.redo is not None or not is_job(path):
        return set()
    try:
        run = read_manifest(path, warn=False).runs.get(_name(options.files.out))  # warns when it is opened
        if run is None or run.kept:
            return set()
        own = {path for path in options.files.outputs if _bytes(path) == run.sizes.get(_name(path), -1)}
        return own if own and _begin(options, model)[0].key == run.key else set()
    except (XDubError, OSError):
        return set()  # told where it is checked


def _begin(options: Any, model: ChosenModel) -> tuple[Run, dict[ModelPart, dict[str, str]]]:
    """A dub as its job's folder notes it, and the hashes of the model's files. Raises MediaError, OSError."""
    hashes: dict[ModelPart, dict[str, str]] = {part: {} for part in ModelPart}
    for part in ModelPart:
        if part is not ModelPart.SEES or options.face.needs_detector:
            hashes[part] = fingerprint(model.files(part))
    plain = replace(
        options,
        resume=ResumeOptions(),
        files=replace(options.files, overwrite=False, out=Path(options.files.out.name)),
    )
    inputs = {name: _contents(path) for name, path in _paths(asdict(plain)) if name not in _NO_INPUTS}
    inputs |= {f"voice_{voice.person}": _contents(voice.path) for voice in options.speech.voices()}
    told = json.loads(json.dumps(asdict(plain), default=str))
    if told["sampling"]["speed"] is None:
        del told["sampling"]["speed"]  # as jobs had it that were begun before there were speeds
    key = key_of(told, inputs, list(hashes.values()), versions())
    files = {f"{part.value}/{name}": each for part, found in hashes.items() for name, each in found.items()}
    return Run(key, told, inputs, files, versions()), hashes


def _paths(options: Mapping[str, Any]) -> Iterator[tuple[str, Path]]:
    """The paths among options of all depths, by their names."""
    for name, value in options.items():
        if isinstance(value, Mapping):
            yield from _paths(value)
        elif isinstance(value, Path):
            yield name, value


def _with_contents(options: Any) -> Any:
    """Options with the hash of its contents in the place of each path."""
    if not is_dataclass(options) or isinstance(options, type):
        return options
    told = asdict(options)
    return {name: _contents(value) if isinstance(value, Path) else value for name, value in told.items()}


def _contents(path: Path) -> str:
    """The hash of an input. Of numbered pictures: of some, and of the sizes and times of all; "" where none is."""
    if is_pattern(path):
        files = [file for file in find_pictures(path).files if file is not None]
        some = [files[place] for place in np.linspace(0, len(files) - 1, _PICTURES_HASHED, dtype=int)]
        stamps = [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in files]
        return key_of(stamps, [file_fingerprint(file) for file in some])
    return file_fingerprint(path) if path.is_file() else ""


def _tell_of(path: Path, before: Run, run: Run) -> None:
    """Say what a job's folder is good for, where that is not all."""
    if before.versions != run.versions:
        other = ", ".join(f"{name} {version}" for name, version in before.versions.items())
        tell(f"{path} was begun by other versions ({other}): its work is done again")
    elif before.key == run.key:
        tell(f"going on with {path}")
    else:
        tell(f"{path} was begun with other options or inputs: what does not depend on them is used")


def _remove_hidden(hidden: Iterable[str], output: Path) -> None:
    """Remove what a killed run of the same output was writing beside it."""
    for path in map(Path, hidden):
        if path.name.startswith(".") and path.parent == output.absolute().resolve().parent:
            with contextlib.suppress(OSError):
                path.unlink()


def _name(output: Path) -> str:
    return str(output.absolute())


def _bytes(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except (OSError, ValueError):
        return None
