"""The recordings of a dub, and the faces of those who say them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from xdub_core.audio.features import AudioFeatures
from xdub_core.audio.recording import SAMPLE_RATE, Recording, open_recording
from xdub_core.cli.options.speech import Voice
from xdub_core.dub.length import frames_of_audio
from xdub_core.dub.scene import Speaker
from xdub_core.dub.shots import require_seen
from xdub_core.dub.silence import Silence, heard_with
from xdub_core.errors import FaceError, SettingsError
from xdub_core.face.choice import check_fit
from xdub_core.face.people import People, Person
from xdub_core.face.track import FaceTrack
from xdub_core.media.sound.mix import Sound, mixed
from xdub_core.media.sound.sound_place import AudioTrack, place_sound
from xdub_core.media.timeline import MODEL_FPS
from xdub_core.media.video.video_info import VideoInfo
from xdub_core.report.people import Named


@dataclass(frozen=True)
class Spoken:
    """A recording that is open, and its place on the dub's clock."""

    voice: Voice
    place: AudioTrack
    recording: Recording

    @property
    def frames(self) -> int:
        """How many frames it lasts."""
        return frames_of_audio(self.recording.samples)

    def lasting(self, frames: int) -> Recording:
        """The recording, followed by silence where it is shorter than so many frames."""
        if frames <= self.frames:
            return self.recording
        return self.recording.padded(round(frames / MODEL_FPS * SAMPLE_RATE))


@dataclass(frozen=True)
class Faces:
    """The face of everyone who says one of the recordings, in their order; for each the faces of all others.

    `numbers`: theirs among the people of the video.
    """

    tracks: tuple[FaceTrack, ...]
    bystanders: tuple[tuple[FaceTrack, ...], ...] = ((),)
    numbers: tuple[int, ...] = (1,)


@dataclass(frozen=True)
class Said:
    """A recording as a model hears it, whose face speaks it, and how far that shows in each frame."""

    spoken: Spoken
    track: FaceTrack
    heard: Recording
    strength: np.ndarray | None
    bystanders: tuple[FaceTrack, ...] = ()
    number: int = 1

    def speaker(self, features: AudioFeatures) -> Speaker:
        """As a scene has it. `features`: what was heard."""
        return Speaker(self.track, features, self.strength, self.bystanders)

    @property
    def named(self) -> Named:
        """As a report calls it."""
        return Named(f"person {self.number}", self.spoken.place.path.name, self.number)


def open_voices(
    voices: Iterable[Voice], video: VideoInfo, spool_dir: Path, stack: ExitStack
) -> tuple[Spoken, ...]:
    """Open all recordings, as long as `stack` is. Raises MediaError for a file without sound that can be decoded."""
    opened = []
    for voice in voices:
        place = place_sound(voice.path, video, voice.stream, voice.offset)
        recording = stack.enter_context(open_recording(place, spool_dir))
        opened.append(Spoken(voice, replace(place, intact=recording.intact), recording))
    return tuple(opened)


def check_something_is_said(spoken: Iterable[Spoken], frames: int) -> None:
    """Raise SettingsError for a recording that would begin when the output has ended."""
    for each in spoken:
        if each.place.delay >= frames / MODEL_FPS:
            option = "--audio-offset" if each.voice.person is None else "--voice-offset"
            raise SettingsError(
                f"{each.place.path}: its sound would begin at {each.place.delay:.2f} s, when the output has ended "
                f"already, at {frames / MODEL_FPS:.2f} s; make {option} smaller, or --length audio"
            )


def numbered_person(people: People, spoken: Spoken) -> Person:
    """Who says a recording that has a person's number. Raises FaceError where nobody has such a number."""
    assert spoken.voice.person is not None
    try:
        return people.person(spoken.voice.person)
    except FaceError as error:
        raise FaceError(f"{spoken.voice.option}: {error}") from error


def faces_of(speaking: Sequence[Person], people: People) -> Faces:
    """The faces of those who speak, and everybody else's beside each.

    Raises FaceError for somebody whose face is nowhere fit to be dubbed.
    """
    for person in speaking:
        check_fit(person)
    others = (tuple(other.track for other in people.others(person.number)) for person in speaking)
    numbers = tuple(person.number for person in speaking)
    return Faces(tuple(person.track for person in speaking), tuple(others), numbers)


def check_only_one(spoken: Iterable[Spoken]) -> None:
    """Raise FaceError for a recording of anybody else than the one person whose face is given."""
    for each in spoken:
        if each.voice.person not in (None, 1):
            raise FaceError(
                f"{each.voice.option}: there is no person {each.voice.person}: the face that is given is person 1's"
            )


def check_seen(spoken: Iterable[Spoken], tracks: Iterable[FaceTrack], slots: np.ndarray) -> None:
    """Raise FaceError for a recording of somebody who is not seen in any of the output's `slots`."""
    chosen = [
        (track, f"{each.voice.option}: person {each.voice.person}")
        for each, track in zip(spoken, tracks, strict=True)
        if each.voice.person is not None
    ]
    require_seen([track for track, _ in chosen], slots, [named for _, named in chosen], "use --length source")


def said_by(
    spoken: Sequence[Spoken], faces: Faces, frames: int, silence: Silence, spool_dir: Path, stack: ExitStack
) -> tuple[Said, ...]:
    """What is said in a dub of so many frames. Smaller faces come first: nearer ones cover them where they overlap.

    What the models hear is open as long as `stack` is.
    """
    said = []
    for each, track, others, number in zip(
        spoken, faces.tracks, faces.bystanders, faces.numbers, strict=True
    ):
        heard, strength = heard_with(silence, each.lasting(frames), frames, spool_dir)
        said.append(Said(each, track, stack.enter_context(heard), strength, others, number))
    return tuple(sorted(said, key=lambda each: each.track.mean_side))


def heard_together(spoken: Sequence[Spoken], frames: int) -> Sound:
    """What is heard with a dub of so many frames; see `mixed`."""
    return mixed([each.place for each in spoken], frames / MODEL_FPS)
