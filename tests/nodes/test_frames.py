"""Pictures between ComfyUI and the engine."""

import numpy as np
import pytest
import torch

from xdub_core.errors import MediaError


@pytest.fixture
def frames(pack):
    return pack("comfy_bridge.media.frames")


@pytest.mark.parametrize("deep", [False, True])
def test_eight_bit_pictures_come_back_as_they_were(frames, deep):
    image = (torch.arange(256).repeat(3, 3, 1).permute(0, 2, 1).float() / 255).contiguous()
    frame = frames.frame_from_image(image, deep)
    assert frame.dtype == (np.uint16 if deep else np.uint8)
    assert torch.allclose(frames.image_from_frame(frame), image, atol=1e-7)


def test_values_out_of_range_are_cut_off(frames):
    image = torch.tensor([[[-0.5, 0.5, 1.5]]])
    assert frames.frame_from_image(image, deep=False).tolist() == [[[0, 128, 255]]]


def test_transparency_is_dropped(frames):
    (frame,) = frames.TensorFrames(torch.ones(1, 2, 2, 4), deep=False).frames([0])
    assert frame.shape == (2, 2, 3)


@pytest.mark.parametrize(
    ("fps", "expected"),
    [(25, [0, 1, 2, 3, 4, 5]), (50, [0, 2, 4]), (12.5, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5])],
)
def test_images_of_any_rate_are_shown_at_25_frames_a_second(frames, fps, expected):
    footage = frames.footage_from_images(torch.rand(6, 4, 8, 3), fps)
    assert footage.timeline.source_index.tolist() == expected
    assert (footage.width, footage.height, footage.deep, footage.bit_depth) == (8, 4, True, 8)
    assert len(list(footage.slots())) == len(expected)


def test_no_images_are_told(frames):
    with pytest.raises(MediaError, match="connect a batch of frames"):
        frames.footage_from_images(torch.zeros(0, 4, 4, 3), 25)


def test_frames_of_a_part_are_counted_from_its_first(frames):
    from xdub_core.media.picture.frame import SourceFrame

    class Source:
        def frames(self, indices):
            return (np.full((2, 2, 3), index, np.uint8) for index in indices)

        def source_frames(self, indices):
            return map(SourceFrame, self.frames(indices))

    part = frames.PartOfSource(Source(), 10)
    assert [frame[0, 0, 0] for frame in part.frames([0, 3])] == [10, 13]
    assert [frame.rgb[0, 0, 0] for frame in part.source_frames([1])] == [11]


def test_pictures_appear_at_their_rate(frames):
    made = frames.footage_from_images(torch.zeros(12, 4, 4, 3), 30.0)
    assert (made.clock.rate, float(made.clock.end), len(made.timeline)) == (30, 0.4, 10)
