"""Source and dub in one small video: each frame beside its own, in what every browser plays."""

from fractions import Fraction

import av
import numpy as np
import pytest

from xdub_core.errors import MediaError
from xdub_core.media.output.before_after import BeforeAfterWriter, reduced, shown_size
from xdub_core.media.picture.frame import FinishedFrame, SourceFrame
from xdub_core.media.timeline import FrameClock


def gray(level, width=96, height=64, kind=np.uint8):
    return np.full((height, width, 3), level * (257 if kind == np.uint16 else 1), kind)


def pairs(count, kind=np.uint8):
    """Frame i < 20 of the source is of grey 40 + 8 i, of the dub 200 - 8 i."""
    for i in (number % 20 for number in range(count)):
        source = SourceFrame(gray(40 + 8 * i, kind=kind))
        yield FinishedFrame(gray(200 - 8 * i, kind=kind), source, ((0, 0, 96, 64),))


def write(path, frames, clock=25.0, **more):
    with BeforeAfterWriter(path, 96, 64, clock, **more) as writer:
        for frame in frames:
            writer.write(frame)
    return writer


def read(path):
    with av.open(str(path)) as container:
        return [(float(frame.time), frame) for frame in container.decode(video=0)]


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_the_source_is_above_the_dub_frame_by_frame(tmp_path, kind):
    write(tmp_path / "both.mp4", pairs(10, kind))
    shown = [frame.to_ndarray(format="rgb24") for _, frame in read(tmp_path / "both.mp4")]
    assert len(shown) == 10
    for i, picture in enumerate(shown):
        assert picture.shape == (128, 96, 3)
        assert abs(picture[:60].mean() - (40 + 8 * i)) < 4
        assert abs(picture[68:].mean() - (200 - 8 * i)) < 4


def test_every_browser_plays_it(tmp_path):
    write(tmp_path / "both.mp4", pairs(30))
    with av.open(str(tmp_path / "both.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
        stands_alone = [packet.is_keyframe for packet in container.demux(stream) if packet.size]
    assert stands_alone[24]  # so that stepping back is quick


def test_frames_come_when_the_dubs_do(tmp_path):
    clock = FrameClock(np.array([0, 10, 15, 40, 50]), Fraction(1, 100), Fraction(8))
    write(tmp_path / "both.mp4", pairs(4), clock)
    assert [time for time, _ in read(tmp_path / "both.mp4")] == pytest.approx([0, 0.1, 0.15, 0.4])


def test_a_frame_that_was_not_changed_is_the_source_twice(tmp_path):
    write(tmp_path / "both.mp4", [FinishedFrame(gray(90), SourceFrame(gray(90)))])
    ((_, frame),) = read(tmp_path / "both.mp4")
    assert abs(frame.to_ndarray(format="rgb24").astype(int) - 90).max() < 4


@pytest.mark.parametrize(
    ("size", "shape", "shown"),
    [
        ((480, 360), 1, (480, 360)),
        ((1920, 1080), 1, (1280, 720)),
        ((1080, 1920), 1, (404, 720)),
        ((1440, 1080), Fraction(4, 3), (1280, 720)),
        ((720, 576), Fraction(16, 15), (768, 576)),
        ((7680, 2000), 1, (1920, 500)),
        ((101, 75), 1, (100, 76)),
        ((1, 1), 1, (2, 2)),
    ],
)
def test_pictures_are_shown_upright_with_square_pixels_and_no_larger_than_needed(size, shape, shown):
    assert shown_size(*size, Fraction(shape)) == shown
    assert reduced(np.zeros((size[1], size[0], 3), np.uint8), shown).shape == (shown[1], shown[0], 3)


def test_where_things_are_stays_when_a_picture_is_reduced():
    picture = np.zeros((1500, 1000, 3), np.uint8)
    picture[750:] = 200
    small = reduced(picture, (480, 720))
    assert small[:359].max() == 0
    assert (small[361:] == 200).all()


def test_nothing_half_written_stays(tmp_path):
    with pytest.raises(ZeroDivisionError), BeforeAfterWriter(tmp_path / "both.mp4", 96, 64, 25.0) as writer:
        writer.write(next(pairs(1)))
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_where_it_cannot_be_written_it_says_so(tmp_path):
    with pytest.raises(MediaError, match="folder does not exist"):
        write(tmp_path / "no" / "both.mp4", pairs(1))
