"""What goes along with a picture: other sound, subtitles, chapters, timecode, title; or it is named as lost."""

import struct
from fractions import Fraction

import av
import numpy as np
import pytest

from xdub_core.media.output.encode_settings import EncodeSettings
from xdub_core.media.output.source_tracks import SourceTracks
from xdub_core.media.output.subtitles import plain_text
from xdub_core.media.output.tags import film_tags, timecode_at
from xdub_core.media.output.writer import VideoWriter
from xdub_core.media.picture.frame import untouched
from xdub_core.media.sound.sound_place import AudioTrack, place_sound
from xdub_core.media.timeline import ping_pong
from xdub_core.media.video.passes import VideoPasses
from xdub_core.media.video.video_info import scan_video

pytestmark = pytest.mark.skipif(
    not hasattr(av.container.OutputContainer, "add_mux_stream"),
    reason="needs a newer PyAV to make the test's files",
)
MILLISECOND = Fraction(1, 1000)
WORDS = [(200, 700, "Grüße"), (1000, 800, "zwei\nZeilen")]


def put(container, stream, content, pts, duration=None, time_base=MILLISECOND):
    packet = av.Packet(content)
    packet.stream, packet.time_base = stream, time_base
    packet.pts = packet.dts = pts
    packet.duration, packet.is_keyframe = duration, True
    container.mux(packet)


def film(path, *, subtitles="subrip", late=0.0, sounds=("eng", "deu"), extra=None):
    """2 s of 25 frames a second; each sound has a click, the first one at 0.5 s and the second one at 1.5 s."""
    rate = 48000
    with av.open(str(path), "w") as container:
        picture = container.add_stream("libx264", rate=25, options={"preset": "ultrafast", "bf": "0"})
        picture.width, picture.height, picture.pix_fmt = 96, 64, "yuv420p"
        picture.metadata.update({"language": "fra", "timecode": "10:11:12:13"})
        tracks = [container.add_stream("ac3", rate=rate) for _ in sounds]
        for number, (track, language) in enumerate(zip(tracks, sounds, strict=True)):
            track.codec_context.layout = "mono"
            track.metadata["language"] = language
            track.disposition = int(not number)
        text = container.add_mux_stream(subtitles)
        text.metadata["language"] = "deu"
        container.metadata.update(
            {"title": "Ein Film", "artist": "Wir", "creation_time": "2020-01-02T03:04:05"}
        )
        container.set_chapters(
            [
                {"id": n + 1, "start": n * 1000, "end": n * 1000 + 1000, "time_base": MILLISECOND,
                 "metadata": {"title": name}}
                for n, name in enumerate(("Anfang", "Ende"))
            ]
        )  # fmt: skip
        if extra:
            extra(container)
        container.start_encoding()
        for number in range(50):
            frame = av.VideoFrame.from_ndarray(np.full((64, 96, 3), 4 * number, np.uint8), "rgb24")
            frame.pts, frame.time_base = number + round(25 * late), Fraction(1, 25)
            container.mux(picture.encode(frame))
        container.mux(picture.encode(None))
        for number, track in enumerate(tracks):
            samples = np.zeros((1, 2 * rate), np.float32)
            samples[0, rate // 2 + number * rate :][:40] = 0.9
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
            frame.pts = round(late * rate)
            container.mux(track.encode(frame))
            container.mux(track.encode(None))
        for start, duration, words in WORDS:
            content = words.encode()
            if subtitles == "mov_text":
                content = struct.pack(">H", len(content)) + content
            put(container, text, content, start + round(1000 * late), duration)
    return path


def dub(source, target, sound=None, frames=50):
    """Write a film again, with its companions, as long as `frames`."""
    passes = VideoPasses(scan_video(source))
    info = scan_video(source).info
    seconds = min(frames, len(passes.timeline)) / 25
    settings = EncodeSettings(preset="ultrafast")
    tracks = SourceTracks(info, seconds)
    with VideoWriter(target, 96, 64, 25, settings, sound, like=info, tracks=tracks) as writer:
        for frame in passes.source_frames(
            passes.timeline.source_index[ping_pong(len(passes.timeline), frames)]
        ):
            writer.write(untouched(frame))
    return target


def found(path):
    """Everything that a test asks of a file."""
    with av.open(str(path)) as container:
        text = list(container.streams.subtitles)
        packets = [packet for stream in text[:1] for packet in _packets(container, stream)]
        kind = {"srt": "subrip", "ssa": "ass"}.get(*[text[0].codec_context.name] * 2) if text else ""
        return {
            "title": container.metadata.get("title"),
            "created": container.metadata.get("creation_time", "")[:10],
            "sounds": [stream.metadata.get("language", "und") for stream in container.streams.audio],
            "default": [int(stream.disposition) & 1 for stream in container.streams.audio],
            "chapters": [
                (float(c["start"] * c["time_base"]), float(c["end"] * c["time_base"]), c["metadata"]["title"])
                for c in container.chapters()
            ],
            "words": [
                (round(float(p.pts * p.time_base), 2), words)
                for p in packets
                if (words := plain_text(bytes(p), kind))
            ],
            "timecode": next(
                (v for k, v in container.streams.video[0].metadata.items() if k.lower() == "timecode"), None
            ),
            "language": container.streams.video[0].metadata.get("language"),
        }


def _packets(container, stream):
    return [packet for packet in container.demux(stream) if packet.size]


def click_of(path, number):
    """When the click of a sound is heard, in seconds after the first picture."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[number]
        begin = container.streams.video[0].start_time * container.streams.video[0].time_base
        for frame in container.decode(stream):
            samples = np.abs(frame.to_ndarray().astype(float).ravel())
            if samples.max() > 0.2:
                return float(frame.pts * frame.time_base - begin) + int(samples.argmax()) / frame.sample_rate
    return None


@pytest.fixture
def voice(tmp_path, make_click):
    return AudioTrack(make_click(tmp_path / "voice.wav", "pcm_s16le", at=1.0))


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
@pytest.mark.parametrize(
    ("subtitles", "source"), [("subrip", "in.mkv"), ("webvtt", "in.mkv"), ("mov_text", "in.mp4")]
)
def test_everything_goes_along_in_every_container(tmp_path, voice, caplog, suffix, subtitles, source):
    path = dub(film(tmp_path / source, subtitles=subtitles), tmp_path / f"out{suffix}", voice)
    told = found(path)
    assert (told["title"], told["created"], told["timecode"]) == ("Ein Film", "2020-01-02", "10:11:12:13")
    if suffix != ".mov":  # QuickTime's own codes of languages come back as none
        assert told["sounds"] == ["und", "deu"]
        assert told["language"] == "fra"
    assert told["default"] == [1, 0]
    assert told["chapters"] == [(0, 1, "Anfang"), (1, 2, "Ende")]
    assert [words for _, words in told["words"]] == [words for _, _, words in WORDS]
    assert [when for when, _ in told["words"]] == pytest.approx([0.2, 1.0], abs=0.03)
    assert click_of(path, 0) == pytest.approx(1.0, abs=0.03)
    assert click_of(path, 1) == pytest.approx(1.5, abs=0.03)
    assert "not taken over" not in caplog.text


def test_a_source_whose_clock_begins_late_keeps_everything_in_its_place(tmp_path, voice):
    path = dub(film(tmp_path / "in.mkv", late=0.4), tmp_path / "out.mp4", voice)
    told = found(path)
    assert [when for when, _ in told["words"]] == pytest.approx([0.2, 1.0], abs=0.01)
    edges = [(start, end) for start, end, _ in told["chapters"]]
    assert np.allclose(edges, [(0, 0.6), (0.6, 1.6)], atol=0.01)
    assert click_of(path, 1) == pytest.approx(1.5, abs=0.03)


def test_a_shorter_output_ends_them_all(tmp_path, voice):
    told = found(dub(film(tmp_path / "in.mkv"), tmp_path / "out.mkv", voice, frames=20))
    assert told["chapters"] == [(0, 0.8, "Anfang")]
    assert [words for _, words in told["words"]] == ["Grüße"]


def test_a_longer_output_has_them_in_its_first_pass_only(tmp_path, voice):
    path = dub(film(tmp_path / "in.mkv"), tmp_path / "out.mkv", voice, frames=120)
    told = found(path)
    assert told["chapters"] == [(0, 1, "Anfang"), (1, 2, "Ende")]
    assert len(told["words"]) == 2
    with av.open(str(path)) as container:
        last = max(packet.pts for packet in _packets(container, container.streams.audio[1]))
        assert last * container.streams.audio[1].time_base < 2.1


def test_without_a_recording_the_default_sound_is_not_taken_over(tmp_path):
    assert found(dub(film(tmp_path / "in.mkv"), tmp_path / "out.mkv"))["sounds"] == ["deu"]


def test_what_a_container_cannot_hold_is_named_in_one_warning(tmp_path, voice, caplog):
    def font(container):
        container.add_attachment("Schrift.ttf", "font/ttf", b"no font")

    source = film(tmp_path / "in.mkv", extra=font)
    dub(source, tmp_path / "out.mp4", voice)
    (message,) = [record.getMessage() for record in caplog.records if "not taken over" in record.getMessage()]
    assert "Schrift.ttf" in message and "mp4" in message
    caplog.clear()
    with av.open(str(dub(source, tmp_path / "out.mkv", voice))) as container:
        assert [stream.metadata["filename"] for stream in container.streams.attachments] == ["Schrift.ttf"]
    assert "not taken over" not in caplog.text


def test_the_dub_stays_fast_to_start_and_in_step(tmp_path, voice):
    data = dub(film(tmp_path / "in.mkv"), tmp_path / "out.mp4", voice).read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_a_track_that_breaks_on_its_way_ends_there_and_the_dub_goes_on(tmp_path, voice, monkeypatch, caplog):
    source = film(tmp_path / "in.mkv")

    class Broken:
        def packets(self, until):
            if until > 1:
                raise av.error.InvalidDataError(1, "broken")
            yield from ()

        def last_packets(self):
            return iter(())

        def close(self):
            pass

    monkeypatch.setattr("xdub_core.media.output.writer.add_source_tracks", lambda *_: [Broken()])
    assert scan_video(dub(source, tmp_path / "out.mp4", voice)).info.frames == 50
    assert "ends at 1.04 s" in caplog.text


def test_titles_in_other_encodings_do_not_keep_a_file_closed(tmp_path, voice):
    source = film(tmp_path / "in.mkv")
    source.write_bytes(source.read_bytes().replace(b"Ein Film", b"Ein F\xeflm"))
    assert found(dub(source, tmp_path / "out.mkv", voice))["title"] == "Ein F�lm"


def test_the_recording_that_is_the_video_itself_is_written_once(tmp_path):
    source = film(tmp_path / "in.mkv")
    sound = place_sound(source, scan_video(source).info)
    path = dub(source, tmp_path / "out.mkv", sound)
    assert click_of(path, 0) == pytest.approx(0.5, abs=0.03) and click_of(path, 1) == pytest.approx(
        1.5, abs=0.03
    )


@pytest.mark.parametrize(
    ("content", "kind", "expected"),
    [
        (b"\x00\x02Hi\x00\x00\x00\x08styl\x00\x00", "mov_text", "Hi"),
        (b"\x00\x00", "mov_text", ""),
        (b"3,0,Default,,0,0,0,,{\\an8}one, two\\Nthree", "ass", "one, two\nthree"),
        (b"<i>Hi</i>\r\n1 < 2", "subrip", "Hi\n1 < 2"),
        (b"<v Ann>Hi<c.red> there</c>", "webvtt", "Hi there"),
    ],
)
def test_plain_text(content, kind, expected):
    assert plain_text(content, kind) == expected


@pytest.mark.parametrize(
    ("timecode", "fps", "expected"),
    [
        ("01:00:00:10", 25, "01:00:00:10"),
        ("01:00:00;29", 30000 / 1001, "01:00:00:24"),
        ("01:00:00:23", 24, "01:00:00:23"),
        ("01:00:00:49", 50, "01:00:00:24"),
        ("00:00:00:59", 25, "00:00:00:24"),
    ],
)
def test_timecode_counts_the_outputs_frames(timecode, fps, expected):
    assert timecode_at(timecode, fps, 25) == expected


@pytest.mark.parametrize(
    ("timecode", "fps", "expected"),
    [
        ("10:11:12;13", 30000 / 1001, "10:11:12;13"),
        ("10:11:12;50", 60000 / 1001, "10:11:12;50"),
        ("10:11:12;13", 30, "10:11:12:13"),
        ("10:11:12:23", 24000 / 1001, "10:11:12:23"),
        ("01:00:00;07", 28.7, "01:00:00:07"),
    ],
)
def test_at_its_own_rate_a_timecode_stays_as_it_is(timecode, fps, expected):
    assert timecode_at(timecode, fps, fps) == expected


def test_tags_of_the_file_itself_stay_behind():
    tags = {"title": "a", "ENCODER": "Lavf", "major_brand": "qt", "BPS-eng": "1", "language": "deu"}
    assert film_tags(tags) == {"title": "a", "language": "deu"}
