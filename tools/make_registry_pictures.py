"""Draw the pack's icon and banner for ComfyUI Registry: a rendered head that says two different sounds.

    python tools/make_registry_pictures.py    # writes docs/pictures/icon.png and docs/pictures/banner.png

The registry takes an icon of 400 x 400 pixels at most, and a banner of 21:9.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from xdub_core.files import write_whole
from xdub_core.heads.demo_sample import DemoScene
from xdub_core.heads.performance import Performance, SceneCamera, make_performance, render
from xdub_core.heads.person import make_person
from xdub_core.heads.visemes import PhonemeInterval, mouth_track

PICTURES = Path(__file__).resolve().parents[1] / "docs" / "pictures"
ICON, BANNER = 400, (1680, 720)  # pixels
PAPER, INK, FAINT, SOUND = (24, 24, 27), (240, 240, 240), (150, 150, 160), (96, 165, 250)  # RGB
FONT = cv2.FONT_HERSHEY_DUPLEX
CLOSED, OPEN = "m", "\N{LATIN SMALL LETTER ALPHA}"


def main() -> None:
    """Write both pictures."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--out", type=Path, default=PICTURES, help="folder")
    out = options.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    for name, picture in (("icon", icon()), ("banner", banner())):
        write_whole(out / f"{name}.png", lambda part, picture=picture: write_png(part, picture))


def icon() -> np.ndarray:
    """uint8 [400, 400, 3]: the head, and the recording that it speaks."""
    picture = head(OPEN, ICON, ICON, 0.62)
    darken(picture, ICON - 92)
    sound(picture, 30, ICON - 30, ICON - 46, 62, bars=17)
    return picture


def banner() -> np.ndarray:
    """uint8 [720, 1680, 3]: what the head said, the recording, what it says."""
    width, height = BANNER
    picture = np.full((height, width, 3), PAPER, np.uint8)
    side = 520
    for left, phoneme, told in ((70, CLOSED, "video"), (width - 70 - side, OPEN, "the same video, dubbed")):
        picture[60 : 60 + side, left : left + side] = head(phoneme, side, side, 0.62)
        write(picture, told, left + side // 2, 640, 1.0, FAINT)
    sound(picture, 70 + side + 50, width - 70 - side - 50, 380, 210, bars=25)
    write(picture, "X-Dub", width // 2, 200, 3.2, INK, 5)
    write(picture, "recording", width // 2, 640, 1.0, FAINT)
    return picture


def head(phoneme: str, width: int, height: int, share: float) -> np.ndarray:
    """uint8 [height, width, 3]: the demonstration's person in the middle of a sound; `share` of the height is head."""
    scene = DemoScene()
    said = mouth_track([PhonemeInterval(0.0, 1.0, phoneme)], 25)
    whole: Performance = make_performance(make_person(scene.identity), said, scene.seed, hard=0.0)
    at = 12
    still = replace(whole, mouth=whole.mouth[: at + 1])
    return render(still, at, at + 1, SceneCamera(width, height, share)).frames[0].copy()


def darken(picture: np.ndarray, top: int) -> None:
    """Let the picture's foot, from row `top`, fall into dark, so that what is drawn there stands out."""
    foot = picture[top:]
    share = np.linspace(0.25, 0.9, len(foot))[:, None, None]
    foot[:] = (foot * (1 - share) + np.array(PAPER) * share).astype(np.uint8)


def sound(picture: np.ndarray, left: int, right: int, middle: int, height: int, bars: int) -> None:
    """Loudness as bars about a row: syllables that come and go."""
    places = np.linspace(left, right, bars)
    loudness = 0.16 + 0.84 * np.abs(
        np.sin(places / (right - left) * 9.4) * np.cos(places / (right - left) * 4.1)
    )
    thickness = max(4, round((right - left) / bars * 0.5))
    for place, loud in zip(places, loudness, strict=True):
        ends = [(round(place), round(middle + sign * loud * height / 2)) for sign in (-1, 1)]
        cv2.line(picture, *ends, SOUND, thickness, cv2.LINE_AA)


def write(
    picture: np.ndarray, text: str, x: int, y: int, size: float, color: tuple[int, int, int], weight: int = 2
) -> None:
    """A line of text centred at x, its foot at y."""
    (width, _), _ = cv2.getTextSize(text, FONT, size, weight)
    cv2.putText(picture, text, (x - width // 2, y), FONT, size, color, weight, cv2.LINE_AA)


def write_png(path: Path, picture: np.ndarray) -> None:
    """RGB uint8 [h, w, 3] as a PNG file, whatever the file's name ends in."""
    path.write_bytes(cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes())


if __name__ == "__main__":
    main()
