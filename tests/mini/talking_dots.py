"""A stand-in for rendered heads: a disc with a dark mouth that opens, and features that tell how far."""

import torch


def openness_track(frames, seed):
    """A mouth's opening [frames] in 0..1 that changes like speech: smoothly, and never the same twice."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.rand(frames + 4, generator=generator)
    smooth = torch.nn.functional.avg_pool1d(noise[None], 3, 1)[0, 1 : frames + 1]
    return ((smooth - 0.2) / 0.6).clamp(0, 1)


def draw(openness, side=48, seed=0, centre=(0.5, 0.5)):
    """Frames uint8 [F, side, side, 3], mouth boxes [F, 4], mouth masks [F, side, side]."""
    generator = torch.Generator().manual_seed(1000 + seed)
    skin = 0.4 + 0.5 * torch.rand(3, generator=generator)
    ground = 0.6 * torch.rand(3, generator=generator)
    y, x = torch.meshgrid(*[(torch.arange(side) + 0.5) / side] * 2, indexing="ij")
    head = torch.sigmoid(60 * (0.38 - ((x - centre[0]) ** 2 + (y - centre[1]) ** 2).sqrt()))[..., None]
    picture = head * skin + (1 - head) * ground * (0.5 + x[..., None])
    mouth_y = centre[1] + 0.15
    height = 0.02 + 0.10 * openness[:, None, None]
    inside = torch.sigmoid(8 * (1 - ((x - centre[0]) / 0.14) ** 2 - ((y - mouth_y) / height) ** 2))[..., None]
    frames = (1 - inside) * picture + inside * torch.tensor([0.25, 0.05, 0.08])
    low = torch.tensor([centre[0] - 0.18, mouth_y - 0.18, centre[0] + 0.18, mouth_y + 0.18]) * side
    mask = ((x - centre[0]).abs() < 0.18) & ((y - mouth_y).abs() < 0.18)
    count = len(openness)
    return (frames * 255).round().byte(), low.expand(count, 4), mask.float().expand(count, -1, -1)


def features_of(openness, width=8):
    """Features [2 F, width] that hold the opening, mixed in by a fixed map."""
    rows = openness.repeat_interleave(2)[:, None]
    mix = torch.randn(2, width, generator=torch.Generator().manual_seed(7))
    return torch.cat([rows, rows.square()], dim=1) @ mix
