"""Colour: RGB -> YUV -> RGB keeps tones, by the standard's equations."""

import av
import numpy as np
import pytest

from xdub_core.media.picture.color import ColorTags, YuvMeaning, guessed_matrix, tags_for_output, yuv_meaning
from xdub_core.media.picture.rgb_conversion import FromRgb, ToRgb, eight_bits, sixteen_bits

WIDTH, HEIGHT = 240, 160
MEANINGS = [YuvMeaning(matrix, full) for matrix in (1, 6, 9) for full in (False, True)]
# 8-bit BT.709 and BT.601 numbers of saturated colours, limited range, as test-signal tables print them.
KNOWN = {
    1: {(255, 255, 255): (235, 128, 128), (255, 0, 0): (63, 102, 240), (0, 0, 255): (32, 240, 118)},
    6: {(255, 255, 255): (235, 128, 128), (255, 0, 0): (81, 90, 240), (0, 0, 255): (41, 240, 110)},
}


def patches():
    colors = np.random.default_rng(0).integers(0, 256, (8, 12, 3), dtype=np.uint8)
    return np.repeat(np.repeat(colors, 20, axis=0), 20, axis=1)


def gradient():
    return (
        np.broadcast_to(np.linspace(0, 255, WIDTH)[None, :, None], (HEIGHT, WIDTH, 3)).astype(np.uint8).copy()
    )


def inside(picture):
    """The middles of the patches, away from edges that halved chroma softens."""
    return picture.reshape(8, 20, 12, 20, 3)[:, 6:14, :, 6:14].astype(float)


def there_and_back(picture, pixel_format, meaning):
    frame = FromRgb(pixel_format, WIDTH, HEIGHT, meaning)(picture)
    return ToRgb(pixel_format, WIDTH, HEIGHT, meaning)(frame)


@pytest.mark.parametrize("meaning", MEANINGS)
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv444p"])
def test_eight_bit_round_trip_is_within_two_levels(meaning, pixel_format):
    back = there_and_back(patches(), pixel_format, meaning)
    assert np.abs(inside(back) - inside(patches())).max() <= 2
    assert abs((inside(back) - inside(patches())).mean()) < 0.6
    assert np.abs(there_and_back(gradient(), pixel_format, meaning).astype(int) - gradient()).max() <= 2


@pytest.mark.parametrize("meaning", MEANINGS)
@pytest.mark.parametrize("bits", [10, 12])
def test_deep_round_trip_is_within_two_levels_of_ten_bits(meaning, bits):
    picture = sixteen_bits(patches())
    back = there_and_back(picture, f"yuv420p{bits}le", meaning)
    assert back.dtype == np.uint16
    level = 65535 / 1023
    assert np.abs(inside(back) - inside(picture)).max() <= 2 * level
    ramp = np.broadcast_to(np.linspace(0, 65535, WIDTH)[None, :, None], (HEIGHT, WIDTH, 3)).astype(np.uint16)
    assert np.abs(there_and_back(ramp, f"yuv420p{bits}le", meaning).astype(int) - ramp).max() <= 2 * level


@pytest.mark.parametrize("matrix", KNOWN)
@pytest.mark.parametrize(("bits", "dtype"), [(8, np.uint8), (10, np.uint16)])
def test_numbers_are_the_standards(matrix, bits, dtype):
    for color, expected in KNOWN[matrix].items():
        picture = np.full((HEIGHT, WIDTH, 3), color, np.uint8)
        picture = picture if bits == 8 else sixteen_bits(picture)
        name = "yuv444p" if bits == 8 else "yuv444p10le"
        frame = FromRgb(name, WIDTH, HEIGHT, YuvMeaning(matrix, False))(picture)
        found = [np.frombuffer(plane, dtype)[plane.line_size // 2 // (bits // 8)] for plane in frame.planes]
        scale = 2 ** (bits - 8)
        assert np.abs(np.array(found) / scale - expected).max() <= 0.75


def test_white_and_black_of_ten_bits_are_exact():
    for full, levels in ((False, (64, 940)), (True, (0, 1023))):
        for value, level in zip((0, 65535), levels, strict=True):
            picture = np.full((HEIGHT, WIDTH, 3), value, np.uint16)
            frame = FromRgb("yuv420p10le", WIDTH, HEIGHT, YuvMeaning(1, full))(picture)
            assert np.frombuffer(frame.planes[0], np.uint16)[10] == level
            assert (ToRgb("yuv420p10le", WIDTH, HEIGHT, YuvMeaning(1, full))(frame) == value).all()


def test_chroma_does_not_wander_over_generations():
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    picture[:, WIDTH // 2 :, 0] = 200
    current = picture
    for _ in range(8):
        current = there_and_back(current, "yuv420p", YuvMeaning(1, False))
    red = current[HEIGHT // 2, :, 0].astype(float)
    edge = np.interp(100, red[WIDTH // 2 - 8 : WIDTH // 2 + 8], np.arange(WIDTH // 2 - 8, WIDTH // 2 + 8))
    assert abs(edge - (WIDTH // 2 - 0.5)) < 1


def test_rgb_formats_are_exact():
    noise = np.random.default_rng(1).integers(0, 65536, (HEIGHT, WIDTH, 3), dtype=np.uint16)
    assert np.array_equal(there_and_back(noise, "gbrp16le", YuvMeaning(1, False)), noise)
    low = (noise >> 8).astype(np.uint8)
    assert np.array_equal(there_and_back(low, "bgr0", YuvMeaning(1, False)), low)


def test_any_row_length_is_read_right():
    picture = np.random.default_rng(1).integers(0, 65536, (7, 33, 3), dtype=np.uint16)
    frame = FromRgb("gbrp16le", 33, 7, YuvMeaning(1, False))(picture)
    assert np.array_equal(ToRgb("gbrp16le", 33, 7, YuvMeaning(1, False))(frame), picture)


def test_dither_keeps_the_mean_tone_and_flat_levels():
    smooth = np.full((64, 64, 3), 100 * 257 + 90, np.uint16)
    dithered = eight_bits(smooth)
    assert dithered.mean() == pytest.approx((100 * 257 + 90) / 257, abs=0.02)
    assert np.array_equal(eight_bits(sixteen_bits(patches())), patches())


def test_players_guess_by_size():
    assert guessed_matrix(1920, 1080) == guessed_matrix(450, 660) == 1
    assert guessed_matrix(640, 480) == guessed_matrix(1024, 576) == 6


def test_unspecified_stays_unspecified_where_players_guess_alike():
    unspecified = ColorTags()
    assert tags_for_output(unspecified, yuv_meaning(unspecified, 640, 480), 640, 480) == unspecified
    # Turned upright, players would guess the other matrix: then it is stated.
    assert tags_for_output(unspecified, yuv_meaning(unspecified, 1024, 576), 576, 1024).matrix == 6


def test_new_pictures_are_tagged_in_full():
    assert tags_for_output(None, None, 1920, 1080) == ColorTags(1, 1, 1, 1)


def test_full_range_formats_of_old_are_read():
    frame = av.VideoFrame(WIDTH, HEIGHT, "yuvj420p")
    for plane, value in zip(frame.planes, (255, 128, 128), strict=True):
        np.frombuffer(plane, np.uint8)[:] = value
    assert (ToRgb("yuvj420p", WIDTH, HEIGHT, YuvMeaning(6, True))(frame) == 255).all()
