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
from xdub_core.face.detector import FaceDetector
from xdub_core.face.landmarks import read_landmarks
from xdub_core.media.timeline import Timeline

_option = partial(typer.Option, rich_help_panel="Face")


class Detector(str, Enum):
    """What finds the face where no box is given."""

    RTMW = "rtmw"
    OPENMMLAB = "openmmlab"


@dataclass(frozen=True)
class FaceOptions:
    """Where the face is: at most one of the first four; without them `detector` looks for it."""

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
    detector: Annotated[Detector, _option(help="What finds the face otherwise.")] = Detector.RTMW
    detect_every: Annotated[int, _option(help="Look for the face in every n-th frame.")] = 1

    def __post_init__(self) -> None:
        given = self._given
        if len(given) > 1:
            raise SettingsError(f"{' and '.join(given)} contradict each other: give one of them")
        if self.detect_every < 1:
            raise SettingsError(f"--detect-every {self.detect_every}: use 1 (every frame) or more")

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
