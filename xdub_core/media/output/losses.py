"""What an output cannot hold of its source, said once and plainly, and what others may not play."""

from __future__ import annotations

import logging
from pathlib import Path

from xdub_core.media.output.encode_settings import EncodePlan
from xdub_core.media.picture.pixel_layout import PixelLayout, layout_of
from xdub_core.media.video.video_info import VideoInfo

log = logging.getLogger(__name__)

_FOR_EDITING = ("prores", "ffv1")


def warn_of_losses(path: Path, plan: EncodePlan, size: tuple[int, int], like: VideoInfo | None) -> None:
    """Log it: losses as warnings, the rest as information.

    Args:
        path: the output.
        plan: how it is encoded.
        size: width and height of its pictures.
        like: the source; None for pictures made from nothing.
    """
    if any(plan.padding):
        width, height = size[0] + plan.padding[1], size[1] + plan.padding[0]
        log.info("%s: padded by repetition to %dx%d, because its codec needs even sizes", path, width, height)
    if plan.drops_depth:
        log.warning("%s: written with 8 bits, dithered, though the source has more", path)
    layout = layout_of(plan.pixel_format)
    if plan.drops_chroma:
        log.warning(
            "%s: written with less colour detail than the source has (%s): %s has no other; use h264 or hevc",
            path,
            plan.pixel_format,
            plan.codec,
        )
    if plan.drops_alpha:
        log.warning(
            "%s: the source's transparency is lost; .webm keeps it, and so do --codec prores (.mov) and ffv1 (.mkv)",
            path,
        )
    if like is not None and like.sample_aspect_ratio != 1 and not plan.keeps_pixel_shape:
        log.warning(
            "%s: the source's pixels are not square, and %s in %s files does not say so: it will look squeezed or "
            "stretched; use h264 or hevc, in .mp4, .mov or .mkv",
            path,
            plan.codec,
            path.suffix,
        )
    if layout is not None and layout.chroma != "420" and plan.codec not in _FOR_EDITING:
        log.info(
            "%s: keeps the source's chroma (%s), which few players show; all show --pixel-format %s",
            path,
            plan.pixel_format,
            PixelLayout("420", layout.bits).name,
        )
