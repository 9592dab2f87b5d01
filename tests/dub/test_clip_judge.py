"""The self-check: what breaks a clip is told, and what a dub changes is not."""

import cv2
import numpy as np
import pytest

from xdub_core.dub.clip_judge import Judged, judge_clip, measure_clip
from xdub_core.errors import NotFiniteError

SIZE, FRAMES = 96, 13


def source(moving=0.0):
    """Frames of a textured face, which moves by so many pixels a frame."""
    random = np.random.default_rng(0)
    scene = cv2.GaussianBlur(random.uniform(0.2, 0.8, (SIZE, 2 * SIZE, 3)).astype(np.float32), (0, 0), 3)
    scene = np.clip((scene - 0.5) * 3 + 0.5, 0.1, 0.9)
    scene[..., 1:] *= 0.7  # skin
    return [
        cv2.warpAffine(scene, np.float32([[1, 0, -moving * n], [0, 1, 0]]), (SIZE, SIZE))
        for n in range(FRAMES)
    ]


def talking(frames):
    """The mouth, and only the mouth, opens and closes."""
    made = []
    for number, frame in enumerate(frames):
        frame = frame.copy()
        cv2.ellipse(frame, (48, 68), (16, 2 + 3 * (number % 4)), 0, 0, 360, (0.25, 0.08, 0.08), -1)
        cv2.rectangle(frame, (38, 65), (58, 67), (0.9, 0.9, 0.88), -1)
        made.append(frame)
    return made


def verdict(made, kept, before=None):
    return judge_clip([Judged(*pair) for pair in zip(made, kept, strict=True)], before)


@pytest.mark.parametrize("moving", [0.0, 1.0])
@pytest.mark.parametrize("frames", [1, 2, FRAMES])
@pytest.mark.parametrize("size", [48, SIZE, 512])
def test_a_new_mouth_is_no_break(moving, frames, size):
    kept = source(moving)[:frames]
    pairs = [[cv2.resize(x, (size, size)) for x in pair] for pair in zip(talking(kept), kept, strict=True)]
    found = judge_clip([Judged(*pair) for pair in pairs])
    assert found.passed, found.reasons
    assert 0 < found.severity < 1


def noisy(frames, strength=0.1):
    random = np.random.default_rng(1)
    return [frame + random.normal(0, strength, frame.shape).astype(np.float32) for frame in frames]


def only(where, change):
    """Break some of the frames."""
    return lambda frames: [
        *frames[: where.start],
        *change(frames[where]),
        *frames[where.stop if where.stop is not None else len(frames) :],
    ]


def half(frames):
    made = [frame.copy() for frame in frames]
    for frame in made:
        frame[:, :48] = 0.4
    return made


BROKEN = {
    "noise": noisy,
    "noise in four frames": only(slice(5, 9), noisy),
    "noise in one frame": only(slice(5, 6), noisy),
    "flash": only(slice(3, 7), lambda frames: [frame + np.float32([0.1, 0, 0]) for frame in frames]),
    "black": lambda frames: [np.zeros_like(frame) for frame in frames],
    "half gone": half,
    "blurred": lambda frames: [cv2.GaussianBlur(frame, (0, 0), 4) for frame in frames],
    "another picture": lambda frames: [frame[:, ::-1] for frame in frames],
    "contrast": lambda frames: [(frame - 0.5) * 1.6 + 0.5 for frame in frames],
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_clip_is_told(how):
    kept = source(1.0)
    found = verdict(BROKEN[how](talking(kept)), kept)
    assert not found.passed and found.severity > 1
    assert all("\n" not in reason for reason in found.reasons)


def test_a_clip_that_stands_still_is_told_only_where_the_source_moves():
    for moving, stands in ((0.0, False), (1.0, True)):
        kept = source(moving)
        measured = measure_clip([Judged(kept[0], frame) for frame in kept])
        assert (measured.stillness > 1.5) == stands


def test_a_jump_from_the_clip_before_is_flicker():
    kept = source()
    good, tinted = Judged(kept[0], kept[0]), Judged(kept[0] + 0.04, kept[0])
    frames = [Judged(frame + 0.04, frame) for frame in kept]
    assert judge_clip(frames, tinted).passed
    assert "flickers" in judge_clip(frames, good).reasons[0]


def test_what_is_off_most_is_named_first_with_its_figure():
    kept = source()
    found = verdict([frame + np.float32([0.2, 0, 0]) for frame in kept], kept)
    assert found.reasons[0].startswith("its colours are off (0.2")
    assert found.severity == pytest.approx(0.2 / 0.05, rel=0.01)


def test_frames_that_are_no_numbers_are_raised():
    kept = source()
    broken = [*kept[:5], kept[5] * np.float32("nan"), *kept[6:]]
    with pytest.raises(NotFiniteError, match="NaN"):
        verdict(broken, kept)
