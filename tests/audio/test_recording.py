"""Any file to 16 kHz mono on disk."""

from __future__ import annotations

import struct
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.audio.sounds import speech_like, tone, write_sound, write_wav
from xdub_core.audio.recording import (
    MIN_SAMPLES,
    SoundStatistics,
    block_statistics,
    open_recording,
    recording_from_waveform,
)
from xdub_core.errors import MediaError
from xdub_core.media.sound.channels import mono_weights


def overwrite_tenth(path):
    data = bytearray(path.read_bytes())
    middle, length = len(data) // 2, len(data) // 10
    data[middle : middle + length] = bytes(length)
    path.write_bytes(data)


def test_16_khz_mono_16_bit_comes_through_bit_exactly(tmp_path):
    samples = np.random.default_rng(0).integers(-32768, 32768, 50_000).astype(np.int16)
    with open_recording(write_wav(tmp_path / "a.wav", samples)) as recording:
        assert recording.samples == len(samples)
        np.testing.assert_array_equal(recording.read(0, len(samples)), samples.astype(np.float32) / 32768)


@pytest.mark.parametrize(
    ("name", "rate", "codec", "sample_format", "layout", "video", "tolerance"),
    [
        ("a.wav", 8000, "pcm_s16le", "s16", "mono", False, 2e-3),
        ("b.wav", 96000, "pcm_f32le", "flt", "stereo", False, 1e-3),
        ("c.wav", 44100, "pcm_s24le", "s32", "stereo", False, 1e-3),
        ("d.wav", 22050, "pcm_u8", "u8", "mono", False, 1e-2),
        ("e.flac", 48000, "flac", "s16", "5.1", False, 1e-3),
        ("f.mp3", 44100, "libmp3lame", "fltp", "stereo", False, 3e-2),
        ("g.mp4", 48000, "aac", "fltp", "stereo", True, 3e-2),
        ("h.mkv", 48000, "libopus", "s16", "mono", True, 3e-2),
    ],
)
def test_any_format_rate_and_layout_gives_the_same_tone(
    tmp_path, name, rate, codec, sample_format, layout, video, tolerance
):
    channels = {"mono": 1, "stereo": 2, "5.1": 6}[layout]
    sound = np.repeat(tone(1.0, rate)[None], channels, axis=0)
    path = write_sound(tmp_path / name, sound, rate, codec, sample_format, layout, video)
    with open_recording(path) as recording:
        assert abs(recording.samples - 16000) <= 0.1 * 16000
        inner = slice(2000, 14000)
        error = np.abs(recording.read(0, 16000)[inner] - tone(1.0, 16000)[inner]).max()
    assert error < tolerance


def test_a_waveform_gives_the_same_as_a_file_of_it(tmp_path):
    sound = np.stack([speech_like(1.5, 44100, 1), speech_like(1.5, 44100, 2)])
    path = write_sound(tmp_path / "a.wav", sound, 44100, "pcm_f32le", "flt", "stereo")
    with open_recording(path) as file, recording_from_waveform(torch.from_numpy(sound), 44100) as memory:
        assert file.samples == memory.samples == 24000
        np.testing.assert_allclose(file.read(0, 24000), memory.read(0, 24000), atol=1e-6)


def test_stereo_is_the_mean_and_a_centre_channel_counts_most():
    np.testing.assert_allclose(mono_weights(2, ["FL", "FR"]), [0.5, 0.5])
    weights = dict(zip(["FL", "FR", "FC", "LFE", "SL", "SR"], mono_weights(6), strict=True))
    assert weights["FC"] == max(weights.values())
    assert weights["LFE"] == 0


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 6, 7, 8, 16])
def test_weights_of_any_number_of_channels_sum_to_one(channels):
    assert mono_weights(channels).sum() == pytest.approx(1)


@pytest.mark.parametrize("channels", [3, 16])
def test_files_with_unusual_channel_counts_are_read(tmp_path, channels):
    frames = np.full((4000, channels), 8000, "<i2")
    header = struct.pack("<HHIIHH", 1, channels, 16000, 32000 * channels, 2 * channels, 16)
    body = frames.tobytes()
    content = b"WAVEfmt " + struct.pack("<I", 16) + header + b"data" + struct.pack("<I", len(body)) + body
    path = tmp_path / "many.wav"
    path.write_bytes(b"RIFF" + struct.pack("<I", len(content)) + content)
    with open_recording(path) as recording:
        np.testing.assert_allclose(recording.read(0, 4000), 8000 / 32768, rtol=1e-6)


def test_statistics_are_the_whole_recordings():
    sound = speech_like(20.0) + 0.01
    with recording_from_waveform(sound[None], 16000) as recording:
        assert recording.mean == pytest.approx(sound.astype(np.float64).mean(), rel=1e-9)
        assert recording.variance == pytest.approx(sound.astype(np.float64).var(), rel=1e-9)


@given(st.lists(st.lists(st.floats(-1e3, 1e3, width=32), max_size=8), max_size=6))
def test_merged_statistics_equal_those_of_the_whole(blocks):
    merged = SoundStatistics()
    for block in blocks:
        merged = merged.merged(block_statistics(np.array(block, np.float32)))
    whole = block_statistics(np.array([value for block in blocks for value in block], np.float32))
    assert merged.samples == whole.samples
    assert merged.mean == pytest.approx(whole.mean, abs=1e-9)
    assert merged.variance == pytest.approx(whole.variance, rel=1e-9, abs=1e-6)


def test_outside_the_recording_there_is_silence():
    with recording_from_waveform(np.ones((1, 500), np.float32), 16000) as recording:
        np.testing.assert_array_equal(recording.read(-2, 2), [0, 0, 1, 1])
        np.testing.assert_array_equal(recording.read(498, 502), [1, 1, 0, 0])
        np.testing.assert_array_equal(recording.read(600, 602), [0, 0])


def test_padding_adds_silence_to_the_length_and_the_statistics():
    sound = speech_like(1.0)
    with recording_from_waveform(sound[None], 16000) as recording:
        padded = recording.padded(40000)
        whole = np.concatenate([sound, np.zeros(24000, np.float32)])
        assert padded.samples == 40000
        np.testing.assert_array_equal(padded.read(0, 40000), whole)
        assert padded.mean == pytest.approx(whole.mean(dtype=np.float64))
        assert padded.variance == pytest.approx(whole.astype(np.float64).var())
        assert recording.padded(100).samples == recording.samples


def test_blocks_give_the_whole_recording_in_order():
    sound = speech_like(1.0)
    with recording_from_waveform(sound[None], 16000) as recording:
        np.testing.assert_array_equal(np.concatenate(list(recording.blocks(999))), sound)


def test_a_silent_recording_is_a_recording():
    with recording_from_waveform(np.zeros((1, 1000), np.float32), 16000) as recording:
        assert (recording.mean, recording.variance) == (0, 0)


def test_the_spool_lies_in_the_named_folder_and_leaves_nothing_behind(tmp_path):
    with recording_from_waveform(np.zeros((1, 1000), np.float32), 16000, spool_dir=tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


class TestBadInput:
    def test_missing_file(self, tmp_path):
        with pytest.raises(MediaError, match="no such file"):
            open_recording(tmp_path / "none.wav")

    def test_video_without_sound(self, tmp_path):
        import av

        path = tmp_path / "mute.mp4"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("mpeg4", rate=25)
            stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
            frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        with pytest.raises(MediaError, match="no sound"):
            open_recording(path)

    def test_not_a_media_file(self, tmp_path):
        path = tmp_path / "notes.wav"
        path.write_bytes(b"these are not sounds" * 100)
        with pytest.raises(MediaError, match="not a readable"):
            open_recording(path)

    def test_an_empty_file(self, tmp_path):
        path = tmp_path / "empty.wav"
        path.write_bytes(b"")
        with pytest.raises(MediaError, match="not a readable"):
            open_recording(path)

    def test_a_wav_without_samples(self, tmp_path):
        with pytest.raises(MediaError, match="empty"):
            open_recording(write_wav(tmp_path / "a.wav", np.zeros(0)))

    def test_three_samples(self, tmp_path):
        with pytest.raises(MediaError, match=f"too short: 3 samples.*{MIN_SAMPLES}"):
            open_recording(write_wav(tmp_path / "a.wav", np.zeros(3)))

    def test_damage_in_the_middle_is_passed_over_with_one_warning_that_names_its_time(self, tmp_path, caplog):
        path = write_sound(tmp_path / "a.m4a", speech_like(3.0, 48000)[None], 48000, "aac", "fltp", "mono")
        with open_recording(path) as whole:
            expected = whole.read(0, whole.samples)
        overwrite_tenth(path)
        with open_recording(path) as recording:
            assert recording.samples == pytest.approx(len(expected), abs=16)
            found = recording.read(35000, 47000)
            assert not recording.intact
        # AAC's noise is random: the shape must agree.
        assert np.corrcoef(found, expected[35000:47000])[0, 1] > 0.98
        (warning,) = caplog.messages
        assert "cannot be decoded" in warning and "the first at 1." in warning

    @pytest.mark.parametrize(("name", "codec"), [("a.flac", "flac"), ("a.ogg", "libopus")])
    def test_what_follows_a_hole_in_the_sound_stays_in_time(self, tmp_path, name, codec):
        path = write_sound(tmp_path / name, speech_like(3.0, 48000)[None], 48000, codec, "s16", "mono")
        with open_recording(path) as whole:
            expected = whole.read(0, whole.samples)
        overwrite_tenth(path)
        with open_recording(path) as recording:
            assert recording.samples == pytest.approx(len(expected), abs=16)
            np.testing.assert_allclose(recording.read(35000, 47000), expected[35000:47000], atol=0.02)

    def test_a_header_that_lies_about_the_length_gives_what_is_there(self, tmp_path):
        path = write_wav(tmp_path / "a.wav", np.ones(8000))
        data = bytearray(path.read_bytes())
        data[4:8] = data[40:44] = struct.pack("<I", 50_000_000)
        path.write_bytes(data)
        with open_recording(path) as recording:
            assert recording.samples == 8000

    def test_values_that_are_not_numbers(self):
        sound = np.zeros((1, 1000), np.float32)
        sound[0, 500] = np.nan
        with pytest.raises(MediaError, match="not numbers"):
            recording_from_waveform(sound, 16000)

    def test_a_batch_instead_of_one_waveform(self):
        with pytest.raises(MediaError, match="one item of the batch"):
            recording_from_waveform(torch.zeros(1, 2, 1000), 16000)

    def test_an_impossible_rate(self):
        with pytest.raises(MediaError, match="0 Hz"):
            recording_from_waveform(torch.zeros(1, 1000), 0)

    def test_a_temporary_folder_that_is_not_there(self, tmp_path):
        with pytest.raises(MediaError, match="Cannot write to the temporary folder"):
            recording_from_waveform(np.zeros((1, 1000), np.float32), 16000, spool_dir=tmp_path / "none")

    @pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on file sizes")
    def test_a_full_disk(self, tmp_path):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
        try:
            with pytest.raises(MediaError, match="free some space"):
                recording_from_waveform(np.zeros((1, 160_000), np.float32), 16000, spool_dir=tmp_path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert list(tmp_path.iterdir()) == []
