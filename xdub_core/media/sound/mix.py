"""Several recordings heard at once: their sum at full level, brought down as a whole only where it would clip."""

from __future__ import annotations

import logging
import math
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace

import av
import numpy as np

from xdub_core.errors import MediaError
from xdub_core.media.sound.placed_sound import own_kind, placed_sound, resampled
from xdub_core.media.sound.sound_blocks import SoundBlock
from xdub_core.media.sound.sound_place import AudioTrack

FULL_SCALE = 1.0
HIGHEST_PEAK = 0.97
"""Of a mix that is brought down: encoders with losses overshoot what they are given."""
_OVERHANG = 1.0  # seconds; sound may last a packet longer than the pictures

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SoundMix:
    """Recordings on the clock of one dub, heard together. Made by `mixed`.

    Attributes:
        tracks: the recordings, two or more, each at its place.
        rate, layout: what they are brought to: the highest rate, the most channels.
        gain: what their sum is multiplied by; 1 where it does not clip.
    """

    tracks: tuple[AudioTrack, ...]
    rate: int
    layout: str
    gain: float = 1.0

    @property
    def duration(self) -> float:
        """Seconds that are taken at most."""
        return max(track.duration for track in self.tracks)

    def sound(self) -> Generator[np.ndarray, None, None]:
        """The mix from the dub's time 0 to the end of the longest recording: float32 [C, n] arrays."""
        with ExitStack() as stack:
            placed = (placed_sound(track, self.rate, self.layout) for track in self.tracks)
            for total in summed([stack.enter_context(closing(sound)) for sound in placed]):
                yield total if self.gain == 1 else total * np.float32(self.gain)


@dataclass(frozen=True)
class SoundPair:
    """Two sounds in one track for whoever switches between them: a dub's in the left channel, another in the right.

    `until`: seconds after which the right one is silent; it is so as well from where it cannot be read on.
    """

    left: Sound
    right: AudioTrack
    until: float = math.inf
    rate: int = 48_000
    layout: str = "stereo"

    @property
    def tracks(self) -> tuple[AudioTrack, ...]:
        """All that is heard in it."""
        return (*((self.left,) if isinstance(self.left, AudioTrack) else self.left.tracks), self.right)

    @property
    def duration(self) -> float:
        """Seconds that are taken at most."""
        return max(self.left.duration, self.right.duration)

    def sound(self) -> Generator[np.ndarray, None, None]:
        """Both from the dub's time 0 to the end of the longer one: float32 [2, n] arrays."""
        with ExitStack() as stack:
            left = stack.enter_context(closing(samples_of(self.left, self.rate, "mono")))
            right = stack.enter_context(closing(samples_of(self.right, self.rate, "mono")))
            places = (_in_channel(left, 0), _in_channel(_up_to(right, self.until * self.rate), 1))
            yield from summed(places)


Sound = AudioTrack | SoundMix | SoundPair
"""What is heard with a dub."""


def samples_of(sound: Sound, rate: int, layout: str) -> Generator[np.ndarray, None, None]:
    """What is heard, from the dub's time 0 on: float32 [C, n] arrays of this rate and layout."""
    if isinstance(sound, AudioTrack):
        yield from placed_sound(sound, rate, layout)
        return
    with closing(
        sound.sound()
    ) as chunks:  # a generator that is left must be closed, with the files behind it
        yield from resampled((SoundBlock(chunk, sound.rate) for chunk in chunks), rate, layout)


def mixed(tracks: Sequence[AudioTrack], seconds: float = math.inf) -> Sound:
    """What is heard of several recordings in an output of so many seconds.

    A single one stays as it is, packets and all; one that is given twice at the same place (two people who speak with
    one voice) is heard once. One streaming pass finds the mix's peak; where the sum would clip, all of it is brought
    down by the same gain, with a warning.

    Raises MediaError as `sound_blocks`.
    """
    heard = tuple(dict.fromkeys(tracks))
    if len(heard) == 1:
        return heard[0]
    kinds = [own_kind(track) for track in heard]
    rate = max(rate for rate, _ in kinds)
    layout = max((layout for _, layout in kinds), key=lambda name: av.AudioLayout(name).nb_channels)
    mix = SoundMix(heard, rate, layout)
    peak = _peak(mix, seconds + _OVERHANG)
    if peak <= FULL_SCALE:
        return mix
    gain = HIGHEST_PEAK / peak
    _log.warning(
        "the %d recordings together would clip: their mix is brought down by %.1f dB",
        len(heard),
        -20 * math.log10(gain),
    )
    return replace(mix, gain=gain)


def summed(sounds: Iterable[Iterator[np.ndarray]]) -> Iterator[np.ndarray]:
    """The sum of sounds that all begin together, float32 [C, n] arrays each, up to the end of the longest."""
    going = [_Going(sound) for sound in sounds]
    while going := [each for each in going if each.fill()]:
        length = min(each.rest.shape[1] for each in going)
        total = going[0].take(length).copy()
        for each in going[1:]:
            total += each.take(length)
        yield total


def _in_channel(sound: Iterator[np.ndarray], channel: int) -> Iterator[np.ndarray]:
    """A mono sound [1, n] as one of two channels, the other one silent."""
    for block in sound:
        both = np.zeros((2, block.shape[1]), np.float32)
        both[channel] = block[0]
        yield both


def _up_to(sound: Iterator[np.ndarray], samples: float) -> Iterator[np.ndarray]:
    """The first samples of a sound, as far as it can be read."""
    try:
        for block in sound:
            yield block[:, : int(samples)] if samples < block.shape[1] else block
            samples -= block.shape[1]
            if samples <= 0:
                return
    except MediaError as error:
        _log.info("the sound beside the dub's ends early: %s", error)


class _Going:
    """A sound that is read in pieces of any length."""

    def __init__(self, sound: Iterator[np.ndarray]) -> None:
        self._sound = sound
        self.rest = np.zeros((1, 0), np.float32)

    def fill(self) -> bool:
        """Have something in `rest`; False at the sound's end."""
        while not self.rest.shape[1]:
            block = next(self._sound, None)
            if block is None:
                return False
            self.rest = block
        return True

    def take(self, length: int) -> np.ndarray:
        taken, self.rest = self.rest[:, :length], self.rest[:, length:]
        return taken


def _peak(mix: SoundMix, seconds: float) -> float:
    """The largest absolute value in the first seconds."""
    peak, left = 0.0, seconds * mix.rate
    with closing(mix.sound()) as blocks:
        for block in blocks:
            peak = max(peak, float(np.abs(block).max(initial=0.0)))
            left -= block.shape[1]
            if left <= 0:
                break
    return peak
