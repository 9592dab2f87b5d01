"""What a pixel format can hold, whatever order its samples are stored in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import av

_CHROMA = {(8, 8): "420", (8, 16): "422", (16, 16): "444", (4, 16): "411", (16, 8): "440", (4, 4): "410"}
_DIVISORS = {"420": (2, 2), "422": (2, 1), "444": (1, 1), "411": (4, 1), "440": (1, 2), "410": (4, 4)}
_TURNED = {"422": "440", "440": "422"}
_FULL_SAMPLES = 16


@dataclass(frozen=True)
class PixelLayout:
    """Luma and chroma of a pixel format.

    Attributes:
        chroma: how many chroma samples there are, as everybody writes it without the colons ("420"); "gray" for none.
        bits: of a sample.
        alpha: whether there is transparency.
    """

    chroma: str
    bits: int
    alpha: bool = False

    @property
    def name(self) -> str:
        """FFmpeg's name of the format that stores these as planes; it may not have all."""
        deep = f"{self.bits}le" if self.bits > 8 else ""
        if self.chroma == "gray":
            return f"gray{deep}"
        return f"yuv{'a' if self.alpha else ''}{self.chroma}p{deep}"

    @property
    def divisors(self) -> tuple[int, int]:
        """How many pixels in a row, and how many rows, share one chroma sample."""
        return _DIVISORS.get(self.chroma, (1, 1))

    @property
    def turned(self) -> PixelLayout:
        """The layout of the picture with rows and columns exchanged."""
        return PixelLayout(_TURNED.get(self.chroma, self.chroma), self.bits, self.alpha)


@cache
def layout_of(pixel_format: str) -> PixelLayout | None:
    """The layout of a format of luma and chroma, planar or packed; None for RGB, palettes, floats and the like."""
    form = av.VideoFormat(pixel_format, _FULL_SAMPLES, _FULL_SAMPLES)
    samples = [component for component in form.components if not component.is_alpha]
    bits = max(sample.bits for sample in samples)
    if form.is_rgb or form.has_palette or not 8 <= bits <= 16 or pixel_format.startswith("xyz"):
        return None
    alpha = any(component.is_alpha for component in form.components)
    if len(samples) == 1:
        return PixelLayout("gray", bits, alpha)
    chroma = _CHROMA.get((form.chroma_width(_FULL_SAMPLES), form.chroma_height(_FULL_SAMPLES)))
    return None if chroma is None else PixelLayout(chroma, bits, alpha)


def chroma_of(pixel_format: str) -> str | None:
    """`PixelLayout.chroma` of a format; None where it has no such layout."""
    layout = layout_of(pixel_format)
    return None if layout is None else layout.chroma


def format_has_alpha(pixel_format: str) -> bool:
    """Whether a format has an alpha channel; the colours of a palette may have one."""
    form = av.VideoFormat(pixel_format, _FULL_SAMPLES, _FULL_SAMPLES)
    return form.has_palette or any(component.is_alpha for component in form.components)


def bits_of(form: av.VideoFormat) -> int:
    """Bits of a format's deepest sample."""
    return max(component.bits for component in form.components)


def is_pixel_format(name: str) -> bool:
    """Whether FFmpeg knows a pixel format of this name."""
    try:
        av.VideoFormat(name, 16, 16)
    except ValueError:
        return False
    return True
