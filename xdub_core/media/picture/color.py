"""Colour tags of a video stream: what its numbers mean, as the container and the codec state it.

The numbers are those of ITU-T H.273, which FFmpeg uses as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

UNSPECIFIED = 2

BT709, SMPTE170M = 1, 6
LIMITED, FULL = 1, 2
_HDR_TRANSFERS = {16: "PQ (HDR10)", 18: "HLG"}

# Luma coefficients (Kr, Kb) by matrix number; the others (YCgCo, constant luminance) are not supported.
LUMA_COEFFICIENTS = {
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
}


@dataclass(frozen=True)
class ColorTags:
    """A stream's tags as H.273 numbers; `range` is 0 unspecified, 1 limited, 2 full; elsewhere 2 is unspecified."""

    matrix: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    primaries: int = UNSPECIFIED
    range: int = 0

    @property
    def hdr(self) -> str | None:
        """The kind of HDR ("PQ (HDR10)" or "HLG"), None for standard dynamic range."""
        return _HDR_TRANSFERS.get(self.transfer)


UNTAGGED = ColorTags()


def guessed_matrix(width: int, height: int) -> int:
    """The matrix that players assume where none is stated: BT.709 from 1280 wide or over 576 high, else BT.601."""
    return BT709 if width >= 1280 or height > 576 else SMPTE170M


@dataclass(frozen=True)
class YuvMeaning:
    """How YUV numbers are to be read: the matrix (a key of LUMA_COEFFICIENTS) and whether they are full range."""

    matrix: int
    full_range: bool


HD_VIDEO = YuvMeaning(BT709, full_range=False)


def yuv_meaning(tags: ColorTags, width: int, height: int) -> YuvMeaning:
    """What the tags mean for a picture of this (stored) size, with players' guesses where they say nothing."""
    stated = tags.matrix if tags.matrix in LUMA_COEFFICIENTS else None
    if tags.matrix == 10:
        stated = 9
    return YuvMeaning(stated or guessed_matrix(width, height), tags.range == FULL)


def tags_for_output(like: ColorTags | None, meaning: YuvMeaning | None, width: int, height: int) -> ColorTags:
    """Tags to write so that a player sees what was read.

    What the source left unspecified stays so, unless a player would guess another matrix for the output's size.

    Args:
        like: the source's tags; None for new pictures, which are tagged in full.
        meaning: what the source's numbers meant; None for new pictures and for RGB sources.
        width, height: the output's stored size.
    """
    guessed = guessed_matrix(width, height)
    if like is None:
        return ColorTags(guessed, guessed, guessed, LIMITED)
    if meaning is None:
        return ColorTags(guessed, like.transfer, like.primaries, LIMITED)
    matrix = like.matrix
    if matrix not in LUMA_COEFFICIENTS:
        matrix = UNSPECIFIED if meaning.matrix == guessed else meaning.matrix
    return ColorTags(matrix, like.transfer, like.primaries, like.range)
