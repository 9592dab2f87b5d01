"""Whose face is followed through the video: everybody is found first, and then one is chosen."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from typing import Any, Protocol, TypeVar

import numpy as np

from xdub_core.audio.loudness import loudness
from xdub_core.cli.chosen_model import ChosenModel
from xdub_core.cli.options.face import DetectorOptions, FaceOptions
from xdub_core.cli.voices import Faces, Spoken, check_only_one, faces_of, numbered_person
from xdub_core.dub.settings import DubSettings
from xdub_core.errors import MediaError, SettingsError
from xdub_core.face.choice import choose_person
from xdub_core.face.people import People, Person, track_people
from xdub_core.face.presence import smallest_crop
from xdub_core.face.track import FaceTrack, track_faces
from xdub_core.media.sound.sound_place import place_sound
from xdub_core.media.video.passes import VideoPasses
from xdub_core.media.video.video_info import VideoInfo
from xdub_core.progress import Progress, ProgressCallback, Stage

logger = logging.getLogger(__name__)
Result = TypeVar("Result")


class Remember(Protocol):
    """Gives what was found in the video before with the same `declared` options, or else what `make` makes now."""

    def __call__(
        self, declared: Sequence[Any], result: type[Result], make: Callable[[], Result]
    ) -> Result: ...


def made_anew(declared: Sequence[Any], result: type[Result], make: Callable[[], Result]) -> Result:  # noqa: ARG001
    """A `Remember` that remembers nothing."""
    return make()


@dataclass(frozen=True)
class Footage:
    """The video in which faces are looked for: its frames, what it is, and which of its streams was asked for."""

    source: VideoPasses
    info: VideoInfo
    stream: int | None = None

    @property
    def slots(self) -> np.ndarray:
        """The frame that each slot of the timeline shows, int64 [frames]."""
        return self.source.timeline.source_index


def follow_faces(
    footage: Footage,
    face: FaceOptions,
    spoken: Sequence[Spoken],
    model: ChosenModel,
    settings: DubSettings,
    on_progress: ProgressCallback,
    remember: Remember = made_anew,
) -> Faces:
    """The faces of those who speak: given, as the release chooses it, those of numbered people, or of one chosen.

    Where nobody was chosen and there are several, the most prominent is followed, and a warning tells.
    Raises FaceError for no face, or no such person.
    """
    if not face.needs_detector or settings.as_released:
        check_only_one(spoken)
        one_face = partial(_one_face, footage, face, model, settings.as_released, on_progress)
        declared = (face, footage.stream, footage.slots, settings.as_released)
        return Faces((remember(declared, FaceTrack, one_face),))
    people = find_people(footage, face, model, on_progress, settings.crop_size, remember)
    if spoken[0].voice.person is None:
        return faces_of([chosen_person(people, face, footage)], people)
    return faces_of([numbered_person(people, each) for each in spoken], people)


def check_person(face: FaceOptions, as_released: bool, by_number: bool) -> None:
    """Raise SettingsError where a person is chosen, and `as_released` or recordings by number choose otherwise."""
    if face.person is None:
        return
    if as_released:
        raise SettingsError(
            f"--person {face.person}: the release dubs the surest face of each frame; leave out --as-released, or "
            "--person"
        )
    if by_number:
        raise SettingsError(
            f"--person {face.person}: --voice says already whose lips shall move; leave it out"
        )


def find_people(
    footage: Footage,
    faces: DetectorOptions,
    model: ChosenModel,
    on_progress: ProgressCallback,
    crop_size: int | None = None,
    remember: Remember = made_anew,
) -> People:
    """Everybody in a video; `crop_size`: of the model, if not its own. Raises FaceError where nobody is found."""
    on_progress(Progress(Stage.FACES, 0, len(footage.slots)))
    smallest = smallest_crop(crop_size or model.settings.crop_size)

    def look() -> People:
        return track_people(
            footage.source.frames(footage.slots),
            model.detector(faces.detector, as_released=False),
            every=faces.detect_every,
            smallest=smallest,
            progress=lambda done: on_progress(Progress(Stage.FACES, done, len(footage.slots))),
        )

    looked = DetectorOptions(faces.detector, faces.detect_every)
    return remember(("people", looked, footage.stream, footage.slots, smallest), People, look)


def chosen_person(people: People, face: FaceOptions, footage: Footage) -> Person:
    """The person whom the options choose. Raises FaceError where there is none such."""
    choice = face.chosen_person
    heard = own_loudness(footage) if choice == "speaking" else None
    person = choose_person(people, choice, heard)
    if choice is None and len(people) > 1:
        logger.warning(
            "%s shows %d people: number %d, the most prominent, is dubbed; `python -m xdub_core people` shows them "
            "all, and --person chooses",
            footage.info.path,
            len(people),
            person.number,
        )
    return person


def own_loudness(footage: Footage) -> np.ndarray | None:
    """The loudness of a video's own sound, float32 [frames]; None where it has none that can be read."""
    try:
        return loudness(place_sound(footage.info.path, footage.info, warn=False), len(footage.slots))
    except MediaError:
        return None


def _one_face(
    footage: Footage, face: FaceOptions, model: ChosenModel, as_released: bool, on_progress: ProgressCallback
) -> FaceTrack:
    """The track of a face that was given, or of the surest one of each frame."""
    on_progress(Progress(Stage.FACES, 0, len(footage.slots)))
    if face.needs_detector:
        frames = footage.source.frames(footage.slots)
    else:  # given faces need no pictures: nothing is decoded
        blank = np.broadcast_to(np.uint8(0), (footage.info.height, footage.info.width, 3))
        frames = repeat(blank, len(footage.slots))
    return track_faces(
        frames,
        face.given(footage.source.timeline) or model.detector(face.detector, as_released),
        every=face.detect_every,
        as_released=as_released,
        progress=lambda done: on_progress(Progress(Stage.FACES, done, len(footage.slots))),
    )
