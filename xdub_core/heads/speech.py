"""Synthetic speech with phoneme times, by espeak-ng.

Needed only to make training data; the demo brings its recording along.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

from xdub_core.audio.decode import SAMPLE_RATE
from xdub_core.errors import MissingModelError
from xdub_core.heads import corpus, espeak_worker
from xdub_core.heads.visemes import PhonemeInterval

_WORKER = Path(espeak_worker.__file__)
_INSTALL = {
    "darwin": "`brew install espeak-ng`",
    "win32": "the installer of github.com/espeak-ng/espeak-ng, with its folder on PATH",
}


@dataclass(frozen=True)
class Voice:
    """A synthetic speaker.

    Attributes:
        language: espeak-ng's language or accent, e.g. "en-us", "de".
        variant: espeak-ng's voice variant, e.g. "f2".
        pitch: 0..100, espeak-ng's scale.
        speed: words a minute.
    """

    language: str
    variant: str
    pitch: int = 50
    speed: int = 165

    @property
    def name(self) -> str:
        """The name espeak-ng knows it by."""
        return f"{self.language}+{self.variant}"


@dataclass(frozen=True)
class Speech:
    """Spoken sound: float32 [n] at 16 kHz within -1..1, and its phonemes in time order."""

    samples: np.ndarray
    phonemes: tuple[PhonemeInterval, ...]

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return len(self.samples) / SAMPLE_RATE

    def cut(self, start: float, stop: float) -> Speech:
        """The part from `start` to `stop` seconds; its time begins at 0. Phonemes keep their ends outside it."""
        first, last = round(start * SAMPLE_RATE), round(stop * SAMPLE_RATE)
        kept = tuple(
            PhonemeInterval(p.start - start, p.stop - start, p.ipa)
            for p in self.phonemes
            if p.stop > start - 1 and p.start < stop + 1
        )
        return Speech(self.samples[first:last], kept)


# fmt: off
_TRAIN_VARIANTS = (
    "f1", "f2", "f3", "f5", "m1", "m2", "m3", "m5", "m7", "Annie", "Andy", "Denis", "Diogo", "Gene",
    "Hugo", "Jacky", "Lee", "Marco", "Mario", "Michael", "adam", "anika", "antonio", "belinda",
    "benjamin", "caleb", "david", "edward", "grandma", "iven", "linda", "max", "pablo", "paul",
    "steph", "victor",
)
_HELD_OUT_VARIANTS = (
    "f4", "m4", "m6", "Alicia", "Henrique", "Mike", "boris", "michel", "shelby", "zac",
)
# fmt: on
_ACCENTS = ("en", "en-us", "en-gb-scotland", "en-gb-x-rp", "en-us", "en", "en-us", "en-gb-x-gbclan")
_LANGUAGES = ("de", "fr", "es", "it")


def _voices(variants: Sequence[str], seed: int) -> tuple[Voice, ...]:
    """Each variant in English; every fourth is foreign. Fixed by `seed`."""
    rng = np.random.default_rng(seed)
    voices = []
    for index, variant in enumerate(variants):
        foreign = index % 4 == 3
        pool = _LANGUAGES if foreign else _ACCENTS
        language = pool[(index // 4 if foreign else index) % len(pool)]
        voices.append(Voice(language, variant, int(rng.integers(35, 66)), int(rng.integers(140, 191))))
    return tuple(voices)


VOICES: dict[str, tuple[Voice, ...]] = {
    "train": _voices(_TRAIN_VARIANTS, 1),
    "held-out": _voices(_HELD_OUT_VARIANTS, 2),
}


def lines_of(split: str, language: str) -> tuple[str, ...]:
    """The sentences of a split ("train" or "held-out") in a voice's language. No sentence is in both splits."""
    lines = corpus.LINES[language.split("-")[0]]
    held_out = split == "held-out"
    return tuple(line for index, line in enumerate(lines) if (index % 5 == 4) == held_out)


@lru_cache(maxsize=4096)
def synthesise(text: str, voice: Voice) -> Speech:
    """One sentence in one voice; the same arguments always give the same samples.

    Raises:
        MissingModelError: espeak-ng is not installed, or has no such voice.
    """
    header, sound = _speak(text, voice)
    samples = np.frombuffer(sound, dtype=np.int16).astype(np.float64) / 32768.0
    rate = int(header["sample_rate"])
    divisor = math.gcd(rate, SAMPLE_RATE)
    samples = resample_poly(samples, SAMPLE_RATE // divisor, rate // divisor)
    peak = max(float(np.abs(samples).max(initial=0.0)), 1e-3)
    samples = (samples * (0.7 / peak)).astype(np.float32)
    samples.setflags(write=False)
    return Speech(samples, _intervals(header["events"], len(samples) / SAMPLE_RATE))


def silence(seconds: float) -> Speech:
    """No sound and no phonemes for so long."""
    return Speech(np.zeros(round(seconds * SAMPLE_RATE), dtype=np.float32), ())


def joined(parts: Sequence[Speech]) -> Speech:
    """One after the other."""
    phonemes: list[PhonemeInterval] = []
    offset = 0
    for part in parts:
        shift = offset / SAMPLE_RATE
        phonemes.extend(PhonemeInterval(p.start + shift, p.stop + shift, p.ipa) for p in part.phonemes)
        offset += len(part.samples)
    samples = np.concatenate([part.samples for part in parts]) if parts else np.zeros(0, np.float32)
    return Speech(samples, tuple(phonemes))


def talk(split: str, voice: Voice, seconds: float, seed: int) -> Speech:
    """Sentences of a split with pauses between them, exactly `seconds` long (cut at the end).

    Begins with 0 to 0.5 s of pause; loudness varies by sentence, samples stay within -1..1. Deterministic.
    """
    rng = np.random.default_rng([seed, 71])
    lines = lines_of(split, voice.language)
    parts = [silence(float(rng.uniform(0.0, 0.5)))]
    while sum(len(part.samples) for part in parts) < seconds * SAMPLE_RATE:
        spoken = synthesise(lines[int(rng.integers(len(lines)))], voice)
        gain = np.float32(rng.uniform(0.5, 1.2))
        parts += [Speech(spoken.samples * gain, spoken.phonemes), silence(float(rng.uniform(0.15, 0.8)))]
    whole = joined(parts)
    return Speech(whole.samples[: round(seconds * SAMPLE_RATE)], whole.phonemes)


def _speak(text: str, voice: Voice) -> tuple[dict, bytes]:
    request = {"text": text, "voice": voice.name, "pitch": voice.pitch, "speed": voice.speed}
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(_WORKER)],
        input=json.dumps(request).encode(),
        capture_output=True,
        check=False,
        timeout=60,
    )
    if done.returncode == espeak_worker.NO_VOICE:
        raise MissingModelError(f"espeak-ng has no voice {voice.name!r}: install its full voice data")
    if done.returncode != 0:
        how = _INSTALL.get(sys.platform, "`apt-get install espeak-ng libespeak-ng1`")
        reason = (
            "" if done.returncode == espeak_worker.NO_LIBRARY else f" ({done.stderr.decode()[-200:].strip()})"
        )
        raise MissingModelError(f"the espeak-ng speech library cannot be used{reason}: install it with {how}")
    head, _, sound = done.stdout.partition(b"\n")
    return json.loads(head), sound


def _intervals(events: Sequence[Sequence], seconds: float) -> tuple[PhonemeInterval, ...]:
    """Each phoneme lasts until the next event; language switches such as "(en)" are not phonemes."""
    spoken = [(float(at), str(ipa)) for at, ipa in events if not str(ipa).startswith("(")]
    stops = [at for at, _ in spoken[1:]] + [seconds]
    return tuple(
        PhonemeInterval(start, stop, ipa)
        for (start, ipa), stop in zip(spoken, stops, strict=True)
        if stop > start
    )
