"""Paste-back: the frame is only touched where the model changed it."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

from xdub_core.compose.border_blend import blend_border, ring_mask
from xdub_core.compose.color_match import match_color
from xdub_core.compose.paste_back import CHROMA_REACH, feather_mask, paste_back, touched_rectangle, truncated
from xdub_core.compose.region import changed_region
from xdub_core.face.crop import crop_frame
from xdub_core.media.video.reader import VideoReader

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
@given(box=boxes(), mode=st.sampled_from(["change", "crop", "as_released"]))
def test_pixels_outside_the_box_are_never_touched(box, mode):
    if mode == "as_released":
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


@pytest.mark.parametrize("mode", ["change", "crop", "as_released"])
def test_strength_fades_from_what_is_beneath_to_the_whole_change(mode):
    frame, box = noise_frame(), np.array([20.0, 30, 140, 150])
    crop = crop_frame(frame, box, SIZE)
    beneath = noise_frame(seed=1)
    none, half, full = (
        paste_back(frame, 1 - crop, crop, box, mode, onto=beneath, strength=strength)
        for strength in (0.0, 0.5, 1.0)
    )
    assert np.array_equal(none, beneath)
    assert np.array_equal(full, paste_back(frame, 1 - crop, crop, box, mode, onto=beneath))
    assert (full != beneath).any()
    expected = (beneath.astype(float) + full) / 2
    unclipped = (full > 0) & (full < 255)
    assert np.abs(half - expected)[unclipped].max() <= 1


@pytest.mark.parametrize("mode", ["change", "crop"])
@pytest.mark.parametrize("side", [40.0, 64.0, 150.5])
def test_a_change_arrives_where_it_was_made(mode, side):
    frame = np.full((180, 240, 3), 100, np.uint8)
    box = np.array([30.25, 12.5, 30.25 + side, 12.5 + side])
    crop = crop_frame(frame, box, SIZE)
    spot = np.zeros((SIZE, SIZE, 1), np.float32)
    spot[28:36, 28:36] = 0.3  # around the middle
    generated = crop + cv2.GaussianBlur(spot, (0, 0), 1.5)[..., None]
    change = paste_back(frame, generated, crop, box, mode).astype(int).sum(axis=2) - 300
    rows, columns = np.nonzero(change > 100)
    centre = (box[:2] + box[2:]) / 2 - 0.5
    assert columns.mean() == pytest.approx(centre[0], abs=0.75)
    assert rows.mean() == pytest.approx(centre[1], abs=0.75)
    assert change.max() == pytest.approx(3 * 255 * (generated - crop).max(), rel=0.05)


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
    result = paste_back(frame, crop + np.float32(7007 / 65535), crop, box)
    assert result.dtype == np.uint16
    assert result[50, 50].tolist() == [37008] * 3


def test_whites_and_blacks_saturate_without_wrapping():
    frame = noise_frame() // 16 + 120
    box = np.array([10.0, 10, 90, 90])
    crop = crop_frame(frame, box, SIZE)
    for shift, limit in ((1.0, 255), (-1.0, 0)):
        result = paste_back(frame, crop + np.float32(shift), crop, box)
        assert (result[40:60, 40:60] == limit).all()


def test_feather_is_zero_at_the_edge_and_one_inside():
    mask = feather_mask(512)
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
        pasted = paste_back(golden["raw"][i], matched / 255, crop / 255, box, "as_released").astype(int)
        assert np.abs(pasted - golden["pasted"][i]).max() <= 1


def test_real_frames_come_back_exactly(media):
    """The face of the test video, cropped and pasted back unchanged, on a fixed and on a wandering box."""
    with VideoReader(media / "video.mp4") as reader:
        for number, frame in enumerate(reader.frames(range(0, reader.info.frames, 12))):
            for shift in (0.0, 0.37 * number):
                box = np.array([24 - shift, 46 + shift, 426 - shift, 448 + shift])
                crop = crop_frame(frame, box, 512)
                assert np.array_equal(paste_back(frame, match_color(crop, crop), crop, box), frame)


@pytest.fixture(scope="module")
def closed_mouth():
    """A grainy frame with a thin dark line in it, and crops from which the VAE and the model have taken it.

    frame, generated, source, through_vae, box; the line is in row 120, columns 70 to 170.
    """
    rng = np.random.default_rng(4)
    clean = np.full((240, 240, 3), 150, np.float32)
    clean[119:122, 70:170] = 60
    clean[60:63, 70:170] = 60  # brows: unchanged
    frame = np.round(clean + rng.normal(0, 3, clean.shape)).astype(np.uint8)
    box = np.array([0.5, 0.5, 239.5, 239.5])
    source = crop_frame(frame, box, 128)
    through_vae = cv2.GaussianBlur(source, (0, 0), 0.8)
    generated = through_vae.copy()
    generated[54:74] = through_vae[80:100]
    return frame, generated, source, through_vae, box


def test_nothing_is_left_of_what_was_there_before(closed_mouth):
    frame, generated, source, through_vae, box = closed_mouth
    pasted = paste_back(frame, generated, source, box, source_through_vae=through_vae).astype(float)
    means = pasted[105:135, 80:160].mean(axis=(1, 2))
    assert np.abs(means - 150).max() < 1


def test_grain_is_put_back_evenly_also_where_something_was(closed_mouth):
    frame, generated, source, through_vae, box = closed_mouth
    pasted = paste_back(frame, generated, source, box, source_through_vae=through_vae).astype(float)
    for rows in (slice(117, 124), slice(124, 131), slice(131, 138)):
        assert pasted[rows, 80:160].std() == pytest.approx(3, rel=0.15)


def test_what_the_model_did_not_change_stays_bit_by_bit_whatever_the_vae_loses(closed_mouth):
    frame, generated, source, through_vae, box = closed_mouth
    pasted = paste_back(frame, generated, source, box, source_through_vae=through_vae)
    assert np.array_equal(pasted[:80], frame[:80])
    assert not np.array_equal(paste_back(frame, generated, source, box, "crop")[:80], frame[:80])


def test_the_touched_rectangle_holds_every_change_and_little_else(closed_mouth):
    frame, generated, source, through_vae, box = closed_mouth
    region = changed_region(generated, source, through_vae)
    pasted = paste_back(frame, generated, source, box, "change", through_vae, region)
    rows, columns = np.nonzero((pasted != frame).any(axis=2))
    left, top, right, bottom = touched_rectangle(box, frame.shape, region)
    assert left <= columns.min() <= left + 8
    assert right - 9 <= columns.max() < right
    assert top <= rows.min() <= top + 8
    assert bottom - 9 <= rows.max() < bottom


def test_where_nothing_changed_nothing_is_touched(closed_mouth):
    frame, _, source, through_vae, box = closed_mouth
    region = changed_region(through_vae, source, through_vae)
    assert np.array_equal(paste_back(frame, through_vae, source, box, "change", through_vae, region), frame)
    left, top, right, bottom = touched_rectangle(box, frame.shape, region)
    assert (right - left) * (bottom - top) == 0


@pytest.mark.parametrize("mode", ["change", "crop"])
@pytest.mark.parametrize("box", [(-30.5, -20, 80.5, 91), (150, 100, 270, 220), (-200, -200, -100, -100)])
def test_boxes_may_hang_over_the_frames_edge(mode, box):
    frame, box = noise_frame() // 16 + 120, np.array(box, float)
    crop = crop_frame(frame, box, SIZE)
    pasted = paste_back(frame, np.clip(crop + 0.2, 0, 1).astype(np.float32), crop, box, mode)
    x0, y0, x1, y1 = touched_rectangle(box, frame.shape)
    outside = np.ones(frame.shape[:2], bool)
    outside[y0:y1, x0:x1] = False
    assert np.array_equal(pasted[outside], frame[outside])
    assert (pasted != frame).any() == (not outside.all())


def test_the_grain_of_deep_frames_is_kept_in_16_bits(closed_mouth):
    frame, generated, source, through_vae, box = closed_mouth
    shallow = paste_back(frame, generated, source, box, source_through_vae=through_vae)
    deep = paste_back(frame.astype(np.uint16) * 257, generated, source, box, source_through_vae=through_vae)
    assert np.abs(deep / 257 - shallow).max() <= 0.51


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


def test_pixels_at_the_box_s_edge_are_kept_whose_chroma_reaches_out():
    frame = np.full((80, 80, 3), 90, np.uint8)
    generated, source = np.ones((64, 64, 3), np.float32), np.zeros((64, 64, 3), np.float32)
    pasted = paste_back(frame, generated, source, np.array([10.0, 10, 70, 70]))
    changed = np.argwhere((pasted != frame).any(-1))
    assert changed.min() == 10 + CHROMA_REACH and changed.max() == 69 - CHROMA_REACH
