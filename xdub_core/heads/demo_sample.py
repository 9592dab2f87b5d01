"""The demonstration's sample: a short scene of a held-out person, and a recording of another line.

Made once, with espeak-ng, and kept; who only runs the demonstration needs neither this module nor espeak-ng.
"""

from __future__ import annotations

import json
import wave
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from xdub_core.audio.decode import SAMPLE_RATE
from xdub_core.heads.performance import Performance, SceneCamera, make_performance, render, true_dub
from xdub_core.heads.person import make_person
from xdub_core.heads.speech import VOICES, Speech, joined, lines_of, silence, synthesise
from xdub_core.heads.visemes import mouth_track
from xdub_core.media.output.encode_settings import EncodeSettings
from xdub_core.media.output.writer import VideoWriter
from xdub_core.media.sound.sound_place import AudioTrack
from xdub_core.media.timeline import MODEL_FPS


@dataclass(frozen=True)
class DemoScene:
    """What the demonstration shows.

    Attributes:
        identity: seed of a held-out person; `voice` number of a held-out voice; `seed` of the performance.
        spoken, dubbed: numbers of held-out lines: what the video says, and what the recording says.
        seconds: length of both.
        width, height, head: of the picture, see `SceneCamera`.
    """

    identity: int = 1_000_006
    voice: int = 0
    seed: int = 4
    spoken: tuple[int, ...] = (0, 5)
    dubbed: tuple[int, ...] = (12, 3)
    seconds: float = 5.0
    width: int = 480
    height: int = 360
    head: float = 0.56


def render_demo(folder: Path | str, scene: DemoScene | None = None) -> dict[str, Path]:
    """Write the demonstration's files into `folder` and return them by name.

    - video: `source.mp4`, the person saying the first lines (H.264, AAC)
    - recording: `recording.wav`, the same voice saying the others (16 kHz mono, 160 kB for 5 s)
    - truth: `truth.mp4`, the true dub with that recording
    - about: `scene.json`, the scene's numbers and the lines

    Raises:
        MissingModelError: espeak-ng is not installed.
    """
    scene = scene or DemoScene()
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    voice = VOICES["held-out"][scene.voice]
    lines = lines_of("held-out", voice.language)
    said, dubbed = (_spoken(scene, numbers) for numbers in (scene.spoken, scene.dubbed))
    performance = demo_performance(scene, said)
    files = {
        "video": folder / "source.mp4",
        "recording": folder / "recording.wav",
        "truth": folder / "truth.mp4",
        "about": folder / "scene.json",
    }
    write_wav(dubbed.samples, files["recording"])
    _write_video(performance, scene, said, files["video"])
    _write_video(true_dub(performance, dubbed.phonemes), scene, dubbed, files["truth"])
    about = {
        **asdict(scene),
        "voice_settings": asdict(voice),
        "video_says": [lines[number] for number in scene.spoken],
        "recording_says": [lines[number] for number in scene.dubbed],
    }
    files["about"].write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    return files


def demo_performance(scene: DemoScene, speech: Speech) -> Performance:
    """The demonstration's person saying something: nothing in front of the face, a light that stands still."""
    frames = round(scene.seconds * MODEL_FPS)
    return make_performance(
        make_person(scene.identity), mouth_track(speech.phonemes, frames), scene.seed, hard=0.0
    )


def write_wav(samples: np.ndarray, path: Path) -> None:
    """Float samples within -1..1 as a 16-bit mono WAV file at 16 kHz."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(np.round(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())


def _spoken(scene: DemoScene, numbers: tuple[int, ...]) -> Speech:
    """Lines with pauses, filled with silence to the scene's length."""
    voice = VOICES["held-out"][scene.voice]
    lines = lines_of("held-out", voice.language)
    parts = [silence(0.3)]
    for number in numbers:
        parts += [synthesise(lines[number], voice), silence(0.4)]
    return joined([*parts, silence(scene.seconds)]).cut(0.0, scene.seconds)


def _write_video(performance: Performance, scene: DemoScene, speech: Speech, path: Path) -> None:
    camera = SceneCamera(scene.width, scene.height, scene.head)
    with TemporaryDirectory() as temporary:
        sound = Path(temporary) / "sound.wav"
        write_wav(speech.samples, sound)
        settings = EncodeSettings(quality=16)
        with VideoWriter(path, scene.width, scene.height, MODEL_FPS, settings, AudioTrack(sound)) as writer:
            for frame in range(len(performance.mouth)):
                writer.write(render(performance, frame, frame + 1, camera).frames[0])
