"""Sound of every make: any number of channels, odd orders, joined files, junk and holes; heard and written alike."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from tests.media.clicks import AT, CONTAINERS, clicks, dub, heard, played, write_clicks, write_film, write_wav
from xdub_core.audio.decode import decode_waveform
from xdub_core.audio.recording import open_recording
from xdub_core.errors import MediaError
from xdub_core.media.sound.channels import mix_to_layout, mono_weights, written_layout
from xdub_core.media.sound.resample import packed_frame
from xdub_core.media.sound.sound_blocks import SoundReport, sound_blocks
from xdub_core.media.sound.sound_place import AudioTrack, place_sound


def report_of(path):
    report = SoundReport()
    for _ in sound_blocks(path, None, report):
        pass
    return report


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 24, 64])
def test_any_number_of_channels_is_heard_and_written(tmp_path, channels):
    path = write_wav(tmp_path / "a.wav", clicks(channels, 16000))
    assert heard(path) == (pytest.approx(AT, abs=0.002), 2.0)
    suffix = CONTAINERS[channels % 4]
    times, end = played(dub(tmp_path / f"out{suffix}", path))
    assert times == pytest.approx(AT, abs=0.005)
    assert end == pytest.approx(2.0, abs=0.07)


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_eight_channels_go_into_every_container(tmp_path, suffix):
    path = write_wav(tmp_path / "a.wav", clicks(8, 16000))
    for audio in ("auto", "encode"):
        assert played(dub(tmp_path / f"out{suffix}", path, audio=audio))[0] == pytest.approx(AT, abs=0.005)


@pytest.mark.parametrize(
    ("codec", "suffix"),
    [
        ("pcm_u8", ".wav"),
        ("pcm_s24le", ".wav"),
        ("pcm_s32le", ".wav"),
        ("pcm_s64le", ".wav"),
        ("pcm_f32le", ".wav"),
        ("pcm_f64le", ".wav"),
        ("flac", ".flac"),
        ("alac", ".m4a"),
        ("wavpack", ".wv"),
        ("aac", ".m4a"),
        ("libopus", ".opus"),
    ],
)
def test_eight_channels_in_every_sample_format(tmp_path, codec, suffix):
    layout = "7.1(wide)" if codec == "alac" else "7.1"
    path = write_clicks(tmp_path / f"a{suffix}", codec, layout)
    times, seconds = heard(path)
    assert times == pytest.approx(AT, abs=0.005)
    assert seconds == pytest.approx(2.0, abs=0.05)
    assert played(dub(tmp_path / "out.mp4", path))[0] == pytest.approx(AT, abs=0.005)


@pytest.mark.parametrize("mask", [0x137, 0xFF, 0xB, 0x3F, 0x2D63F, 0x0, 0x3])
def test_every_mask_of_loudspeakers_is_taken(tmp_path, mask):
    """Hexagonal, wide, 2.1, 5.1, with speakers above; and masks of another number than there are channels."""
    channels = {0x137: 6, 0xFF: 8, 0xB: 3, 0x3F: 6, 0x2D63F: 12, 0x0: 5, 0x3: 4}[mask]
    path = write_wav(tmp_path / "a.wav", clicks(channels, 16000), mask=mask)
    assert heard(path)[0] == pytest.approx(AT, abs=0.002)
    assert played(dub(tmp_path / "out.webm", path))[0] == pytest.approx(AT, abs=0.005)


def test_an_order_of_channels_that_only_the_file_knows(tmp_path):
    """PyAV 18 frees such an order twice, which ends the process: so it must neither decode nor write it."""
    path = write_clicks(tmp_path / "a.mov", "pcm_s16le", "5.1")
    data = path.read_bytes()
    at = data.index(b"chan") + 8
    # Its layout's tag and loudspeakers; the new tag says: centre, left, right, the pair behind, low.
    path.write_bytes(data[:at] + bytes((0, 124, 0, 6, 0, 0, 0, 0)) + data[at + 8 :])
    (begin, *_) = sound_blocks(path, None, SoundReport())
    assert begin.names[:3] == ("FC", "FL", "FR")
    for suffix in CONTAINERS:
        out = dub(tmp_path / f"out{suffix}", path)
        assert played(out)[0] == pytest.approx(AT, abs=0.005)


@pytest.mark.parametrize("channels", [8, 16])
def test_a_whole_recording_in_memory_keeps_its_channels(tmp_path, channels):
    sound = clicks(channels, 16000) * np.linspace(0.1, 1, channels)[:, None]
    waveform, rate = decode_waveform(AudioTrack(write_wav(tmp_path / "a.wav", sound)))
    assert rate == 16000
    np.testing.assert_allclose(waveform, sound, atol=1e-4)


def test_written_layouts_keep_what_encoders_take_and_hear_all_else():
    assert written_layout(8) == "7.1"
    assert written_layout(6, ["FL", "FR", "FC", "LFE", "SL", "SR"]) == "5.1"
    assert written_layout(6, ["FL", "FR", "FC", "BL", "BR", "BC"]) == "stereo"
    assert written_layout(3) == written_layout(16) == "mono"
    left_back = np.zeros((6, 4), np.float32)
    left_back[3] = 1
    left, right = mix_to_layout(left_back, ["FL", "FR", "FC", "BL", "BR", "BC"], "stereo")
    assert left.min() > 0.1 and right.max() == 0
    turned = mix_to_layout(np.eye(6, dtype=np.float32), ["FC", "FL", "FR", "BL", "BR", "LFE"], "5.1")
    assert turned.argmax(1).tolist() == [1, 2, 0, 5, 3, 4]


def test_a_mix_is_never_louder_than_its_loudest_channel():
    sound = np.ones((5, 8), np.float32)
    for names in (["FL", "FR", "FC", "BL", "BR"], ["FL", "FC", "BC", "TC", "FLC"]):
        assert mix_to_layout(sound, names, "stereo").max() == pytest.approx(1)


@pytest.mark.parametrize(
    ("codec", "suffix", "rates"),
    [
        ("libmp3lame", ".mp3", (44100, 48000)),
        ("aac", ".aac", (44100, 24000)),
        ("ac3", ".ac3", (48000, 44100)),
    ],
)
def test_joined_files_of_other_rates_and_channels_are_heard_whole(tmp_path, codec, suffix, rates, caplog):
    parts = [
        write_clicks(tmp_path / f"{rate}{suffix}", codec, layout, rate).read_bytes()
        for rate, layout in zip(rates, ("mono", "stereo"), strict=True)
    ]
    path = tmp_path / f"joined{suffix}"
    path.write_bytes(b"".join(parts))
    times, seconds = heard(path)
    second = 2.0 + (seconds - 4) / 2
    assert times == pytest.approx([*AT, *(at + second for at in AT)], abs=0.06)
    assert seconds == pytest.approx(4.0, abs=0.12)
    assert len(caplog.messages) <= 1
    out = dub(tmp_path / "out.mp4", path, seconds=4.2)
    assert played(out)[0] == pytest.approx(times, abs=0.005)


def ape_facts(item, flags):
    return b"APETAGEX" + np.array([2000, len(item) + 32, 1, flags], "<u4").tobytes() + bytes(8)


def tag(kind):
    if kind == "ID3v2":
        return b"ID3\x04\x00\x00\x00\x00\x03\x74" + bytes(500)
    if kind == "APE":
        item = b"\x04\0\0\0\0\0\0\0Title\0abcd"
        return ape_facts(item, 0xA0000000) + item + ape_facts(item, 0x80000000)
    return np.random.default_rng(5).integers(0, 255, 3000, np.uint8).tobytes()


@pytest.mark.parametrize("kind", ["ID3v2", "APE", "noise"])
@pytest.mark.parametrize("place", ["front", "middle", "end"])
def test_junk_in_an_mp3_is_passed_over_with_one_warning_at_most(tmp_path, kind, place, caplog):
    part = write_clicks(tmp_path / "a.mp3", "libmp3lame", rate=44100).read_bytes()
    path = tmp_path / "junk.mp3"
    path.write_bytes(
        {"front": tag(kind) + part, "middle": part + tag(kind) + part, "end": part + tag(kind)}[place]
    )
    times, seconds = heard(path)
    parts = 2 if place == "middle" else 1
    assert seconds == pytest.approx(2.0 * parts, abs=0.06)
    assert len(times) == 2 * parts and times[:2] == pytest.approx(AT, abs=0.04)
    warnings = [record for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) <= 1 and all("passed over" in warning.message for warning in warnings)
    if place == "middle":
        assert "at 2.0" in warnings[0].message


def test_damage_in_the_middle_makes_no_crash_and_no_copy(tmp_path, caplog):
    path = write_clicks(tmp_path / "a.m4a", "aac")
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 120] = b"\x55" * 120
    path.write_bytes(data)
    times, seconds = heard(path)
    assert seconds == pytest.approx(2.0, abs=0.03)
    assert times[0] == pytest.approx(AT[0], abs=0.005) and times[-1] == pytest.approx(AT[1], abs=0.005)
    assert not report_of(path).intact
    assert len(caplog.messages) == 1
    assert played(dub(tmp_path / "out.mp4", path))[0] == pytest.approx(times, abs=0.005)


@pytest.mark.parametrize("codec", ["flac", "libopus", "pcm_s16le"])
def test_a_file_that_was_cut_off_gives_what_is_there(tmp_path, codec):
    path = write_clicks(
        tmp_path / f"a{ {'flac': '.flac', 'libopus': '.opus', 'pcm_s16le': '.wav'}[codec] }", codec
    )
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])
    times, seconds = heard(path)
    assert times[0] == pytest.approx(AT[0], abs=0.005)
    assert 0.9 < seconds < 1.9


@pytest.mark.parametrize("name", ["x" * 300 + ".opus", "a\0b.opus", ".", "http://127.0.0.1/a.opus"])
def test_what_is_no_file_is_one_line(tmp_path, name):
    with pytest.raises(MediaError) as caught:
        place_sound(tmp_path / name if "//" not in name else name)
    assert "\n" not in str(caught.value)


def test_junk_after_a_wav_is_no_sound(tmp_path):
    path = write_wav(tmp_path / "a.wav", clicks(1, 16000))
    path.write_bytes(path.read_bytes() + b"LIST\x08\0\0\0" + bytes(500))
    assert heard(path)[1] == 2.0


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("libopus", "mono", 48000), ("libopus", "mono", 48000)),
        (("libopus", "mono", 48000), ("libopus", "5.1", 48000)),
        (("flac", "mono", 48000), ("flac", "stereo", 44100)),
        (("flac", "stereo", 44100), ("libopus", "mono", 48000)),
    ],
)
def test_chains_of_ogg_files_are_heard_and_written_whole(tmp_path, first, second):
    path = tmp_path / "chain.ogg"
    parts = [write_clicks(tmp_path / f"{number}.ogg", *kind) for number, kind in enumerate((first, second))]
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    times, seconds = heard(path)
    assert seconds == pytest.approx(4.0, abs=0.002)
    assert times == pytest.approx([0.5, 1.5, 2.5, 3.5], abs=0.003)
    for suffix in CONTAINERS:
        assert played(dub(tmp_path / f"out{suffix}", path, seconds=4.0))[0] == pytest.approx(times, abs=0.005)


def test_transport_streams_one_after_the_other_are_heard_whole(tmp_path):
    part = write_film(tmp_path / "a.ts").read_bytes()
    path = tmp_path / "joined.ts"
    path.write_bytes(part + part)
    times, seconds = heard(path)
    assert seconds == pytest.approx(4.05, abs=0.06)
    assert len(times) == 4
    assert not report_of(path).intact
    assert played(dub(tmp_path / "out.mkv", path, seconds=4.1))[0] == pytest.approx(times, abs=0.005)


@pytest.mark.parametrize("lost", [1, 2, 4, 20])
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".webm"])
def test_lips_hear_a_hole_as_long_as_the_sound_plays_it(tmp_path, lost, suffix):
    """Packets of Opus are 20 ms: even one that is lost must not move what comes after it."""
    path = write_film(tmp_path / "a.mkv", "libopus", lost=range(20, 20 + lost))
    times, _ = heard(path)
    assert times == pytest.approx([1.0, 1.6], abs=0.008)
    for audio in ("auto", "encode"):
        assert played(dub(tmp_path / f"out{suffix}", path, audio=audio))[0] == pytest.approx(times, abs=0.008)


def test_a_hole_is_told_once_with_its_place(tmp_path, caplog):
    path = write_film(tmp_path / "a.mkv", "libopus", lost=[10, 11, 12, 40, 41, 42])
    heard(path)
    (message,) = caplog.messages
    assert "0.12 seconds of sound are missing in 2 places, the first at 0." in message


def test_a_track_without_samples_is_one_line(tmp_path):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=16000)
        stream.codec_context.layout = "mono"
        container.start_encoding()
    for read in (
        open_recording,
        lambda path: decode_waveform(AudioTrack(path)),
        lambda path: dub(Path(tmp_path / "o.mp4"), path),
    ):
        with pytest.raises(MediaError) as caught:
            read(path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "layout", ["2.1", "4.0", "quad", "5.1(side)", "hexagonal", "6.1(front)", "7.1(wide)", "octagonal"]
)
def test_the_mono_mix_weighs_every_layout_as_ffmpeg_does(layout):
    channels = av.AudioLayout(layout)
    alone = packed_frame(np.repeat(0.1 * np.eye(channels.nb_channels), 8, axis=1), 16000, layout)
    (mixed,) = av.AudioResampler(format="flt", layout="mono").resample(alone)
    expected = mixed.to_ndarray()[0, ::8]
    weights = mono_weights(channels.nb_channels, [channel.name for channel in channels.channels])
    np.testing.assert_allclose(weights, expected / expected.sum(), atol=1e-4)
