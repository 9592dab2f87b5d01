"""`people`, and whom `dub --person` takes, on rendered heads and with the built-in model."""

import cv2
import numpy as np
import pytest

from tests.cli.conftest import write_wav
from tests.mini.crowds import HEIGHT, WIDTH, Place, actor, frames
from xdub_core.media.output.encode_settings import EncodeSettings
from xdub_core.media.output.writer import VideoWriter
from xdub_core.media.sound.sound_place import AudioTrack

FRAMES = 16


@pytest.fixture(scope="module")
def footage(tmp_path_factory):
    """Somebody silent on the left, and from frame 6 on somebody on the right whose mouth moves with the sound."""
    folder = tmp_path_factory.mktemp("people")
    rng = np.random.default_rng(0)
    loud = np.repeat([0.0, 1.0, 0.0, 1.0], 4)
    mouth = np.zeros((FRAMES, 8), np.float32)
    mouth[:, 0] = mouth[:, 3] = loud * rng.uniform(0, 1, FRAMES)
    silent = actor(25, Place(90, 95, 110))
    speaking = actor(26, lambda frame: Place(230, 90, 90) if frame >= 6 else None, mouth)
    write_wav(folder / "sound.wav", np.repeat(loud, 640) * rng.normal(0, 0.2, 640 * FRAMES))
    sound, settings = AudioTrack(folder / "sound.wav"), EncodeSettings(quality=12)
    with VideoWriter(folder / "two.mp4", WIDTH, HEIGHT, 25, settings, sound) as writer:
        for picture in frames([silent, speaking], 0, FRAMES):
            writer.write(picture)
    return folder


def dub(run, footage, out, *more):
    paths = ("--video", footage / "two.mp4", "--audio", footage / "sound.wav", "--out", out)
    return run(
        "dub", "--model", "mini", "--steps", "1", "--preset", "ultrafast", "--no-resume", *paths, *more
    )


def test_people_are_listed_and_drawn(run, footage, tmp_path):
    outcome = run("people", footage / "two.mp4", "--model", "mini", "--out", tmp_path / "sheet.png")
    assert outcome.code == 0, outcome.err
    one, two = (
        line.split() for line in outcome.out.splitlines() if line.strip()[:1] in "12" and line.strip()
    )
    assert (one[0], one[1], two[0]) == ("1", "0.00", "2")
    assert 0.24 <= float(two[1]) <= 0.32
    assert int(two[-1]) > int(one[-1])  # who speaks
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet is not None and sheet.shape[1] > 2 * 160


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("sheet.jpg", "a name that ends in .png"),
        ("nowhere/sheet.png", "there is no folder"),
        (".", "ends in .png"),
    ],
)
def test_a_sheet_that_cannot_be_written_is_told_before_the_work(run, footage, tmp_path, name, told):
    outcome = run("people", footage / "two.mp4", "--model", "mini", "--out", tmp_path / name)
    assert outcome.code == 2 and told in outcome.err and "Finding" not in outcome.err


def test_a_sheet_is_replaced_only_where_that_is_asked_for(run, footage, tmp_path):
    (tmp_path / "sheet.png").write_bytes(b"mine")
    outcome = run("people", footage / "two.mp4", "--model", "mini", "--out", tmp_path / "sheet.png")
    assert outcome.code == 2 and "--overwrite" in outcome.err
    assert (tmp_path / "sheet.png").read_bytes() == b"mine"


def test_without_a_choice_one_of_several_is_dubbed_with_a_warning(run, footage, tmp_path, caplog):
    outcome = dub(run, footage, tmp_path / "out.mkv")
    assert outcome.code == 0, outcome.err
    assert any("shows 2 people: number 1, the most prominent, is dubbed" in text for text in caplog.messages)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--person", "3"), "there is no person 3: the video has people 1 to 2"),
        (("--person", "5,5@0.1"), "there is no face at (5, 5) at 0.1 s: there is person 1 from ("),
        (("--person", "somebody"), "no person is called 'somebody'"),
        (("--person", "2", "--box", "0,0,50,50"), "--box and --person contradict each other"),
        (("--person", "2", "--as-released"), "leave out --as-released, or --person"),
    ],
)
def test_who_is_not_there_is_told_in_one_line(run, footage, tmp_path, options, told):
    outcome = dub(run, footage, tmp_path / "out.mkv", *options)
    assert outcome.code == 2 and told in outcome.err.splitlines()[-1]
    assert not (tmp_path / "out.mkv").exists()
