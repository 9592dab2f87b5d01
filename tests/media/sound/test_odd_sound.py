"""The files with sound that other people's reports led to: each as the recording of a dub, to every container."""

import pytest

from tests.media.clicks import AT, CONTAINERS, dub, flash_times, heard, played
from xdub_core.media.sound.sound_place import place_sound
from xdub_core.media.video.video_info import scan_video


@pytest.mark.parametrize("suffix", CONTAINERS)
@pytest.mark.parametrize("name", ["click.wav", "ch8.wav", "a71.flac"])
def test_recordings_of_one_and_of_eight_channels(tmp_path, media, name, suffix):
    track = place_sound(media / "odd" / name)
    assert heard(track) == (pytest.approx(AT, abs=0.002), 2.0)
    times, end = played(dub(tmp_path / f"out{suffix}", track))
    assert times == pytest.approx(AT, abs=0.005)
    assert end == pytest.approx(2.0, abs=0.07)


@pytest.mark.parametrize("suffix", CONTAINERS)
@pytest.mark.parametrize(("name", "seconds", "warnings"), [("el2.mp3", 4.05, 1), ("chained.opus", 4.0, 0)])
def test_joined_recordings(tmp_path, media, name, seconds, warnings, suffix, caplog):
    track = place_sound(media / "odd" / name)
    _, length = heard(track)
    assert length == pytest.approx(seconds, abs=0.04)
    assert len(caplog.messages) == warnings
    assert played(dub(tmp_path / f"out{suffix}", track, seconds=4.2))[1] == pytest.approx(length, abs=0.05)


@pytest.mark.parametrize("suffix", CONTAINERS)
@pytest.mark.parametrize("audio", ["auto", "encode"])
def test_a_video_whose_sound_begins_late_keeps_flash_and_click_together(tmp_path, media, suffix, audio):
    path = media / "odd" / "sA.mp4"
    flashes = flash_times(path)
    track = place_sound(path, scan_video(path).info)
    assert heard(track)[0] == pytest.approx(flashes, abs=0.02)
    out = dub(
        tmp_path / f"out{suffix}", track, seconds=4.0, audio=audio, flashes=[round(25 * t) for t in flashes]
    )
    assert flash_times(out) == pytest.approx(flashes, abs=0.001)
    assert played(out)[0] == pytest.approx(flashes, abs=0.02)
