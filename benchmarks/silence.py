"""What the lips do in a recording's pauses, for each way of `--silence`: the built-in model dubs its sample.

    python benchmarks/silence.py [--sounds clean noise ...] [--frames FOLDER]

The sample's recording is put between two pauses of two seconds, in which there is nothing, or what recordings have
there: noise, hum, breaths, another's voice from afar. Columns: how wide the mouth is open in the pauses and how much it
moves there (mean and standard deviation of the opening, as shares of its mean while speaking); how many of the frames
with speech are left as with `--silence model`; Sync-C while speaking. The first row is the undubbed source.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import av
import numpy as np
import torch
from scipy.signal import butter, lfilter

from xdub_core.audio.decode import SAMPLE_RATE, decode_waveform
from xdub_core.audio.recording import Recording, recording_from_waveform
from xdub_core.dub.pipeline import dub
from xdub_core.dub.scene import Scene, Speaker
from xdub_core.dub.silence import Silence, heard_with
from xdub_core.evaluation.sync import sync_score
from xdub_core.face.crop import crop_frame
from xdub_core.face.track import FaceTrack, track_faces
from xdub_core.media.sound.sound_place import AudioTrack
from xdub_core.media.timeline import MODEL_FPS
from xdub_core.media.video.passes import VideoPasses
from xdub_core.media.video.video_info import scan_video
from xdub_core.mini.card import BUILT_IN
from xdub_core.mini.loading import Mini, load_mini
from xdub_core.mini.network_files import load_networks
from xdub_core.mini.syncnet import MiniSyncScorer

SAMPLE = BUILT_IN.parent / "sample"
PAUSE = 2.0
EDGE = 0.24
"""Seconds at either end of a pause that do not count: the mouth closes, and opens."""
RNG = np.random.default_rng(0)


def mono(path: Path) -> np.ndarray:
    sound, rate = decode_waveform(AudioTrack(path))
    assert rate == SAMPLE_RATE or path.suffix == ".mp4"
    if rate != SAMPLE_RATE:
        with recording_from_waveform(sound, rate) as recording:
            return recording.read(0, recording.samples)
    return sound.mean(axis=0)


def noise(samples: int) -> np.ndarray:
    return RNG.standard_normal(samples)


def hum(samples: int) -> np.ndarray:
    time = np.arange(samples) / SAMPLE_RATE
    return sum(np.sin(2 * np.pi * 50 * part * time + part) / part for part in range(1, 12))


def breaths(samples: int) -> np.ndarray:
    """Half a second each, one a second."""
    air = lfilter(*butter(2, [500 / 8000, 4000 / 8000], "band"), noise(samples))
    phase = np.arange(samples) / SAMPLE_RATE % 1
    return air * np.where(phase < 0.5, np.sin(2 * np.pi * phase).clip(0), 0)


def recordings() -> dict[str, np.ndarray]:
    """Sounds by name, and under "clean" the one without anything."""
    speech = mono(SAMPLE / "recording.wav")
    pause = np.zeros(round(PAUSE * SAMPLE_RATE))
    clean = np.concatenate([pause, speech, pause])
    level = np.sqrt((speech**2).mean())
    inside = np.zeros(len(clean), bool)
    inside[len(pause) : len(pause) + len(speech)] = True

    def beside(sound: np.ndarray, decibels: float) -> np.ndarray:
        return clean + level * 10 ** (decibels / 20) * sound / np.sqrt((sound**2).mean())

    other = np.resize(mono(SAMPLE / "source.mp4"), len(clean))
    return {
        "clean": clean,
        "noise -20 dB": beside(noise(len(clean)), -20),
        "noise -10 dB": beside(noise(len(clean)), -10),
        "hum -10 dB": beside(hum(len(clean)), -10),
        "breaths -15 dB": beside(breaths(len(clean)) * ~inside, -15),
        "another -25 dB": beside(other, -25),
    }


class Dubs:
    """The sample's face, dubbed with any sound."""

    def __init__(self, mini: Mini, clean: np.ndarray) -> None:
        self.mini = mini
        self.source = VideoPasses(scan_video(SAMPLE / "source.mp4"))
        self.track: FaceTrack = track_faces(
            self.source.frames(self.source.timeline.source_index), mini.detector
        )
        self.frames = round(len(clean) / SAMPLE_RATE * MODEL_FPS)
        with recording_from_waveform(clean[None], SAMPLE_RATE) as recording:
            features = mini.features(recording)
            self.features = features.read(0, features.rows)
        networks = load_networks(BUILT_IN)
        self.scorer, self.landmarks = MiniSyncScorer(networks.sync), networks.landmarks
        self.slots = np.zeros(0, int)

    def pictures(self, recording: Recording, silence: Silence) -> np.ndarray:
        heard, strength = heard_with(silence, recording, self.frames)
        with heard:
            speaker = Speaker(self.track, self.mini.features(heard), strength)
            scene = Scene(self.source, self.source.timeline, (speaker,), self.frames)
            self.slots = scene.slots
            return np.stack([frame.rgb for frame in dub(scene, self.mini.model, self.mini.card.settings)])

    def undubbed(self) -> np.ndarray:
        return np.stack(list(self.source.frames(self.source.timeline.source_index[self.slots])))

    def measured(self, pictures: np.ndarray) -> tuple[float, float, float]:
        """Mean and movement of the opening in pauses, as shares of its mean while speaking; Sync-C while speaking."""
        boxes = self.track.boxes[self.slots]
        crops = [crop_frame(one, box, self.mini.card.crop) for one, box in zip(pictures, boxes, strict=True)]
        opening = self.landmarks.find([(crop * 255).astype(np.uint8) for crop in crops]).openness
        edge, pause = round(EDGE * MODEL_FPS), round(PAUSE * MODEL_FPS)
        silent = np.zeros(self.frames, bool)
        silent[: pause - edge] = silent[self.frames - pause + edge :] = True
        speech = slice(pause, self.frames - pause)
        usual = opening[speech].mean()
        score = sync_score(
            self.scorer,
            torch.from_numpy(np.stack(crops[speech])),
            self.features[2 * speech.start : 2 * speech.stop],
        )
        return (
            float(opening[silent].mean() / usual),
            float(opening[silent].std() / usual),
            score.confidence,
        )


def write_strip(path: Path, pictures: np.ndarray) -> None:
    """Frames of the first pause and of the speech, side by side."""
    strip = np.concatenate([pictures[at] for at in (10, 20, 30, 40, 62, 70)], axis=1)
    with av.open(str(path), "w", format="image2") as file:
        stream = file.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = strip.shape[1], strip.shape[0], "rgb24"
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(strip), "rgb24")
        file.mux([*stream.encode(frame), *stream.encode(None)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    sounds = recordings()
    parser.add_argument("--sounds", nargs="+", default=list(sounds), choices=list(sounds))
    parser.add_argument("--ways", nargs="+", default=[way.value for way in Silence])
    parser.add_argument("--frames", type=Path, help="folder for pictures of each dub")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    dubs = Dubs(load_mini(), sounds["clean"])
    print(f"{'sound':16} {'silence':8} {'open':>6} {'moves':>6} {'as model':>9} {'Sync-C':>7}", flush=True)
    speech = slice(round(PAUSE * MODEL_FPS), dubs.frames - round(PAUSE * MODEL_FPS))
    for name in arguments.sounds:
        model = None
        for way in sorted(map(Silence, arguments.ways), key=lambda way: way is not Silence.MODEL):
            with recording_from_waveform(sounds[name][None], SAMPLE_RATE) as recording:
                pictures = dubs.pictures(recording, way)
            model = pictures if way is Silence.MODEL else model
            if name == arguments.sounds[0] and way is Silence.MODEL:
                _tell("(source)", "", dubs.measured(dubs.undubbed()), "")
            same = "" if model is None else f"{_same(pictures[speech], model[speech]):.0%}"
            _tell(name, way.value, dubs.measured(pictures), same)
            if arguments.frames:
                arguments.frames.mkdir(parents=True, exist_ok=True)
                write_strip(arguments.frames / f"{name.replace(' ', '_')}.{way.value}.png", pictures)


def _same(one: np.ndarray, other: np.ndarray) -> float:
    return float((one == other).all(axis=(1, 2, 3)).mean())


def _tell(name: str, way: str, measured: tuple[float, float, float], same: str) -> None:
    opening, moves, sync = measured
    print(f"{name:16} {way:8} {opening:6.2f} {moves:6.2f} {same:>9} {sync:7.2f}", flush=True)


if __name__ == "__main__":
    main()
