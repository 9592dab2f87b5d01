"""What the People panel shows: everybody, when they are seen, and some frames with their boxes; from what was found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from xdub_core.face.glance import (
    COLUMNS,
    PORTRAIT_SIDE,
    SIDE,
    boxes_at,
    foremost,
    sheet,
    stretches,
    strip_frames,
)
from xdub_core.face.people import People, Person
from xdub_core.face.track import FaceTrack
from xdub_core.media.timeline import MODEL_FPS

from .host.progress import interruptible
from .media.footage import temporary_path
from .media.frames import Footage

OUTPUT = "xdub_people"
"""Of the node's ui: a list with the record of each execution."""
_QUALITY = 75


def people_shown(footage: Footage, people: People) -> dict[str, list[Any]]:
    """For the node's ui: everybody in the footage."""
    return {OUTPUT: [_everybody(footage, people, None)]}


def face_shown(footage: Footage, track: FaceTrack, people: People | None) -> dict[str, list[Any]]:
    """For the node's ui: the face that it hands on, and among whom it was chosen; None: it was given, or is alone."""
    if people is not None:
        return {OUTPUT: [_everybody(footage, people, track)]}
    alone = {"people": [], "more": 0, "portraits": None, "chosen": None}
    return {OUTPUT: [_strip(footage, [track]) | alone]}


def _everybody(footage: Footage, people: People, chosen: FaceTrack | None) -> dict[str, Any]:
    shown = foremost(people)
    return _strip(footage, [person.track for person in shown]) | {
        "people": [_told(person) for person in shown],
        "more": len(people) - len(shown),
        "portraits": _saved(sheet((person.portrait for person in shown), PORTRAIT_SIDE)),
        "chosen": next((person.number for person in people if person.track is chosen), None),
    }


def _strip(footage: Footage, tracks: Sequence[FaceTrack]) -> dict[str, Any]:
    """Some frames, their pictures in rows of `columns`, and the boxes in them; `seen` is of the whole video."""
    frames = strip_frames(tracks)
    pictures = interruptible(footage.source.frames(footage.timeline.source_index[frames]))
    return {
        "fps": float(MODEL_FPS),
        "count": len(footage.timeline),
        "size": [footage.width, footage.height],
        "columns": COLUMNS,
        "frames": frames,
        "boxes": boxes_at(tracks, frames),
        "seen": [stretches(track) for track in tracks],
        "strip": _saved(sheet(pictures, SIDE)),
    }


def _told(person: Person) -> dict[str, Any]:
    return {
        "number": person.number,
        "first": round(person.first_second, 2),
        "seconds": round(person.seconds, 2),
        "share": round(person.share, 4),
        "pixels": round(person.size),
        "why_not": person.why_not,
    }


def _saved(picture: np.ndarray) -> dict[str, str] | None:
    """Save a picture in ComfyUI's temporary folder; what /view takes to find it. None where it cannot be saved."""
    whole, content = cv2.imencode(
        ".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
    )
    try:
        path: Path = temporary_path(".jpg")
        path.write_bytes(content.tobytes() if whole else b"")
    except OSError:
        return None
    return {"filename": path.name, "subfolder": "", "type": "temp"}
