"""A report's pictures that are drawn: lips against sound, guidance over the noise, a wipe of two stills."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

import numpy as np

from xdub_core.report.guidance import ReportedGuidance
from xdub_core.report.lips import SyncCurve
from xdub_core.report.words import clock

_WIDTH, _HEIGHT = 1000, 60
_MOST_POINTS = 900
"""Of a longer curve the largest value of each stretch is drawn."""


def sync_plot(curve: SyncCurve, name: str) -> str:
    """Loudness as ground, the source's lips thin, the dub's bold: SVG and what it means in words."""
    lines = "".join(
        f'<path class="{kind}" d="{_path(values, closed=kind == "sound")}"/>'
        for kind, values in (("sound", curve.loudness), ("before", curve.before), ("after", curve.after))
    )
    points = _reduced(curve.after)[1]
    return (
        f"<p><b>{escape(name)}</b> <span class=quiet>{escape(sync_in_words(curve))}</span></p>"
        f'<svg class="sync" viewBox="0 0 {points} {_HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="lips and sound of {escape(name)}">{lines}</svg>'
        f"<div class=\"ends\"><span>{clock(0)}</span><span>blue: the dub's lips, thin: the source's, grey ground: "
        f"loudness</span><span>{clock(len(curve.after) / curve.rate)}</span></div>"
    )


def sync_in_words(curve: SyncCurve) -> str:
    """How lips and sound go together."""
    if curve.correlation is None:
        return "too short to say how lips and sound go together"
    chance = "" if curve.correlation_before is None else f" (the source's: {curve.correlation_before:.2f})"
    told = f"{curve.measure} of the mouth and loudness: correlation {curve.correlation:.2f}{chance}"
    if curve.lag_frames is None:
        return f"{told}, no lag that stands out"
    return f"{told} with the lips {curve.lag_frames / curve.rate:+.2f} s after the sound"


def guidance_plot(guidance: ReportedGuidance) -> str:
    """Both scales over the noise, each against its own greatest value, and the steps on them: SVG and its legend."""
    columns = {
        "reference": [each.reference for each in guidance.line],
        "audio": [each.audio for each in guidance.line],
    }
    most = {name: max([1e-6, *values]) for name, values in columns.items()}
    noise = [each.sigma for each in guidance.line]
    lines = "".join(
        f'<path class="{name}" d="M{" L".join(map(_point, noise, (value / most[name] for value in values)))}"/>'
        for name, values in columns.items()
    )
    ticks = "".join(
        f'<path class="tick" d="M{_across(each.sigma)} {_HEIGHT} v-{4 * each.predictions + 1}"/>'
        for each in guidance.steps
    )
    experts = "; ".join(
        f"{band.name}, strength {band.strength:g}, acts from noise {band.highest:g} to {band.lowest:g}"
        for band in guidance.experts
    )
    return (
        f'<svg class="guidance" viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="guidance over the noise">{_unguided(guidance.window)}{ticks}{lines}</svg>'
        f'<div class="ends"><span>noise 1, where sampling begins</span><span>0</span></div>'
        f"<p class=quiet>Blue: reference, up to {most['reference']:.3g}; orange: audio, up to {most['audio']:.3g}; a "
        f"tick for each step, as high as its predictions are many.</p>"
        + (f"<p class=quiet>{escape(experts)}</p>" if experts else "")
    )


def _unguided(window: tuple[float, float]) -> str:
    start, end = window
    return "".join(
        f'<rect class="left" x="{_across(high)}" y="0" width="{_WIDTH * (high - low):.1f}" height="{_HEIGHT}"/>'
        for high, low in ((1.0, start), (end, 0.0))
        if high > low
    )


def _across(sigma: float) -> str:
    return f"{_WIDTH * (1 - sigma):.1f}"


def _point(sigma: float, share: float) -> str:
    return f"{_across(sigma)} {(_HEIGHT - 2) * (1 - 0.94 * share) + 1:.1f}"


def wipe(before: str, after: str, words: str) -> str:
    """Two stills of one size over each other: scrolling sideways (keys, wheel, swipe) uncovers the source's from the
    right. Without a script."""
    if not before.startswith("data:image/") or not after.startswith("data:image/"):
        return ""
    pictures = (("below", before, "before"), ("above", after, "after"))
    shown = "".join(
        f'<span class="{place}"><img src="{escape(source)}" alt="{escape(words)}, {when}"></span>'
        for place, source, when in pictures
    )
    return (
        f'<div class="wipe" tabindex="0" title="the dub; scroll sideways to uncover the source">'
        f"<div>{shown}</div></div>"
    )


def _path(values: Sequence[float | None], closed: bool) -> str:
    return " ".join(_commands(_reduced(values)[0], closed))


def _commands(values: Sequence[float | None], closed: bool) -> Iterator[str]:
    drawing = False
    for number, value in enumerate(values):
        if value is not None:
            height = (_HEIGHT - 2) * (1 - min(1.0, value)) + 1
            if closed and not drawing:
                yield f"M{number} {_HEIGHT}"
            yield f"{'L' if drawing or closed else 'M'}{number} {height:.1f}"
        drawing = value is not None
    if closed and values:
        yield f"L{len(values) - 1} {_HEIGHT}Z"


def _reduced(values: Sequence[float | None]) -> tuple[list[float | None], int]:
    """No more than so many points, and how many there are."""
    step = -(-len(values) // _MOST_POINTS) or 1
    if step == 1:
        return list(values), max(1, len(values))
    known = np.array([np.nan if value is None else value for value in values])
    known = np.pad(known, (0, -len(known) % step), constant_values=np.nan).reshape(-1, step)
    most = np.where(np.isnan(known).all(1), np.nan, np.nan_to_num(known, nan=-1).max(1))
    return [None if np.isnan(value) else round(float(value), 3) for value in most], len(most)
