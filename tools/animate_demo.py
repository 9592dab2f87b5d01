"""Make the README's animated picture of the demo: the face before and after, and where in the recording it is.

    python tools/animate_demo.py    # writes docs/pictures/demo.webp, and runs the demo where out/demo.mp4 is not there

The frames are those of the sample's video and of what `python -m xdub_core demo` made of it, cropped and enlarged.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np

from xdub_core.audio.recording import open_recording
from xdub_core.cli.demo import SAMPLE, run_demo
from xdub_core.face.track import track_faces
from xdub_core.files import write_whole
from xdub_core.media.video.reader import VideoReader
from xdub_core.mini.loading import load_mini

PACK = Path(__file__).resolve().parents[1]
SIDE, GAP, TITLE, STRIP = 296, 8, 30, 74  # pixels
PAPER, INK, FAINT, PLAYED = (24, 24, 27), (235, 235, 235), (120, 120, 128), (96, 165, 250)  # RGB
FONT = cv2.FONT_HERSHEY_SIMPLEX


def main() -> None:
    """Write the picture."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--dub", type=Path, default=PACK / "out" / "demo.mp4", help="what the demo wrote")
    options.add_argument("--out", type=Path, default=PACK / "docs" / "pictures" / "demo.webp")
    options.add_argument("--quality", type=int, default=84, help="of WebP, 0 to 100")
    given = options.parse_args()
    if not given.dub.exists():
        run_demo(given.dub)
    window = face_window(SAMPLE / "source.mp4")
    sides = zip(crops(SAMPLE / "source.mp4", window), crops(given.dub, window), strict=True)
    loudness = levels(SAMPLE / "recording.wav", 2 * SIDE + GAP)
    said = " ".join(json.loads((SAMPLE / "scene.json").read_text(encoding="utf-8"))["recording_says"])
    shown = list(sides)
    pictures = [panel(*pair, loudness, said, (n + 0.5) / len(shown)) for n, pair in enumerate(shown)]
    given.out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(given.out, lambda part: write_webp(part, pictures, given.quality))


def face_window(video: Path) -> tuple[slice, slice]:
    """Rows and columns of a square that holds the face throughout."""
    with VideoReader(video) as reader:
        index = reader.timeline.source_index
        boxes = np.asarray(track_faces(reader.frames(index), load_mini().detector).boxes)
        height, width = reader.info.height, reader.info.width
    left, top = boxes[:, :2].min(axis=0)
    right, bottom = boxes[:, 2:].max(axis=0)
    side = int(min(max(right - left, bottom - top), height, width))
    x = int(np.clip((left + right - side) / 2, 0, width - side))
    y = int(np.clip((top + bottom - side) / 2, 0, height - side))
    return slice(y, y + side), slice(x, x + side)


def crops(video: Path, window: tuple[slice, slice]) -> Iterator[np.ndarray]:
    """Every frame's face, [SIDE, SIDE, 3] in RGB."""
    with VideoReader(video) as reader:
        for frame in reader.frames(reader.timeline.source_index):
            yield cv2.resize(np.ascontiguousarray(frame[window]), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)


def levels(recording: Path, columns: int) -> np.ndarray:
    """Loudness of the recording for each column, from 0 to 1."""
    with open_recording(recording) as sound:
        samples = np.concatenate([np.asarray(block).reshape(-1) for block in sound.blocks()])
    peaks = np.array([np.sqrt(np.mean(part**2)) for part in np.array_split(samples, columns)])
    return peaks / peaks.max()


def panel(before: np.ndarray, after: np.ndarray, loudness: np.ndarray, said: str, time: float) -> np.ndarray:
    """One picture; `time` is from 0, where the recording begins, to 1."""
    width = 2 * SIDE + GAP
    picture = np.full((TITLE + SIDE + STRIP, width, 3), PAPER, np.uint8)
    for x, title, face in ((0, "before", before), (SIDE + GAP, "after", after)):
        cv2.putText(picture, title, (x + 8, 21), FONT, 0.55, INK, 1, cv2.LINE_AA)
        picture[TITLE : TITLE + SIDE, x : x + SIDE] = face
    middle, now = TITLE + SIDE + 28, int(time * width)
    for x, level in enumerate(loudness):
        reach = 1 + int(20 * level)
        picture[middle - reach : middle + reach, x] = PLAYED if x <= now else FAINT
    cv2.putText(picture, f'"{said}"', (8, TITLE + SIDE + STRIP - 8), FONT, 0.43, INK, 1, cv2.LINE_AA)
    return picture


def write_webp(path: Path, pictures: list[np.ndarray], quality: int) -> None:
    """An animated WebP that repeats for ever, 25 pictures a second."""
    with av.open(str(path), "w", format="webp", options={"loop": "0"}) as container:
        stream = container.add_stream("libwebp_anim", rate=25)
        stream.options = {"quality": str(quality), "compression_level": "6", "preset": "picture"}
        stream.pix_fmt = "yuv420p"
        stream.height, stream.width = pictures[0].shape[:2]
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


if __name__ == "__main__":
    main()
