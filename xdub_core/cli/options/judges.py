"""Who judges dubs that speak, and training pairs for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from xdub_core.errors import SettingsError
from xdub_core.evaluation.dub_it.judges import DubItJudges, named
from xdub_core.evaluation.dub_it.packages import DetectorMouths, SherpaSpeaker, WhisperWords

_option = partial(typer.Option, rich_help_panel="Judges")
MINI, RTMW, WHISPER = "mini", "rtmw", "whisper"
OWN = "package.module:name"


@dataclass(frozen=True)
class JudgeOptions:
    """A judge each; an empty one: nothing of that is measured."""

    mouths: Annotated[
        str,
        _option(
            help=f"Finds lips: rtmw (files of the command models), mini (rendered heads only), or {OWN} of your own."
        ),
    ] = RTMW
    words: Annotated[
        str,
        _option(
            help=f"Writes down what is said: whisper, whisper:MODEL (a name on Hugging Face, or a folder), or {OWN}. "
            "Needs the package transformers."
        ),
    ] = ""
    speaker: Annotated[
        str,
        _option(
            help=f"Compares voices: an ONNX file such as ERes2Net's, by the package sherpa-onnx; or {OWN}."
        ),
    ] = ""
    sync: Annotated[
        str,
        _option(help=f"Finds by how much lips and sound are apart: mini (rendered heads only), or {OWN}."),
    ] = ""
    identity: Annotated[str, _option(help=f"Compares faces: mini (rendered heads only), or {OWN}.")] = ""
    models_dir: Annotated[
        Path | None, _option(help="Folder of rtmw's files; without, that of the command models.")
    ] = None
    judge_device: Annotated[str, _option(help="Where rtmw and whisper run: cpu, cuda...")] = "cpu"

    def told(self) -> str:
        """All of them in words: other words, other judges."""
        return " ".join(f"{name}={value}" for name, value in vars(self).items() if name != "judge_device")

    def load(self) -> DubItJudges:
        """The judges. Raises an XDubError of one line where a package, a file or a name is lacking."""
        return DubItJudges(
            mouths=self._judge("mouths", {MINI: lambda: self._mini().mouths, RTMW: self._rtmw}),
            words=self._words(),
            speaker=self._speaker(),
            sync=self._judge("sync", {MINI: lambda: self._mini().sync}),
            identity=self._judge("identity", {MINI: lambda: self._mini().identity}),
        )

    def _judge(self, what: str, known: dict[str, Callable[[], Any]], *also: str) -> Any:
        """One of `known`, or one of the user's own; `also`: what else there is."""
        where = getattr(self, what)
        if not where or where in known:
            return known[where]() if where else None
        if ":" in where:
            return named(where)
        names = ", ".join([*known, *also, OWN])
        raise SettingsError(f"--{what} {where!r} is not known: choose one of {names}")

    def _words(self) -> Any:
        which, _, model = self.words.partition(":")
        if which != WHISPER:
            return self._judge("words", {}, WHISPER)
        given = {"model": model} if model else {}
        return WhisperWords(**given, device=self.judge_device)

    def _speaker(self) -> Any:
        return (
            SherpaSpeaker(self.speaker)
            if self.speaker.endswith(".onnx")
            else self._judge("speaker", {}, "an .onnx file")
        )

    def _rtmw(self) -> DetectorMouths:

        from xdub_core.released.loading import DETECTOR_FILES, released_detector, require_files
        from xdub_core.released.manifest import models_folder

        folder = self.models_dir or models_folder()
        require_files(folder, DETECTOR_FILES)
        return DetectorMouths(released_detector(folder, device=self.judge_device))

    @staticmethod
    def _mini() -> DubItJudges:
        from xdub_core.evaluation.dub_it_mini import mini_dub_it_judges

        return mini_dub_it_judges()
