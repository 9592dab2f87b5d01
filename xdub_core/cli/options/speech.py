"""Who says what: one recording, or one for each of several people; and what lips do in pauses."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from xdub_core.cli.options.files import FileOptions
from xdub_core.dub.silence import Silence
from xdub_core.errors import SettingsError
from xdub_core.media.sound.sound_place import check_offset

_option = partial(typer.Option, rich_help_panel="Speech")
_FORM = re.compile(r"\s*(\d+)\s*=\s*(.*\S)\s*", re.DOTALL)
_PEOPLE = "`python -m xdub_core people VIDEO` shows who has which number"

Value = TypeVar("Value")


class NothingSaidError(SettingsError):
    """No recording is given."""


@dataclass(frozen=True)
class Voice:
    """A recording and where it lies on the dub's clock; `person`: who says it, None for the one who is chosen."""

    path: Path
    person: int | None = None
    offset: float = 0.0
    stream: int | None = None

    @property
    def option(self) -> str:
        """As the command line has it."""
        return "--audio" if self.person is None else f"--voice {self.person}={self.path}"


@dataclass(frozen=True)
class SpeechOptions:
    """Recordings by the person's number, and what lips do in pauses.

    Raises SettingsError for what does not fit, or contradicts itself.
    """

    voice: Annotated[
        list[str] | None,
        _option(
            metavar="PERSON=FILE",
            help="Instead of --audio, once for each who speaks: the person's number, which `people` shows, and the "
            "recording. All begin at time 0; the output is as long as the longest, and what is heard is their sum.",
        ),
    ] = None
    voice_offset: Annotated[
        list[str] | None,
        _option(metavar="PERSON=SECONDS", help="--audio-offset of a person's recording."),
    ] = None
    voice_stream: Annotated[
        list[str] | None, _option(metavar="PERSON=N", help="--audio-stream of a person's recording.")
    ] = None
    silence: Annotated[
        Silence | None,
        _option(
            help="What lips do while their speaker is silent (silero-vad tells when, where it is installed). closed: "
            "the model hears nothing there, whatever noise the recording has, and closes them. source: the video's "
            "own lips are faded in. model: what the model makes of the recording. Default: closed; with "
            "--as-released: model."
        ),
    ] = None

    def __post_init__(self) -> None:
        self.voices()

    def voices(self) -> tuple[Voice, ...]:
        """The recordings in the order of their people's numbers."""
        files = _by_person("--voice", self.voice, "1=a.wav", Path)
        offsets = _by_person("--voice-offset", self.voice_offset, "2=3.5", float)
        streams = _by_person("--voice-stream", self.voice_stream, "2=1", int)
        for option, given in (("--voice-offset", offsets), ("--voice-stream", streams)):
            for person in given.keys() - files.keys():
                raise SettingsError(f"{option} {person}=...: person {person} has no recording; add --voice")
        for offset in offsets.values():
            check_offset(offset)
        return tuple(
            Voice(files[person], person, offsets.get(person, 0.0), streams.get(person))
            for person in sorted(files)
        )

    def with_paths(self, change: Callable[[Path], Path]) -> SpeechOptions:
        """The same with other paths."""
        if self.voice is None:
            return self
        files = [f"{voice.person}={change(voice.path)}" for voice in self.voices()]
        return replace(self, voice=files)

    def chosen_silence(self, as_released: bool) -> Silence:
        """What lips do in pauses. Raises SettingsError for a choice that the release does not have."""
        if not as_released:
            return self.silence or Silence.CLOSED
        if self.silence not in (None, Silence.MODEL):
            raise SettingsError(
                f"--silence {self.silence.value}: the release has only what the model makes; leave out --as-released"
            )
        return Silence.MODEL


def given_voices(files: FileOptions, speech: SpeechOptions, as_released: bool = False) -> tuple[Voice, ...]:
    """The recordings of a dub: that of `--audio`, or those of `--voice`.

    Raises SettingsError where none is given, or both are, or several are to be dubbed as the release does it.
    """
    voices = speech.voices()
    if files.audio is None and not voices:
        raise NothingSaidError(
            "nothing is said: give --audio FILE, or --voice PERSON=FILE for each who speaks"
        )
    alone = {
        "--audio": files.audio is not None,
        "--audio-offset": files.audio_offset != 0,
        "--audio-stream": files.audio_stream is not None,
    }
    if voices and as_released:
        raise SettingsError(
            "--voice and --as-released contradict each other: the release dubs one person, --audio"
        )
    if voices and any(alone.values()):
        named = next(option for option, given in alone.items() if given)
        instead = {"--audio-offset": "--voice-offset", "--audio-stream": "--voice-stream"}.get(named)
        remedy = f"use {instead} PERSON=..." if instead else "give one of them"
        raise SettingsError(f"--voice and {named} contradict each other: {remedy}")
    if files.audio is not None:
        return (Voice(files.audio, None, files.audio_offset, files.audio_stream),)
    return voices


def paths_of(voices: Iterable[Voice]) -> list[Path]:
    """The files of the recordings."""
    return [voice.path for voice in voices]


def _by_person(
    option: str, texts: Sequence[str] | None, example: str, parse: Callable[[str], Value]
) -> dict[int, Value]:
    """PERSON=VALUE texts, by person."""
    found: dict[int, Value] = {}
    for text in texts or ():
        form = _FORM.fullmatch(text)
        if form is None:
            raise SettingsError(
                f"{option} {text}: write the person's number first, as in {option} {example}; {_PEOPLE}"
            )
        person = int(form[1])
        if person < 1:
            raise SettingsError(f"{option} {text}: people are numbered from 1 on; {_PEOPLE}")
        if person in found:
            raise SettingsError(f"{option} {text}: person {person} has {found[person]} already; give one")
        try:
            found[person] = parse(form[2])
        except ValueError:
            raise SettingsError(f"{option} {text}: {form[2]!r} is no number, as in {example}") from None
    return found
