"""Sound: copied where it can be, and in step with the picture always."""

from fractions import Fraction

import av
import numpy as np
import pytest

from xdub_core.audio.recording import SAMPLE_RATE, open_recording
from xdub_core.errors import MediaError
from xdub_core.media.output.encode_settings import EncodeSettings
from xdub_core.media.output.writer import VideoWriter
from xdub_core.media.sound.sound_place import AudioTrack
from xdub_core.media.video.video_info import probe_video

FLASH = 12  # the click's frame: 0.5 s lies in slot 12
CLICK_SECONDS = 0.5


def dub(path, audio, frames=50, settings=None, **track):
    settings = settings or EncodeSettings(preset="ultrafast")
    with VideoWriter(path, 96, 64, 25, settings, AudioTrack(audio, **track)) as writer:
        for number in range(frames):
            writer.write(np.full((64, 96, 3), 255 if number == FLASH else 0, np.uint8))
    return path


def flash_time(path):
    with av.open(str(path)) as container:
        frames = [(frame.to_ndarray()[:64].mean(), float(frame.time)) for frame in container.decode(video=0)]
    return max(frames)[1] - frames[0][1]


def sound(path):
    """The first frame's time is 0: (samples, their times)."""
    with av.open(str(path)) as container:
        begin = float(next(container.decode(video=0)).time)
    samples, times = [], []
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            # Planar and packed samples alike, first channel.
            data = frame.to_ndarray().astype(float).reshape(-1, frame.samples)[0]
            samples.append(data / (np.iinfo(frame.to_ndarray().dtype).max if data.max() > 2 else 1))
            times.append(float(frame.time) - begin + np.arange(frame.samples) / frame.sample_rate)
    return np.concatenate(samples), np.concatenate(times)


def click_time(path):
    samples, times = sound(path)
    return times[np.abs(samples).argmax()]


def audio_codec(path):
    with av.open(str(path)) as container:
        return container.streams.audio[0].codec_context.name


def packets(path):
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


CASES = [
    ("libmp3lame", ".mp3", ".mp4", "mp3"),
    ("aac", ".m4a", ".mp4", "aac"),
    ("aac", ".m4a", ".mkv", "aac"),
    ("aac", ".m4a", ".mov", "aac"),
    ("flac", ".flac", ".mkv", "flac"),
    ("libopus", ".ogg", ".webm", "opus"),
    ("libopus", ".ogg", ".mp4", "opus"),
    ("alac", ".m4a", ".mp4", "alac"),
    ("pcm_s16le", ".wav", ".mov", "pcm"),
    ("pcm_s16le", ".wav", ".mkv", "pcm"),
    ("ac3", ".ac3", ".mp4", "ac3"),
    ("aac", ".aac", ".mp4", "aac"),
]


@pytest.mark.parametrize(("codec", "audio_suffix", "suffix", "expected"), CASES)
def test_packets_are_copied_where_the_container_takes_them(
    tmp_path, make_click, codec, audio_suffix, suffix, expected
):
    rate = 48000 if codec == "libopus" else 44100
    audio = make_click(tmp_path / f"a{audio_suffix}", codec, rate=rate)
    path = dub(tmp_path / f"out{suffix}", audio)
    assert audio_codec(path).startswith(expected)
    if audio_suffix != ".aac":  # its headers are taken off on the way into MP4
        original, copied = b"".join(packets(audio)), b"".join(packets(path))
        assert original.startswith(copied) and len(copied) > 0.9 * len(original)
    # Raw AAC and AC-3 files say nothing of their encoder's delay: it stays in them.
    unknown_delay = 0.025 if audio_suffix in (".aac", ".ac3") else 0
    assert click_time(path) == pytest.approx(
        CLICK_SECONDS + unknown_delay, abs=0.02 if unknown_delay else 0.002
    )
    assert flash_time(path) == pytest.approx(FLASH / 25, abs=0.002)


@pytest.mark.parametrize(
    ("codec", "audio_suffix", "suffix", "expected"),
    [
        ("pcm_s16le", ".wav", ".mp4", "aac"),
        ("flac", ".flac", ".mp4", "aac"),
        ("pcm_s16le", ".wav", ".webm", "opus"),
        ("libmp3lame", ".mp3", ".webm", "opus"),
    ],
)
def test_other_sound_is_encoded_in_step(tmp_path, make_click, codec, audio_suffix, suffix, expected):
    path = dub(tmp_path / f"out{suffix}", make_click(tmp_path / f"a{audio_suffix}", codec))
    assert audio_codec(path) == expected
    assert click_time(path) == pytest.approx(CLICK_SECONDS, abs=0.003)
    samples, times = sound(path)
    assert times[-1] == pytest.approx(2.0, abs=0.03)
    assert np.abs(samples).max() > 0.3


@pytest.mark.parametrize(("suffix", "expected"), [(".mp4", "aac"), (".mov", "mp3"), (".mkv", "mp3")])
def test_mp3_of_a_low_rate_is_encoded_where_the_container_refuses_it(tmp_path, make_click, suffix, expected):
    path = dub(tmp_path / f"out{suffix}", make_click(tmp_path / "a.mp3", "libmp3lame", rate=11025))
    assert audio_codec(path).startswith(expected)
    assert click_time(path) == pytest.approx(CLICK_SECONDS, abs=0.01)


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 96000])
def test_rates_are_kept_where_aac_has_them(tmp_path, make_click, rate):
    path = dub(tmp_path / "out.mp4", make_click(tmp_path / "a.wav", "pcm_s16le", rate=rate))
    with av.open(str(path)) as container:
        assert container.streams.audio[0].codec_context.sample_rate == rate
    assert click_time(path) == pytest.approx(CLICK_SECONDS, abs=0.006)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
@pytest.mark.parametrize(("start", "delay"), [(0.2, 0.0), (0.0, 0.3), (0.25, 0.1)])
def test_a_part_of_the_recording(tmp_path, make_click, suffix, start, delay):
    audio = make_click(tmp_path / "a.wav", "pcm_s16le")
    path = dub(tmp_path / f"out{suffix}", audio, start=start, delay=delay)
    assert click_time(path) == pytest.approx(CLICK_SECONDS - start + delay, abs=0.004)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_sound_ends_with_the_video(tmp_path, make_click, suffix):
    path = dub(tmp_path / f"out{suffix}", make_click(tmp_path / "a.m4a", "aac", seconds=5), frames=30)
    assert 1.2 <= sound(path)[1][-1] < 1.2 + 2 * 1024 / 44100
    assert probe_video(path).frames == 30


def test_short_sound_leaves_the_video_whole(tmp_path, make_click):
    path = dub(tmp_path / "out.mp4", make_click(tmp_path / "a.wav", "pcm_s16le", seconds=0.6))
    assert probe_video(path).frames == 50
    assert sound(path)[1][-1] < 0.7


def test_three_samples_are_enough(tmp_path, make_click):
    audio = make_click(tmp_path / "a.wav", "pcm_s16le", rate=16000, seconds=3 / 16000, at=0)
    assert probe_video(dub(tmp_path / "out.mp4", audio)).frames == 50


def test_a_duration_cuts_the_sound(tmp_path, make_click):
    path = dub(tmp_path / "out.mp4", make_click(tmp_path / "a.wav", "pcm_s16le"), duration=1.0)
    assert sound(path)[1][-1] == pytest.approx(1.0, abs=0.03)


def test_packets_are_interleaved(tmp_path, make_click):
    path = dub(tmp_path / "out.mkv", make_click(tmp_path / "a.flac", "flac"))
    with av.open(str(path)) as container:
        times = {"video": 0.0, "audio": 0.0}
        for packet in container.demux():
            if packet.size:
                times[packet.stream.type] = float(packet.pts * packet.time_base)
                assert abs(times["video"] - times["audio"]) < 0.5


def test_copy_refuses_what_it_cannot_copy(tmp_path, make_click):
    audio = make_click(tmp_path / "a.wav", "pcm_s16le")
    with pytest.raises(MediaError, match="let it be encoded"):
        dub(tmp_path / "out.mp4", audio, settings=EncodeSettings(audio="copy"))
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


def test_encode_always_encodes(tmp_path, make_click):
    audio = make_click(tmp_path / "a.mp3", "libmp3lame")
    path = dub(tmp_path / "out.mp4", audio, settings=EncodeSettings(audio="encode", preset="ultrafast"))
    assert audio_codec(path) == "aac"


def test_a_videos_own_sound_keeps_its_place(tmp_path, make_click):
    late = dub(tmp_path / "late.mkv", make_click(tmp_path / "a.wav", "pcm_s16le"), delay=0.2)
    info = probe_video(late)
    assert info.audio_start is not None
    # The container's delay is silence in PCM copies: the first packet itself comes late.
    path = dub(
        tmp_path / "out.mp4", late, delay=max(0.0, info.audio_start), start=max(0.0, -info.audio_start)
    )
    assert click_time(path) == pytest.approx(click_time(late), abs=0.004)


def test_bad_sound_is_named(tmp_path, make_video, numbered):
    text = tmp_path / "a.wav"
    text.write_text("not a recording")
    silent = make_video(tmp_path / "silent.mp4", numbered(3))
    before = sorted(path.name for path in tmp_path.iterdir())
    for audio, words in (
        (text, "not a readable"),
        (silent, "no sound"),
        (tmp_path / "b.wav", "no such file"),
    ):
        with pytest.raises(MediaError, match=words):
            dub(tmp_path / "out.mp4", audio)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_sound_without_samples(tmp_path, make_click):
    audio = make_click(tmp_path / "a.wav", "pcm_s16le")
    audio.write_bytes(audio.read_bytes()[: audio.read_bytes().index(b"data") + 4] + b"\0\0\0\0")
    with pytest.raises(MediaError):
        dub(tmp_path / "out.mp4", audio)


@pytest.mark.parametrize("settings", [EncodeSettings(preset="ultrafast"), EncodeSettings(audio="encode")])
def test_of_several_tracks_the_one_that_the_lips_follow_is_written(tmp_path, settings):
    """A commentary in mono with a click at 0.5 s comes first; players, and so we, take the film's stereo."""
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("pcm_s16le", rate=16000) for _ in range(2)]
        for stream, layout in zip(streams, ("mono", "stereo"), strict=True):
            stream.codec_context.layout = layout
        for stream, at in zip(streams, (0.5, 1.0), strict=True):
            samples = np.zeros((1, 32000 * stream.codec_context.layout.nb_channels), np.int16)
            first = int(at * 16000) * stream.codec_context.layout.nb_channels
            samples[0, first : first + 40] = 30000
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout=stream.codec_context.layout.name)
            frame.sample_rate, frame.pts, frame.time_base = 16000, 0, Fraction(1, 16000)
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    with open_recording(path) as recording:
        heard = np.abs(recording.read(0, recording.samples)).argmax() / SAMPLE_RATE
    assert heard == pytest.approx(1.0, abs=0.01)
    assert click_time(dub(tmp_path / "out.mp4", path, settings=settings)) == pytest.approx(heard, abs=0.01)
