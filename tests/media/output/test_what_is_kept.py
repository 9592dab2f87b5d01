"""What of a source is kept in an output, sample by sample, or said to be lost."""

from dataclasses import replace

import av
import numpy as np
import pytest

from xdub_core.errors import MediaError, SettingsError
from xdub_core.media.output.encode_settings import EncodeSettings
from xdub_core.media.output.writer import VideoWriter
from xdub_core.media.picture.frame import untouched
from xdub_core.media.picture.pixel_layout import layout_of
from xdub_core.media.picture.rgb_conversion import plane_samples
from xdub_core.media.video.reader import VideoReader
from xdub_core.media.video.video_info import probe_video

LOSSLESS = EncodeSettings(quality=0, preset="ultrafast")


def stored_video(path, pixel_format, width=96, height=64, frames=3, full=False):
    """FFV1 whose samples take every value, those that RGB cannot hold too."""
    layout, random = layout_of(pixel_format), np.random.default_rng(3)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        stream.codec_context.color_range = 2 if full else 1
        for number in range(frames):
            frame = av.VideoFrame(width, height, pixel_format)
            for plane in frame.planes:
                samples = plane_samples(plane, layout.bits)
                samples[:] = random.integers(0, 1 << layout.bits, samples.shape)
            frame.pts, frame.color_range = number, 2 if full else 1
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def samples_of(path, decoder=None):
    """The planes of a file's frames."""
    with av.open(str(path)) as container:
        other = None if decoder is None else av.CodecContext.create(decoder, "r")
        packets = container.demux(video=0)
        frames = [frame for packet in packets for frame in (other or packet.stream).decode(packet)]
    return [
        [plane_samples(plane, layout_of(f.format.name).bits) for plane in f.planes] for f in frames
    ], frames


def copy_whole(source, target, settings):
    """Write a file's frames, nothing of them changed."""
    with VideoReader(source) as reader:
        info = reader.info
        with VideoWriter(target, info.width, info.height, 25, settings, like=info) as writer:
            for frame in reader.source_frames(range(info.frames)):
                writer.write(untouched(frame))
    return target


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize(
    ("source_format", "suffix", "codec", "expected"),
    [
        ("yuv420p", ".mp4", "h264", "yuv420p"),
        ("yuv422p", ".mp4", "h264", "yuv422p"),
        ("yuv444p", ".mp4", "h264", "yuv444p"),
        ("yuv444p", ".webm", "vp9", "yuv444p"),
        ("yuv440p", ".webm", "vp9", "yuv440p"),
        ("yuv411p", ".mkv", "ffv1", "yuv411p"),
        ("yuv422p10le", ".mkv", "ffv1", "yuv422p10le"),
        ("yuv444p12le", ".mkv", "ffv1", "yuv444p12le"),
        ("gray", ".mkv", "ffv1", "gray"),
    ],
)
def test_lossless_codecs_hold_the_very_samples_of_the_source(
    tmp_path, full, source_format, suffix, codec, expected
):
    source = stored_video(tmp_path / "in.mkv", source_format, full=full)
    settings = EncodeSettings(codec=codec, quality=None if codec == "ffv1" else 0, preset="ultrafast")
    before, _ = samples_of(source)
    after, frames = samples_of(copy_whole(source, tmp_path / f"out{suffix}", settings))
    assert frames[0].format.name.replace("yuvj", "yuv") == expected
    for old, new in zip(before, after, strict=True):
        assert all(np.array_equal(*pair) for pair in zip(old, new, strict=True))
    if full:
        assert frames[0].color_range == 2


@pytest.mark.parametrize(
    ("source_format", "suffix", "codec", "expected"),
    [
        ("yuv422p10le", ".mp4", "auto", "yuv422p10le"),
        ("yuv444p10le", ".mp4", "auto", "yuv444p10le"),
        ("yuv444p12le", ".mp4", "auto", "yuv444p10le"),
        ("yuv444p", ".mov", "prores", "yuv444p12le"),  # as FFmpeg decodes ProRes 4444
        ("yuv420p", ".mov", "prores", "yuv422p10le"),
        ("yuv411p", ".mp4", "auto", "yuv422p"),
        ("yuv410p", ".mp4", "auto", "yuv420p"),
        ("yuv440p", ".mp4", "auto", "yuv444p"),
        ("gray", ".mp4", "auto", "yuv420p"),
    ],
)
def test_chroma_is_never_less_than_the_source_has(tmp_path, source_format, suffix, codec, expected):
    source = stored_video(tmp_path / "in.mkv", source_format)
    path = copy_whole(source, tmp_path / f"out{suffix}", EncodeSettings(codec=codec, preset="ultrafast"))
    assert probe_video(path).pixel_format.replace("yuvj", "yuv") == expected


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("pixel_format", ["gray", "gray10le"])
def test_grey_is_read_as_it_is_tagged_and_keeps_its_numbers_beside_chroma(tmp_path, full, pixel_format):
    source = stored_video(tmp_path / "in.mkv", pixel_format, full=full)
    with VideoReader(source) as reader:
        (picture,) = reader.frames([0])
    luma = samples_of(source)[0][0][0].astype(float) / (1 if pixel_format == "gray" else 4)
    expected = luma if full else np.clip((luma - 16) * 255 / 219, 0, 255)
    assert np.abs(picture[..., 1] / (np.iinfo(picture.dtype).max / 255) - expected).max() < 1.3
    path = copy_whole(
        source, tmp_path / "out.mkv", EncodeSettings("ffv1", pixel_format=f"yuv420p{pixel_format[4:]}")
    )
    assert np.array_equal(samples_of(path)[0][0][0], samples_of(source)[0][0][0])


def test_a_pixel_format_that_is_asked_for_is_taken(tmp_path, caplog):
    source = stored_video(tmp_path / "in.mkv", "yuv444p")
    path = copy_whole(source, tmp_path / "out.mp4", replace(LOSSLESS, pixel_format="yuv420p"))
    assert probe_video(path).pixel_format == "yuv420p"
    assert np.array_equal(samples_of(path)[0][0][0], samples_of(source)[0][0][0])  # luma is not touched by it
    assert "colour detail" not in caplog.text
    with pytest.raises(SettingsError, match="choose one of yuv420p, yuv422p"):
        copy_whole(source, tmp_path / "other.mp4", EncodeSettings(pixel_format="rgb24"))


def test_chroma_that_a_codec_cannot_hold_is_told(tmp_path, caplog):
    source = stored_video(tmp_path / "in.mkv", "yuv444p")
    try:
        copy_whole(source, tmp_path / "out.mp4", EncodeSettings(codec="av1"))
    except MediaError as error:
        pytest.skip(str(error))  # a PyAV without that encoder
    kept = probe_video(tmp_path / "out.mp4").pixel_format == "yuv444p"
    assert ("colour detail" in caplog.text) is not kept


@pytest.mark.parametrize(
    ("suffix", "codec", "kept"),
    [(".mov", "prores", True), (".mkv", "ffv1", True), (".webm", "auto", True), (".mp4", "auto", False)],
)
def test_transparency_is_kept_or_told(tmp_path, caplog, suffix, codec, kept):
    source = stored_video(tmp_path / "in.mkv", "yuva420p")
    path = copy_whole(source, tmp_path / f"out{suffix}", EncodeSettings(codec=codec, preset="ultrafast"))
    messages = [
        record.getMessage() for record in caplog.records if "transparency is lost" in record.getMessage()
    ]
    assert len(messages) == (0 if kept else 1)
    if kept:
        decoder = "libvpx-vp9" if suffix == ".webm" else None
        (before, *_), (after, *_) = samples_of(source)[0], samples_of(path, decoder)[0]
        depth = 255 / (4095 if codec == "prores" else 255)
        assert np.abs(after[3] * depth - before[3]).max() <= (6 if decoder else 1)


def test_ffv1_takes_odd_sizes_with_halved_chroma(tmp_path):
    source = stored_video(tmp_path / "in.mkv", "yuv420p", 51, 33)
    after, _ = samples_of(copy_whole(source, tmp_path / "out.mkv", EncodeSettings(codec="ffv1")))
    assert all(np.array_equal(*pair) for pair in zip(samples_of(source)[0][0], after[0], strict=True))
