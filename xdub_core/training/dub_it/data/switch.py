"""Where a clip switches language: a pause in its sound, near where its prompt has one. There it is cut in two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from xdub_core.audio.voice_activity import Span
from xdub_core.dub_it.times import FRAMES_PER_LATENT
from xdub_core.errors import SettingsError

from .prompts import PAUSE


@dataclass(frozen=True)
class SwitchSettings:
    """How a clip is cut.

    `shortest`, `longest`: frames of a half, 8 k + 1. `far`: seconds by which the pause's middle may lie beside the
    prompt's. `must_pause`: whether a clip without such a pause is given up; else it is cut where its prompt has one.
    """

    shortest: int = 49
    longest: int = 121
    far: float = 1.5
    must_pause: bool = True

    def __post_init__(self) -> None:
        if any(frames % FRAMES_PER_LATENT != 1 for frames in (self.shortest, self.longest)):
            raise SettingsError(
                f"halves of {self.shortest} to {self.longest} frames cannot be: take 8 k + 1, such as 49 and 121"
            )
        if not 9 <= self.shortest <= self.longest:
            raise SettingsError(
                f"halves of {self.shortest} to {self.longest} frames cannot be: 9 is the least"
            )


@dataclass(frozen=True)
class Switch:
    """A clip's halves, as frames of it, and the second that is between them. `heard`: whether that is a pause."""

    halves: tuple[range, range]
    second: float
    heard: bool


class NoSwitchError(SettingsError):
    """A clip that cannot be cut: it is given up, and not the work."""


def find_switch(
    frames: int, fps: Fraction, speech: Sequence[Span], settings: SwitchSettings | None = None
) -> Switch:
    """Cut a clip of so many frames, in which somebody speaks at those seconds, in order.

    The cut is in the middle of the longest pause near the prompt's. The first half begins with the clip, the second
    ends with it, and what 8 k + 1 frames do not hold is left out of the pause. Raises NoSwitchError.
    """
    settings = settings or SwitchSettings()
    seconds = float(frames / fps)
    middle = sum(PAUSE) / 2 * seconds
    pauses = [
        (before[1], after[0])
        for before, after in pairwise(speech)
        if abs((before[1] + after[0]) / 2 - middle) <= settings.far
    ]
    if not pauses and settings.must_pause:
        told = f"{len(speech)} stretch{'es' * (len(speech) != 1)} of speech"
        raise NoSwitchError(
            f"no pause within {settings.far:g} s of second {middle:.1f}, where one is wanted: {told}"
        )
    start, stop = max(pauses, key=lambda pause: pause[1] - pause[0], default=(middle, middle))
    cut = (start + stop) / 2
    edge = round(cut * float(fps))
    spoken = (round(start * float(fps)), frames - round(stop * float(fps))) if pauses else (0, 0)
    first = _fitting(edge, spoken[0], settings, "first")
    second = _fitting(frames - edge, spoken[1], settings, "second")
    return Switch((range(first), range(frames - second, frames)), cut, bool(pauses))


def _fitting(frames: int, spoken: int, settings: SwitchSettings, which: str) -> int:
    """Frames of a half that may have so many, of which the `spoken` ones are needed: 8 k + 1."""
    held = min((frames - 1) // FRAMES_PER_LATENT * FRAMES_PER_LATENT + 1, settings.longest)
    if held < settings.shortest:
        raise NoSwitchError(f"the {which} half has {max(0, held)} frames, and {settings.shortest} are needed")
    if spoken > settings.longest:
        raise NoSwitchError(
            f"the {which} half speaks for {spoken} frames, and {settings.longest} can be held"
        )
    return held
