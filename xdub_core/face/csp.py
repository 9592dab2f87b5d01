"""Building blocks that YOLOX and RTMW share, named as OpenMMLab's checkpoints name them.

Both networks are a stack of cross-stage-partial layers (CSPNet, arXiv 1911.11929) followed by a path-aggregation
neck; they differ in the bottleneck inside the layer and in widths, depths and the batch norm's epsilon.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

Bottleneck = Callable[[int, bool], nn.Module]
"""Makes a bottleneck of so many channels, with or without its identity path."""


class ConvNorm(nn.Module):
    """Convolution (no bias), batch norm, activation."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        eps: float = 1e-5,
        activation: type[nn.Module] = nn.SiLU,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.bn: nn.Module = nn.BatchNorm2d(outputs, eps=eps)
        self.activate = activation(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.activate(self.bn(self.conv(x)))


def fuse_batch_norms(network: nn.Module) -> None:
    """Fold every batch norm into the convolution before it: the same function, one pass over memory less.

    For inference only, and in float32; the tensors' names change, so load weights first.
    """
    for module in network.modules():
        if isinstance(module, ConvNorm) and isinstance(module.bn, nn.BatchNorm2d):
            module.conv = fuse_conv_bn_eval(module.conv, module.bn)
            module.bn = nn.Identity()


class SpatialPyramidPooling(nn.Module):
    """Max pooling at three sizes beside the input (YOLOv3-SPP)."""

    def __init__(self, channels: int, eps: float) -> None:
        super().__init__()
        self.conv1 = ConvNorm(channels, channels // 2, eps=eps)
        self.conv2 = ConvNorm(channels * 2, channels, eps=eps)
        self.poolings = nn.ModuleList(nn.MaxPool2d(size, 1, size // 2) for size in (5, 9, 13))

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        return self.conv2(torch.cat([x, *(pool(x) for pool in self.poolings)], dim=1))


class ChannelAttention(nn.Module):
    """A gate per channel from the channel means."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * nn.functional.hardsigmoid(self.fc(x.mean((2, 3), keepdim=True)))


class CSPLayer(nn.Module):
    """Half of the channels through a chain of bottlenecks, half past it, then merged."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        blocks: int,
        bottleneck: Bottleneck,
        identity: bool,
        eps: float,
        attention: bool = False,
    ) -> None:
        super().__init__()
        middle = outputs // 2
        self.main_conv = ConvNorm(inputs, middle, eps=eps)
        self.short_conv = ConvNorm(inputs, middle, eps=eps)
        self.final_conv = ConvNorm(2 * middle, outputs, eps=eps)
        self.blocks = nn.Sequential(*(bottleneck(middle, identity) for _ in range(blocks)))
        self.attention = ChannelAttention(2 * middle) if attention else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        merged = torch.cat([self.blocks(self.main_conv(x)), self.short_conv(x)], dim=1)
        return self.final_conv(self.attention(merged))


class PathAggregation(nn.Module):
    """The neck (PAFPN): features of three strides, once from coarse to fine and once back."""

    def __init__(
        self, channels: tuple[int, int, int], blocks: int, bottleneck: Bottleneck, eps: float
    ) -> None:
        super().__init__()
        fine, middle, coarse = channels

        def layer(inputs: int, outputs: int) -> CSPLayer:
            return CSPLayer(inputs, outputs, blocks, bottleneck, identity=False, eps=eps)

        self.reduce_layers = nn.ModuleList(
            [ConvNorm(coarse, middle, eps=eps), ConvNorm(middle, fine, eps=eps)]
        )
        self.top_down_blocks = nn.ModuleList([layer(2 * middle, middle), layer(2 * fine, fine)])
        self.downsamples = nn.ModuleList([ConvNorm(c, c, 3, 2, eps=eps) for c in (fine, middle)])
        self.bottom_up_blocks = nn.ModuleList([layer(2 * fine, middle), layer(2 * middle, coarse)])

    def forward(self, fine: Tensor, middle: Tensor, coarse: Tensor) -> list[Tensor]:
        coarse = self.reduce_layers[0](coarse)
        middle = self.reduce_layers[1](self.top_down_blocks[0](torch.cat([_double(coarse), middle], 1)))
        fine = self.top_down_blocks[1](torch.cat([_double(middle), fine], 1))
        middle = self.bottom_up_blocks[0](torch.cat([self.downsamples[0](fine), middle], 1))
        coarse = self.bottom_up_blocks[1](torch.cat([self.downsamples[1](middle), coarse], 1))
        return [fine, middle, coarse]


def _double(x: Tensor) -> Tensor:
    return nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")
