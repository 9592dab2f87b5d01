"""The table: floor, ceiling and candidates, and what counts as a success."""

import json
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from xdub_core.errors import SettingsError
from xdub_core.evaluation.judges import Judges
from xdub_core.evaluation.measure import DubCase, Measures, measure, through_vae
from xdub_core.evaluation.report import CEILING, FLOOR, SuccessRule, make_report, write_report
from xdub_core.vae.cosine import CosineVAE

FRAMES = 30


class OpeningByBrightness:
    """Landmarks at fixed places; the mouth, the last of them, is as open as the frame's middle is dark."""

    mouth_points = slice(10, 12)

    def find(self, frames):
        points = np.tile(np.linspace([2, 2], [14, 14], 12), (len(frames), 1, 1))
        dark = np.array([1 - frame[6:10, 6:10].mean() / 255 for frame in frames])
        points[:, self.mouth_points, 1] += 4 * dark[:, None]
        return SimpleNamespace(points=points, openness=dark)


class SyncByBrightness:
    """Windows of 3 frames, embedded as their openings: what the first feature of the first row of a frame says."""

    window = 3

    def embed_frames(self, frames):
        return (1 - frames[:, 6:10, 6:10].float().mean((1, 2, 3)) / 255).unfold(0, self.window, 1)

    def embed_audio(self, rows):
        return rows[::2, 0].unfold(0, self.window, 1)


def likeness(frames, others):
    return 1 - float((frames.float() - others.float()).abs().mean()) / 255


def difference(frames, others):
    return 1 - likeness(frames, others)


def frames_of(opening, seed):
    ground = torch.rand(16, 16, 3, generator=torch.Generator().manual_seed(seed))
    frames = ground.expand(len(opening), -1, -1, -1).clone()
    frames[:, 6:10, 6:10] = 1 - torch.from_numpy(opening).float()[:, None, None, None]
    return (255 * frames).round().to(torch.uint8)


def case(seed, kind="plain"):
    rng = np.random.default_rng(seed)
    source, target = rng.random(FRAMES), rng.random(FRAMES)
    mouth = torch.zeros(FRAMES, 16, 16, dtype=torch.bool)
    mouth[:, 5:11, 5:11] = True
    return DubCase(
        name=f"case {seed}",
        source=frames_of(source, seed),
        truth=frames_of(target, seed),
        features=torch.from_numpy(target).float().repeat_interleave(2)[:, None],
        mouth=mouth,
        mask=mouth,
        source_opening=source,
        target_opening=target,
        kind=kind,
    )


@pytest.fixture(scope="module")
def judges():
    return Judges(SyncByBrightness(), OpeningByBrightness(), likeness, difference)


@pytest.fixture(scope="module")
def cases():
    return [case(seed) for seed in range(3)] + [case(9, "occlusion")]


@pytest.fixture(scope="module")
def measured(cases, judges):
    return {
        FLOOR: [measure(c, c.source, judges) for c in cases],
        CEILING: [measure(c, c.truth, judges) for c in cases],
        "half way": [measure(c, (c.source // 2 + c.truth // 2), judges) for c in cases],
    }


def good(**changes):
    values = dict.fromkeys(("sync_distance", "lmd", "looks_distance", "outside_ssim"), 0.5)
    values |= {"name": "a", "kind": "plain", "opening": np.zeros(3), "sync_confidence": 1.0, "sync_offset": 0}
    return Measures(**(values | {"mouth_psnr": 25.0, "outside_psnr": 35.0, "identity": 0.9} | changes))


def test_the_true_dub_is_perfect_at_the_mouth_and_the_source_outside(measured):
    for truth in measured[CEILING]:
        assert truth.mouth_psnr == 100
        assert truth.outside_psnr == 100
        assert truth.lmd == 0
        assert truth.looks_distance == pytest.approx(0, abs=1e-6)
        assert (truth.sync_offset, truth.sync_distance) == (0, pytest.approx(0, abs=0.01))
    for undubbed in measured[FLOOR]:
        assert undubbed.identity == pytest.approx(1, abs=1e-3)
        assert undubbed.mouth_psnr < 20
        assert undubbed.lmd > 1
        assert undubbed.sync_confidence < 0.5 * measured[CEILING][0].sync_confidence


def test_the_measures_know_no_judge_of_their_own():
    """Whoever brings other judges needs none of the mini's networks."""
    measures = "behaviour held_out judges measure mouth pictures report sync video_sync"
    names = ", ".join(f"xdub_core.evaluation.{name}" for name in measures.split())
    check = f"import sys, {names}; sys.exit(any(name.startswith('xdub_core.mini') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_rows_tell_floor_from_ceiling(cases, measured):
    rows = make_report(cases, measured).rows
    assert rows[CEILING].correlation > 0.99
    assert abs(rows[FLOOR].correlation) < 0.3
    assert rows[FLOOR].leak > 0.9
    assert abs(rows[CEILING].leak) < 0.05
    assert rows[FLOOR].lmd > rows["half way"].lmd > rows[CEILING].lmd
    assert rows["half way"].cases == 4


def test_the_gap_that_a_candidate_closes(cases, measured):
    report = make_report(cases, measured)
    assert report.closed(CEILING, "lmd") == pytest.approx(1)
    assert report.closed(FLOOR, "lmd") == pytest.approx(0)
    assert 0.3 < report.closed("half way", "lmd") < 0.7
    with pytest.raises(SettingsError, match="no gap"):
        report.closed("half way", "cases")


@pytest.mark.parametrize(
    ("change", "succeeds"),
    [
        ({}, True),
        ({"sync_offset": 2}, True),
        ({"sync_offset": -3}, False),
        ({"sync_confidence": 0.3}, False),
        ({"outside_psnr": 20.0}, False),
        ({"mouth_psnr": 12.0}, False),
        ({"identity": 0.3}, False),
    ],
)
def test_success_needs_sync_and_a_whole_picture(change, succeeds):
    assert SuccessRule().succeeds(good(**change), good()) is succeeds


def test_giving_up_is_a_failure_in_success_alone(cases):
    hard = replace(cases[3], target_opening=np.arange(3.0), source_opening=np.arange(3.0))
    plain = replace(hard, kind="plain")
    both = [good(opening=np.arange(3.0))] * 2
    row = make_report([plain, hard], {CEILING: both, "gives up": [both[0], None]}).rows["gives up"]
    assert (row.success, row.hard_success) == (0.5, 0.0)
    assert row.sync_confidence == 1.0


def test_is_written_as_a_table_and_as_figures(cases, measured, tmp_path):
    figures, table = write_report(make_report(cases, measured), tmp_path / "new")
    read = json.loads(figures.read_text())
    assert list(read) == [FLOOR, CEILING, "half way"]
    assert read[CEILING]["correlation"] > 0.99
    lines = table.read_text().splitlines()
    assert len(lines) == 5
    assert len({line.count("|") for line in lines}) == 1
    assert lines[2].startswith("| undubbed |")


def test_refuses_a_table_without_its_ceiling(cases, measured):
    with pytest.raises(SettingsError, match="true dub"):
        make_report(cases, {FLOOR: measured[FLOOR]})
    with pytest.raises(SettingsError, match="1 measures for 4 cases"):
        make_report(cases, measured | {"one": measured[FLOOR][:1]})


def test_videos_of_any_length_go_through_a_vae():
    frames = frames_of(np.linspace(0, 1, 7), 0)
    through = through_vae(CosineVAE(192, spatial=8, temporal=4), frames)
    assert (through.shape, through.dtype) == (frames.shape, torch.uint8)
    assert (through.int() - frames.int()).abs().float().mean() < 40
