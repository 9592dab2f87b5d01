"""Telling rendered heads from all else, before the mini is let loose on it."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from xdub_core.cli.demo import SAMPLE
from xdub_core.errors import CheckpointError, MissingModelError
from xdub_core.face.boxes import FixedBox
from xdub_core.face.track import track_faces
from xdub_core.heads.performance import make_performance, render
from xdub_core.heads.person import make_person
from xdub_core.heads.visemes import mouth_track
from xdub_core.media.video.passes import VideoPasses
from xdub_core.media.video.video_info import scan_video
from xdub_core.mini.card import BUILT_IN
from xdub_core.mini.likeness import LIKENESS, THRESHOLD, Likeness, likeness_of_track, load_likeness
from xdub_core.mini.loading import load_mini

HELD_OUT = 1_000_000


@pytest.fixture(scope="module")
def mini():
    return load_mini()


@pytest.fixture(scope="module")
def judge():
    return load_likeness(BUILT_IN)


def head(number: int, frames: int = 3) -> np.ndarray:
    """A held-out person's crop, silent."""
    person = make_performance(make_person(HELD_OUT + number), mouth_track((), frames), number, hard=0.3)
    return render(person, 0, frames).frames


def clouds(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.kron(rng.integers(0, 256, (12, 12, 3)), np.ones((8, 8, 1))).astype(np.uint8)


def video_likeness(path: Path, judge, mini, detector=None) -> Likeness:
    source = VideoPasses(scan_video(path))
    track = track_faces(source.frames(source.timeline.source_index), detector or mini.detector, every=12)
    return likeness_of_track(judge, source, source.timeline, track, mini.card.crop)


@pytest.mark.parametrize("number", range(12))
def test_held_out_rendered_heads_are_known(judge, number):
    assert judge(list(head(number))).is_rendered_head


@pytest.mark.parametrize("name", ["source.mp4", "truth.mp4"])
def test_the_sample_is_known(judge, mini, name):
    assert video_likeness(SAMPLE / name, judge, mini).score > THRESHOLD + 4


@pytest.mark.media
@pytest.mark.parametrize("box", [None, (120.0, 110.0, 320.0, 310.0)])
def test_a_real_face_is_no_rendered_head(judge, mini, media, box):
    detector = None if box is None else FixedBox(np.array(box))
    assert video_likeness(media / "video.mp4", judge, mini, detector).score < THRESHOLD - 1


@pytest.mark.parametrize("seed", range(4))
def test_coloured_squares_are_no_rendered_head(judge, seed):
    assert not judge([clouds(seed)]).is_rendered_head


def test_crops_may_be_integers_or_fractions(judge):
    crops = head(0)
    fractions, deep = crops.astype(np.float32) / 255, crops.astype(np.uint16) * 257
    scores = [judge(list(each)).score for each in (crops, fractions, deep)]
    assert scores == pytest.approx([scores[0]] * 3, abs=1e-3)


def test_a_handful_of_a_long_video_is_looked_at(judge):
    crops = head(0, frames=1)
    assert judge([crops[0]] * 1000).score == pytest.approx(judge([crops[0]]).score, abs=1e-3)


def test_the_warning_is_one_line_with_the_figure_and_the_remedy():
    told = Likeness(-7.25).warning("in.mp4", "use --model released")
    assert "\n" not in told
    assert all(part in told for part in ("in.mp4", "-7.2", "no rendered head", "use --model released"))


def test_a_folder_that_is_not_whole(tmp_path):
    with pytest.raises(MissingModelError, match="get the folder whole"):
        load_likeness(tmp_path)
    for content in (b"no tensors", b""):
        (tmp_path / LIKENESS).write_bytes(content)
        with pytest.raises(CheckpointError, match="damaged"):
            load_likeness(tmp_path)
    save_file({"weights": np.zeros(3, np.float32)}, tmp_path / LIKENESS)
    with pytest.raises(CheckpointError, match="bias"):
        load_likeness(tmp_path)
