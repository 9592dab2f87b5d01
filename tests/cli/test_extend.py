"""`dub --extend`: how a video that is too short is made longer, from files to a file."""

import json

import av
import numpy as np
import pytest

from tests.cli.conftest import BOX, HEIGHT, QUICK, WIDTH, write_video, write_wav
from tests.cli.test_dub_command import dub, frames_of
from tests.media.output.test_source_tracks import film, found
from xdub_core.heads.drawn_head import make_voice

SHOWN = {
    "bounce": [*range(20), *range(18, 8, -1)],
    "loop": [*range(20), *range(10)],
    "hold": [*range(20), *[19] * 10],
}
OUTSIDE = np.ones((HEIGHT, WIDTH), bool)
OUTSIDE[8:72, 16:80] = False
NO_BOX = [argument for argument in QUICK if argument not in ("--box", BOX)]


@pytest.mark.parametrize("extend", SHOWN)
def test_every_frame_shows_what_is_due_and_every_face_is_dubbed(run, files, extend):
    outcome = dub(run, files, "--codec", "ffv1", "--extend", extend, out="out.mkv")
    assert outcome.code == 0, outcome.err
    source, result = frames_of(files / "video.mp4")[SHOWN[extend]], frames_of(files / "out.mkv")
    assert np.array_equal(result[:, OUTSIDE], source[:, OUTSIDE])
    assert (result != source).any(axis=3)[:, ~OUTSIDE].any(axis=1).all()


def test_to_and_fro_is_the_default_byte_for_byte(run, files):
    assert dub(run, files).code == 0
    assert dub(run, files, "--extend", "bounce", out="named.mp4").code == 0
    assert (files / "out.mp4").read_bytes() == (files / "named.mp4").read_bytes()


def test_a_video_that_is_long_enough_is_the_same_in_every_way(run, files):
    made = []
    for extend in SHOWN:
        name = f"{extend}.mkv"
        assert (
            dub(run, files, "--extend", extend, "--length", "source", "--codec", "ffv1", out=name).code == 0
        )
        made.append(frames_of(files / name))
    assert np.array_equal(made[0], made[1]) and np.array_equal(made[0], made[2])


def test_the_face_that_stands_goes_on_speaking(run, files):
    assert dub(run, files, "--codec", "ffv1", "--extend", "hold", out="out.mkv").code == 0
    faces = frames_of(files / "out.mkv")[19:][:, ~OUTSIDE]
    assert (faces[1:] != faces[:-1]).any(axis=(1, 2)).all()


@pytest.mark.parametrize("extend", SHOWN)
def test_frames_without_a_face_pass_through_in_every_pass(run, files, extend):
    boxes = [None] * 3 + [[16, 8, 80, 72]] * 13 + [None] * 4
    (files / "boxes.json").write_text(json.dumps(boxes))
    outcome = run(
        "dub", "--video", files / "video.mp4", "--audio", files / "voice.wav", "--out", files / "out.mkv",
        *NO_BOX, "--boxes", files / "boxes.json", "--codec", "ffv1", "--extend", extend,
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    source, result = frames_of(files / "video.mp4")[SHOWN[extend]], frames_of(files / "out.mkv")
    touched = (source != result).any(axis=(1, 2, 3))
    assert touched.tolist() == [boxes[slot] is not None for slot in SHOWN[extend]]


@pytest.mark.parametrize("extend", SHOWN)
def test_a_video_of_one_frame_is_one_chain_of_clips_in_every_way(run, files, extend):
    write_video(files / "one.mp4", frames=1)
    assert (
        dub(run, files, "--extend", extend, "--codec", "ffv1", video="one.mp4", out=f"{extend}.mkv").code == 0
    )
    assert dub(run, files, "--codec", "ffv1", video="one.mp4", out="plain.mkv").code == 0
    assert np.array_equal(frames_of(files / f"{extend}.mkv"), frames_of(files / "plain.mkv"))


@pytest.mark.skipif(
    not hasattr(av.container.OutputContainer, "add_mux_stream"),
    reason="needs a newer PyAV to make the test's file",
)
@pytest.mark.parametrize("extend", SHOWN)
def test_what_goes_along_with_the_source_is_there_once(run, files, extend):
    film(files / "film.mkv")
    write_wav(files / "long.wav", make_voice(4.4))
    outcome = run(
        "dub", "--video", files / "film.mkv", "--audio", files / "long.wav", "--out", files / "out.mkv",
        *NO_BOX, "--box", "8,0,72,64", "--extend", extend,
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    told = found(files / "out.mkv")
    assert told["chapters"] == [(0, 1, "Anfang"), (1, 2, "Ende")]
    assert [when for when, _ in told["words"]] == pytest.approx([0.2, 1.0], abs=0.03)
    with av.open(str(files / "out.mkv")) as container:
        other = container.streams.audio[1]
        last = max(packet.pts for packet in container.demux(other) if packet.size)
        assert 1.9 < last * other.time_base < 2.1


def test_no_other_way_is_known(run, files):
    outcome = dub(run, files, "--extend", "stretch")
    assert outcome.code == 2
    assert "--extend" in outcome.err and "bounce" in outcome.err and "loop" in outcome.err
    assert sorted(path.name for path in files.iterdir()) == ["video.mp4", "voice.wav"]
