"""Numbered pictures in a folder (frames/%04d.png), read as a video."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from xdub_core.errors import MediaError
from xdub_core.media.container.input_rules import is_address
from xdub_core.media.container.opening import FFmpegError, is_there, open_input, reason
from xdub_core.media.container.video_streams import video_streams
from xdub_core.media.timeline import MODEL_FPS
from xdub_core.media.video.damage import Damage, decodable_frames, runs
from xdub_core.media.video.frame_index import FrameIndex

_PICTURES = re.compile(
    r"\.(png|jpe?g|webp|tiff?|bmp|exr|dpx|tga|jp2|ppm|pgm|pam|qoi|sgi|gif|avif)", re.IGNORECASE
)
_PATTERN = re.compile(r"((?:[^%]|%%)*)%0?(\d*)d((?:[^%]|%%)*)")
_NUMBERED = re.compile(r"(.*?)(\d+)(\.\w+)")


@dataclass(frozen=True)
class Pictures:
    """The pictures of a pattern.

    Attributes:
        pattern: a path with one printf number in the file's name, such as frames/%04d.png.
        files: the picture's path by its number from the first one on; None where it is missing.
        first: the number in the first one's name.
    """

    pattern: Path
    files: tuple[Path | None, ...]
    first: int

    @property
    def gaps(self) -> str:
        """The numbers that are missing, in words; empty where there are none."""
        missing = [self.first + place for place, file in enumerate(self.files) if file is None]
        return ", ".join(str(low) if low == high else f"{low} to {high}" for low, high in runs(missing))

    def index(self) -> FrameIndex:
        """Every picture is a frame at the model's rate from which decoding can start."""
        numbers = np.arange(len(self.files), dtype=np.int64)
        tick = Fraction(1, int(MODEL_FPS))
        return FrameIndex(numbers, numbers / MODEL_FPS, numbers, numbers, tick, 1 / MODEL_FPS, 0.0)


class PictureDecoder:
    """Decodes the pictures; one that cannot be decoded gives way to the one before, or the first that can be."""

    def __init__(self, pictures: Pictures, damage: Damage) -> None:
        self.position = 0
        self._pictures = pictures
        self._damage = damage
        self._last: tuple[int, Any] | None = None

    def read(self) -> tuple[int, Any] | None:
        """The next frame and its number; None at the end."""
        number = self.position
        if number >= len(self._pictures.files):
            return None
        self.position += 1
        return number, self._shown(number)

    def seek(self, frame: int) -> None:
        """Go to a frame."""
        self.position = frame

    def close(self) -> None:
        """Nothing is open between frames."""

    def _shown(self, number: int) -> Any:
        before = range(number, -1, -1)
        after = range(number + 1, len(self._pictures.files))
        for candidate in (*before, *after):
            if self._last is not None and self._last[0] == candidate:
                return self._last[1]
            frame = self._load(candidate)
            if frame is not None:
                self._last = (candidate, frame)
                return frame
        raise MediaError(f"{self._pictures.pattern}: none of these pictures can be decoded")

    def _load(self, number: int) -> Any:
        file = self._pictures.files[number]
        if file is None:
            return None
        try:
            return first_picture(file)
        except MediaError as error:
            self._damage.add_error(str(error))
            self._damage.add_lost(number)
            return None


def first_picture(file: Path) -> Any:
    """The decoded frame of a picture file. MediaError where there is none."""
    errors: list[str] = []
    with open_input(file) as container:
        stream = video_streams(container, file)[0]
        try:
            for frame in decodable_frames(container, stream, lambda error: errors.append(reason(error))):
                return frame
        except FFmpegError as error:
            errors.append(reason(error))
    raise MediaError(f"{file}: this picture cannot be decoded ({''.join(errors[:1]) or 'it is damaged'})")


def is_pattern(path: Path) -> bool:
    """Whether a path means numbered pictures: it holds a printf number, and no file is called so."""
    return _PATTERN.fullmatch(path.name) is not None and not is_address(path) and not is_there(path)


def is_wildcard(path: Path) -> bool:
    """Whether a path is meant for many files in a way that is not taken (*.png, ####.png), and no file is called so."""
    return re.search(r"[*?\[]|##", path.name) is not None and not is_address(path) and not is_there(path)


def find_pictures(pattern: Path) -> Pictures:
    """The pictures of a pattern; they may start at any number.

    Raises:
        MediaError: there are none, or more are missing between the first and the last than are there.
    """
    match = _PATTERN.fullmatch(pattern.name)
    if match is None:
        raise ValueError(f"{pattern} holds no printf number")
    prefix, digits, suffix = (part.replace("%%", "%") for part in match.groups())
    width = int(digits or 1)
    name = re.compile(rf"{re.escape(prefix)}(\d{{{width},}}){re.escape(suffix)}")
    found: dict[int, Path] = {}
    for file in _files(pattern):
        named = name.fullmatch(file.name)
        if named and named[1] == f"{int(named[1]):0{width}d}":
            found[int(named[1])] = file
    if not found:
        example = f"{prefix}{1:0{width}d}{suffix}"
        raise MediaError(
            f"{pattern}: no picture in that folder has such a name ({example}){suggestion(pattern.parent)}"
        )
    first, last = min(found), max(found)
    pictures = Pictures(pattern, tuple(found.get(number) for number in range(first, last + 1)), first)
    missing = len(pictures.files) - len(found)
    if missing > len(found):
        raise MediaError(
            f"{pattern}: of the pictures {first} to {last} more are missing ({missing}) than there are "
            f"({len(found)}): take those out that belong to another sequence"
        )
    return pictures


def suggestion(folder: Path) -> str:
    """The pattern that fits most of a folder's pictures, as the end of a message; empty where there are none."""
    patterns: dict[str, int] = {}
    for file in folder.iterdir() if folder.is_dir() else ():
        named = _NUMBERED.fullmatch(file.name)
        if named and _PICTURES.fullmatch(file.suffix):
            width = len(named[2])
            number = f"%0{width}d" if width > 1 else "%d"
            pattern = f"{named[1].replace('%', '%%')}{number}{named[3]}"
            patterns[pattern] = patterns.get(pattern, 0) + 1
    if not patterns:
        return ""
    return f"; for its numbered pictures give {folder / max(patterns, key=lambda pattern: patterns[pattern])}"


def _files(pattern: Path) -> list[Path]:
    try:
        return [file for file in pattern.parent.iterdir() if file.is_file()]
    except OSError as error:
        raise MediaError(f"{pattern}: its folder cannot be read ({reason(error)})") from error
