"""Pairs that are kept and rejected, with the reasons."""

from fractions import Fraction

import numpy as np
import pytest

from xdub_core.errors import SettingsError
from xdub_core.evaluation.dub_it.judges import DubItJudges, FoundMouths, no_mouths
from xdub_core.evaluation.dub_it.video import Spoken
from xdub_core.training.dub_it.data.quality import (
    QualityMeasures,
    QualityThresholds,
    Said,
    judged,
    verdict,
)

FPS = Fraction(25)


class Painted:
    """Finds the mouths of frames that say in their first pixel how far theirs is open; 0: there is no face."""

    def find(self, frames):
        turn = np.pi - 2 * np.pi * np.arange(20) / 12
        ring = np.stack([np.cos(turn), -np.sin(turn)], axis=1)
        mouths = np.stack([50 + ring * [10, float(frame[0, 0, 0]) / 10] for frame in frames])
        faces = np.tile([20.0, 0.0, 80.0, 100.0], (len(frames), 1))
        lost = [frame[0, 0, 0] == 0 for frame in frames]
        mouths[lost], faces[lost] = np.nan, np.nan
        return FoundMouths(mouths, faces)


class Letters:
    """Hears the words that a sound's first sample counts to."""

    def words(self, sound, language):
        return " ".join(["one", "two", "three", "four"][: int(sound[0])])


class Colours:
    """How alike the second pixels are."""

    def likeness(self, frames, others):
        return 1 - abs(float(frames[0][0, 1, 0]) - float(others[0][0, 1, 0])) / 255


JUDGES = DubItJudges(mouths=Painted(), words=Letters(), identity=Colours())
SAID = (Said("one two three four", "English"), Said("one two", "English"))


def clip(openings, words=2, face=100):
    frames = np.zeros((len(openings), 2, 2, 3), np.uint8)
    frames[:, 0, 0, 0], frames[:, 0, 1, 0] = openings, face
    return Spoken(list(frames), FPS, np.full(16_000, float(words), np.float32), 1.0)


TARGET = clip([20, 60] * 8)
GOOD = clip([90, 30, 70, 110] * 4, words=4)


def test_a_pair_of_other_lips_that_move_and_the_words_asked_for_is_kept():
    found = judged(GOOD, TARGET, SAID, JUDGES, QualityThresholds())
    assert found.kept and not found.reasons and not found.unknown
    assert found.measures.source_wer == found.measures.target_wer == 0


@pytest.mark.parametrize(
    ("planted", "told"),
    [
        (
            clip([20, 60] * 8, words=4),
            "the lips are the target's own: their distance (LMD) is 0.0000, and",
        ),
        (clip([90] * 16, words=4), "the mouth hardly moves: the opening's deviation (MAR Div) is 0.0000"),
        (clip([1, 2] * 8, words=4), "the mouth stays closed"),
        (
            clip([0] * 12 + [90, 30, 70, 110], words=4),
            "the source's mouth is found in too few frames: their share is",
        ),
        (
            clip([90, 30, 70, 110] * 4, words=1),
            "the source does not say its words: their error rate (WER) is 0.75",
        ),
        (clip([90, 30, 70, 110] * 4, words=4, face=255), "the face is another's: its likeness is 0.39"),
    ],
)
def test_a_planted_bad_pair_is_rejected_and_it_is_told_why(planted, told):
    found = judged(planted, TARGET, SAID, JUDGES, QualityThresholds())
    assert not found.kept
    assert any(reason.startswith(told) for reason in found.reasons), found.reasons
    assert all("\n" not in reason for reason in found.reasons)


def test_a_copied_source_fails_by_its_lips_and_its_words_though_its_face_is_the_same():
    found = judged(TARGET, TARGET, SAID, JUDGES, QualityThresholds())
    assert found.measures.identity == 1 and found.measures.lmd == 0 and found.measures.source_wer == 0.5
    assert not found.kept


def test_what_no_judge_measures_rejects_nothing_and_is_told():
    found = judged(GOOD, TARGET, SAID, DubItJudges(mouths=Painted()), QualityThresholds())
    assert found.kept and set(found.unknown) == {"identity", "source_wer", "target_wer"}


def test_a_threshold_of_none_is_not_looked_at():
    assert verdict(QualityMeasures(lmd=0.0), QualityThresholds(*[None] * 7)).kept


def test_a_mouth_that_nobody_finds_rejects():
    class Blind:
        def find(self, frames):
            return no_mouths(len(frames))

    found = judged(GOOD, TARGET, SAID, DubItJudges(mouths=Blind()), QualityThresholds())
    assert not found.kept and found.reasons[0].startswith("the source's mouth is found in too few frames")


@pytest.mark.parametrize("wrong", [{"lmd": -1.0}, {"wer": float("nan")}])
def test_thresholds_that_cannot_be_are_refused(wrong):
    with pytest.raises(SettingsError, match="take 0 or more"):
        QualityThresholds(**wrong)
