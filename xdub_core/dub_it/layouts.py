"""How the context stands beside what is made. There are three ways, and a LoRA works only in that it was trained in.

Nothing in a published LoRA's file says which, so the layout is chosen by its name, and never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from xdub_core.errors import SettingsError

LAYOUT_KEY, VERSION_KEY = "xdub_dub_it_layout", "xdub_dub_it_ltx_version"
"""What a LoRA trained here says in its metadata."""
DOWNSCALE_KEY = "reference_downscale_factor"
"""What tools for IC-LoRAs write: how much smaller the reference's picture is. A dub's is as large as the result."""

LONGEST_NAME = 300
"""Characters of a value in the metadata that may name a model; longer ones are settings and captions."""
_NAMES = {
    "2.0": re.compile(r"ltx-?2(\.0)?[-_]19b|ltx-?2\.0", re.IGNORECASE),
    "2.3": re.compile(r"ltx-?2\.3", re.IGNORECASE),
    "2.5": re.compile(r"ltx-?2\.5", re.IGNORECASE),
}
"""How each version is called in the names of published files."""


@dataclass(frozen=True)
class Layout:
    """A layout of the context.

    `version`: of LTX-2, as published. `at_targets_times`: the reference's sound stands at the times of what is made,
    as its picture does; else before 0. `isolated`: Eq. 3. `first_frame`: the source's first frame is the result's.
    """

    name: str
    version: str
    at_targets_times: bool
    isolated: bool
    first_frame: bool


PAPER = Layout("paper", "2.0", at_targets_times=True, isolated=True, first_frame=False)
"""As Sec. 3.1 says."""
PAPER_RELEASE = Layout("paper release", "2.0", at_targets_times=True, isolated=True, first_frame=True)
"""As the authors' code for LTX-2 19B does it, whose LoRA is published."""
LTX_2_3 = Layout("ltx 2.3", "2.3", at_targets_times=False, isolated=False, first_frame=False)
"""As Lightricks' DubIt (LipDub) LoRA for LTX-2.3 22B wants it."""

LAYOUTS = {layout.name: layout for layout in (PAPER_RELEASE, PAPER, LTX_2_3)}


@dataclass(frozen=True)
class Stated:
    """What a LoRA's file says of itself; None where it says nothing."""

    layout: str | None = None
    version: str | None = None
    downscale: float = 1.0


def layout_named(name: str) -> Layout:
    """One of `LAYOUTS`. Raises SettingsError."""
    if name not in LAYOUTS:
        raise SettingsError(f"there is no layout {name!r}: choose one of {', '.join(LAYOUTS)}")
    return LAYOUTS[name]


def stated_by(metadata: Mapping[str, str] | None) -> Stated:
    """What the metadata of a LoRA's file says."""
    known = metadata or {}
    try:
        downscale = float(known.get(DOWNSCALE_KEY) or 1)
    except ValueError:
        downscale = 1.0
    return Stated(known.get(LAYOUT_KEY), known.get(VERSION_KEY) or _version_named(known), downscale)


def _version_named(metadata: Mapping[str, str]) -> str | None:
    """The version of LTX-2 that a file's metadata name, such as the base model that a trainer writes; None for none."""
    named = {
        version
        for value in metadata.values()
        for version, pattern in _NAMES.items()
        if len(value) < LONGEST_NAME and pattern.search(value)
    }
    return next(iter(named)) if len(named) == 1 else None


def check_layout(layout: Layout, version: str, lora: Stated) -> None:
    """Raise SettingsError where the layout does not fit the model's version, or the LoRA says that it wants another."""
    if lora.layout is not None and lora.layout != layout.name:
        raise SettingsError(
            f"the LoRA was trained in the layout {lora.layout!r}, and {layout.name!r} is chosen: choose {lora.layout!r}"
        )
    if lora.version is not None and lora.version != version:
        raise SettingsError(
            f"the LoRA was trained for LTX-{lora.version}, and the model is LTX-{version}: load LTX-{lora.version}"
        )
    if lora.downscale != 1:
        raise SettingsError(
            f"the LoRA wants a reference {lora.downscale:g} times smaller than the result, which no dub has: "
            "load one for dubbing (LipDub, DubIt)"
        )
    if version != layout.version and lora != Stated(layout.name, version):
        fitting = next((each.name for each in LAYOUTS.values() if each.version == version), None)
        told = f"choose {fitting!r} with its own LoRA" if fitting else f"load LTX-{layout.version}"
        raise SettingsError(
            f"the layout {layout.name!r} is of LTX-{layout.version}, and the model is LTX-{version}: {told}"
        )
