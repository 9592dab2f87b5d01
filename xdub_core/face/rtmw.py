"""RTMW-x, the whole-body pose network (arXiv 2407.08634), in plain PyTorch with mmpose's tensor names.

A CSPNeXt backbone (RTMDet, arXiv 2212.07784), a path-aggregation neck, and a head that turns every keypoint into one
token, lets the tokens see each other in a gated attention unit (arXiv 2202.10447) and classifies the x and the y
coordinate separately (SimCC, arXiv 2107.03332). `RTMW` takes normalised person crops and gives those two vectors.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xdub_core.face.csp import ConvNorm, CSPLayer, PathAggregation, SpatialPyramidPooling

INPUT_WIDTH, INPUT_HEIGHT = 288, 384
BODY_KEYPOINTS = 133
"""COCO-WholeBody: 17 body, 6 feet, 68 face, 21 left hand, 21 right hand."""
BINS_PER_PIXEL = 2
EPS = 1e-5
PIXEL_MEAN = (123.675, 116.28, 103.53)
PIXEL_STD = (58.395, 57.12, 57.375)


class DepthwiseConv(nn.Module):
    """5x5 convolution per channel, then a 1x1 one over channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise_conv = ConvNorm(channels, channels, 5, groups=channels, eps=EPS)
        self.pointwise_conv = ConvNorm(channels, channels, eps=EPS)

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise_conv(self.depthwise_conv(x))


class CSPNeXtBottleneck(nn.Module):
    """3x3 and large-kernel depthwise convolution beside an identity path."""

    def __init__(self, channels: int, identity: bool) -> None:
        super().__init__()
        self.conv1 = ConvNorm(channels, channels, 3, eps=EPS)
        self.conv2 = DepthwiseConv(channels)
        self.identity = identity

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2(self.conv1(x))
        return x + y if self.identity else y


class CSPNeXt(nn.Module):
    """The backbone: features at strides 8, 16 and 32."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()

        def layer(channels: int, blocks: int, identity: bool = True) -> CSPLayer:
            return CSPLayer(channels, channels, blocks, CSPNeXtBottleneck, identity, EPS, attention=True)

        def down(outputs: int) -> ConvNorm:
            return ConvNorm(outputs // 2, outputs, 3, 2, eps=EPS)

        self.stem = nn.Sequential(
            ConvNorm(3, width // 2, 3, 2, eps=EPS),
            ConvNorm(width // 2, width // 2, 3, eps=EPS),
            ConvNorm(width // 2, width, 3, eps=EPS),
        )
        self.stage1 = nn.Sequential(down(2 * width), layer(2 * width, depth))
        self.stage2 = nn.Sequential(down(4 * width), layer(4 * width, 2 * depth))
        self.stage3 = nn.Sequential(down(8 * width), layer(8 * width, 2 * depth))
        self.stage4 = nn.Sequential(
            down(16 * width),
            SpatialPyramidPooling(16 * width, EPS),
            layer(16 * width, depth, identity=False),
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        fine = self.stage2(self.stage1(self.stem(x)))
        middle = self.stage3(fine)
        return [fine, middle, self.stage4(middle)]


class ScaleNorm(nn.Module):
    """Division by the root mean square, one learned factor (arXiv 1910.05895)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.root = math.sqrt(features)
        self.g = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True) / self.root
        return x / norm.clamp(min=1e-5) * self.g


class ResidualScale(nn.Module):
    """One learned factor per feature."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(features))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale


class GatedAttention(nn.Module):
    """Gated attention unit over the keypoint tokens, with squared-ReLU attention."""

    def __init__(self, features: int, expanded: int, shared: int) -> None:
        super().__init__()
        self.sizes = [expanded, expanded, shared]
        self.ln = ScaleNorm(features)
        self.uv = nn.Linear(features, sum(self.sizes), bias=False)
        self.gamma = nn.Parameter(torch.ones(2, shared))
        self.beta = nn.Parameter(torch.zeros(2, shared))
        self.o = nn.Linear(expanded, features, bias=False)
        self.res_scale = ResidualScale(features)

    def forward(self, x: Tensor) -> Tensor:
        gate, value, shared = F.silu(self.uv(self.ln(x))).split(self.sizes, dim=-1)
        query, key = (shared * gamma + beta for gamma, beta in zip(self.gamma, self.beta, strict=True))
        attention = F.relu(query @ key.mT / math.sqrt(self.sizes[-1])).square()  # [B, K, K]
        return self.res_scale(x) + self.o(gate * (attention @ value))


class RTMWHead(nn.Module):
    """Two scales of features -> one token per keypoint -> x and y logits."""

    def __init__(self, coarse: int, middle: int, hidden: int, shared: int) -> None:
        super().__init__()
        cells = (INPUT_WIDTH // 32) * (INPUT_HEIGHT // 32)

        def conv(inputs: int, outputs: int) -> ConvNorm:
            return ConvNorm(inputs, outputs, 7, eps=EPS, activation=nn.ReLU)

        def tokens(features: int) -> nn.Sequential:
            return nn.Sequential(ScaleNorm(features), nn.Linear(features, hidden // 2, bias=False))

        self.conv_dec = conv(coarse // 4, coarse // 4)
        self.final_layer = conv(coarse, BODY_KEYPOINTS)
        self.final_layer2 = conv(coarse // 4 + middle, BODY_KEYPOINTS)
        self.mlp = tokens(cells)
        self.mlp2 = tokens(4 * cells)
        self.gau = GatedAttention(hidden, 2 * hidden, shared)
        self.cls_x = nn.Linear(hidden, INPUT_WIDTH * BINS_PER_PIXEL, bias=False)
        self.cls_y = nn.Linear(hidden, INPUT_HEIGHT * BINS_PER_PIXEL, bias=False)

    def forward(self, middle: Tensor, coarse: Tensor) -> tuple[Tensor, Tensor]:
        decoded = self.conv_dec(F.pixel_shuffle(coarse, 2))
        fine_maps = self.final_layer2(torch.cat([decoded, middle], 1))
        tokens = [self.mlp(self.final_layer(coarse).flatten(2)), self.mlp2(fine_maps.flatten(2))]
        x = self.gau(torch.cat(tokens, 2))  # [B, K, hidden]
        return self.cls_x(x), self.cls_y(x)


class RTMW(nn.Module):
    """The whole network. The sizes are RTMW-x's unless told; smaller ones serve tests."""

    def __init__(self, width: int = 80, depth: int = 4, hidden: int = 256, shared: int = 128) -> None:
        super().__init__()
        channels = (4 * width, 8 * width, 16 * width)
        self.backbone = CSPNeXt(width, depth)
        self.neck = PathAggregation(channels, max(1, depth // 2), CSPNeXtBottleneck, EPS)
        self.head = RTMWHead(channels[2], channels[1], hidden, shared)

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """x logits [B, 133, 576] and y logits [B, 133, 768] of normalised crops [B, 3, 384, 288] (RGB)."""
        _, middle, coarse = self.neck(*self.backbone(crops))
        return self.head(middle, coarse)
