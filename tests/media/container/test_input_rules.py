"""What is opened: the file that is named and no other, whatever it says; what is no file is told at once."""

import os
import socket
import sys

import av
import pytest

from xdub_core.audio.recording import open_recording
from xdub_core.errors import MediaError
from xdub_core.media.container.input_rules import OPEN_OPTIONS
from xdub_core.media.video.reader import VideoReader
from xdub_core.media.video.video_info import probe_video

READERS = [probe_video, open_recording]

HLS = "#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:2,\n{url}\n#EXT-X-ENDLIST\n"
LISTS = {
    "ffconcat": "ffconcat version 1.0\nfile {name}\n",
    "concat": "# made by hand\nfile '{name}'\n",
    "hls": HLS,
    "master": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=100000\n{url}\n",
    "dash": '<?xml version="1.0"?>\n<MPD><Period><BaseURL>{url}</BaseURL></Period></MPD>',
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
    "pls": "[playlist]\nFile1={url}\nNumberOfEntries=1\n",
    "xspf": '<?xml version="1.0"?><playlist version="1"><track><location>{url}</location></track></playlist>',
    "imf": '<?xml version="1.0"?>\n<CompositionPlaylist xmlns="http://www.smpte-ra.org/schemas/2067-3/2016"/>',
}


@pytest.fixture
def secret(tmp_path, make_video, make_click, numbered):
    """A file that lists name: with pictures and sound, so that whoever followed the list would succeed."""
    video = make_video(tmp_path / "v.mkv", numbered(10))
    sound = make_click(tmp_path / "s.wav", "pcm_s16le")
    target = tmp_path / "secret.mkv"
    with av.open(str(video)) as pictures, av.open(str(sound)) as heard, av.open(str(target), "w") as both:
        sources = [(source, both.add_stream_from_template(source.streams[0])) for source in (pictures, heard)]
        for source, copy in sources:
            for packet in source.demux(source.streams[0]):
                if packet.size:
                    packet.stream = copy
                    both.mux(packet)
    return target


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("suffix", [".mp4", ".m3u8", ".wav", ".mpd", ""])
@pytest.mark.parametrize("kind", LISTS)
def test_lists_of_other_files_are_refused(tmp_path, secret, monkeypatch, kind, suffix, read):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / f"list{suffix}"
    path.write_text(LISTS[kind].format(name=secret.name, url=secret.as_uri()))
    with pytest.raises(MediaError, match=r"list of other files|not a readable") as caught:
        read(path)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)


@pytest.mark.skipif(sys.platform != "linux", reason="open files are seen through /proc")
@pytest.mark.parametrize("kind", ["ffconcat", "hls"])
def test_no_other_file_is_even_touched(tmp_path, secret, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    trap = tmp_path / "trap.mkv"
    os.mkfifo(trap)  # whoever opened it for reading would hang here
    path = tmp_path / "list.mp4"
    path.write_text(LISTS[kind].format(name=trap.name, url=trap.as_uri()))
    with pytest.raises(MediaError, match="list of other files"):
        probe_video(path)


def test_the_test_lists_would_work_without_the_guard(tmp_path, secret, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "list.mp4"
    path.write_text(LISTS["ffconcat"].format(name=secret.name, url=""))
    with av.open(str(path)) as container:
        assert container.format.name == "concat" and next(container.decode(video=0))


def test_only_known_formats_and_files_are_allowed():
    formats = set(OPEN_OPTIONS["format_whitelist"].split(","))
    assert not formats & {"concat", "hls", "dash", "sdp", "rtsp", "imf", "lavfi", "avs", "vapoursynth", "mlv"}
    assert {"mov", "matroska", "avi", "mpegts", "wav", "mp3", "flac", "ogg"} <= formats
    assert OPEN_OPTIONS["protocol_whitelist"] == "file"


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("-", "standard input"),
        ("/dev/stdin", "standard input"),
        ("/dev/fd/0", "standard input"),
        ("http://example.org/a.mp4", "address"),
        ("rtsp://camera/1", "address"),
        ("file:///tmp/a.mp4", "address"),
        ("concat:a.mp4|b.mp4", "address"),
        ("pipe:0", "address"),
        ("subfile,,start,0,end,9,,:a.mp4", "address"),
        ("crypto:a.mp4", "address"),
    ],
)
def test_what_is_no_file_by_its_name(name, words, read):
    with pytest.raises(MediaError, match=words) as caught:
        read(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_does_not_hang(tmp_path, read):
    os.mkfifo(tmp_path / "a.mp4")
    with pytest.raises(MediaError, match="a pipe"):
        read(tmp_path / "a.mp4")


@pytest.mark.parametrize("read", READERS)
@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no sockets as files here")
def test_sockets_and_devices(tmp_path, read, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("a.mp4")
        with pytest.raises(MediaError, match="a socket"):
            read("a.mp4")
    with pytest.raises(MediaError, match="a device"):
        read(os.devnull)


@pytest.mark.parametrize("read", READERS)
def test_a_link_to_a_pipe_is_a_pipe(tmp_path, read):
    if not hasattr(os, "mkfifo"):
        pytest.skip("no named pipes here")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "a.mp4").symlink_to(tmp_path / "pipe")
    with pytest.raises(MediaError, match="a pipe"):
        read(tmp_path / "a.mp4")


def test_a_picture_whose_name_is_a_pattern_is_that_picture(tmp_path, make_video, numbered, shown):
    for number, name in ((5, "100%d.png"), (9, "1001.png")):
        make_video(tmp_path / "one.png", [numbered(10)[number]], codec="png", pixel_format="rgb24").rename(
            tmp_path / name
        )
    with VideoReader(tmp_path / "100%d.png") as reader:
        assert [shown(frame) for frame in reader.frames([0])] == [5]
