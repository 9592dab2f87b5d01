import pytest

from xdub_core.dub.clip_plan import Clip
from xdub_core.dub.clip_record import ClipOutcome, ClipRecord
from xdub_core.dub.forecast import Forecast

CLIPS = [Clip(number, 8 * number, 8 * number + 13, 5 if number else 0) for number in range(6)]


def forecasts(made):
    """After each of the clips, each made at a time, and kept or not."""
    now = [0.0]
    forecast = Forecast(clock=lambda: now[0])
    forecast.expect(CLIPS)
    told = [forecast.seconds]
    for clip, (at, kept) in zip(CLIPS, made, strict=False):
        now[0] = at
        forecast.made(ClipRecord(0, 0, clip, 42, ClipOutcome(0, (), 1.0), kept))
        told.append(forecast.seconds)
    return told


def test_nothing_is_said_before_a_second_clip_was_sampled_and_nothing_is_left_at_the_end():
    told = forecasts([(100, False), (110, False), (120, False), (130, False), (140, False), (150, False)])
    assert told[:2] == [None, None]  # the first also loaded the model
    assert told[2:] == pytest.approx([40, 30, 20, 10, 0])


def test_clips_that_were_kept_say_nothing_of_those_that_are_not():
    told = forecasts([(1, True), (2, True), (50, False), (60, False), (60, True)])
    assert told[:4] == [None] * 4
    assert told[4:] == pytest.approx([20, 10])


def test_longer_clips_take_longer():
    now = [0.0]
    forecast = Forecast(clock=lambda: now[0])
    forecast.expect([Clip(0, 0, 10, 0), Clip(1, 10, 20, 0), Clip(2, 20, 60, 0)])
    for number, start in ((0, 0), (1, 10)):
        now[0] += 5
        forecast.made(ClipRecord(0, 0, Clip(number, start, start + 10, 0), 42, ClipOutcome(0, (), 1.0)))
    assert forecast.seconds == pytest.approx(20)
