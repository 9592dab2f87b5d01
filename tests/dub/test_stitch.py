"""Latent stitching: seams are means, and streaming equals joining."""

import torch

from xdub_core.dub.stitch import LatentStitcher, stitch


def clips(count, frames=4):
    return [torch.full((1, 1, frames, 1, 1), float(10 * i)) + torch.arange(frames).view(1, 1, -1, 1, 1)
            for i in range(count)]  # fmt: skip


def test_seam_is_the_mean_of_both_clips():
    assert stitch(clips(2)).flatten().tolist() == [0, 1, 2, (3 + 11) / 2, 12, 13]


def test_one_clip_is_left_as_it_is():
    assert torch.equal(stitch(clips(1)), clips(1)[0])


def test_streaming_gives_the_same_and_keeps_only_the_last_latent():
    stitcher = LatentStitcher()
    parts = [stitcher.add(clip) for clip in clips(3)]
    assert stitcher.pending.shape[2] == 1
    parts.append(stitcher.finish())
    assert torch.equal(torch.cat(parts, dim=2), stitch(clips(3)))
    assert stitcher.finish() is None
