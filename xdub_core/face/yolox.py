"""YOLOX-L, the person detector (arXiv 2107.08430), in plain PyTorch with mmdet's tensor names.

`YOLOX` takes letterboxed frames and gives raw outputs per level; `letterbox` and `decode_people` are the two ends of
the recipe (released model §6, "Detector networks").
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from xdub_core.face.csp import ConvNorm, CSPLayer, PathAggregation, SpatialPyramidPooling

INPUT_SIZE = 640
PADDING_GREY = 114
STRIDES = (8, 16, 32)
CLASSES, PERSON = 80, 0
PERSON_THRESHOLD = 0.5
BOX_NMS_IOU = 0.65
"""Overlap above which mmdet takes two boxes for one person; the whole-body stage then applies `PEOPLE_NMS_IOU`."""
PEOPLE_NMS_IOU = 0.7
EPS = 1e-3


class DarknetBottleneck(nn.Module):
    """1x1 and 3x3 convolution beside an identity path."""

    def __init__(self, channels: int, identity: bool) -> None:
        super().__init__()
        self.conv1 = ConvNorm(channels, channels, eps=EPS)
        self.conv2 = ConvNorm(channels, channels, 3, eps=EPS)
        self.identity = identity

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2(self.conv1(x))
        return x + y if self.identity else y


class Focus(nn.Module):
    """Every 2x2 pixels become channels: top left, bottom left, top right, bottom right."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.conv = ConvNorm(12, outputs, 3, eps=EPS)

    def forward(self, x: Tensor) -> Tensor:
        rows = [x[..., 0::2, :], x[..., 1::2, :]]
        return self.conv(torch.cat([row[..., column::2] for column in (0, 1) for row in rows], dim=1))


class CSPDarknet(nn.Module):
    """The backbone: features at strides 8, 16 and 32."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()

        def stage(outputs: int, blocks: int) -> list[nn.Module]:
            layer = CSPLayer(outputs, outputs, blocks, DarknetBottleneck, identity=True, eps=EPS)
            return [ConvNorm(outputs // 2, outputs, 3, 2, eps=EPS), layer]

        self.stem = Focus(width)
        self.stage1 = nn.Sequential(*stage(2 * width, depth))
        self.stage2 = nn.Sequential(*stage(4 * width, 3 * depth))
        self.stage3 = nn.Sequential(*stage(8 * width, 3 * depth))
        self.stage4 = nn.Sequential(
            ConvNorm(8 * width, 16 * width, 3, 2, eps=EPS),
            SpatialPyramidPooling(16 * width, EPS),
            CSPLayer(16 * width, 16 * width, depth, DarknetBottleneck, identity=False, eps=EPS),
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        fine = self.stage2(self.stage1(self.stem(x)))
        middle = self.stage3(fine)
        return [fine, middle, self.stage4(middle)]


class Neck(PathAggregation):
    """Path aggregation with all three outputs brought to the head's width."""

    def __init__(self, channels: tuple[int, int, int], blocks: int, outputs: int) -> None:
        super().__init__(channels, blocks, DarknetBottleneck, EPS)
        self.out_convs = nn.ModuleList([ConvNorm(c, outputs, eps=EPS) for c in channels])

    def forward(self, fine: Tensor, middle: Tensor, coarse: Tensor) -> list[Tensor]:
        features = super().forward(fine, middle, coarse)
        return [conv(x) for conv, x in zip(self.out_convs, features, strict=True)]


class Head(nn.Module):
    """The decoupled head: classes in one branch, box and objectness in another."""

    def __init__(self, channels: int) -> None:
        super().__init__()

        def branch() -> nn.Sequential:
            return nn.Sequential(*(ConvNorm(channels, channels, 3, eps=EPS) for _ in range(2)))

        def output(count: int) -> nn.ModuleList:
            return nn.ModuleList([nn.Conv2d(channels, count, 1) for _ in STRIDES])

        self.multi_level_cls_convs = nn.ModuleList([branch() for _ in STRIDES])
        self.multi_level_reg_convs = nn.ModuleList([branch() for _ in STRIDES])
        self.multi_level_conv_cls = output(CLASSES)
        self.multi_level_conv_reg = output(4)
        self.multi_level_conv_obj = output(1)

    def forward(self, features: list[Tensor]) -> list[tuple[Tensor, Tensor, Tensor]]:
        levels = []
        for level, x in enumerate(features):
            classes = self.multi_level_conv_cls[level](self.multi_level_cls_convs[level](x))
            box = self.multi_level_reg_convs[level](x)
            levels.append(
                (classes, self.multi_level_conv_reg[level](box), self.multi_level_conv_obj[level](box))
            )
        return levels


class YOLOX(nn.Module):
    """The whole network. `width` and `depth` are YOLOX-L's unless told; smaller ones serve tests."""

    def __init__(self, width: int = 64, depth: int = 3) -> None:
        super().__init__()
        self.backbone = CSPDarknet(width, depth)
        self.neck = Neck((4 * width, 8 * width, 16 * width), depth, 4 * width)
        self.bbox_head = Head(4 * width)

    def forward(self, images: Tensor) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Raw (classes, box, objectness) maps per stride, of images [B, 3, 640, 640] (BGR 0..255)."""
        return self.bbox_head(self.neck(*self.backbone(images)))


@dataclass(frozen=True)
class Letterboxed:
    """A frame scaled into the detector's square: `image` uint8 [640, 640, 3] RGB; `scale` = (x, y) factors."""

    image: np.ndarray
    scale: tuple[float, float]


def letterbox(frame: np.ndarray) -> Letterboxed:
    """Scale a frame (uint8 [H, W, 3]) to fit the detector's square; grey to the right and below."""
    height, width = frame.shape[:2]
    factor = min(INPUT_SIZE / height, INPUT_SIZE / width)
    scaled_width = max(1, int(width * factor + 0.5))
    scaled_height = max(1, int(height * factor + 0.5))
    image = np.full((INPUT_SIZE, INPUT_SIZE, 3), PADDING_GREY, np.uint8)
    image[:scaled_height, :scaled_width] = cv2.resize(
        frame, (scaled_width, scaled_height), interpolation=cv2.INTER_LINEAR
    )
    return Letterboxed(image, (scaled_width / width, scaled_height / height))


def detector_input(images: np.ndarray) -> Tensor:
    """Letterboxed frames [B, 640, 640, 3] (RGB) as the network wants them: [B, 3, 640, 640] BGR, 0..255, uint8."""
    return torch.from_numpy(np.ascontiguousarray(images[..., ::-1].transpose(0, 3, 1, 2)))


@dataclass(frozen=True)
class People:
    """People in one frame, best first: `boxes` float32 [n, 4] xyxy in frame pixels, `scores` float32 [n]."""

    boxes: np.ndarray
    scores: np.ndarray


def decode_people(
    levels: list[tuple[Tensor, Tensor, Tensor]],
    scales: list[tuple[float, float]],
    threshold: float = PERSON_THRESHOLD,
) -> list[People]:
    """All anchors that see a person with more than `threshold`, per image, best first, overlaps and all.

    `levels` are the network's raw outputs, `scales` the letterbox factors of each image. An anchor sees a
    person where that is its likeliest class; its score is class times objectness. Boxes may reach outside the
    frame.
    """
    decoded = [_decode_level(*level, stride) for level, stride in zip(levels, STRIDES, strict=True)]
    all_boxes = torch.cat([boxes for boxes, _ in decoded], 1).cpu().numpy()
    all_scores = torch.cat([scores for _, scores in decoded], 1).cpu().numpy()
    people = []
    for image_boxes, image_scores, scale in zip(all_boxes, all_scores, scales, strict=True):
        kept = np.flatnonzero(image_scores > threshold)
        kept = kept[np.argsort(-image_scores[kept], kind="stable")]
        people.append(People(image_boxes[kept] / np.array([*scale, *scale], np.float32), image_scores[kept]))
    return people


def _decode_level(classes: Tensor, box: Tensor, objectness: Tensor, stride: int) -> tuple[Tensor, Tensor]:
    """Boxes [B, n, 4] in the letterbox's pixels, and person scores [B, n] (0 where another class is likelier)."""
    rows, columns = box.shape[-2:]
    y, x = torch.meshgrid(
        torch.arange(rows, device=box.device), torch.arange(columns, device=box.device), indexing="ij"
    )
    box = box.float()
    center = (box[:, :2] + torch.stack([x, y])) * stride
    half = box[:, 2:].exp() * stride / 2
    classes = classes.float().sigmoid()
    best, label = classes.max(1)
    score = torch.where(label == PERSON, best * objectness[:, 0].float().sigmoid(), 0.0)
    return torch.cat([center - half, center + half], 1).flatten(2).transpose(1, 2), score.flatten(1)


def suppress_overlaps(people: People, *thresholds: float) -> People:
    """Greedy non-maximum suppression, once for each intersection-over-union threshold (0.65, then 0.7)."""
    for threshold in thresholds or (BOX_NMS_IOU, PEOPLE_NMS_IOU):
        waiting = np.arange(len(people.boxes))
        kept = []
        while len(waiting):
            best, waiting = waiting[0], waiting[1:]
            kept.append(best)
            waiting = waiting[_overlaps(people.boxes[best], people.boxes[waiting]) <= threshold]
        people = People(people.boxes[kept], people.scores[kept])
    return people


def _overlaps(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of a box [4] with others [n, 4]."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    shared = sides.clip(min=0).prod(1)
    union = (box[2:] - box[:2]).prod() + (others[:, 2:] - others[:, :2]).prod(1) - shared
    return shared / np.maximum(union, 1e-9)
