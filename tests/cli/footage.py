"""Rendered footage of people as files, and what the renderer knows of it: whose every pixel is."""

from __future__ import annotations

import wave
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from xdub_core.audio.decode import SAMPLE_RATE
from xdub_core.cli.app import app
from xdub_core.heads.crowd import Actor, Place, render_crowd, soft_colors
from xdub_core.heads.performance import make_performance
from xdub_core.heads.person import make_person
from xdub_core.media.video.reader import VideoReader
from xdub_core.mini.card import BUILT_IN

WIDTH, HEIGHT = 320, 180
SPEECH = {1: ("two_people_1.wav", 0.2), 2: ("two_people_2.wav", 2.2)}
"""Recordings of the sample, and the seconds at which somebody begins to speak in them."""
DUB = ("--model", "mini", "--codec", "h264", "--quality", "0", "--preset", "ultrafast", "--steps", "1")
DUB = (*DUB, "--length", "source", "--retries", "0")
_FIRST = 1_000_000
"""Persons from this number on are held out from the built-in model's training."""


@dataclass(frozen=True)
class Take:
    """Rendered frames, and the truth of them.

    `frames`: uint8 [h, w, 3]; `owners`: for each int8 [h, w], the number (from 1) of whom a pixel shows, 0 for nobody;
    `faces`: by number the box [4] of the face, those who are there.
    """

    frames: list[np.ndarray] = field(default_factory=list)
    owners: list[np.ndarray] = field(default_factory=list)
    faces: list[dict[int, np.ndarray]] = field(default_factory=list)

    def add(self, actors: dict[int, Actor], start: int, stop: int, scene: int = 0) -> Take:
        """Go on with frames [start, stop) of these actors by number, the nearest last."""
        behind = soft_colors(scene, WIDTH, HEIGHT)
        for picture in render_crowd(list(actors.values()), start, stop, WIDTH, HEIGHT, behind):
            owner, before, faces = np.zeros((HEIGHT, WIDTH), np.int8), behind, {}
            for number, head in zip(actors, picture.heads, strict=True):
                if head is not None:
                    owner[(head.image != before).any(axis=-1)] = number
                    before, faces[number] = head.image, head.face_box
            self.frames.append(picture.image)
            self.owners.append(owner)
            self.faces.append(faces)
        return self

    def around(self, *numbers: int, reach: float = 1.6) -> np.ndarray:
        """Where the crops of these people may be at most: bool [frames, h, w]; see `near`."""
        inside = np.zeros((len(self.frames), HEIGHT, WIDTH), bool)
        for frame, faces in zip(inside, self.faces, strict=True):
            for number in set(numbers) & set(faces):
                frame |= near(faces[number], reach)
        return inside


def near(face: np.ndarray, reach: float) -> np.ndarray:
    """The square about a face, `reach` times as large: bool [h, w]. A crop is 1.3 times, and lies a bit lower."""
    middle, half = (face[:2] + face[2:]) / 2, reach * (face[2:] - face[:2]).max() / 2
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    return np.asarray(np.maximum(abs(x - middle[0]), abs(y - middle[1])) < half)


def actor(number: int, place: Place, seed: int = 0) -> Actor:
    """A held-out person whose mouth moves, at a place, or at `place(frame)`."""
    mouth = np.random.default_rng(seed).uniform(0, 1, (100, 8)).astype(np.float32)
    mouth = np.stack([np.convolve(column, np.ones(5) / 5, mode="same") for column in mouth.T], axis=1)
    performance = make_performance(make_person(_FIRST + number), mouth, number, hard=0.0)
    return Actor(performance, place if callable(place) else lambda _: place)


def said(path: Path, person: int, seconds: float, quiet: tuple[float, float] = (0, 0)) -> Path:
    """A recording that somebody speaks from its beginning on, but for the seconds from `quiet[0]` to `quiet[1]`."""
    name, begins = SPEECH[person]
    with wave.open(str(BUILT_IN.parent / "sample" / name)) as file:
        file.setpos(round(begins * file.getframerate()))
        samples = np.frombuffer(file.readframes(round(seconds * SAMPLE_RATE)), "<i2").copy()
    samples = np.pad(samples, (0, round(seconds * SAMPLE_RATE) - len(samples)))
    samples[slice(*(round(second * SAMPLE_RATE) for second in quiet))] = 0
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())
    return path


def dub(video: Path, out: Path, *options: object) -> Path:
    """Dub with the built-in model, without loss."""
    arguments = ["dub", "--video", video, "--out", out, *DUB, *options]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, (result.output, result.exception)
    return out


def frames_of(path: Path) -> np.ndarray:
    """All frames as displayed, uint8 [frames, h, w, 3]."""
    with VideoReader(path) as reader:
        return np.stack(list(reader.frames(range(reader.info.frames))))


def differs(after: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Where two videos differ, bool [frames, h, w]."""
    assert after.shape == before.shape
    return np.asarray((after != before).any(axis=-1))
