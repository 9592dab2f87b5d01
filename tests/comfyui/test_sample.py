"""Load Sample: the videos and recordings that come with the pack."""

import pytest
from comfy_execution.graph import ExecutionBlocker

pytestmark = pytest.mark.usefixtures("inference")


@pytest.fixture
def load(pack):
    return pack("sample").LoadSample


def seconds(audio):
    return audio["waveform"].shape[-1] / audio["sample_rate"]


def test_without_a_choice_it_is_the_sample_that_it_always_was(load):
    video, audio, second = load.execute().args
    assert video.get_dimensions() == (480, 360)
    assert seconds(audio) == pytest.approx(5.0)
    assert isinstance(second, ExecutionBlocker)
    assert "two people" in second.message


def test_two_people_come_with_a_recording_each_who_speak_in_turn(load):
    video, *sounds = load.execute("two people").args
    assert video.get_frame_count() == 110
    halves = [audio["waveform"].abs().unflatten(-1, (2, -1)).amax(-1).flatten() for audio in sounds]
    assert halves[0][0] > 0.3 > 0.05 > halves[0][1] * 0.1
    assert halves[1][0] == 0 and halves[1][1] > 0.3
    assert [seconds(audio) for audio in sounds] == [pytest.approx(video.get_duration(), abs=0.05)] * 2


def test_another_choice_is_refused(load):
    assert load.validate_inputs() is True
    assert "choose one of one person, two people" in load.validate_inputs("three people")
