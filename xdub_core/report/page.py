"""A report as one HTML page that needs nothing beside it: no script, no network, every text escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from xdub_core.report.curves import guidance_plot, sync_plot, wipe
from xdub_core.report.model import (
    Fact,
    Facts,
    PassedThrough,
    Report,
    ReportedClip,
    ReportedFile,
    ReportedPerson,
    Span,
)
from xdub_core.report.style import STYLE
from xdub_core.report.words import Kind, checked, clock, count, predictions_in_words, told_of_passed

_NOTHING_FROM_OUTSIDE = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_MOST_CLIPS = 400
"""Of more clips only those with pictures are on the page."""
_OPEN_ROWS = 30
"""More rows or clips are folded up."""


def report_page(report: Report) -> str:
    """The whole page, in HTML 5."""
    sections = (
        _head(report),
        _section("Warnings", _list(report.warnings)),
        _section("People", "".join(_person(person, report) for person in report.people)),
        _section("Lips and sound", _sync(report)),
        _section("Guidance", _guidance(report)),
        _section("Left as it was", _untouched(report)),
        _section("Clips to look at", _clips(report, report.failed_clips or report.resampled_clips)),
        _section("Clips", _clips(report, report.clips)),
        _section("What went in", "".join(_file(f) for f in report.files if f.role != "output")),
        _section("What came out", "".join(_file(f) for f in report.files if f.role == "output")),
        _section("Time", _stages(report)),
        _section("Settings", _settings(report)),
        _section("Model and machine", _facts({**report.model, **report.environment}, "unknown")),
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_NOTHING_FROM_OUTSIDE}">'
        f"<title>{escape(report.name)}: report</title><style>{STYLE}</style></head>\n<body>\n"
        + "\n".join(filter(None, sections))
        + "\n</body></html>\n"
    )


def verdict(report: Report) -> tuple[str, Kind]:
    """How the dub came out in a sentence, and how that is."""
    told, kind = checked(report.clips)
    if not report.warnings:
        return told, kind
    return f"{told} {count(len(report.warnings), 'warning')}, below.", "bad" if kind == "bad" else "note"


def _head(report: Report) -> str:
    told, kind = verdict(report)
    cost, seconds = report.cost, sum(stage.seconds for stage in report.stages)
    tiles = (
        (clock(report.seconds), "of video"),
        (str(len(report.people)), "person dubbed" if len(report.people) == 1 else "people dubbed"),
        (str(len(report.clips)), "clip" if len(report.clips) == 1 else "clips"),
        (f"{cost.sampled_per_dubbed:.2f}", "frames sampled for each one dubbed"),
        (clock(seconds), "of work"),
    )
    shown = "".join(
        f'<div class="tile"><b>{escape(big)}</b><span>{escape(small)}</span></div>' for big, small in tiles
    )
    return (
        f'<header><p class="quiet">{escape(report.made_by)}, report of a dub</p><h1>{escape(report.name)}</h1>'
        f'<p class="{kind}">{escape(told)}</p><div class="tiles">{shown}</div></header>'
    )


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>" if content else ""


def _person(person: ReportedPerson, report: Report) -> str:
    image = _image(person.picture, person.name)
    facts = (
        f"says {person.recording}" if person.recording else "",
        f"{clock(person.seconds_on_screen)} on screen",
        count(person.shots, "shot"),
        f"{person.mean_size} pixels wide in the mean",
    )
    clips = [clip for clip in report.clips if clip.person == person.number]
    told = f'<span class="quiet">{escape(", ".join(filter(None, facts)))}</span>'
    bar = _timeline(person, clips, report)
    return f'<div class="person">{image}<div><b>{escape(person.name)}</b> {told}{bar}</div></div>'


def _timeline(person: ReportedPerson, clips: Sequence[ReportedClip], report: Report) -> str:
    """A bar of the whole dub: where the person was dubbed, where it was left, and why; lines are the clips' starts."""
    frames = max(1, report.cost.frames_shown)
    bars = "".join(
        f'<rect class="{kind}" x="{each.start_frame}" y="0" width="{each.frames}" height="10">'
        f"<title>{escape(_when(each))}{escape(': ' + each.reason if each.reason else ': dubbed')}</title></rect>"
        for kind, spans in (("left", person.untouched), ("dubbed", person.dubbed))
        for each in spans
    )
    bars += "".join(
        f'<rect class="{_verdict(clip)}" x="{clip.span.start_frame}" y="7" width="{clip.span.frames}" height="3">'
        f"<title>clip {clip.number}</title></rect>"
        for clip in clips
    )
    starts = "".join(
        f'<line x1="{at}" x2="{at}" y1="0" y2="10"/>'
        for at in (clip.span.start_frame for clip in clips)
        if at
    )
    return (
        f'<svg viewBox="0 0 {frames} 10" preserveAspectRatio="none" role="img" '
        f'aria-label="where {escape(person.name)} was dubbed">{bars}{starts}</svg>'
        f'<div class="ends"><span>{clock(0)}</span><span>blue: dubbed, grey: left; clips: green passed, '
        f"yellow when sampled again, red did not</span>"
        f"<span>{clock(frames / report.frame_rate)}</span></div>"
    )


def _sync(report: Report) -> str:
    names = {person.number: person.name for person in report.people}
    plots = [sync_plot(curve, names.get(curve.person, f"person {curve.person}")) for curve in report.sync]
    note = (
        "<p class=quiet>Loudness is no measure of a mouth: sounds are loud with closed lips, too. Correlations of good "
        "lips are 0.3 to 0.6.</p>"
    )
    return "".join(plots) + note if plots else ""


def _guidance(report: Report) -> str:
    guidance = report.guidance
    if guidance is None:
        return ""
    how = "As used in the first clip, at" if guidance.used else "As planned, at"
    told = " ".join(
        [f"{how} {count(len(guidance.steps), 'noise level')}.", *_ended(predictions_in_words(guidance))]
    )
    return f"<p>{escape(told)}</p>{guidance_plot(guidance)}"


def _ended(lines: Iterable[str]) -> Iterable[str]:
    return (f"{line}." for line in lines)


def _untouched(report: Report) -> str:
    if not report.untouched:
        return "<p>Somebody is dubbed in every frame; outside of the face boxes nothing was changed.</p>"
    told = told_of_passed(report.untouched, report.seconds)
    rows = ((_when(each), str(each.frames), each.reason) for each in report.untouched)
    return f"<p>{escape(told)}</p>{_table(('when', '#frames', 'why'), rows)}"


def _clips(report: Report, clips: Sequence[ReportedClip]) -> str:
    names = {person.number: person.name for person in report.people}
    several = len(report.people) > 1
    shown = [clip for clip in clips if clip.before][:_MOST_CLIPS] if len(clips) > _MOST_CLIPS else clips
    cards = "".join(_clip(clip, names.get(clip.person, "") if several else "") for clip in shown)
    rest = (
        f"<p>{len(shown):,} of {len(clips):,} are shown here; all are in the JSON.</p>"
        if shown is not clips
        else ""
    )
    return _folded(f'{rest}<div class="clips">{cards}</div>' if clips else "", len(clips), "clips")


def _clip(clip: ReportedClip, person: str) -> str:
    pictures = wipe(clip.before, clip.after, f"clip {clip.number}")
    title = f"Clip {clip.number}" + (f", {person}" if person else "")
    facts = (
        _when(clip.span),
        f"shot {clip.shot}",
        count(clip.span.frames, "frame"),
        f"seed {clip.seed}",
        "kept from an earlier run" if clip.kept else f"{clip.seconds:.1f} s of sampling",
    )
    return (
        f'<div class="clip">{pictures}<div><b>{escape(title)}</b>'
        f'<p class="quiet">{escape(", ".join(facts))}</p>{_check(clip)}</div></div>'
    )


def _check(clip: ReportedClip) -> str:
    told, kind = ("passed the self-check", "good") if clip.passed else ("did not pass the self-check", "bad")
    wrong = [
        f"attempt {number}: {', '.join(attempt.reasons)}"
        + (" (shown)" if number == clip.shown_attempt else "")
        for number, attempt in enumerate(clip.attempts, 1)
        if attempt.reasons
    ]
    return f'<p class="{kind}">{told}</p>{_list(wrong)}' if clip.attempts else ""


def _verdict(clip: ReportedClip) -> str:
    """How a clip came out, as a colour's name."""
    if clip.passed is None:
        return "unchecked"
    return "failed" if not clip.passed else "again" if clip.sampled > 1 else "passed"


def _file(file: ReportedFile) -> str:
    title = f"<b>{escape(file.path)}</b> <span class=quiet>{escape(file.role)}</span>"
    return f"<p>{title}</p>{_facts(file.facts, 'not stated')}"


def _stages(report: Report) -> str:
    total = sum(stage.seconds for stage in report.stages) or 1.0
    rows = ((s.name, f"{s.seconds:.1f}", f"{100 * s.seconds / total:.0f} %") for s in report.stages)
    return _table(("stage", "#seconds", "#share"), rows)


def _settings(report: Report) -> str:
    chosen = _facts(report.chosen) if report.chosen else "<p>All as they are by default.</p>"
    groups = "".join(
        f"<h3>{escape(_words(name))}</h3>{_facts(facts)}" for name, facts in report.settings.items()
    )
    return f"{chosen}<details><summary>All settings</summary>{groups}</details>"


def _facts(facts: Facts, unknown: str = "by default") -> str:
    told = "".join(
        f"<div><dt>{escape(_words(name))}</dt><dd>{escape(_value(value, unknown))}</dd></div>"
        for name, value in facts.items()
    )
    return f"<dl>{told}</dl>" if told else ""


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; the names of columns of numbers begin with #."""
    kinds = ["number" if name.startswith("#") else "prose" if name == "why" else "short" for name in columns]
    head = "".join(
        f'<th class="{kind}">{escape(name.lstrip("#"))}</th>'
        for kind, name in zip(kinds, columns, strict=True)
    )
    body = [
        "<tr>"
        + "".join(f'<td class="{k}">{escape(c)}</td>' for k, c in zip(kinds, row, strict=True))
        + "</tr>"
        for row in rows
    ]
    whole = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"
    return _folded(f'<div class="scroll">{whole}</div>', len(body), "rows")


def _folded(content: str, count: int, what: str) -> str:
    """What is long is folded up."""
    if count <= _OPEN_ROWS:
        return content
    return f"<details><summary>{count:,} {what}</summary>{content}</details>"


def _list(lines: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>" if lines else ""


def _image(source: str, words: str) -> str:
    return f'<img src="{escape(source)}" alt="{escape(words)}">' if source.startswith("data:image/") else ""


def _words(name: str) -> str:
    return name.replace("_", " ")


def _value(value: Fact, unknown: str) -> str:
    if value is None:
        return unknown
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:g}" if isinstance(value, float) else value


def _when(each: Span | PassedThrough) -> str:
    return f"{clock(each.start_seconds)} to {clock(each.stop_seconds)}"
