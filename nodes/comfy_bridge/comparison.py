"""What the Before/after panel plays: a small video of source and dub, written beside the dub, and facts for it.

The facts are JSON in a file of its own, so that the node's ui, which ComfyUI keeps in memory, stays small.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from comfy_api.latest import io, ui

from xdub_core.dub.scene import Scene
from xdub_core.errors import MediaError
from xdub_core.media.output.before_after import BeforeAfterWriter
from xdub_core.media.picture.frame import FinishedFrame
from xdub_core.media.sound.mix import Sound, SoundPair
from xdub_core.media.timeline import MODEL_FPS, FrameClock
from xdub_core.report.lips import SyncCurve
from xdub_core.report.people import Named

from .host.warnings import warn
from .media.footage import temporary_path
from .media.frames import Footage
from .media.sound import own_sound

OUTPUT = "xdub_compare"
"""Of the node's ui: a list of {video, facts}, files as /view finds them; empty where there is none."""
_FINE = 10_000


class Comparison:
    """The video of source and dub. What goes wrong with it never stops the dub: then there is none, and a warning.

    `clock`: when frames appear; `own_seconds`: for how long the source is heard, before it is played again.
    """

    def __init__(self, source: Footage, clock: FrameClock, own_seconds: float) -> None:
        self._source, self._clock, self._own_seconds = source, clock, own_seconds
        self._path = temporary_path(".mp4")
        self._open: ExitStack | None = None
        self._writer: BeforeAfterWriter | None = None
        self._sounds = 0
        self.whole = False

    @contextmanager
    def taking(self, sound: Sound | None) -> Iterator[Callable[[FinishedFrame], None]]:
        """Gives what takes each frame, which knows its source; at the end the video is whole. `sound`: the dub's."""
        with ExitStack() as self._open:
            self._safely(lambda: self._begin(sound))
            yield lambda frame: self._safely(lambda: self._take(frame))
            if self._open is not None:
                self._safely(self._open.close)
                self.whole = self._open is not None

    def output(self, faces: Sequence[Mapping[str, Any]], sync: Sequence[SyncCurve]) -> dict[str, list[Any]]:
        """For the node's ui. `faces`: see `face_facts`; `sync`: lips against sound."""
        if not self.whole:
            return {OUTPUT: []}
        facts = temporary_path(".json")
        facts.write_text(
            json.dumps(
                self._facts | {"faces": faces, "sync": [vars(curve) for curve in sync]}, separators=(",", ":")
            ),
            encoding="utf-8",
        )
        return {OUTPUT: [{"video": _saved(self._path), "facts": _saved(facts)}]}

    @property
    def _facts(self) -> dict[str, Any]:
        assert self._writer is not None
        clock = self._clock
        told: dict[str, Any] = {
            "size": self._writer.size,
            "frames": len(clock),
            "seconds": float(clock.end),
            "rate": float(clock.rate),
            "sounds": self._sounds,
        }
        return told if clock.is_constant else told | {"times": np.round(clock.seconds, 4).tolist()}

    def _begin(self, sound: Sound | None) -> None:
        own = own_sound(self._source)
        pair = None if sound is None or own is None else SoundPair(sound, own, self._own_seconds)
        self._sounds = 2 if pair else int(sound is not None)
        info = self._source.info
        shape = Fraction(1) if info is None else info.sample_aspect_ratio
        writer = BeforeAfterWriter(
            self._path, self._source.width, self._source.height, self._clock, pair or sound, shape
        )
        assert self._open is not None
        self._writer = self._open.enter_context(writer)

    def _take(self, frame: FinishedFrame) -> None:
        assert self._writer is not None
        self._writer.write(frame)

    def _safely(self, work: Callable[[], None]) -> None:
        """Do it, if all went well so far."""
        if self._open is None:
            return
        try:
            work()
        except MediaError as error:
            failed, self._open = self._open, None
            failed.__exit__(type(error), error, error.__traceback__)  # what was written goes
            warn(f"this dub has no before/after video ({error})")


def face_facts(scene: Scene, names: Sequence[Named]) -> list[dict[str, Any]]:
    """Where the faces of those who were dubbed are, 25 times a second of the output.

    Lists of the box's middle, `x` and `y`, and its larger side, all in 10,000ths of the picture's width and height;
    None where there is no face.
    """
    slots, found = scene.slots, []
    for speaker, named in zip(scene.speakers, names, strict=True):
        boxes, there = speaker.track.boxes[slots], speaker.track.present[slots]
        unit = np.array(speaker.track.size)
        middle = np.rint((boxes[:, :2] + boxes[:, 2:]) / 2 / unit * _FINE).astype(int)
        side = np.rint(((boxes[:, 2:] - boxes[:, :2]) / unit).max(axis=1) * _FINE).astype(int)
        lists = {
            name: [
                value if seen else None for value, seen in zip(values.tolist(), there.tolist(), strict=True)
            ]
            for name, values in (("x", middle[:, 0]), ("y", middle[:, 1]), ("side", side))
        }
        found.append({"number": named.number, "name": named.name, "rate": MODEL_FPS, **lists})
    return found


def _saved(path: Path) -> ui.SavedResult:
    return ui.SavedResult(path.name, "", io.FolderType.temp)
