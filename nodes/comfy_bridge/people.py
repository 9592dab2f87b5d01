"""Who is in footage, and the face of the one who is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from torch import Tensor

from xdub_core.audio.loudness import loudness
from xdub_core.errors import MediaError, SettingsError
from xdub_core.face.boxes import FixedBox, WholeFrame
from xdub_core.face.choice import check_fit, choose_person, parse_person
from xdub_core.face.contact_sheet import contact_sheet
from xdub_core.face.detector import FaceDetector
from xdub_core.face.found import BATCH_FRAMES
from xdub_core.face.given import GivenFaces
from xdub_core.face.people import People, track_people
from xdub_core.face.presence import smallest_crop
from xdub_core.job.folder import FACES
from xdub_core.mini.detector import MiniDetector
from xdub_core.progress import Progress, ProgressCallback, Stage

from .face_crop import CropSettings, check_track, find_face
from .face_detector import counts_people, frames_at_once, own_crop_size
from .host.cache import Cache, footage_key
from .host.kept import NOWHERE, KeptWork, contents_key, maker_key
from .host.progress import interruptible
from .host.warnings import warn
from .media.frames import Footage, image_from_frame
from .media.sound import own_sound
from .types import TrackedFace, Voice

PEOPLE: Cache[People] = Cache()
TRACKS: Cache[TrackedFace] = Cache()


@dataclass(frozen=True)
class FaceFinder:
    """Finds people in a VIDEO or IMAGE, whose frames are `footage`, or remembers whom it found there before.

    `fps`: of the source, where it comes as images. `kept`: where people are remembered after ComfyUI's end.
    """

    video: Any
    footage: Footage
    fps: float
    detector: FaceDetector | None
    settings: CropSettings
    on_progress: ProgressCallback
    kept: KeptWork = NOWHERE

    @cached_property
    def contents(self) -> str | None:
        """The key of the source's contents; None where nothing is kept."""
        return None if self.kept.store is None else contents_key(self.video, self.fps)

    @cached_property
    def people(self) -> People:
        """Everybody. Raises FaceError where there is nobody."""
        return PEOPLE.get(self.detector, self._key((self.settings.every, self._smallest)), self._kept_people)

    @property
    def everybody(self) -> People | None:
        """Among whom a face is chosen; None where there is no choice."""
        return None if self._knows_one() else self.people

    def face(self, person: str) -> TrackedFace:
        """The face of the person who is chosen so; of the main one for an empty text. Raises FaceError."""
        chosen = parse_person(person) if person.strip() else None
        if why := self._knows_one():
            if chosen is not None:
                raise SettingsError(f"person is {person!r}, but {why}: leave person empty")
            return TRACKS.get(self.detector, self._key(self.settings), self._find_face)
        found = choose_person(
            self.people, chosen, own_loudness(self.footage) if chosen == "speaking" else None
        )
        check_fit(found)
        if chosen is None and len(self.people) > 1:
            warn(
                f"the video shows {len(self.people)} people: number {found.number}, the most prominent, is dubbed; "
                "People (X-Dub) shows them all, and person chooses"
            )
        others = tuple(other.track for other in self.people.others(found.number))
        size = self.settings.size
        footage, number = self.footage, found.number
        return TrackedFace(
            found.track, footage.timeline, size, bystanders=others, number=number, clock=footage.clock
        )

    def faces(self, voices: Sequence[Voice]) -> list[TrackedFace]:
        """Whose face each voice is. Raises FaceError, and SettingsError where two voices are one person's."""
        found: list[TrackedFace] = []
        for number, voice in enumerate(voices, 1):
            face = voice.face or self.face(voice.person)
            check_track(face, self.footage)
            for other, earlier in enumerate(found, 1):
                if face.track is earlier.track:
                    raise SettingsError(
                        f"recordings {other} and {number} are for one and the same person: choose another person for "
                        "one of them, as People (X-Dub) shows them"
                    )
            found.append(face)
        return found

    def _knows_one(self) -> str:
        """Why there is nobody to choose from; empty where there is."""
        if isinstance(self.detector, FixedBox | WholeFrame | GivenFaces):
            return "the face is given frame by frame"
        if self.settings.as_released:
            return "the release dubs the surest face of each frame (as_released)"
        if self.detector is not None and counts_people(self.detector):
            return "Load Face Detector's own person is set, which counts from the left in each frame"
        return ""

    def _key(self, of: object) -> Any:
        key = footage_key(self.video, self.fps)
        return None if key is None else (key, self.footage.timeline.source_index.tobytes(), of)

    def _kept_people(self) -> People:
        key = self.kept.key(
            "people",
            self.contents,
            self.footage.timeline.source_index,
            maker_key(self.detector),
            self.settings.every,
        )
        return self.kept.remembered(FACES, key, People, self._find_people)

    def _find_people(self) -> People:
        slots = len(self.footage.timeline)
        return track_people(
            interruptible(self.footage.slots()),
            self._detector,
            self.settings.every,
            # The built-in model's detector is quick, and looks in consecutive frames where faces just were.
            BATCH_FRAMES if isinstance(self.detector, MiniDetector) else frames_at_once(),
            smallest=self._smallest,
            progress=lambda done: self.on_progress(Progress(Stage.FACES, done, slots)),
        )

    def _find_face(self) -> TrackedFace:
        return find_face(self.footage, self._detector, self.settings, self.on_progress)

    @property
    def _smallest(self) -> float:
        return smallest_crop(own_crop_size(self.detector))

    @property
    def _detector(self) -> FaceDetector:
        if self.detector is None:
            raise SettingsError(
                "a person is to be found, but there is no face detector: connect one (Load Face Detector, or the "
                "built-in model's), or give every voice a face track"
            )
        return self.detector


def own_loudness(footage: Footage) -> np.ndarray | None:
    """The loudness of a video's own sound, float32 [slots]; None where it has none that can be read."""
    sound = own_sound(footage)
    try:
        return None if sound is None else loudness(sound, len(footage.timeline))
    except MediaError:
        return None


def sheet_of(people: People) -> Tensor:
    """Everybody's face and number, IMAGE [1, H, W, 3]."""
    return image_from_frame(contact_sheet(people))[None]


def list_of(people: People) -> str:
    """A line a person."""
    return "\n".join(
        f"{person.number}: from {person.first_second:.2f} s on, {person.seconds:.2f} s on screen ({person.share:.0%}), "
        f"{person.size:.0f} pixels"
        for person in people
    )
