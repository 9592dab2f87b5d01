"""Paste-back: the frame is only touched where the model changed it."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

from xdub_core.compose.border import blend_border, ring_mask
from xdub_core.compose.color_match import match_color
from xdub_core.compose.paste_back import feather_mask, paste_back, truncated
from xdub_core.face.crop import crop_frame
from xdub_core.media.reader import VideoReader

SIZE = 64


def noise_frame(height=180, width=240, dtype=np.uint8, seed=0):
    return np.random.default_rng(seed).integers(
        0, np.iinfo(dtype).max, (height, width, 3), dtype=dtype, endpoint=True
    )


def boxes(width=240, height=180):
    """Any box of 20 pixels or more within the frame."""
    side = st.floats(20, min(width, height))
    return side.flatmap(
        lambda s: st.tuples(st.floats(0, width - s), st.floats(0, height - s)).map(
            lambda corner: np.array([*corner, corner[0] + s, corner[1] + s])
        )
    )


@settings(deadline=None)
@given(box=boxes(), dtype=st.sampled_from([np.uint8, np.uint16]), matched=st.booleans())
def test_unchanged_crop_gives_the_frame_back_exactly(box, dtype, matched):
    frame = noise_frame(dtype=dtype)
    crop = crop_frame(frame, box, SIZE)
    generated = match_color(crop, crop) if matched and dtype == np.uint8 else crop
    assert np.array_equal(paste_back(frame, generated, crop, box), frame)


def test_unchanged_crops_of_moving_boxes_in_full_hd_give_the_frames_back():
    frame = noise_frame(1080, 1920)
    for step in range(12):
        x, y = 500 + 3.37 * step, 100 + 1.21 * step
        box = np.array([x, y, x + 640 + step, y + 640 + step])
        crop = crop_frame(frame, box, 512)
        assert np.array_equal(paste_back(frame, match_color(crop, crop), crop, box), frame)


@settings(deadline=None)
@given(box=boxes(), mode=st.sampled_from(["change", "crop", "reference"]))
def test_pixels_outside_the_box_are_never_touched(box, mode):
    if mode == "reference":
        box = np.array([*np.floor(box[:2]), *np.floor(box[2:])])
    frame = noise_frame()
    crop = crop_frame(frame, box, SIZE)
    result = paste_back(frame, 1 - crop, crop, box, mode)
    x0, y0 = np.floor(box[:2]).astype(int)
    x1, y1 = np.ceil(box[2:]).astype(int)
    inside = np.zeros(frame.shape[:2], bool)
    inside[y0:y1, x0:x1] = True
    assert np.array_equal(result[~inside], frame[~inside])
    assert (result != frame).any()


@pytest.mark.parametrize("mode", ["change", "crop"])
@pytest.mark.parametrize("side", [40.0, 64.0, 150.5])
def test_a_change_arrives_where_it_was_made(mode, side):
    frame = np.full((180, 240, 3), 100, np.uint8)
    box = np.array([30.25, 12.5, 30.25 + side, 12.5 + side])
    crop = crop_frame(frame, box, SIZE)
    generated = crop.copy()
    generated[28:36, 28:36] += 0.3  # around the middle
    change = paste_back(frame, generated, crop, box, mode).astype(int).sum(axis=2) - 300
    rows, columns = np.nonzero(change > 100)
    centre = (box[:2] + box[2:]) / 2 - 0.5
    assert columns.mean() == pytest.approx(centre[0], abs=0.75)
    assert rows.mean() == pytest.approx(centre[1], abs=0.75)
    assert change.max() == pytest.approx(3 * 0.3 * 255, rel=0.05)


def test_grain_survives_a_smooth_change():
    frame = noise_frame(dtype=np.uint8) // 4 + 96
    box = np.array([40.0, 20, 180, 160])
    crop = crop_frame(frame, box, SIZE)
    result = paste_back(frame, crop + np.float32(0.1), crop, box)
    middle = (slice(60, 120), slice(80, 140))
    difference = result[middle].astype(int) - frame[middle]
    assert difference.std() < 0.6
    assert difference.mean() == pytest.approx(25.5, abs=0.5)


def test_the_given_frame_is_not_modified():
    frame = noise_frame()
    before = frame.copy()
    box = np.array([10.0, 10, 90, 90])
    crop = crop_frame(frame, box, SIZE)
    paste_back(frame, 1 - crop, crop, box)
    assert np.array_equal(frame, before)


def test_deep_frames_stay_deep():
    frame = np.full((100, 100, 3), 30001, np.uint16)
    box = np.array([10.0, 10, 90, 90])
    crop = crop_frame(frame, box, SIZE)
    result = paste_back(frame, crop + np.float32(7 / 65535), crop, box)
    assert result.dtype == np.uint16
    assert result[50, 50].tolist() == [30008] * 3


def test_whites_and_blacks_saturate_without_wrapping():
    frame = noise_frame()
    box = np.array([10.0, 10, 90, 90])
    crop = crop_frame(frame, box, SIZE)
    for shift, limit in ((1.0, 255), (-1.0, 0)):
        result = paste_back(frame, crop + np.float32(shift), crop, box)
        assert (result[40:60, 40:60] == limit).all()


def test_feather_is_zero_at_the_edge_and_one_inside():
    mask = feather_mask(512)[..., 0]
    assert mask[0].max() < 1e-3
    assert mask[:, -1].max() < 1e-3
    assert mask[256, 256] == 1
    assert (np.diff(mask[256, :256]) >= 0).all()


def test_few_of_the_masks_of_a_growing_face_are_kept():
    for side in range(64, 96):
        ring_mask(side, side, 8, 17)
    assert ring_mask.cache_info().currsize <= 8


def test_stages_equal_the_release(goldens):
    golden = load_file(goldens / "frames.safetensors")
    source = next(value for name, value in golden.items() if name.startswith("crops_"))
    for i, box in enumerate(golden["boxes"]):
        matched, crop = (image[i].astype(np.float32) for image in (golden["color_corrected"], source))
        blended = truncated(blend_border(matched, crop)).astype(int)
        assert np.abs(blended - golden["border_blended"][i]).max() <= 1
        pasted = paste_back(golden["raw"][i], matched / 255, crop / 255, box, "reference").astype(int)
        assert np.abs(pasted - golden["pasted"][i]).max() <= 1


def test_real_frames_come_back_exactly(media):
    """The face of the test video, cropped and pasted back unchanged, on a fixed and on a wandering box."""
    with VideoReader(media / "video.mp4") as reader:
        for number, frame in enumerate(reader.frames(range(0, reader.info.frames, 12))):
            for shift in (0.0, 0.37 * number):
                box = np.array([24 - shift, 46 + shift, 426 - shift, 448 + shift])
                crop = crop_frame(frame, box, 512)
                assert np.array_equal(paste_back(frame, match_color(crop, crop), crop, box), frame)


def test_only_what_the_model_changed_is_carried_over():
    """The codec blurs the whole crop; the model opened the mouth. The blur stays out of the frame."""
    rng = np.random.default_rng(4)
    frame = rng.integers(60, 190, (96, 96, 3), dtype=np.uint8)
    box = np.array([0.0, 0, 96, 96])
    source = crop_frame(frame, box, 96)
    unchanged = cv2.GaussianBlur(source, (0, 0), 2)
    generated = unchanged.copy()
    generated[60:76, 36:60] = 0.05
    pasted = paste_back(frame, generated, source, box, unchanged=unchanged)
    assert np.array_equal(pasted[:44], frame[:44])
    assert np.abs(pasted[63:73, 40:56] / 255 - 0.05).max() < 0.02
    assert np.any(paste_back(frame, generated, source, box)[:44] != frame[:44])


@pytest.mark.parametrize("side", [1.0, 1.5, 1.9, 2.5])
@pytest.mark.parametrize("mode", ["change", "crop"])
def test_boxes_of_hardly_a_pixel_are_pasted_too(side, mode):
    frame = np.full((20, 30, 3), 90, np.uint8)
    box = np.array([10.3, 5.3, 10.3 + side, 5.3 + side])
    source = crop_frame(frame, box, 32)
    pasted = paste_back(frame, source + np.float32(0.3), source, box, mode)
    outside = np.ones((20, 30), bool)
    outside[6:8, 11:13] = False
    assert np.array_equal(pasted[outside], frame[outside])
