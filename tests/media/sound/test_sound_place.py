"""Where a recording lies on the clock of a dub, and which of its streams is taken."""

import math
import shutil
from fractions import Fraction

import av
import pytest

from tests.media.clicks import (
    AT,
    CONTAINERS,
    click_times,
    clicks,
    dub,
    flash_times,
    heard,
    played,
    write_clicks,
    write_film,
)
from xdub_core.audio.recording import SAMPLE_RATE, open_recording
from xdub_core.errors import MediaError, SettingsError
from xdub_core.media.output.encode_settings import EncodeSettings
from xdub_core.media.output.writer import VideoWriter
from xdub_core.media.sound.resample import packed_frame
from xdub_core.media.sound.sound_place import AudioTrack, place_sound
from xdub_core.media.video.passes import VideoPasses
from xdub_core.media.video.video_info import scan_video

FILMS = [
    ("aac", ".mp4"),
    ("libmp3lame", ".mp4"),
    ("aac", ".mov"),
    ("pcm_s16le", ".mov"),
    ("flac", ".mkv"),
    ("libopus", ".mkv"),
    ("mp2", ".ts"),
    ("ac3", ".ts"),
]


def with_its_sound(film, out, audio):
    """A film's pictures at 25 fps with its own sound, as a dub of it has them."""
    scanned = scan_video(film)
    passes = VideoPasses(scanned)
    settings = EncodeSettings(preset="ultrafast", audio=audio)
    with VideoWriter(out, 64, 48, 25, settings, place_sound(film, scanned.info)) as writer:
        for frame in passes.frames(passes.timeline.source_index):
            writer.write(frame)
    return out


@pytest.mark.parametrize(("picture_begins", "sound_begins"), [(0.0, 0.36), (0.4, 0.0), (0.0, 0.0)])
@pytest.mark.parametrize(("codec", "suffix"), FILMS)
def test_flash_and_click_of_a_dubbed_file_stay_together_whichever_track_begins_late(
    tmp_path, codec, suffix, picture_begins, sound_begins, caplog
):
    film = write_film(
        tmp_path / f"film{suffix}", codec, picture_begins=picture_begins, sound_begins=sound_begins
    )
    lips, _ = heard(place_sound(film, scan_video(film).info))
    cut = [message for message in caplog.messages if "before the first picture" in message]
    assert len(cut) == (picture_begins > 0)
    number = FILMS.index((codec, suffix))
    for out, audio in ((CONTAINERS[number % 4], "auto"), (CONTAINERS[(number + 1) % 4], "encode")):
        made = with_its_sound(film, tmp_path / f"out{out}", audio)
        flashes = flash_times(made)
        assert len(flashes) == 2
        assert played(made)[0] == pytest.approx(flashes, abs=0.02)
        assert lips == pytest.approx(flashes, abs=0.02)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_a_recording_that_comes_with_a_picture_begins_when_its_file_does(tmp_path, suffix):
    film = write_film(tmp_path / f"film{suffix}", "ac3", sound_begins=0.36)
    track = place_sound(film)
    assert track.delay == pytest.approx(0.36, abs=0.01)
    assert heard(track)[0] == pytest.approx([1.0, 1.6], abs=0.01)
    assert played(dub(tmp_path / "out.mp4", track))[0] == pytest.approx([1.0, 1.6], abs=0.01)


def test_a_copy_of_the_video_is_another_file_and_the_same_by_another_name_is_not(tmp_path):
    film = write_film(tmp_path / "film.mkv", "flac", picture_begins=0.4)
    video = scan_video(film).info
    link, copy = tmp_path / "link.mkv", tmp_path / "copy.mkv"
    link.hardlink_to(film)
    shutil.copy(film, copy)
    assert place_sound(link, video).start == pytest.approx(0.4, abs=0.002)
    assert place_sound(copy, video).start == 0


@pytest.mark.parametrize(
    ("codec", "suffix"), [("aac", ".m4a"), ("libmp3lame", ".mp3"), ("libopus", ".opus"), ("libopus", ".webm")]
)
def test_an_encoder_s_padding_is_no_beginning(tmp_path, codec, suffix):
    track = place_sound(write_clicks(tmp_path / f"a{suffix}", codec))
    assert (track.start, track.delay) == (0, 0)
    assert heard(track)[0] == pytest.approx(AT, abs=0.003)


@pytest.mark.parametrize("offset", [0.3, 0.02, -0.02, -0.3])
@pytest.mark.parametrize(
    ("suffix", "audio"), [(suffix, audio) for suffix in CONTAINERS for audio in ("auto", "encode")]
)
def test_an_offset_moves_lips_and_sound_alike(tmp_path, offset, suffix, audio):
    path = write_clicks(tmp_path / "a.m4a", "aac")
    track = place_sound(path, offset=offset)
    wanted = [second + offset for second in AT]
    assert heard(track)[0] == pytest.approx(wanted, abs=0.003)
    assert played(dub(tmp_path / f"out{suffix}", track, audio=audio))[0] == pytest.approx(wanted, abs=0.01)


@pytest.mark.parametrize("offset", [math.nan, math.inf, -math.inf, 1e6])
def test_an_impossible_offset_is_refused(tmp_path, offset):
    with pytest.raises(SettingsError, match="is not possible"):
        place_sound(write_clicks(tmp_path / "a.wav", "pcm_s16le"), offset=offset)


def test_nothing_is_left_when_all_is_cut(tmp_path):
    track = place_sound(write_clicks(tmp_path / "a.wav", "pcm_s16le"), offset=-3)
    with pytest.raises(MediaError, match=r"nothing is left of it when 3\.00 seconds are cut"):
        open_recording(track)


def write_tracks(path, codecs, default=None):
    """Sound streams of which number n clicks at (n + 1) / 2 seconds."""
    with av.open(str(path), "w") as container:
        streams = [container.add_stream(codec, rate=48000) for codec in codecs]
        for number, stream in enumerate(streams):
            stream.codec_context.layout = "mono"
            stream.metadata["language"] = "eng"
            stream.disposition = int(number == default)
        packets = []
        for number, stream in enumerate(streams):
            frame = packed_frame(clicks(at=[(number + 1) / 2]), 48000, "mono")
            frame.pts, frame.time_base = 0, Fraction(1, 48000)
            packets += [*stream.encode(frame), *stream.encode(None)]
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            container.mux(packet)
    return path


def both(path, tmp_path, number=None):
    """When the first click of the speech that is heard comes, and of the sound that is written."""
    track = place_sound(path, number=number)
    with open_recording(track) as recording:
        (lips, *_) = click_times(recording.read(0, recording.samples), SAMPLE_RATE)
    return lips, played(dub(tmp_path / "out.mp4", track))[0][0]


@pytest.mark.skipif(not hasattr(av.stream, "Disposition"), reason="this PyAV cannot mark a stream as default")
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("default", [0, 1, 2])
def test_the_stream_that_is_marked_as_default_is_heard_and_written(tmp_path, suffix, default):
    path = write_tracks(tmp_path / f"a{suffix}", ["ac3"] * 3, default)
    assert both(path, tmp_path) == pytest.approx([(default + 1) / 2] * 2, abs=0.01)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_stream_can_be_chosen(tmp_path, number):
    path = write_tracks(tmp_path / "a.mkv", ["ac3", "flac", "ac3"], 0)
    assert both(path, tmp_path, number) == pytest.approx([(number + 1) / 2] * 2, abs=0.01)


@pytest.mark.parametrize("number", [-1, 3])
def test_a_stream_that_is_not_there_is_refused_with_those_that_are(tmp_path, number):
    path = write_tracks(tmp_path / "a.mkv", ["ac3", "flac", "ac3"], 0)
    with pytest.raises(
        MediaError, match=rf"no audio stream {number}; it has 0 \(ac3, 1 channel, eng.*1 \(flac.*2 \(ac3"
    ):
        place_sound(path, number=number)


@pytest.mark.parametrize("kind", ["unknown codec", "nothing decodes"])
def test_where_the_default_stream_cannot_be_decoded_the_next_is_taken_with_one_warning(
    tmp_path, kind, caplog
):
    path = write_tracks(tmp_path / "a.mkv", ["ac3", "flac"], 0)
    data = path.read_bytes()
    damaged = (
        data.replace(b"A_AC3", b"A_XYZ")
        if kind == "unknown codec"
        else data.replace(b"\x0b\x77", b"\xff\xff")
    )
    path.write_bytes(damaged)
    assert both(path, tmp_path) == pytest.approx([1.0, 1.0], abs=0.01)
    assert [message.split(": ", 1)[1] for message in caplog.messages] == [
        "nothing of its audio stream 0 can be decoded; stream 1 is taken"
    ]
    with pytest.raises(MediaError, match=r"cannot read|nothing of audio stream 0 can be decoded"):
        place_sound(path, number=0)


def test_a_file_whose_only_sound_cannot_be_decoded_is_one_line(tmp_path):
    path = write_tracks(tmp_path / "a.mkv", ["ac3"], 0)
    path.write_bytes(path.read_bytes().replace(b"A_AC3", b"A_XYZ"))
    with pytest.raises(MediaError, match="nothing of its sound can be decoded"):
        place_sound(path)


def test_a_track_that_nobody_has_read_yet_is_read_before_it_is_copied(tmp_path):
    """The writer alone, too, must not copy timestamps that start again."""
    part = write_clicks(tmp_path / "a.opus", "libopus").read_bytes()
    path = tmp_path / "chain.opus"
    path.write_bytes(part + part)
    out = dub(tmp_path / "out.mkv", AudioTrack(path), seconds=4.0)
    assert played(out)[0] == pytest.approx([0.5, 1.5, 2.5, 3.5], abs=0.005)
    with pytest.raises(MediaError, match="let it be encoded"):
        dub(tmp_path / "copy.mkv", AudioTrack(path), seconds=4.0, audio="copy")
