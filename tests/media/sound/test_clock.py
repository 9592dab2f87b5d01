"""When frames are shown, in every container that PyAV writes: as ffmpeg passes their timestamps on."""

from fractions import Fraction

import av
import numpy as np
import pytest

from xdub_core.media.video.reader import VideoReader
from xdub_core.media.video.video_info import probe_video, scan_video

X264 = {"preset": "veryfast", "bf": "3", "g": "12"}
PLAIN = {"preset": "ultrafast", "bf": "0", "g": "12"}
X265 = {"x265-params": "log-level=none:keyint=12"}
MPEG = {"bf": "2", "g": "12", "q": "3"}
VPX = {"cpu-used": "8", "lag-in-frames": "16", "auto-alt-ref": "1", "b": "300k"}
FILES = [
    (".mp4", "libx264", X264),
    (".mov", "libx264", X264),
    (".mkv", "libx264", X264),
    (".ts", "libx264", X264),
    (".flv", "libx264", X264),
    (".nut", "libx264", X264),
    (".3gp", "libx264", X264),
    (".avi", "libx264", X264),
    (".avi", "libx264", PLAIN),
    (".avi", "mpeg4", MPEG),
    (".avi", "mjpeg", {"q": "3"}),
    (".mp4", "libx265", X265),
    (".ts", "libx265", X265),
    (".mpg", "mpeg2video", MPEG),
    (".vob", "mpeg2video", MPEG),
    (".ts", "mpeg2video", MPEG),
    (".mxf", "mpeg2video", MPEG),
    (".webm", "libvpx", VPX),
    (".webm", "libvpx-vp9", VPX),
    (".ivf", "libvpx-vp9", VPX),
    (".wmv", "wmv2", {"q": "3"}),
    (".ogv", "libtheora", {"q": "9"}),
    (".y4m", "rawvideo", {}),
    (".gif", "gif", {}),
    (".apng", "apng", {}),
    (".h264", "libx264", X264),
    (".hevc", "libx265", X265),
    (".m4v", "mpeg4", MPEG),
    (".m2v", "mpeg2video", MPEG),
    (".m1v", "mpeg1video", MPEG),
]
PIXELS = {"mjpeg": "yuvj420p", "gif": "rgb8", "apng": "rgb24"}
# Those that hold no timestamps, or none of their own.
WITHOUT_GAPS = {".y4m", ".h264", ".hevc", ".m4v", ".m2v", ".m1v", ".mxf", ".mpg", ".vob"}


def write(path, make_video, pictures, codec, options, **more):
    if codec not in av.codecs_available:
        pytest.skip(f"PyAV without {codec}")
    return make_video(
        path, pictures, codec=codec, options=options, pixel_format=PIXELS.get(codec, "yuv420p"), **more
    )


@pytest.mark.parametrize(("suffix", "codec", "options"), FILES)
def test_constant_rate(tmp_path, make_video, numbered, shown, suffix, codec, options):
    path = write(tmp_path / f"a{suffix}", make_video, numbered(40), codec, options)
    with VideoReader(path) as reader:
        assert reader.info.frames == 40
        assert reader._index.seconds == pytest.approx(np.arange(40) / 25, abs=0.0011)
        assert reader.info.duration == pytest.approx(1.6, abs=0.002)
        assert reader.timeline.source_index.tolist() == list(range(40))
        order = [*range(40), *range(38, 20, -1)]
        assert [shown(frame) for frame in reader.frames(order)] == order


@pytest.mark.parametrize(("suffix", "codec", "options"), [row for row in FILES if row[0] not in WITHOUT_GAPS])
def test_frames_that_stay_longer(tmp_path, make_video, numbered, shown, suffix, codec, options):
    pts = [number for number in range(50) if number % 7 != 3]
    path = write(tmp_path / f"a{suffix}", make_video, numbered(50)[: len(pts)], codec, options, pts=pts)
    with VideoReader(path) as reader:
        assert reader._index.seconds == pytest.approx(np.array(pts) / 25, abs=0.0011)
        assert [shown(frame) for frame in reader.frames(range(len(pts)))] == list(range(len(pts)))


@pytest.mark.parametrize("rate", [Fraction(30), Fraction(30000, 1001), Fraction(50), Fraction(24)])
@pytest.mark.parametrize(
    ("suffix", "codec", "options"),
    [(".h264", "libx264", X264), (".hevc", "libx265", X265), (".m2v", "mpeg2video", MPEG)],
)
def test_a_bare_stream_runs_at_the_rate_it_states(
    tmp_path, make_video, numbered, suffix, codec, options, rate
):
    path = write(
        tmp_path / f"a{suffix}", make_video, numbered(30), codec, options, time_base=1 / rate, framerate=rate
    )
    scanned = scan_video(path)
    assert scanned.index.seconds == pytest.approx(np.arange(30) / float(rate), abs=1e-4)
    assert scanned.info.duration == pytest.approx(30 / float(rate), abs=1e-3)


@pytest.mark.media
def test_a_real_bare_stream(media):
    info = probe_video(media / "odd" / "raw30.h264")
    assert (info.frames, info.fps) == (60, pytest.approx(30)) and info.duration == pytest.approx(2.0)


def test_short_clips_joined_do_not_mix(tmp_path, make_video, numbered, shown):
    """The second clip's timestamps lie between the first one's."""
    pictures = numbered(30)
    first = make_video(tmp_path / "a.ts", pictures[:15], options={"g": "5"})
    second = make_video(
        tmp_path / "b.ts", pictures[15:], options={"g": "5"}, time_base=Fraction(1, 30), framerate=30
    )
    joined = tmp_path / "c.ts"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    with VideoReader(joined) as reader:
        assert [shown(frame) for frame in reader.frames(range(reader.info.frames))] == list(range(30))


@pytest.mark.skipif(int(av.__version__.split(".")[0]) < 15, reason="needs PyAV 15 to make the test's file")
def test_two_frames_at_one_time_keep_the_clock(tmp_path, make_video, numbered, shown):
    pts = [0, 40, 100, 100, 300, 310, 500]
    source = make_video(tmp_path / "b.mkv", numbered(7), codec="mjpeg", pixel_format="yuvj420p")
    path = tmp_path / "a.mkv"
    with av.open(str(source)) as read, av.open(str(path), "w") as written:
        copy = written.add_stream_from_template(read.streams.video[0])
        for packet, stamp in zip(read.demux(video=0), pts, strict=False):
            packet.pts = packet.dts = stamp
            packet.stream = copy
            written.mux(packet)
    with VideoReader(path) as reader:
        assert reader._index.seconds == pytest.approx(np.array(pts) / 1000)
        assert [shown(frame) for frame in reader.frames([*range(7), 5, 3])] == [*range(7), 5, 3]


@pytest.mark.parametrize(
    ("suffix", "codec", "options"),
    [
        (".mpg", "mpeg2video", MPEG),
        (".ts", "mpeg2video", MPEG),
        (".avi", "mpeg4", MPEG),
        (".avi", "libx264", X264),
        (".avi", "libx264", PLAIN),
        (".avi", "libx264", {**X264, "x264-params": "open-gop=1"}),
    ],
)
def test_going_back_seeks(tmp_path, make_video, numbered, shown, suffix, codec, options):
    path = make_video(tmp_path / f"a{suffix}", numbered(120), codec=codec, options=options)
    decoder = scan_video(path).open_decoder()
    for wanted in (100, 50, 24, 25, 119):
        decoder.seek(wanted)
        assert wanted - 20 < decoder.position <= wanted
        number, frame = decoder.read()
        assert shown(frame.to_ndarray(format="rgb24")) == number
    decoder.close()
