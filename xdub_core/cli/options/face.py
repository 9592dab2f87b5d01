"""Where the face is, or what finds it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from xdub_core.errors import SettingsError
from xdub_core.face.boxes import FixedBox, WholeFrame, parse_box, read_boxes
from xdub_core.face.choice import PersonChoice, parse_person
from xdub_core.face.detector import FaceDetector
from xdub_core.face.landmarks import read_landmarks
from xdub_core.media.timeline import Timeline

_option = partial(typer.Option, rich_help_panel="Face")


class Detector(str, Enum):
    """What finds the face where no box is given."""

    RTMW = "rtmw"
    OPENMMLAB = "openmmlab"


@dataclass(frozen=True)
class DetectorOptions:
    """What finds faces, and how often it looks."""

    detector: Annotated[Detector, _option(help="What finds faces.")] = Detector.RTMW
    detect_every: Annotated[int, _option(help="Look for faces in every n-th frame.")] = 1

    def __post_init__(self) -> None:
        if self.detect_every < 1:
            raise SettingsError(f"--detect-every {self.detect_every}: use 1 (every frame) or more")


@dataclass(frozen=True)
class FaceOptions(DetectorOptions):
    """Where the face is: at most one of the first five; without the other four `detector` looks for it."""

    person: Annotated[
        str | None,
        _option(
            metavar="WHO",
            help="Whose lips shall move: a number that the command people shows; left, right, largest, speaking (whose "
            "mouth moves with the video's own sound); or X,Y@SECONDS, a point in the face and when. Without it, "
            "whoever is seen the largest for the longest.",
        ),
    ] = None

    box: Annotated[str | None, _option(help="The face, as x0,y0,x1,y1 in pixels.")] = None
    boxes: Annotated[Path | None, _option(help="JSON: one box per frame, null where there is no face.")] = (
        None
    )
    landmarks: Annotated[
        Path | None,
        _option(
            help="Landmarks of every frame found elsewhere: an array \\[frames, 68, 468 or 478, 2 or 3] as .npy, or "
            "OpenPose's keypoints as JSON."
        ),
    ] = None
    whole_frame: Annotated[bool, _option("--whole-frame", help="The video is a face crop already.")] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        given = self._given + ["--person"] * (self.person is not None)
        if len(given) > 1:
            raise SettingsError(f"{' and '.join(given)} contradict each other: give one of them")
        _ = self.chosen_person  # raises

    @property
    def chosen_person(self) -> PersonChoice | None:
        """Who was chosen; None: nobody. Raises FaceError for what names nobody."""
        return None if self.person is None else parse_person(self.person)

    @property
    def needs_detector(self) -> bool:
        return not self._given

    @property
    def _given(self) -> list[str]:
        options = {
            "--box": self.box is not None,
            "--boxes": self.boxes is not None,
            "--landmarks": self.landmarks is not None,
            "--whole-frame": self.whole_frame,
        }
        return [name for name, chosen in options.items() if chosen]

    def given(self, timeline: Timeline) -> FaceDetector | None:
        """What tells the faces that were given, on a timeline's frames; None where a detector is needed."""
        if self.box is not None:
            return FixedBox(parse_box(self.box))
        if self.boxes is not None:
            return read_boxes(self.boxes).on_frames(timeline.source_index)
        if self.landmarks is not None:
            return read_landmarks(self.landmarks).on_frames(timeline.source_index)
        return WholeFrame() if self.whole_frame else None
