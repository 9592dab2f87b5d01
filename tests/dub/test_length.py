"""How long a dub is."""

import pytest

from xdub_core.dub.length import Length, frames_of_audio, output_frames


@pytest.mark.parametrize(("samples", "frames"), [(1, 1), (640, 1), (641, 2), (160000, 250)])
def test_frames_of_audio_are_rounded_up(samples, frames):
    assert frames_of_audio(samples) == frames


@pytest.mark.parametrize(
    ("length", "frames"), [("audio", 30), ("source", 20), ("shortest", 20), ("longest", 30)]
)
def test_a_dub_is_as_long_as_is_asked_for(length, frames):
    assert output_frames(20, 30, Length(length)) == frames
