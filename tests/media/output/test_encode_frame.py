"""Outside of what was changed, the encoded samples are the source file's own, bit by bit."""

import av
import numpy as np
import pytest

from xdub_core.media.output.encode_frame import ToEncode
from xdub_core.media.picture.color import YuvMeaning
from xdub_core.media.picture.frame import (
    FinishedFrame,
    SourceFrame,
    StoredPicture,
    rectangle_around,
    untouched,
)
from xdub_core.media.picture.orientation import Orientation
from xdub_core.media.picture.pixel_layout import layout_of
from xdub_core.media.picture.rgb_conversion import FromRgb, ToRgb, plane_samples

WIDTH, HEIGHT = 240, 160
BOX = (60, 40, 141, 121)
MEANINGS = [YuvMeaning(1, False), YuvMeaning(6, True)]


def stored(pixel_format, width=WIDTH, height=HEIGHT, low=0, high=None, seed=0):
    """A picture whose samples take every value, those that RGB cannot hold too."""
    random = np.random.default_rng(seed)
    frame = av.VideoFrame(width, height, pixel_format)
    bits = layout_of(pixel_format).bits
    for plane in frame.planes:
        samples = plane_samples(plane, bits)
        samples[:] = random.integers(low, high or 1 << bits, samples.shape)
    return frame


def planes_of(frame):
    return [plane_samples(plane, layout_of(frame.format.name).bits) for plane in frame.planes]


def source_of(frame, yuv, orientation=None):
    picture = StoredPicture(frame, orientation or Orientation())
    rgb = ToRgb(frame.format.name, frame.width, frame.height, yuv)(frame)
    return SourceFrame(picture.orientation.apply(rgb), picture)


def encode(finished, pixel_format, yuv, padding=(0, 0)):
    height, width = finished.rgb.shape[:2]
    return ToEncode(pixel_format, width, height, padding, yuv, yuv)(finished)


def changed_in(source, box=BOX, by=90):
    """A frame whose pixels in a box are another picture: soft at the rim, as paste-back makes it."""
    x0, y0, x1, y1 = box
    picture = source.rgb.copy()
    unit = np.iinfo(picture.dtype).max // 255
    picture[y0:y1, x0:x1] = by * unit
    return FinishedFrame(picture, source, (box,))


def outside(shape, divisors=(1, 1), box=BOX):
    """Which samples of a plane belong to no pixel of the box."""
    across, down = divisors
    x0, y0, x1, y1 = box
    mask = np.ones(shape, bool)
    mask[y0 // down : -(-y1 // down), x0 // across : -(-x1 // across)] = False
    return mask


@pytest.mark.parametrize("yuv", MEANINGS)
@pytest.mark.parametrize(
    "pixel_format",
    ["yuv420p", "yuv422p", "yuv444p", "yuv440p", "yuv411p", "yuv420p10le", "yuv422p10le", "yuv444p12le"],
)
def test_untouched_frames_are_the_very_same_samples(pixel_format, yuv):
    frame = stored(pixel_format)
    result = encode(untouched(source_of(frame, yuv)), pixel_format, yuv)
    for plane, original in zip(planes_of(result), planes_of(frame), strict=True):
        assert np.array_equal(plane, original)


@pytest.mark.parametrize("yuv", MEANINGS)
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le"])
def test_samples_outside_of_what_changed_stay_and_inside_is_the_new_picture(pixel_format, yuv):
    frame = stored(pixel_format)
    source = source_of(frame, yuv)
    finished = changed_in(source)
    result = encode(finished, pixel_format, yuv)
    expected = FromRgb(pixel_format, WIDTH, HEIGHT, yuv)(finished.rgb)
    divisors = layout_of(pixel_format).divisors
    for number, (plane, original, new) in enumerate(
        zip(*map(planes_of, (result, frame, expected)), strict=True)
    ):
        steps = divisors if number else (1, 1)
        mask = outside(plane.shape, steps)
        assert np.array_equal(plane[mask], original[mask])
        well_inside = ~outside(plane.shape, steps, (BOX[0] + 8, BOX[1] + 8, BOX[2] - 8, BOX[3] - 8))
        unit = 1 << (layout_of(pixel_format).bits - 8)
        assert np.abs(plane[well_inside].astype(int) - new[well_inside]).max() <= unit


def test_pixels_in_the_box_that_did_not_change_keep_their_samples():
    yuv = MEANINGS[0]
    frame = stored("yuv420p")
    source = source_of(frame, yuv)
    finished = FinishedFrame(source.rgb.copy(), source, (BOX,))
    finished.rgb[80:90, 100:110] = 128
    result = encode(finished, "yuv420p", yuv)
    for number, (plane, original) in enumerate(zip(planes_of(result), planes_of(frame), strict=True)):
        far = outside(plane.shape, (2, 2) if number else (1, 1), (92, 72, 118, 98))
        assert np.array_equal(plane[far], original[far])
    assert not np.array_equal(planes_of(result)[0], planes_of(frame)[0])


def test_a_slight_change_of_a_super_white_moves_it_slightly():
    """A switch to what RGB makes of it would be a step of 20 levels, in the middle of a soft edge."""
    yuv = MEANINGS[0]
    frame = stored("yuv420p", low=255, high=256)
    for plane in frame.planes[1:]:
        plane_samples(plane, 8)[:] = 128
    source = source_of(frame, yuv)
    finished = FinishedFrame(source.rgb.copy(), source, (BOX,))
    ramp = np.linspace(0, 20, BOX[2] - BOX[0]).astype(np.uint8)
    finished.rgb[BOX[1] : BOX[3], BOX[0] : BOX[2]] -= ramp[None, :, None]
    luma = planes_of(encode(finished, "yuv420p", yuv))[0][80].astype(int)
    assert luma[BOX[0]] == 255 and luma[BOX[2] - 1] <= 235 - 16
    assert np.abs(np.diff(luma[BOX[0] : BOX[2]])).max() <= 5


@pytest.mark.parametrize("full", [False, True])
def test_more_bits_hold_the_same(full):
    yuv = YuvMeaning(1, full)
    frame = stored("yuv422p")
    result = encode(untouched(source_of(frame, yuv)), "yuv422p10le", yuv)
    for number, (plane, original) in enumerate(zip(planes_of(result), planes_of(frame), strict=True)):
        wide = original.astype(int) << 2
        if full and not number:
            wide += original >> 6
        assert np.array_equal(plane, wide)


@pytest.mark.parametrize(
    ("packed", "planar"),
    [("nv12", "yuv420p"), ("p010le", "yuv420p10le"), ("uyvy422", "yuv422p"), ("yuvj420p", "yuv420p")],
)
def test_the_order_of_samples_in_memory_does_not_matter(packed, planar):
    yuv = YuvMeaning(6, packed == "yuvj420p")
    frame = stored(planar)
    ranges = "full" if yuv.full_range else "limited"
    from xdub_core.media.picture.rgb_conversion import Scaler

    options = f"in_range={ranges}:out_range={ranges}"
    other = Scaler(planar, packed, WIDTH, HEIGHT, options)(frame)
    result = encode(untouched(source_of(other, yuv)), planar, yuv)
    for plane, original in zip(planes_of(result), planes_of(frame), strict=True):
        assert np.array_equal(plane, original)


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv444p", "yuv420p10le"])
@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("flip_x", [False, True])
def test_turned_pictures_are_turned_sample_by_sample(pixel_format, transpose, flip_x):
    orientation = Orientation(transpose, flip_x, False)
    frame = stored(pixel_format)
    source = source_of(frame, MEANINGS[0], orientation)
    result = encode(changed_in(source), pixel_format, MEANINGS[0])
    for number, (plane, original) in enumerate(zip(planes_of(result), planes_of(frame), strict=True)):
        mask = outside(plane.shape, layout_of(pixel_format).divisors if number else (1, 1))
        assert np.array_equal(plane[mask], orientation.apply(original)[mask])


@pytest.mark.parametrize(("width", "height"), [(51, 33), (52, 33), (51, 34)])
def test_odd_sizes_are_padded_by_repetition(width, height):
    frame = stored("yuv420p", width, height)
    padding = (height % 2, width % 2)
    result = encode(untouched(source_of(frame, MEANINGS[0])), "yuv420p", MEANINGS[0], padding)
    for plane, original in zip(planes_of(result), planes_of(frame), strict=True):
        assert np.array_equal(plane[: len(original), : original.shape[1]], original)
        assert (plane[: len(original), original.shape[1] :] == original[:, -1:]).all()
        assert (plane[len(original) :] == plane[len(original) - 1]).all()


@pytest.mark.parametrize("box", [(0, 0, 240, 160), (0, 0, 30, 20), (201, 131, 240, 160), (7, 9, 8, 10)])
def test_boxes_anywhere(box):
    source = source_of(stored("yuv420p"), MEANINGS[0])
    finished = changed_in(source, box)
    result = encode(finished, "yuv420p", MEANINGS[0])
    luma, original = planes_of(result)[0], planes_of(source.stored.samples)[0]
    mask = outside(luma.shape, box=box)
    assert np.array_equal(luma[mask], original[mask])
    assert np.abs(luma[~mask].astype(int) - 93).max() <= 2  # 90 of full range


def test_the_decoders_frame_is_not_written_into():
    frame = stored("yuv420p")
    before = [plane.copy() for plane in planes_of(frame)]
    encode(changed_in(source_of(frame, MEANINGS[0])), "yuv420p", MEANINGS[0])
    assert all(np.array_equal(*pair) for pair in zip(before, planes_of(frame), strict=True))


@pytest.mark.parametrize("target", ["yuva444p10le", "yuva420p", "gbrap16le", "bgra"])
@pytest.mark.parametrize("source_format", ["yuva420p", "bgra", "gbrap"])
def test_transparency_goes_through(target, source_format):
    random = np.random.default_rng(0)
    frame = av.VideoFrame(WIDTH, HEIGHT, source_format)
    for plane in frame.planes:
        samples = plane_samples(plane, 8)
        samples[:] = random.integers(0, 256, samples.shape)
    if source_format == "bgra":
        packed = np.frombuffer(frame.planes[0], np.uint8).reshape(HEIGHT, -1)
        packed[:] = random.integers(0, 256, packed.shape)
        alpha = packed[:, 3 : 4 * WIDTH : 4]
    else:
        alpha = plane_samples(frame.planes[3], 8)
    rgb = ToRgb(source_format, WIDTH, HEIGHT, MEANINGS[0])(frame)
    if target.endswith("le"):
        rgb = rgb.astype(np.uint16) * 257
    finished = untouched(SourceFrame(rgb, StoredPicture(frame)))
    result = ToEncode(target, WIDTH, HEIGHT, (0, 0), MEANINGS[0], None)(finished)
    if target == "bgra":
        found = np.frombuffer(result.planes[0], np.uint8).reshape(HEIGHT, -1)[:, 3 : 4 * WIDTH : 4]
        assert np.array_equal(found, alpha)
        return
    bits = max(component.bits for component in result.format.components)
    found = plane_samples(result.planes[3], bits)
    assert np.array_equal(found, np.rint(alpha * (((1 << bits) - 1) / 255)))


def test_pictures_without_a_source_are_opaque():
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    result = ToEncode("yuva420p", WIDTH, HEIGHT, (0, 0), MEANINGS[0])(FinishedFrame(picture))
    assert (plane_samples(result.planes[3], 8) == 255).all()


def test_a_box_of_fractions_touches_whole_pixels():
    assert rectangle_around(np.array([1.5, -3, 20.1, 30]), (25, 40, 3)) == (1, 0, 21, 25)
