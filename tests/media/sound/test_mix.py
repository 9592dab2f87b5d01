"""Several recordings at once: their sum, in time, at full level, clipped nowhere."""

import logging
import wave

import av
import numpy as np
import pytest

from tests.audio.sounds import speech_like, tone
from xdub_core.errors import MediaError
from xdub_core.media.output.encode_settings import EncodeSettings
from xdub_core.media.output.writer import VideoWriter
from xdub_core.media.sound.mix import HIGHEST_PEAK, SoundMix, SoundPair, mixed, summed
from xdub_core.media.sound.sound_place import AudioTrack


def write_wav(path, channels, rate=16000):
    """A 16-bit WAV of float [C, n]; gives what it holds, and its path."""
    whole = np.round(np.atleast_2d(channels) * 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setparams((len(whole), 2, rate, 0, "NONE", ""))
        file.writeframes(np.ascontiguousarray(whole.T).tobytes())
    return whole.astype(np.float32) / 32768, path


def heard(mix):
    return np.concatenate(list(mix.sound()), axis=1)


def longer(sound, length):
    return np.pad(sound, ((0, 0), (0, length - sound.shape[1])))


def test_recordings_are_added_sample_by_sample_as_long_as_the_longest(tmp_path):
    one, a = write_wav(tmp_path / "a.wav", 0.4 * tone(1.7, 16000))
    other, b = write_wav(tmp_path / "b.wav", 0.5 * tone(0.9, 16000, 333))
    mix = mixed([AudioTrack(a), AudioTrack(b)])
    assert mix.gain == 1
    assert np.array_equal(heard(mix), one + longer(other, one.shape[1]))


def test_each_recording_has_its_own_place_on_the_clock(tmp_path):
    one, a = write_wav(tmp_path / "a.wav", speech_like(1.0))
    other, b = write_wav(tmp_path / "b.wav", speech_like(1.0, seed=1))
    mix = mixed([AudioTrack(a, start=0.25), AudioTrack(b, delay=0.5)])
    expected = np.zeros((1, 24000), np.float32)
    expected[:, :12000] += one[:, 4000:]
    expected[:, 8000:] += other
    assert np.array_equal(heard(mix), expected)


def test_where_the_sum_would_clip_all_of_it_is_brought_down_and_that_is_said(tmp_path, caplog):
    one, a = write_wav(tmp_path / "a.wav", 1.8 * tone(1.0, 16000))
    other, b = write_wav(tmp_path / "b.wav", 1.6 * tone(0.5, 16000))
    with caplog.at_level(logging.WARNING):
        mix = mixed([AudioTrack(a), AudioTrack(b)])
    total = one + longer(other, one.shape[1])
    assert np.abs(total).max() > 1.6
    assert mix.gain == pytest.approx(HIGHEST_PEAK / np.abs(total).max())
    assert np.allclose(heard(mix), mix.gain * total, atol=1e-6)
    assert "2 recordings together would clip: their mix is brought down by 4.9 dB" in caplog.text


def test_what_would_clip_after_the_output_s_end_does_not_count(tmp_path):
    late = np.concatenate([np.zeros(48000), tone(1.0, 16000) * 1.9])
    _, a = write_wav(tmp_path / "a.wav", late)
    _, b = write_wav(tmp_path / "b.wav", late)
    tracks = [AudioTrack(a), AudioTrack(b, delay=0.0001)]
    assert mixed(tracks, seconds=1.0).gain == 1
    assert mixed(tracks, seconds=4.0).gain < 1


@pytest.mark.parametrize("swapped", [False, True])
def test_rates_and_channels_are_brought_to_the_highest(tmp_path, swapped):
    _, a = write_wav(tmp_path / "a.wav", 0.3 * tone(1.0, 8000))
    both, b = write_wav(tmp_path / "b.wav", np.stack([0.2 * tone(1.0, 44100), 0 * tone(1.0, 44100)]), 44100)
    _, a = write_wav(a, 0.3 * tone(1.0, 8000), 8000)
    tracks = [AudioTrack(a), AudioTrack(b)]
    mix = mixed(tracks[::-1] if swapped else tracks)
    assert (mix.rate, mix.layout) == (44100, "stereo")
    low = heard(mix)[:, :44100] - both  # what comes of the other: the same in both
    assert np.abs(low[0] - low[1]).max() < 1e-6
    inside = slice(2000, 42000)
    assert np.abs(low[0][inside] - 0.3 * tone(1.0, 44100)[inside]).max() < 0.003


def test_one_recording_stays_what_it_is_and_given_twice_it_is_heard_once(tmp_path):
    _, a = write_wav(tmp_path / "a.wav", tone(0.5, 16000))
    track = AudioTrack(a, delay=0.1)
    assert mixed([track]) is track
    assert mixed([track, AudioTrack(a, delay=0.1)]) is track
    assert isinstance(mixed([track, AudioTrack(a)]), SoundMix)


def test_blocks_of_any_lengths_are_added_where_they_belong():
    rng = np.random.default_rng(0)
    sounds = [rng.standard_normal((2, length)).astype(np.float32) for length in (1000, 1, 640, 0)]
    cut = [iter(np.split(sound, sorted(rng.integers(0, 1000, 7)), axis=1)) for sound in sounds]
    expected = sum(longer(sound, 1000) for sound in sounds)
    assert np.allclose(np.concatenate(list(summed(cut)), axis=1), expected, atol=1e-6)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
def test_an_output_holds_the_mix_from_its_first_picture_on(tmp_path, suffix):
    _, a = write_wav(tmp_path / "a.wav", 1.5 * speech_like(2.0))
    _, b = write_wav(tmp_path / "b.wav", 1.5 * speech_like(1.0, seed=1))
    mix = mixed([AudioTrack(a), AudioTrack(b, delay=0.5)], 2.0)
    out = tmp_path / f"out{suffix}"
    with VideoWriter(out, 64, 48, 25, audio=mix) as writer:
        for _ in range(50):
            writer.write(np.zeros((48, 64, 3), np.uint8))
    with av.open(str(out)) as file:
        to_mono = av.AudioResampler("flt", "mono", 16000)
        sound = np.concatenate(
            [out.to_ndarray()[0] for frame in file.decode(audio=0) for out in to_mono.resample(frame)]
        )
    expected = heard(mix)[0][:31000]
    assert np.abs(sound).max() <= 1
    assert np.corrcoef(sound[: len(expected)], expected)[0, 1] > 0.97
    assert len(sound) == pytest.approx(32000, abs=2100)


def test_a_mix_cannot_be_copied(tmp_path):
    _, a = write_wav(tmp_path / "a.wav", tone(0.5, 16000))
    _, b = write_wav(tmp_path / "b.wav", tone(0.5, 16000))
    mix = mixed([AudioTrack(a), AudioTrack(b)])
    with (
        pytest.raises(MediaError, match=r"a\.wav \+ .*b\.wav: a mix of recordings cannot be copied"),
        VideoWriter(tmp_path / "out.mkv", 64, 48, 25, EncodeSettings(audio="copy"), mix),
    ):
        pass
    assert not list(tmp_path.glob(".*"))


def test_a_pair_has_the_dubs_sound_left_and_the_other_right(tmp_path):
    _, left = write_wav(tmp_path / "l.wav", 0.5 * tone(1, 16000))
    _, right = write_wav(tmp_path / "r.wav", 0.25 * tone(2, 16000))
    pair = SoundPair(AudioTrack(left), AudioTrack(right), until=1.5)
    both = heard(pair)
    assert both.shape == (2, 1.5 * pair.rate)
    at = [both[:, int(start * pair.rate) :][:, : pair.rate // 5] for start in (0.3, 1.1)]
    assert np.allclose([np.abs(part).max(1) for part in at], [[0.25, 0.125], [0, 0.125]], atol=0.02)


def test_a_pair_goes_on_where_the_other_sound_cannot_be_read(tmp_path):
    _, left = write_wav(tmp_path / "l.wav", 0.5 * tone(1, 16000))
    (tmp_path / "r.wav").write_bytes(b"no sound")
    both = heard(SoundPair(AudioTrack(left), AudioTrack(tmp_path / "r.wav")))
    assert both.shape == (2, 48_000)
    assert not both[1].any()


def test_an_output_holds_a_pair_in_its_two_channels(tmp_path):
    _, left = write_wav(tmp_path / "l.wav", 0.5 * tone(1, 16000))
    _, right = write_wav(tmp_path / "r.wav", 0 * tone(1, 16000))
    pair = SoundPair(AudioTrack(left), AudioTrack(right))
    with VideoWriter(tmp_path / "out.mp4", 64, 48, 25, audio=pair) as writer:
        for _ in range(25):
            writer.write(np.zeros((48, 64, 3), np.uint8))
    with av.open(str(tmp_path / "out.mp4")) as container:
        levels = np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)
    assert np.abs(levels).max(1) == pytest.approx([0.25, 0], abs=0.08)
