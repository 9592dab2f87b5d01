"""Draws a synthetic head: one picture and its annotation from a person, a pose, a light and a mouth.

Geometry is computed on a grid of a quarter of the drawing's size and enlarged; paintings are fetched at the
drawing's full size; the drawing is twice the picture's size and averaged down. Everything is deterministic, and
nothing but the jaw and the mouth depends on the mouth's parameters.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from xdub_core.heads import annotation, attachments, head_paint, head_surface, mouth_paint, scenery
from xdub_core.heads.attachments import HANGING
from xdub_core.heads.drawing import (
    Frame,
    View,
    bumped_normals,
    clip01,
    shading,
    share_of,
    three_channels,
    tint,
    window_of,
)
from xdub_core.heads.eye_paint import EyePainter
from xdub_core.heads.head_surface import HeadShape, Surface
from xdub_core.heads.motion import Light, Pose
from xdub_core.heads.person import Person


@dataclass(frozen=True)
class HeadPicture:
    """One drawn picture and its annotation; boxes and points in its pixels (continuous edges).

    Attributes:
        image: uint8 [h, w, 3].
        landmarks: float32 [points, 2], named by `mini.labels.LANDMARK_NAMES`.
        face_box: xyxy float32, brows to chin with the jaw at rest: does not depend on the speech.
        mouth_box: xyxy float32 of the lips.
        face_mask, jaw_mask, occluder_mask: bool [h, w]; jaw_mask is the lower face with the jaw at its lowest.
    """

    image: np.ndarray
    landmarks: np.ndarray
    face_box: np.ndarray
    mouth_box: np.ndarray
    face_mask: np.ndarray
    jaw_mask: np.ndarray
    occluder_mask: np.ndarray


class HeadRenderer:
    """Draws one person. Not shared between threads.

    Args:
        person: the person.
        background: seed of the background.
        resolution: pixels of the paintings to a head unit; about twice `View.scale` is sharp enough.
    """

    def __init__(self, person: Person, background: int, resolution: float = 110.0) -> None:
        self.person = person
        self.resolution = resolution
        canvas = head_paint.Canvas(resolution)
        self._skin = head_paint.paint_skin(person, canvas)
        self._relief = head_paint.paint_relief(person, canvas)
        self._hair = head_paint.paint_hair(person, canvas)
        self._hair_bottom = head_paint.lowest_row(self._hair, canvas)
        self._eyes = EyePainter(person, canvas)
        self._mouth = mouth_paint.MouthPainter(person, resolution * 1.1)
        self._body = scenery.paint_body(person, resolution * 0.6)
        self._background = scenery.paint_background(background, resolution * 0.4)
        self._shape = HeadShape.of(person)
        volume = person.hair_volume * (2.6 if person.hair_style == "afro" else 1.0)
        self._hair_shape = HeadShape.of(person, max(volume, 0.05))

    def draw(
        self,
        pose: Pose,
        light: Light,
        mouth: np.ndarray,
        view: View,
        occluder: scenery.Occluder | None = None,
        seconds: float = 0.0,
        behind: np.ndarray | None = None,
    ) -> HeadPicture:
        """The picture at one moment. `mouth` is a row of a mouth track [8]; `seconds` moves the occluder.

        The view's size must be even. `behind`: a picture uint8 [h, w, 3] of that size that takes the background's
        place; what the person does not cover of it stays as it is.
        """
        frame = Frame(view, pose)
        jaw = float(np.clip(mouth_paint.named(mouth)["jaw"] * self.person.expressiveness, 0, 1))
        image = self._scene(frame, light, behind)
        attachments.paint_ears(self.person, image, frame, light)
        surface = head_surface.cast(self._shape, frame.turn, frame.sx, frame.sy, jaw)
        cover = self._head(image, frame, surface, pose, light, mouth)
        if self._hair is not None:
            self._hair_layer(image, frame, light, self._hair, surface.inside)
        attachments.paint_accessories(self.person, image, frame, light)
        occluded = self._occlude(image, frame, occluder, seconds, light)
        small = cv2.resize(image, (view.width, view.height), interpolation=cv2.INTER_AREA)
        picture = cv2.convertScaleAbs(np.maximum(small, 0), alpha=255.0)
        shrink = lambda mask: cv2.resize(mask, (view.width, view.height), interpolation=cv2.INTER_AREA)  # noqa: E731
        face_mask = shrink(cover) > 0.5
        landmarks, face_box = annotation.landmarks_and_face_box(self.person, self._shape, frame, mouth, jaw)
        lips = landmarks[:8]
        return HeadPicture(
            picture,
            landmarks,
            face_box,
            np.concatenate((lips.min(axis=0), lips.max(axis=0))).astype(np.float32),
            face_mask,
            annotation.jaw_mask(self.person, self._shape, frame, view),
            shrink(occluded) > 0,
        )

    # -- layers, from back to front ------------------------------------------------------------------------------

    def _scene(self, frame: Frame, light: Light, behind: np.ndarray | None) -> np.ndarray:
        """Background, then hair behind the shoulders, then neck and shoulders."""
        strength = np.array(light.ambient) + 0.55 * np.array(light.key)
        if behind is None:
            image = self._lit_background(frame, strength)
        else:
            enlarged = cv2.resize(behind, frame.size, interpolation=cv2.INTER_NEAREST)
            image = enlarged.astype(np.float32) / 255
        attachments.paint_back_hair(self.person, image, frame, strength)
        drift = (0.45 * frame.pose.shift[0], 0.3 * frame.pose.shift[1])
        to_frame = frame.from_scene(scenery.BODY_BOX, self.resolution * 0.6, drift, 0.25 * frame.pose.roll)
        first = int((scenery.BODY_BOX[1] + 0.4) * frame.scene_scale + frame.scene_origin[1])
        top = max(0, min(frame.size[1] - 2, first))
        to_frame[1, 2] -= top
        lower = (frame.size[0], frame.size[1] - top)
        body = cv2.warpAffine(self._body, to_frame, lower, flags=cv2.INTER_LINEAR)
        color = cv2.cvtColor(body, cv2.COLOR_RGBA2RGB)
        tint(color, strength)
        image[top:] *= 1 - three_channels(body[..., 3])
        image[top:] += np.asarray(color)
        return image

    def _lit_background(self, frame: Frame, strength: np.ndarray) -> np.ndarray:
        to_frame = frame.from_scene(scenery.BACKGROUND_BOX, self.resolution * 0.4)
        image = cv2.warpAffine(
            self._background, to_frame, frame.size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
        )
        tint(image, 0.55 + 0.45 * strength)
        return np.asarray(image)

    def _head(
        self,
        image: np.ndarray,
        frame: Frame,
        surface: Surface,
        pose: Pose,
        light: Light,
        mouth: np.ndarray,
    ) -> np.ndarray:
        """The face; returns its coverage [h, w]."""
        arc, rest_y, height = self._relieve(surface, frame)
        skin = self._skin.copy()
        self._eyes.paint(skin, pose)
        color = self._fetch(skin, arc, rest_y, frame)
        normal = bumped_normals(surface.normal, height, frame)
        shade = shading(normal, light, 0.10 if self.person.style == "cartoon" else 0.16)
        self._mouth_layer(color, frame, arc, surface.y + (rest_y - surface.rest_y), mouth)
        color *= frame.enlarge(shade)
        cover = clip01(frame.enlarge(surface.inside) * frame.scale + 0.5)
        if self.person.style == "cartoon":
            edge = np.clip(frame.enlarge(surface.inside / 0.035), 0.25, 1)
            color *= three_channels(edge)
        image += np.asarray((color - image) * three_channels(cover), dtype=np.float32)
        return cover

    def _relieve(self, surface: Surface, frame: Frame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Painter's coordinates seen through the relief (parallax of the nose), and the height there."""
        first = self._sample_relief(surface.arc, surface.rest_y)
        rows, columns = np.indices(first.shape, dtype=np.float32)
        step = first * np.float32(frame.scale / frame.coarse)
        map_x = columns - step * surface.normal[..., 0]
        map_y = rows - step * surface.normal[..., 1]
        arc = cv2.remap(surface.arc, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        moved = cv2.remap(surface.rest_y, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return arc, moved, self._sample_relief(arc, moved)

    def _sample_relief(self, arc: np.ndarray, y: np.ndarray) -> np.ndarray:
        map_x, map_y = _canvas_pixels(arc, y, self.resolution)
        return cv2.remap(self._relief, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    def _fetch(self, painting: np.ndarray, arc: np.ndarray, y: np.ndarray, frame: Frame) -> np.ndarray:
        map_x, map_y = (frame.enlarge(grid) for grid in _canvas_pixels(arc, y, self.resolution))
        return cv2.remap(painting, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    def _mouth_layer(
        self, color: np.ndarray, frame: Frame, arc: np.ndarray, y: np.ndarray, mouth: np.ndarray
    ) -> None:
        """The mouth over the skin, in place; `y` is not taken back to rest: the painted lips move by themselves."""
        left, top, right, bottom = mouth_paint.PATCH_BOX
        middle = self.person.mouth_y
        edge_x = np.array([left, 0, right, left, 0, right, left, right, 0])
        edge_y = np.array([top, top, top, bottom, bottom, bottom, 0, 0, 0]) + middle
        corners = frame.project(head_surface.point_on(self._shape, edge_x, np.minimum(edge_y, 0.93)))
        low, high = corners.min(axis=0) - 8, corners.max(axis=0) + 8 + 0.2 * frame.scale
        c0, r0 = (max(0, int(v)) // frame.coarse * frame.coarse for v in low)
        c1 = min(frame.size[0], int(high[0]) // frame.coarse * frame.coarse)
        r1 = min(frame.size[1], int(high[1]) // frame.coarse * frame.coarse)
        if c1 - c0 < 8 or r1 - r0 < 8:
            return
        window = (slice(r0, r1), slice(c0, c1))
        resolution = self._mouth.resolution
        map_x = (frame.enlarge(arc)[window] - left) * resolution - 0.5
        map_y = (frame.enlarge(y)[window] - (middle + top)) * resolution - 0.5
        layer = cv2.remap(
            self._mouth.paint(mouth), map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT
        )
        color[window] *= 1 - three_channels(layer[..., 3])
        color[window] += cv2.cvtColor(layer, cv2.COLOR_RGBA2RGB)

    def _hair_layer(
        self, image: np.ndarray, frame: Frame, light: Light, painting: np.ndarray, head: np.ndarray
    ) -> None:
        """Hair or a hat; `head` is the distance inside the head's own outline."""
        shell = head_surface.cast(self._hair_shape, frame.turn, frame.sx, frame.sy)
        map_x, map_y = _canvas_pixels(shell.arc / self._hair_shape.size, shell.rest_y, self.resolution)
        inside = shell.inside
        if self.person.hair_style not in HANGING:  # hair lies closer to the head the lower it is
            room = 0.03 + self._hair_shape.inflate * clip01((-0.25 - shell.y) * 2.2)
            inside = np.minimum(inside, head + room)
        lowest = self._hair_bottom
        rows = np.flatnonzero(((inside > -0.1) & (shell.rest_y < lowest)).any(axis=1))
        if not len(rows):
            return
        part = slice(0, min(len(map_x), int(rows[-1]) + 3))
        stop = part.stop * frame.coarse

        def enlarge(grid: np.ndarray) -> np.ndarray:
            return cv2.resize(grid[part], (frame.size[0], stop), interpolation=cv2.INTER_LINEAR)

        layer = cv2.remap(
            painting, enlarge(map_x), enlarge(map_y), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        cover = clip01(enlarge(inside) * frame.scale + 0.5) * layer[..., 3]
        color = cv2.cvtColor(layer, cv2.COLOR_RGBA2RGB) * enlarge(shading(shell.normal, light, 0.22))
        image[:stop] += (color - image[:stop]) * three_channels(cover)

    def _occlude(
        self,
        image: np.ndarray,
        frame: Frame,
        occluder: scenery.Occluder | None,
        seconds: float,
        light: Light,
    ) -> np.ndarray:
        cover = np.zeros(image.shape[:2], dtype=np.float32)
        drawn = occluder and scenery.draw_occluder(
            occluder, seconds, frame.scene_origin, frame.scene_scale, frame.size
        )
        if drawn:
            strength = (np.array(light.ambient) + 0.55 * np.array(light.key)).astype(np.float32)
            window = window_of(drawn[1])
            share = share_of(drawn[1][window])
            cover[window] = share[..., 0]
            image[window] *= 1 - share
            image[window] += drawn[0][window].astype(np.float32) * (strength / 255)
        return cover


def _canvas_pixels(arc: np.ndarray, y: np.ndarray, resolution: float) -> tuple[np.ndarray, np.ndarray]:
    left, top = head_paint.CANVAS_BOX[:2]
    return (arc - left) * np.float32(resolution) - 0.5, (y - top) * np.float32(resolution) - 0.5
