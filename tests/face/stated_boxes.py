"""The three cases of face boxes as released model §6 states them, step by step: the engine is held to them."""

from __future__ import annotations

import math

import numpy as np


def mean(series: np.ndarray, window: int) -> np.ndarray:
    """Centred moving mean over the frames that exist, in float32; series [frames, values]."""
    frames = len(series)
    while window > frames or window % 2 == 0:
        window -= 1
    result = np.empty(series.shape, np.float32)
    for t in range(frames):
        around = range(max(0, t - window // 2), min(frames, t + window // 2 + 1))
        for column in range(series.shape[1]):
            result[t, column] = math.fsum(float(series[i, column]) for i in around) / len(around)
    return result


def means(series: np.ndarray, *windows: int) -> np.ndarray:
    for window in windows:
        series = mean(series, window)
    return series


def savgol(series: np.ndarray) -> np.ndarray:
    """Parabolas fitted to 25 frames (3 to as many as there are), of the series held on at its ends; float32."""
    window = 25
    while window > max(3, len(series)):
        window -= 2
    half = window // 2
    held = np.concatenate([series[:1]] * half + [series] + [series[-1:]] * half).astype(np.float64)
    result = np.empty(series.shape, np.float32)
    for t in range(len(series)):
        place = np.arange(-half, half + 1)
        for column in range(series.shape[1]):
            result[t, column] = np.polyval(np.polyfit(place, held[t : t + window, column], 2), 0)
    return result


def stated_boxes(raw: np.ndarray, size: tuple[int, int]) -> tuple[int, np.ndarray]:
    """The case (1 still, 2 steady size, 3 otherwise) and its boxes, float64 [frames, 4], before integer edges."""
    width, height = size
    left, top, right, bottom = raw[:, 0].min(), raw[:, 1].min(), raw[:, 2].max(), raw[:, 3].max()
    far_x, far_y = 0.16 * (right - left), 0.16 * (bottom - top)
    if all(
        abs(box[0] - left) <= far_x
        and abs(box[2] - right) <= far_x
        and abs(box[1] - top) <= far_y
        and abs(box[3] - bottom) <= far_y
        for box in raw
    ):
        calm = mean(raw, 5).astype(np.float64)
        left, top, right, bottom = calm[:, 0].min(), calm[:, 1].min(), calm[:, 2].max(), calm[:, 3].max()
        side = min(max(right - left, bottom - top), width, height)
        box = pushed_inside((left + right) / 2, (top + bottom) / 2, side, size)
        return 1, np.array([box] * len(raw))
    widths = [box[2] - box[0] for box in raw]
    usual = math.fsum(widths) / len(widths)
    if all(abs(w - usual) <= 0.1 * usual for w in widths):
        calm = mean(raw, 5).astype(np.float64)
        centers = np.stack([(calm[:, 0] + calm[:, 2]) / 2, (calm[:, 1] + calm[:, 3]) / 2], axis=1)
        centers = means(savgol(mean(centers, 15)), 11, 7, 3).astype(np.float64)
        side = min((calm[:, 2] - calm[:, 0]).max(), width, height)
        return 2, np.array([pushed_inside(x, y, side, size) for x, y in centers])
    smooth = means(savgol(means(raw, 5, 11)), 7, 3).astype(np.float64)
    sides = np.minimum(smooth[:, 2] - smooth[:, 0], smooth[:, 3] - smooth[:, 1])[:, None]
    sides = mean(savgol(mean(sides, 11)), 7).astype(np.float64)[:, 0]
    boxes = []
    for (x, y, _, _), side in zip(smooth, sides, strict=True):
        x, y = max(x, 0.0), max(y, 0.0)
        side = min(side, width - x, height - y)
        boxes.append((x, y, x + side, y + side))
    boxes = means(np.array(boxes), 11, 7, 3).astype(np.float64)
    boxes[:, [0, 2]] = boxes[:, [0, 2]].clip(0, width)
    boxes[:, [1, 3]] = boxes[:, [1, 3]].clip(0, height)
    return 3, boxes


def pushed_inside(
    x: float, y: float, side: float, size: tuple[int, int]
) -> tuple[float, float, float, float]:
    """The square of `side` about (x, y), moved into the frame."""
    left = min(max(x - side / 2, 0), size[0] - side)
    top = min(max(y - side / 2, 0), size[1] - side)
    return left, top, left + side, top + side


def stated_integers(box: np.ndarray, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Integer edges of one box."""
    left = min(max(math.floor(box[0]), 0), size[0] - 1)
    top = min(max(math.floor(box[1]), 0), size[1] - 1)
    right = min(max(math.ceil(box[2]), left + 1), size[0])
    bottom = min(max(math.ceil(box[3]), top + 1), size[1])
    return left, top, right, bottom
