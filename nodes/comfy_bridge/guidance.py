"""Guidance along curves that were drawn in ComfyUI's curve and range widgets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xdub_core.errors import SettingsError
from xdub_core.sampling.clip_sampling import SamplerSettings
from xdub_core.sampling.drawn_curve import DrawnCurve, DrawnGuidance, Interpolation, histogram
from xdub_core.sampling.guidance import Guidance


def drawn_guidance(reference_scale: float, audio_scale: float, drawn: Mapping[str, Any]) -> Guidance:
    """Guidance of these scales, and of the `reference` and `audio` (CURVE) and the `window` (RANGE) that are drawn.

    What is missing is as the released model has it. Raises SettingsError for what is no curve or no range.
    """
    lowest, highest = range_of(drawn.get("window", {"min": 0.0, "max": 1.0}))
    curves = DrawnGuidance(*(curve_of(drawn.get(name)) for name in ("reference", "audio")))
    return Guidance(reference_scale, audio_scale, curve=curves, start=highest, end=lowest)


def curve_of(drawn: Any) -> DrawnCurve | None:
    """A CURVE as the curve widget gives it: {"points": [[x, y], ...], "interpolation": ...}; None for none."""
    if drawn is None:
        return None
    try:
        points = tuple((float(x), float(y)) for x, y in drawn["points"])
        return DrawnCurve(points, Interpolation(drawn.get("interpolation", Interpolation.MONOTONE)))
    except (AttributeError, KeyError, TypeError, ValueError):
        raise SettingsError(f"{drawn!r:.60} is no curve: draw one in Guidance (X-Dub)") from None


def range_of(drawn: Any) -> tuple[float, float]:
    """The lowest and the highest noise level of a RANGE as the range widget gives it: {"min": ..., "max": ...}."""
    try:
        lowest, highest = float(drawn["min"]), float(drawn["max"])
    except (KeyError, TypeError, ValueError):
        raise SettingsError(f'{drawn!r:.60} is no range: give it as {{"min": 0.4, "max": 0.8}}') from None
    if not 0 <= lowest <= highest <= 1:
        raise SettingsError(
            f"a range of noise levels from {lowest} to {highest}: choose them in 0 to 1, the lower first"
        )
    return lowest, highest


def steps_behind() -> dict[str, list[int]]:
    """What the curve widget shows behind a curve: where the released model's steps lie."""
    return {"histogram": histogram(SamplerSettings().sigmas[:-1].tolist())}
