"""Drawing tools of the head renderer: where things are in a picture, filling outlines, light on surfaces.

Pictures are float32 [h, w, 3] RGB while they are drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from xdub_core.heads import head_surface
from xdub_core.heads.motion import Light, Pose

SUPERSAMPLING = 2


@dataclass(frozen=True)
class View:
    """The window of the scene that a picture shows.

    Attributes:
        box: left, top, right, bottom in scene units (head units around the head's mean place).
        width, height: of the picture, pixels; the box must have their proportions.
    """

    box: tuple[float, float, float, float]
    width: int
    height: int

    @property
    def scale(self) -> float:
        """Pixels to a scene unit."""
        return self.width / (self.box[2] - self.box[0])


class Frame:
    """Where things are in one drawing, in pixels of the supersampled picture.

    Attributes:
        size: (width, height) of the drawing.
        scene_scale, scene_origin: pixels to a scene unit, and the scene's origin in pixels.
        scale, centre: pixels to a head unit, and the head's middle in pixels.
        turn: [3, 3], object to camera.
        sx, sy: float32 [h / 4, w / 4], the geometry grid in head units around the head's middle.
    """

    coarse = 4  # drawing pixels to a point of the geometry grid

    def __init__(self, view: View, pose: Pose) -> None:
        self.pose = pose
        self.size = (view.width * SUPERSAMPLING, view.height * SUPERSAMPLING)
        self.scene_scale = view.scale * SUPERSAMPLING
        self.scene_origin = (-view.box[0] * self.scene_scale, -view.box[1] * self.scene_scale)
        self.scale = self.scene_scale * pose.scale
        self.centre = np.array(self.scene_origin) + np.array(pose.shift) * self.scene_scale
        self.turn = head_surface.rotation(pose)
        width, height = self.size[0] // self.coarse, self.size[1] // self.coarse
        columns = (np.arange(width, dtype=np.float32) + 0.5) * self.coarse
        rows = (np.arange(height, dtype=np.float32) + 0.5) * self.coarse
        sx = ((columns - self.centre[0]) / self.scale).astype(np.float32)
        sy = ((rows - self.centre[1]) / self.scale).astype(np.float32)
        self.sx, self.sy = np.meshgrid(sx, sy)

    def project(self, points: np.ndarray) -> np.ndarray:
        """Object points [n, 3] to drawing pixels [n, 2]."""
        return (points @ self.turn.T)[:, :2] * self.scale + self.centre

    def enlarge(self, grid: np.ndarray) -> np.ndarray:
        """A field on the geometry grid at every drawing pixel."""
        return cv2.resize(grid, self.size, interpolation=cv2.INTER_LINEAR)

    def from_scene(
        self,
        box: tuple[float, float, float, float],
        resolution: float,
        shift: tuple[float, float] = (0.0, 0.0),
        roll: float = 0.0,
    ) -> np.ndarray:
        """Affine matrix [2, 3] from a painting over `box` to the drawing, turned by `roll` around (0, 1.2)."""
        factor = self.scene_scale / resolution
        c, s = np.cos(roll), np.sin(roll)
        turn = np.array([[c, -s], [s, c]])
        pivot = np.array((0.0, 1.2))
        corner = turn @ (np.array(box[:2]) - pivot) + pivot + np.array(shift)
        offset = corner * self.scene_scale + np.array(self.scene_origin)
        return np.concatenate((turn * factor, offset[:, None]), axis=1)

    def paint(self, image: np.ndarray, points: np.ndarray, color: np.ndarray, opacity: float = 1.0) -> None:
        """Fill a polygon of drawing pixels."""
        mask = np.zeros(self.size[::-1], dtype=np.uint8)
        cv2.fillPoly(mask, [np.round((points - 0.5) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
        window = window_of(mask)
        image[window] += (color.astype(np.float32) - image[window]) * (
            share_of(mask[window]) * np.float32(opacity)
        )

    def ring(self, centre: np.ndarray, radius: float) -> np.ndarray:
        """A circle's outline [40, 2], radius in head units."""
        t = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        return centre + radius * self.scale * np.stack((np.cos(t), np.sin(t)), axis=1)

    def line(self, mask: np.ndarray, points: np.ndarray, width: float, closed: bool = False) -> None:
        """A line of a width in head units into a uint8 mask."""
        pixels = np.round((points - 0.5) * 16).astype(np.int32)
        cv2.polylines(mask, [pixels], closed, 255, max(1, round(width * self.scale)), cv2.LINE_AA, 4)


def three_channels(plane: np.ndarray) -> np.ndarray:
    """One plane as three channels (much faster to multiply by than a broadcast last axis)."""
    return cv2.merge((plane, plane, plane))


def tint(image: np.ndarray, color: np.ndarray) -> None:
    """Multiply a picture by one colour, in place."""
    rows = image.reshape(image.shape[0], -1)
    rows *= np.tile(color.astype(np.float32), image.shape[1])


def clip01(values: np.ndarray) -> np.ndarray:
    """Values held within 0..1."""
    return np.minimum(np.maximum(values, 0), 1)


def window_of(mask: np.ndarray) -> tuple[slice, slice]:
    """The part of a uint8 mask that is not zero."""
    left, top, width, height = cv2.boundingRect(mask)
    return slice(top, top + height), slice(left, left + width)


def share_of(mask: np.ndarray) -> np.ndarray:
    """uint8 coverage as float32 0..1, [h, w, 1]."""
    return (mask.astype(np.float32) * np.float32(1 / 255))[..., None]


def rounded(points: np.ndarray) -> np.ndarray:
    """A closed outline with its corners cut off three times (Chaikin)."""
    for _ in range(3):
        following = np.roll(points, -1, axis=0)
        points = np.stack(
            (0.75 * points + 0.25 * following, 0.25 * points + 0.75 * following), axis=1
        ).reshape(-1, 2)
    return points


def bumped_normals(normal: np.ndarray, height: np.ndarray, frame: Frame) -> np.ndarray:
    """Normals tilted by the slope of the relief."""
    slope = np.float32(frame.scale / frame.coarse / 8)
    bumped = normal.copy()
    bumped[..., 0] -= cv2.Sobel(height, cv2.CV_32F, 1, 0) * slope
    bumped[..., 1] -= cv2.Sobel(height, cv2.CV_32F, 0, 1) * slope
    bumped /= np.sqrt(np.einsum("...i,...i", bumped, bumped) + 1e-9)[..., None]
    return bumped


def shading(normal: np.ndarray, light: Light, gloss: float) -> np.ndarray:
    """Light on a surface: wrapped key light, light from above, a little gloss; float32 [h, w, 3]."""
    direction = np.array(light.direction, dtype=np.float32)
    facing = normal @ direction
    diffuse = np.clip((facing + 0.25) / 1.25, 0, 1)
    half = direction + np.array((0, 0, 1), dtype=np.float32)
    half /= np.linalg.norm(half)
    shine = np.clip(normal @ half, 0, 1) ** 24
    above = 0.82 - 0.18 * normal[..., 1]
    rim = 1 - 0.25 * (1 - np.clip(normal[..., 2], 0, 1)) ** 2
    key, ambient = np.array(light.key, dtype=np.float32), np.array(light.ambient, dtype=np.float32)
    shade = diffuse[..., None] * key + above[..., None] * ambient
    shade *= rim[..., None]
    return (shade * 1.04 + (gloss * shine)[..., None] * key).astype(np.float32)
