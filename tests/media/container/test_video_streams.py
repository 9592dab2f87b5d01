"""Which video stream is read, what its pixels' shape is, and whether its transparency says anything."""

import logging
from fractions import Fraction

import av
import numpy as np
import pytest

from xdub_core.errors import MediaError
from xdub_core.media.video.passes import VideoPasses
from xdub_core.media.video.reader import VideoReader
from xdub_core.media.video.video_info import probe_video, scan_video

needs_dispositions = pytest.mark.skipif(
    int(av.__version__.split(".")[0]) < 15, reason="needs PyAV 15 to make the test's file"
)


def write_streams(path, groups, default=None):
    """A file with one H.264 stream per list of pictures, `default` flagged as the one to play."""
    with av.open(str(path), "w") as container:
        streams = []
        for number, pictures in enumerate(groups):
            stream = container.add_stream("libx264", rate=25, options={"crf": "4", "preset": "ultrafast"})
            stream.height, stream.width = pictures[0].shape[:2]
            stream.pix_fmt = "yuv420p"
            if default is not None:
                stream.disposition = 1 if number == default else 0
            streams.append(stream)
        for stream, pictures in zip(streams, groups, strict=True):
            for number, picture in enumerate(pictures):
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, 25)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    return path


@needs_dispositions
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("default", [0, 1])
def test_the_default_stream_is_read(tmp_path, numbered, shown, suffix, default):
    pictures = numbered(40)
    path = write_streams(tmp_path / f"a{suffix}", [pictures[:20], pictures[20:]], default)
    with VideoReader(path) as reader:
        order = [0, 5, 19, 3, 18]
        assert [shown(frame) - 20 * default for frame in reader.frames(order)] == order
        assert reader.info.stream == default


@needs_dispositions
def test_a_stream_can_be_chosen(tmp_path, numbered, shown):
    pictures = numbered(20)
    path = write_streams(tmp_path / "a.mkv", [pictures[:10], pictures[10:]], 0)
    for wanted in (0, 1):
        passes = VideoPasses(scan_video(path, wanted))
        assert [shown(frame) for frame in passes.frames([0, 7])] == [10 * wanted, 10 * wanted + 7]
    for wanted in (2, -1):
        with pytest.raises(MediaError, match=r"0 \(h264, 96x64, default\), 1 \(h264, 96x64\)") as caught:
            scan_video(path, wanted)
        assert "\n" not in str(caught.value)


@needs_dispositions
def test_a_default_stream_that_cannot_be_decoded_gives_way(tmp_path, numbered, shown, caplog):
    path = write_streams(tmp_path / "a.mkv", [numbered(10), numbered(10)], 0)
    path.write_bytes(path.read_bytes().replace(b"V_MPEG4/ISO/AVC", b"V_MPEG4/ISO/XYZ", 1))
    with VideoReader(path) as reader:
        assert [shown(frame) for frame in reader.frames([0, 9])] == [0, 9]
        assert reader.info.stream == 1
    (record,) = caplog.records
    assert (
        "video stream 0" in record.getMessage() and "stream 1 (h264, 96x64) is taken" in record.getMessage()
    )
    with pytest.raises(MediaError, match="a codec that this build of FFmpeg cannot read"):
        scan_video(path, 0)


@pytest.mark.media
def test_a_real_file_with_two_streams(media):
    info = probe_video(media / "odd" / "two.mp4")
    assert (info.width, info.height, info.stream) == (320, 240, 1)
    assert scan_video(media / "odd" / "two.mp4", 0).info.width == 160


@pytest.mark.media
def test_the_containers_pixel_shape_counts(media):
    assert probe_video(media / "odd" / "sarmp4only.mp4").sample_aspect_ratio == Fraction(3, 2)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".ts", ".avi", ".flv", ".h264"])
def test_pixel_shape_from_any_container(tmp_path, make_video, numbered, suffix):
    path = make_video(tmp_path / f"a{suffix}", numbered(5), sample_aspect_ratio=Fraction(4, 3))
    assert probe_video(path).sample_aspect_ratio == Fraction(4, 3)


@pytest.mark.parametrize(("stated", "shape"), [((3, 2), Fraction(3, 2)), ((1, 1), Fraction(1))])
def test_the_container_overrules_the_codec(tmp_path, make_video, numbered, stated, shape):
    path = make_video(tmp_path / "a.mp4", numbered(5), sample_aspect_ratio=Fraction(4, 3))
    data = bytearray(path.read_bytes())
    at = data.index(b"pasp") + 4
    data[at : at + 8] = b"".join(number.to_bytes(4, "big") for number in stated)
    path.write_bytes(data)
    assert probe_video(path).sample_aspect_ratio == shape


@pytest.mark.parametrize(("alpha", "says"), [(255, False), (254, False), (128, True), (0, True)])
def test_alpha_counts_where_it_says_something(tmp_path, make_transparent, alpha, says):
    assert probe_video(make_transparent(tmp_path / "a.mkv", alpha=alpha)).has_alpha is says


def test_an_opaque_gif_and_png_are_opaque(tmp_path, make_video, numbered, caplog):
    path = make_video(tmp_path / "a.gif", numbered(10), codec="gif", pixel_format="rgb8")
    assert not probe_video(path).has_alpha
    with VideoReader(path) as reader:
        list(reader.frames([*range(10), *range(9, -1, -1)]))
    assert "transparency" not in caplog.text


def test_alpha_that_begins_later_is_told_when_it_is_seen(tmp_path, make_transparent, caplog):
    """Opaque pictures first; the keyframes that are looked at are opaque too."""
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=25, options={"g": "100"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "bgra"
        for number in range(12):
            picture = np.full((64, 96, 4), 255 if number < 9 else 40, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="bgra")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with caplog.at_level(logging.WARNING):
        passes = VideoPasses(scan_video(tmp_path / "a.mkv"))
        assert "transparency" not in caplog.text
        for _ in range(2):
            list(passes.frames(range(12)))
    assert caplog.text.count("transparency") == 1


@pytest.mark.skipif("libvpx-vp9" not in av.codecs_available, reason="PyAV without VP9's encoder")
@pytest.mark.parametrize("alpha", [255, 100])
@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9"])
def test_alpha_of_webm_is_noticed_and_decoded(tmp_path, make_transparent, codec, alpha, caplog):
    path = make_transparent(tmp_path / "a.webm", alpha=alpha, codec=codec, pixel_format="yuva420p")
    if alpha == 255 and not hasattr(av.Packet, "iter_sidedata"):
        pytest.skip("PyAV before 15 does not show the alpha channel")
    info = probe_video(path)
    assert info.has_alpha is (alpha < 255)
    if alpha < 255:
        assert info.pixel_format == "yuva420p"
    assert "transparency" not in caplog.text  # what an output cannot keep of it is told by the writer


@pytest.mark.skipif("libvpx-vp9" not in av.codecs_available, reason="PyAV without VP9's encoder")
def test_alpha_of_webm_that_nothing_decodes_is_told(tmp_path, make_transparent, monkeypatch, caplog):
    path = make_transparent(tmp_path / "a.webm", alpha=100, codec="libvpx-vp9", pixel_format="yuva420p")
    monkeypatch.setattr("xdub_core.media.container.video_streams._WITH_ALPHA", {})
    assert probe_video(path).has_alpha
    assert "transparency" in caplog.text
