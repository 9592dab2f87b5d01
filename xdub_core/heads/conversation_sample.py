"""The sample of two people: held-out persons side by side who say a line each, in turn, and a recording for each.

Made once, with espeak-ng, and kept, as the demonstration's sample is.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from xdub_core.heads.crowd import Actor, Place, render_crowd
from xdub_core.heads.demo_sample import write_wav
from xdub_core.heads.performance import make_performance
from xdub_core.heads.person import make_person
from xdub_core.heads.speech import VOICES, Speech, joined, lines_of, silence, synthesise
from xdub_core.heads.visemes import mouth_track
from xdub_core.media.output.encode_settings import EncodeSettings
from xdub_core.media.output.writer import VideoWriter
from xdub_core.media.sound.sound_place import AudioTrack
from xdub_core.media.timeline import MODEL_FPS


@dataclass(frozen=True)
class Talker:
    """One of the two.

    `identity`: seed of a held-out person; `voice`: number of a held-out voice; `seed`: of the performance; `place`:
    the head's middle and height in pixels; `spoken`, `dubbed`: numbers of the held-out lines that the video and the
    recording say; `begins`: seconds at which both begin.
    """

    identity: int
    voice: int
    seed: int
    place: tuple[float, float, float]
    spoken: int
    dubbed: int
    begins: float


@dataclass(frozen=True)
class Conversation:
    """Two people in a picture of `width` x `height` pixels, for so many seconds."""

    talkers: tuple[Talker, Talker] = (
        Talker(1_000_006, 0, 4, (128, 140, 172), 17, 18, 0.2),
        Talker(1_000_011, 1, 9, (352, 134, 160), 16, 21, 2.2),
    )
    seconds: float = 4.4
    width: int = 480
    height: int = 270


def render_conversation(folder: Path | str, scene: Conversation | None = None) -> dict[str, Path]:
    """Write the sample's files into `folder` and return them by name.

    - video: `two_people.mp4`, both saying their first lines (H.264, AAC)
    - recordings: `two_people_1.wav` and `two_people_2.wav`, the same voices saying others, one of them silent while the
      other speaks (16 kHz mono), for the person on the left and the one on the right
    - about: `two_people.json`, the scene's numbers and the lines

    Raises MissingModelError where espeak-ng is not installed.
    """
    scene = scene or Conversation()
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    said = [_spoken(talker, talker.spoken, scene.seconds) for talker in scene.talkers]
    files = {name: folder / f"two_people{end}" for name, end in _ENDINGS.items()}
    _write_video(scene, said, files["video"])
    for number, talker in enumerate(scene.talkers, 1):
        write_wav(_spoken(talker, talker.dubbed, scene.seconds).samples, files[f"recording_{number}"])
    lines = lines_of("held-out", "en")
    about = {
        **asdict(scene),
        "video_says": [lines[talker.spoken] for talker in scene.talkers],
        "recordings_say": [lines[talker.dubbed] for talker in scene.talkers],
    }
    files["about"].write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    return files


_ENDINGS = {"video": ".mp4", "recording_1": "_1.wav", "recording_2": "_2.wav", "about": ".json"}


def _spoken(talker: Talker, line: int, seconds: float) -> Speech:
    """A line, with silence before and after it."""
    voice = VOICES["held-out"][talker.voice]
    speech = synthesise(lines_of("held-out", voice.language)[line], voice)
    return joined([silence(talker.begins), speech, silence(seconds)]).cut(0.0, seconds)


def _actor(talker: Talker, speech: Speech, frames: int) -> Actor:
    mouth = mouth_track(speech.phonemes, frames)
    performance = make_performance(make_person(talker.identity), mouth, talker.seed, hard=0.0)
    return Actor(performance, lambda _: Place(*talker.place))


def _write_video(scene: Conversation, said: list[Speech], path: Path) -> None:
    frames = round(scene.seconds * MODEL_FPS)
    actors = [_actor(talker, speech, frames) for talker, speech in zip(scene.talkers, said, strict=True)]
    with TemporaryDirectory() as temporary:
        sound = Path(temporary) / "sound.wav"
        write_wav(np.sum([speech.samples for speech in said], axis=0), sound)
        settings = EncodeSettings(quality=18)
        with VideoWriter(path, scene.width, scene.height, MODEL_FPS, settings, AudioTrack(sound)) as writer:
            for picture in render_crowd(actors, 0, frames, scene.width, scene.height):
                writer.write(picture.image)
