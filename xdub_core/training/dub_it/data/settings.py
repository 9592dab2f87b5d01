"""How training data is made, all in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from typing import Any

from xdub_core.dub_it.layouts import PAPER, layout_named
from xdub_core.errors import SettingsError
from xdub_core.job.keys import key_of

from ..fine_mask import FineMaskSettings
from .lips import MARGIN
from .quality import QualityThresholds
from .switch import SwitchSettings
from .workflows import ClipSettings, SamplingSettings

VERSIONS = ("2.0", "2.3")


@dataclass(frozen=True)
class DataSettings:
    """How data is made. `version`: of the LTX-2 that makes it; `lip_margin`: around the lips, in mouth widths.

    `layout`: in whose form the pairs' prompts are, by its name; see `xdub_core.dub_it.layouts`.
    """

    version: str = "2.0"
    seed: int = 0
    clip: ClipSettings = field(default_factory=ClipSettings)
    sampling: SamplingSettings = field(default_factory=SamplingSettings)
    switch: SwitchSettings = field(default_factory=SwitchSettings)
    mask: FineMaskSettings = field(default_factory=FineMaskSettings)
    quality: QualityThresholds = field(default_factory=QualityThresholds)
    lip_margin: float = MARGIN
    layout: str = PAPER.name

    def __post_init__(self) -> None:
        layout_named(self.layout)
        if self.version not in VERSIONS:
            raise SettingsError(f"data of LTX-{self.version} cannot be made: choose {' or '.join(VERSIONS)}")
        if not 0 <= self.lip_margin < 10:
            raise SettingsError(f"a margin of {self.lip_margin:g} mouth widths cannot be: take 0.5 or so")
        if self.seed < 0:
            raise SettingsError(f"the seed {self.seed} is below 0")


def key_from(*declared: Any) -> str:
    """As `key_of`, of dataclasses with fractions in them, too."""
    return key_of(*(_plain(each) for each in declared))


def _plain(value: Any) -> Any:
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, range):
        return [value.start, value.stop]
    if hasattr(value, "__dataclass_fields__"):
        return _plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, (list, tuple)) else value
