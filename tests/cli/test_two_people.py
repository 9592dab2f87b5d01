"""Two people with a recording each, through the command line with the built-in model."""

import wave

import av
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from xdub_core.audio.recording import open_recording
from xdub_core.cli.app import app
from xdub_core.evaluation.video_sync import video_sync
from xdub_core.face.people import track_people
from xdub_core.media.output.encode_settings import EncodeSettings
from xdub_core.media.output.writer import VideoWriter
from xdub_core.media.sound.sound_place import place_sound
from xdub_core.media.video.reader import VideoReader
from xdub_core.mini.card import BUILT_IN
from xdub_core.mini.loading import load_mini
from xdub_core.mini.network_files import load_network
from xdub_core.mini.syncnet import MiniSyncScorer

SAMPLE = BUILT_IN.parent / "sample"
SECONDS = 1.6
SECOND_BEGINS = 2.2
"""In the sample the second recording is silent until then; here it is moved to the beginning."""


def frames_of(path):
    with VideoReader(path) as reader:
        return np.stack(list(reader.frames(reader.timeline.source_index)))


@pytest.fixture(scope="module")
def mini():
    torch.set_num_threads(1)
    return load_mini()


@pytest.fixture(scope="module")
def dub(tmp_path_factory):
    """A folder with a video of two people, who both speak at once, and its dub."""
    folder = tmp_path_factory.mktemp("two")
    for person, begins in ((1, 0.0), (2, SECOND_BEGINS)):
        with wave.open(str(SAMPLE / f"two_people_{person}.wav")) as file:
            rate = file.getframerate()
            file.setpos(round(begins * rate))
            sound = np.frombuffer(file.readframes(round(SECONDS * rate)), "<i2")
        with wave.open(str(folder / f"{person}.wav"), "wb") as file:
            file.setparams((1, 2, rate, 0, "NONE", ""))
            file.writeframes(sound.tobytes())
    voices = [
        argument for person in (2, 1) for argument in ("--voice", f"{person}={folder / f'{person}.wav'}")
    ]
    options = ("--model", "mini", "--codec", "ffv1", "--steps", "4")
    frames = frames_of(SAMPLE / "two_people.mp4")[: round(SECONDS * 25)]
    height, width = frames[0].shape[:2]
    with VideoWriter(folder / "video.mkv", width, height, 25, EncodeSettings("ffv1")) as writer:
        for frame in frames:
            writer.write(frame)
    files = ("--video", str(folder / "video.mkv"), "--out", str(folder / "out.mkv"))
    result = CliRunner().invoke(app, ["dub", *files, *voices, *options])
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture(scope="module")
def people(mini, dub):
    return track_people(frames_of(dub / "video.mkv"), mini.detector)


def test_each_person_s_lips_follow_their_own_recording(dub, mini, people):
    scorer, pictures = MiniSyncScorer(load_network("sync", BUILT_IN)), frames_of(dub / "out.mkv")
    heard = []
    for person in (1, 2):
        with open_recording(dub / f"{person}.wav") as recording:
            features = mini.features(recording)
            heard.append(features.read(0, features.rows))
    for person in people:
        own, other = (
            video_sync(scorer, pictures, person.track, heard[number - 1], mini.card.crop)
            for number in (person.number, 3 - person.number)
        )
        assert abs(own.offset) <= 1
        assert own.confidence > 0.2
        assert own.distance < other.distance - 0.1


def test_what_is_heard_is_the_sum_of_both(dub):
    with av.open(str(dub / "out.mkv")) as file:
        sound = np.concatenate([frame.to_ndarray()[0] for frame in file.decode(audio=0)])
    recordings = []
    for person in (1, 2):
        with open_recording(place_sound(dub / f"{person}.wav")) as recording:
            recordings.append(recording.read(0, recording.samples))
    total = np.sum(recordings, axis=0)
    length = min(len(sound), len(total))
    assert length > (SECONDS - 0.1) * 16000
    assert np.abs(sound).max() <= 1
    assert np.corrcoef(sound[:length], total[:length])[0, 1] > 0.97
    assert sound[:length].std() == pytest.approx(total[:length].std(), rel=0.05)  # at full level


def test_pixels_outside_of_both_faces_are_the_video_s(dub, people):
    pictures = frames_of(dub / "out.mkv")
    source = frames_of(dub / "video.mkv")
    assert len(pictures) == round(SECONDS * 25)
    for number, (picture, before) in enumerate(zip(pictures, source, strict=True)):
        outside = np.ones(picture.shape[:2], bool)
        for person in people:
            x0, y0, x1, y1 = person.track.boxes[number]
            within = slice(max(0, int(y0)), int(np.ceil(y1))), slice(max(0, int(x0)), int(np.ceil(x1)))
            assert not np.array_equal(picture[within], before[within])
            outside[within] = False
        assert np.array_equal(picture[outside], before[outside])
