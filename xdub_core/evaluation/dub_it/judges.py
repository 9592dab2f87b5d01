"""Who judges a dub that also speaks: mouths, words, voices, sync and looks come in by these protocols; each may lack.

No judge may have supervised what it judges. `packages` has some by optional packages; `named` takes any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from importlib import import_module
from typing import Any, Protocol

import numpy as np

from xdub_core.errors import MissingModelError, SettingsError

from .lips import MOUTH


@dataclass(frozen=True)
class FoundMouths:
    """Mouths of n frames: `points` [n, 20, 2] in the order of `lips`, `faces` [n, 4] xyxy, pixels; NaN for no face."""

    points: np.ndarray
    faces: np.ndarray

    @property
    def sizes(self) -> np.ndarray:
        """[n]: the larger side of each face."""
        return np.asarray((self.faces[:, 2:] - self.faces[:, :2]).max(axis=1))

    @property
    def seen(self) -> float:
        """Share of frames that have a face."""
        return float(np.isfinite(self.points).all(axis=(1, 2)).mean()) if len(self.points) else 0.0


class MouthFinder(Protocol):
    """Finds the mouth of the one who speaks."""

    def find(self, frames: Sequence[np.ndarray]) -> FoundMouths:
        """Mouths of frames uint8 [H, W, 3]."""


class WordRecogniser(Protocol):
    """Writes down what is said, such as Whisper."""

    def words(self, sound: np.ndarray, language: str) -> str:
        """What is said in a sound, float [samples] at 16 kHz; `language`: its English name."""


class SpeakerRecogniser(Protocol):
    """Embeds voices, such as ERes2Net."""

    def embedding(self, sound: np.ndarray) -> np.ndarray:
        """A vector of the voice in a sound, float [samples] at 16 kHz."""


class SyncFinder(Protocol):
    """Finds by how much lips and sound are apart, such as SyncNet."""

    def offset(self, frames: Sequence[np.ndarray], fps: Fraction, sound: np.ndarray) -> float | None:
        """Frames by which the sound comes late, None where that cannot be told; `sound` at 16 kHz."""


class Likeness(Protocol):
    """Says how alike two videos' faces are, such as ArcFace's cosine."""

    def likeness(self, frames: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> float | None:
        """1 for the same, None where no face is seen; `frames`, `others`: uint8 [H, W, 3]."""


@dataclass(frozen=True)
class DubItJudges:
    """One set of judges; what none judges is not measured, and says so."""

    mouths: MouthFinder | None = None
    words: WordRecogniser | None = None
    speaker: SpeakerRecogniser | None = None
    sync: SyncFinder | None = None
    identity: Likeness | None = None


BATCH = 32
"""Frames that a finder of mouths is shown at once."""


def found_mouths(finder: MouthFinder, frames: Sequence[np.ndarray]) -> FoundMouths:
    """The mouths of all frames, a few of which are in memory at once."""
    parts = [finder.find(frames[start : start + BATCH]) for start in range(0, len(frames), BATCH)]
    if not parts:
        return no_mouths(0)
    points, faces = (np.concatenate([getattr(each, name) for each in parts]) for name in ("points", "faces"))
    return FoundMouths(points, faces)


def no_mouths(frames: int) -> FoundMouths:
    """What a finder tells of frames in which it found nothing."""
    return FoundMouths(np.full((frames, MOUTH, 2), np.nan), np.full((frames, 4), np.nan))


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """The cosine of two embeddings (V-SIM, CSIM); 0 where one is nothing."""
    power = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(np.dot(np.ravel(a), np.ravel(b)) / power) if power > 1e-12 else 0.0


def named(where: str, **options: Any) -> Any:
    """A judge of one's own: "package.module:name", called without arguments or with `options`. Raises an XDubError."""
    module, _, name = where.partition(":")
    if not module or not name:
        raise SettingsError(
            f"{where!r} names no judge: give package.module:name, of what makes one when it is called"
        )
    try:
        make = getattr(import_module(module), name)
    except ImportError as error:
        raise MissingModelError(
            f"the judge {where} cannot be imported ({error}): install its package"
        ) from None
    except AttributeError:
        raise MissingModelError(f"{module} has no {name}: give the judge as package.module:name") from None
    return make(**options)
