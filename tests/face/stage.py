"""A drawn video of plain coloured faces, and the detector that finds them."""

import cv2
import numpy as np

from xdub_core.face.detector import detection_from_keypoints
from xdub_core.face.people import track_people

WIDTH, HEIGHT = 320, 180
COLORS = {"red": (200, 60, 50), "blue": (40, 60, 200), "green": (60, 180, 70)}
FEATURES = {
    "red": ((-0.25, -0.2), (0.25, -0.2), (0, 0.3)),
    "blue": ((-0.15, -0.3), (0.15, -0.3), (-0.15, 0.2), (0.15, 0.2)),
    "green": ((-0.3, 0), (0.3, 0), (0, 0.4), (0, -0.4)),
}
"""What is drawn on a face: places in its sides from its middle."""
PATTERN = np.random.default_rng(0).uniform(-0.5, 0.5, (134, 2))


class Stage:
    """A video of plain coloured faces, and the detector that finds them: per frame {color: (x, y, side)}."""

    def __init__(self, frames, backdrops=None):
        self.faces = frames
        self.backdrops = backdrops or [0] * len(frames)

    def frames(self):
        for faces, backdrop in zip(self.faces, self.backdrops, strict=True):
            tiles = np.random.default_rng(backdrop).integers(0, 120, (9, 16, 3), np.uint8)
            picture = tiles.repeat(HEIGHT // 9, 0).repeat(WIDTH // 16, 1)
            for color, (x, y, side) in faces.items():
                body, head = (x, y + 1.5 * side), (x, y)
                for place, shade in ((body, 0.6), (head, 1.0)):
                    low, high = np.array(place) - 0.75 * side, np.array(place) + 0.75 * side
                    rows, columns = (
                        slice(max(0, int(a)), max(0, int(b)))
                        for a, b in zip(low[::-1], high[::-1], strict=True)
                    )
                    picture[rows, columns] = np.array(COLORS[color]) * shade
                for across, down in FEATURES[color]:
                    cv2.circle(
                        picture,
                        (round(x + across * side), round(y + down * side)),
                        round(side / 9),
                        (20,) * 3,
                        -1,
                    )
            yield picture

    def detect(self, frames, numbers=None):
        return [faces[0] if faces else None for faces in self.detect_all(frames, numbers)]

    def detect_all(self, frames, numbers=None):
        return [[self.detection(*face) for face in self.faces[number].values()] for number in numbers]

    @staticmethod
    def detection(x, y, side):
        keypoints = np.ones((134, 3))
        keypoints[:, :2] = (x, y) + PATTERN * side
        return detection_from_keypoints(keypoints)

    def people(self, **options):
        return track_people(self.frames(), self, **options)
