"""What of a face's box is that face's own, where another face lies in it."""

import numpy as np

from xdub_core.compose.own_face import own_share
from xdub_core.compose.paste_back import paste_back

BOX = np.array([20.0, 10, 60, 50])
BESIDE = np.array([44.0, 10, 84, 50])
SIZE = 40


def test_alone_in_its_box_a_face_has_all_of_it():
    assert own_share(BOX, [], SIZE) is None
    assert own_share(BOX, [np.array([60.0, 10, 100, 50])], SIZE) is None


def test_what_is_nearer_to_another_face_is_not_its_own():
    share = own_share(BOX, [BESIDE], SIZE)
    x = BOX[0] + np.arange(SIZE) + 0.5
    assert (share[:, x > 52] == 0).all()  # halfway between the middles, 40 and 64
    assert (share[SIZE // 2, x < 46] == 1).all()


def test_a_small_face_keeps_little_of_a_large_one_s_box():
    small = np.array([54.0, 24, 64, 34])
    share = own_share(BOX, [small], SIZE)
    assert share[19, -1] == 0  # in the small face
    assert share.mean() > 0.85


def test_every_other_face_keeps_its_part():
    above = np.array([20.0, -20, 60, 20])
    both = own_share(BOX, [BESIDE, above], SIZE)
    assert np.array_equal(both, np.minimum(own_share(BOX, [BESIDE], SIZE), own_share(BOX, [above], SIZE)))


def test_pasting_leaves_another_face_as_it_is_bit_by_bit():
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 256, (64, 100, 3), dtype=np.uint8)
    source = frame[10:50, 20:60].astype(np.float32) / 255
    share = own_share(BOX, [BESIDE], SIZE)
    for mode in ("change", "crop"):
        pasted = paste_back(frame, 1 - source, source, BOX, mode, share=share)
        assert np.array_equal(pasted[:, 52:], frame[:, 52:])
        assert (pasted[20:40, 30:44] != frame[20:40, 30:44]).any(axis=-1).mean() > 0.9
        assert np.array_equal(pasted, paste_back(frame, 1 - source, source, BOX, mode, share=share))
