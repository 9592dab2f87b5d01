"""Whose lips shall move: a person by number, by place, by size, by a point in the picture, or by who speaks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from xdub_core.errors import FaceError
from xdub_core.face.people import People, Person
from xdub_core.face.speaking import speaking_scores
from xdub_core.media.timeline import MODEL_FPS

Way = Literal["left", "right", "largest", "speaking"]
WAYS: tuple[Way, ...] = get_args(Way)
PASSING = 0.1
"""Who is on screen for less than this share of the longest is not taken for the leftmost, or the largest."""
_POINT = re.compile(r"\s*([-+.\deE]+)\s*,\s*([-+.\deE]+)\s*@\s*([-+.\deE]+)\s*s?\s*")


@dataclass(frozen=True)
class FacePoint:
    """A point in the picture, pixels, at a time in seconds."""

    x: float
    y: float
    seconds: float


PersonChoice = int | Way | FacePoint
"""Who: the number in `People`, one of `WAYS`, or whose face is at a point."""


def parse_person(text: str) -> PersonChoice:
    """A choice as typed: "2", "left", "320,140@2.5". Raises FaceError."""
    told = text.strip().lower()
    for way in WAYS:
        if told == way:
            return way
    if told.isdecimal() and int(told) > 0:
        return int(told)
    if match := _POINT.fullmatch(told):
        try:
            point = FacePoint(*map(float, match.groups()))
        except ValueError:
            point = None
        if point and np.isfinite([point.x, point.y, point.seconds]).all() and point.seconds >= 0:
            return point
    raise FaceError(
        f"no person is called {text!r:.60}: give a number from 1 on, {', '.join(WAYS)}, or X,Y@SECONDS (a point in the "
        "face, in pixels, and when)"
    )


def choose_person(
    people: People, choice: PersonChoice | None = None, loudness: np.ndarray | None = None
) -> Person:
    """The person of this choice; None: the most prominent, who is seen the largest for the longest.

    `loudness`: of the video's own sound, float [frames]; "speaking" needs it. Raises FaceError where there is no such
    person, and says who there is.
    """
    if choice is None:
        return prominent(people)
    if isinstance(choice, int):
        return people.person(choice)
    if isinstance(choice, FacePoint):
        return person_at(people, choice)
    if choice == "speaking":
        return speaking_person(people, loudness)
    staying = _staying(people)
    if choice == "largest":
        return max(staying, key=lambda person: person.size)
    return (min if choice == "left" else max)(staying, key=_middle)


def check_fit(person: Person) -> None:
    """Raise FaceError for somebody whose face is nowhere fit to be dubbed."""
    if (reason := person.why_not) is not None:
        raise FaceError(
            f"person {person.number} cannot be dubbed: wherever it is found, {reason}; choose another person"
        )


def prominent(people: People) -> Person:
    """Who is seen the largest for the longest: by size times time."""
    return max(people, key=lambda person: person.size * person.frames)


def speaking_person(people: People, loudness: np.ndarray | None) -> Person:
    """Whose mouth moves when the video's own sound, `loudness` [frames], is loud. Raises FaceError for silence."""
    if loudness is None or not (loudness > 0).any():
        raise FaceError(
            "nobody can be told to be speaking, since the video has no sound of its own: choose the person by number"
        )
    scores = speaking_scores(people, loudness)
    if max(scores) <= 0:
        raise FaceError(
            "nobody's mouth moves with the video's sound: choose the person by number, which "
            "`python -m xdub_core people` shows"
        )
    return people.everybody[int(np.argmax(scores))]


def person_at(people: People, point: FacePoint) -> Person:
    """Whose face is at a point at a time: of several, whose middle is the nearest. Raises FaceError for nobody."""
    frames = len(people.everybody[0].track)
    frame = int(point.seconds * MODEL_FPS + 1e-6)
    if frame >= frames:
        raise FaceError(
            f"there is no face at {point.seconds:g} s, since the video ends at {frames / MODEL_FPS:.2f} s: give an "
            "earlier time"
        )
    there = [person for person in people if person.track.present[frame]]
    at = np.array([point.x, point.y])
    hit = [person for person in there if _holds(person.track.boxes[frame], at)]
    if hit:
        return min(hit, key=lambda person: _distance(person.track.boxes[frame], at))
    raise FaceError(
        f"there is no face at ({point.x:g}, {point.y:g}) at {point.seconds:g} s: {_told(there, frame)}"
    )


def _told(there: Sequence[Person], frame: int) -> str:
    if not there:
        return "nobody is seen then; `python -m xdub_core people` shows when who is"
    faces = []
    for person in there:
        x0, y0, x1, y1 = (round(float(edge)) for edge in person.track.boxes[frame])
        faces.append(f"person {person.number} from ({x0}, {y0}) to ({x1}, {y1})")
    return f"there is {' and '.join(faces)}"


def _staying(people: People) -> list[Person]:
    longest = max(person.frames for person in people)
    return [person for person in people if person.frames >= PASSING * longest]


def _middle(person: Person) -> float:
    """Where a person is from left to right, on average."""
    boxes = person.track.boxes[person.track.present]
    return float((boxes[:, 0] + boxes[:, 2]).mean() / 2) if len(boxes) else np.inf


def _holds(box: np.ndarray, at: np.ndarray) -> bool:
    return bool((box[:2] <= at).all() and (at < box[2:]).all())


def _distance(box: np.ndarray, at: np.ndarray) -> float:
    return float(np.linalg.norm((box[:2] + box[2:]) / 2 - at) / (box[2] - box[0]))
