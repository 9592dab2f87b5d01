"""Talking-head clips by number: the same number gives the same clip on every machine with the same espeak-ng.

The two splits share no identity, no voice and no line. A person always speaks with the same voice, so that another
recording of the same speaker (the paper's in-domain pairs) is always at hand.
"""

from __future__ import annotations

import hashlib
import json
import logging
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from xdub_core.audio.decode import SAMPLE_RATE
from xdub_core.audio.features import ROWS_PER_SECOND
from xdub_core.errors import SettingsError
from xdub_core.files import write_whole
from xdub_core.heads.performance import CropCamera, Performance, make_performance, render, true_dub
from xdub_core.heads.person import make_person
from xdub_core.heads.processes import map_in_processes
from xdub_core.heads.speech import VOICES, Speech, Voice, silence, talk
from xdub_core.heads.visemes import mouth_track, phoneme_ids
from xdub_core.media.timeline import MODEL_FPS

logger = logging.getLogger(__name__)

SPLITS = ("train", "held-out")
SAMPLES_PER_FRAME = round(SAMPLE_RATE / MODEL_FPS)
_FIRST_IDENTITY = {"train": 0, "held-out": 1_000_000}
_FORMAT = 2  # counted up whenever the pictures or sounds of the same number change
_MASKS = ("face_masks", "jaw_masks", "occluder_masks")


@dataclass(frozen=True)
class HeadsConfig:
    """What clips are like.

    Attributes:
        size: pixels of the square crop, even.
        frames: of a clip, 25 a second.
        context_frames: frames' worth of sound kept before and after the clip.
        train_identities, held_out_identities: how many people there are.
        hard: 0..1, how often the light moves, things pass before the face and (half as often) the head turns wide.
        silent: 0..1, share of clips in which nobody speaks.
    """

    size: int = 96
    frames: int = 61
    context_frames: int = 10
    train_identities: int = 640
    held_out_identities: int = 40
    hard: float = 0.3
    silent: float = 0.04

    def __post_init__(self) -> None:
        if self.size < 32 or self.size % 2 or self.frames < 1 or self.context_frames < 0:
            raise SettingsError(
                f"cannot make clips of {self.frames} frames of {self.size} pixels with {self.context_frames} frames "
                "of context: the size must be even and 32 or more, frames 1 or more, context 0 or more"
            )
        if self.train_identities < 1 or self.held_out_identities < 1:
            raise SettingsError("both splits need at least one identity")

    def identities(self, split: str) -> int:
        """How many people a split has."""
        return self.train_identities if split == "train" else self.held_out_identities


@dataclass(frozen=True, eq=False)
class AnnotatedClip:
    """One clip; F frames, S pixels, R = audio samples / 320 phoneme rows. Boxes and points are in crop pixels.

    Attributes:
        frames: uint8 [F, S, S, 3] RGB.
        audio: float32 [samples] at 16 kHz; the clip's first frame begins at sample `audio_start`.
        phonemes: int64 [R], viseme classes of `visemes.VISEMES` at 50 Hz along the whole audio.
        mouth: float32 [F, 8], `mini.labels.MOUTH_PARAMETERS`.
        landmarks: float32 [F, points, 2], named by `mini.labels.LANDMARK_NAMES`.
        face_boxes, mouth_boxes: float32 [F, 4] xyxy.
        face_masks, jaw_masks, occluder_masks: bool [F, S, S], see `performance.Rendering`.
        identity, voice: numbers, unique over both splits.
    """

    frames: np.ndarray
    audio: np.ndarray
    audio_start: int
    phonemes: np.ndarray
    mouth: np.ndarray
    landmarks: np.ndarray
    face_boxes: np.ndarray
    mouth_boxes: np.ndarray
    face_masks: np.ndarray
    jaw_masks: np.ndarray
    occluder_masks: np.ndarray
    identity: int
    voice: int

    @property
    def openness(self) -> np.ndarray:
        """Aperture of the mouth 0..1, float32 [F]."""
        return self.mouth[:, 0]

    @property
    def inpainting_masks(self) -> np.ndarray:
        """The jaw masks without occluders (paper B.3), bool [F, S, S]."""
        return self.jaw_masks & ~self.occluder_masks


class TalkingHeads:
    """Clips of a split, made when asked for.

    Args:
        split: "train" or "held-out".
        seed: another seed gives other clips of the same people.
        length: how many clips there are.
        config: what they are like.
        cache: a folder that keeps what was made; None makes every clip anew. Processes may share it, and making
            can stop and go on at any time.
    """

    def __init__(
        self,
        split: str,
        seed: int = 0,
        length: int = 640,
        config: HeadsConfig | None = None,
        cache: Path | str | None = None,
    ) -> None:
        if split not in SPLITS:
            raise SettingsError(f"there is no split {split!r}: use one of {', '.join(SPLITS)}")
        self.split, self.seed, self.length = split, seed, length
        self.config = config or HeadsConfig()
        self.cache = None if cache is None else Path(cache)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> AnnotatedClip:
        """Clip `index`. Raises MissingModelError when it is not in the cache and espeak-ng is absent."""
        return self.dubbed(index, 0)

    def dubbed(self, index: int, take: int) -> AnnotatedClip:
        """The true dub: clip `index` with the same speaker's recording number `take`; 0 is the clip itself."""
        if not 0 <= index < self.length:
            raise IndexError(f"there are {self.length} clips, but number {index} was asked for")
        if self.cache is None:
            return self._make(index, take)
        path = self._path(index, take)
        kept = _load(path)
        if kept is None:
            kept = self._make(index, take)
            _save(kept, path)
        return kept

    def speaker(self, index: int) -> tuple[int, Voice]:
        """Identity number and voice of a clip; every person comes equally often."""
        count = self.config.identities(self.split)
        number = (index + np.random.default_rng([self.seed, 101]).integers(count)) % count
        voices = VOICES[self.split]
        return _FIRST_IDENTITY[self.split] + int(number), voices[int(number) % len(voices)]

    def speech(self, index: int, take: int = 0) -> Speech:
        """The sound of a clip with its context, mid-speech. Take 0 is the clip's own, others are other recordings."""
        span = (self.config.frames + 2 * self.config.context_frames) / MODEL_FPS
        rng = np.random.default_rng([self.seed, SPLITS.index(self.split), index, take, 103])
        if rng.random() < self.config.silent:
            return silence(span)
        skip = float(rng.uniform(0.0, 2.0))
        _, voice = self.speaker(index)
        return talk(self.split, voice, skip + span, int(rng.integers(2**31))).cut(skip, skip + span)

    def performance(self, index: int, take: int = 0) -> Performance:
        """What clip `index` shows, its mouth saying recording `take`; frame `context_frames` is the clip's first."""
        identity, _ = self.speaker(index)
        rng = np.random.default_rng([self.seed, SPLITS.index(self.split), index, 107])
        total = self.config.frames + 2 * self.config.context_frames
        base = make_performance(
            make_person(identity), mouth_track((), total), int(rng.integers(2**31)), self.config.hard
        )
        return true_dub(base, self.speech(index, take).phonemes)

    def fill_cache(
        self,
        workers: int = 1,
        on_progress: Callable[[int, int], None] | None = None,
        wanted: Sequence[tuple[int, int]] | None = None,
    ) -> None:
        """Make what the cache lacks in `workers` processes; `on_progress(done, total)` after each.

        `wanted`: clips as (index, take) of `dubbed`; None: take 0 of all.
        """
        if self.cache is None:
            raise SettingsError("there is no cache to fill: give TalkingHeads a folder")
        wanted = [(index, 0) for index in range(self.length)] if wanted is None else wanted
        missing = [job for job in wanted if not self._path(*job).exists()]
        done = len(wanted) - len(missing)
        for _ in map_in_processes(workers, self._fill_one, missing):
            done += 1
            if on_progress:
                on_progress(done, len(wanted))

    def _fill_one(self, job: tuple[int, int]) -> None:
        self.dubbed(*job)

    def _make(self, index: int, take: int) -> AnnotatedClip:
        config = self.config
        speech = self.speech(index, take)
        identity, voice = self.speaker(index)
        start = config.context_frames
        shown = render(self.performance(index, take), start, start + config.frames, CropCamera(config.size))
        rows = round(speech.seconds * ROWS_PER_SECOND)
        voices = [*VOICES["train"], *VOICES["held-out"]]
        return AnnotatedClip(
            frames=shown.frames,
            audio=speech.samples,
            audio_start=start * SAMPLES_PER_FRAME,
            phonemes=phoneme_ids(speech.phonemes, rows),
            mouth=shown.mouth,
            landmarks=shown.landmarks,
            face_boxes=shown.face_boxes,
            mouth_boxes=shown.mouth_boxes,
            face_masks=shown.face_masks,
            jaw_masks=shown.jaw_masks,
            occluder_masks=shown.occluder_masks,
            identity=identity,
            voice=voices.index(voice),
        )

    def _path(self, index: int, take: int) -> Path:
        assert self.cache is not None
        described = json.dumps([_FORMAT, self.split, self.seed, asdict(self.config)], sort_keys=True)
        digest = hashlib.sha256(described.encode()).hexdigest()[:12]
        return self.cache / f"{self.split}-{digest}" / f"{index:06d}-{take}.npz"


def _save(clip: AnnotatedClip, path: Path) -> None:
    """Write whole or not at all: sound as 16 bits, masks as bits."""
    arrays = {entry.name: np.asarray(getattr(clip, entry.name)) for entry in fields(clip)}
    for name in _MASKS:
        arrays[name] = np.packbits(arrays[name], axis=-1)
    arrays["audio"] = np.round(arrays["audio"] * 32767).astype(np.int16)

    def save(unfinished: Path) -> None:
        with unfinished.open("wb") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]

    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, save, rivals=True)


def _load(path: Path) -> AnnotatedClip | None:
    """A kept clip; None when there is none, or a damaged one."""
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as kept:
            arrays = {entry.name: kept[entry.name] for entry in fields(AnnotatedClip)}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        logger.warning("%s is damaged and will be made again", path)
        return None
    size = arrays["frames"].shape[2]
    for name in _MASKS:
        arrays[name] = np.unpackbits(arrays[name], axis=-1, count=size).astype(bool)
    arrays["audio"] = arrays["audio"].astype(np.float32) / np.float32(32767)
    values: dict[str, Any] = dict(arrays)
    for name in ("audio_start", "identity", "voice"):
        values[name] = int(values[name])
    return AnnotatedClip(**values)
