"""Training runs as YAML files: each section one of the settings' dataclasses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import yaml

from xdub_core.dub.clip_plan import ClipGeometry
from xdub_core.errors import SettingsError
from xdub_core.experts.adapters import DEFAULT_TARGETS
from xdub_core.experts.expert import ExpertInfo
from xdub_core.model.config import DiTConfig
from xdub_core.training.objective import FlowSettings
from xdub_core.training.rewards import PixelLossSettings
from xdub_core.training.settings import TrainerSettings

Stage = Literal["generator", "editor", "lip", "texture"]
"""The pack's own configurations, of the real model's sizes."""


@dataclass(frozen=True)
class TrainingConfig:
    """One phase of training.

    `stage`: the mask-based generator (section 3.1), the editor's full training (3.2), or one of its experts (3.3),
    which need `expert`. `crop` is in pixels, `text_tokens` the length of the context. `weights` is the precision that
    the DiT's weights are kept in: bfloat16 will do for what is frozen. `concatenation` of the editor's reference by
    "channels" is the ablation of table 4.
    """

    stage: Stage
    trainer: TrainerSettings
    model: DiTConfig = field(default_factory=DiTConfig)
    flow: FlowSettings = field(default_factory=FlowSettings)
    pixels: PixelLossSettings = field(default_factory=PixelLossSettings)
    clip: ClipGeometry = field(default_factory=ClipGeometry)
    expert: ExpertInfo | None = None
    targets: str = DEFAULT_TARGETS
    crop: int = 512
    text_tokens: int = 512
    weights: Literal["float32", "bfloat16"] = "float32"
    concatenation: Literal["tokens", "channels"] = "tokens"
    gradient_checkpointing: bool = True

    def __post_init__(self) -> None:
        tunes = self.stage in ("lip", "texture")
        if tunes != (self.expert is not None):
            raise SettingsError(
                f"the stage {self.stage} {'needs' if tunes else 'has no'} expert: see the section 'expert'"
            )
        if (self.stage == "generator" or self.concatenation == "channels") != self.model.background:
            raise SettingsError(
                f"the stage {self.stage} with model.background {self.model.background}: "
                "the generator's model has a background (and the channel-wise editor's), the editor's has none"
            )
        if self.expert is not None and self.expert.kind != self.stage:
            raise SettingsError(
                f"the stage {self.stage} with an expert of the kind {self.expert.kind}: use one name"
            )


class _Loader(yaml.SafeLoader):
    """YAML in which nothing is said twice: of two sections of one name, the first would be lost without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [self.construct_object(key, deep) for key, _ in node.value]
        for name in names:
            if names.count(name) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"{name!r} comes twice", node.start_mark)
        return super().construct_mapping(node, deep)


def load_config(path: Path | str) -> TrainingConfig:
    """Read a configuration; raises SettingsError when it is missing, no YAML, or says something unknown."""
    path = Path(path)
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except UnicodeDecodeError:
        raise SettingsError(f"{path} is no text in UTF-8: give a configuration file") from None
    except OSError as error:
        raise SettingsError(f"cannot read {path} ({error.strerror}): give a configuration file") from None
    except yaml.YAMLError as error:
        raise SettingsError(f"{path} is no YAML: {error}") from None
    return _read(TrainingConfig, content, str(path))


def _read(kind: Any, value: Any, where: str) -> Any:
    """`value` as a `kind`: a dataclass from a mapping, a tuple from a list, or a plain value."""
    if is_dataclass(kind):
        return _read_dataclass(kind, value, where)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return None if value is None else _read(arguments[0], value, where)
    if origin is Literal:
        if value not in arguments:
            raise SettingsError(f"{where}: {value!r} is none of {', '.join(map(str, arguments))}")
        return value
    if origin is tuple:
        if not isinstance(value, list) or len(value) != len(arguments):
            raise SettingsError(f"{where}: {value!r} is no list of {len(arguments)}")
        return tuple(_read(argument, item, where) for argument, item in zip(arguments, value, strict=True))
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
        raise SettingsError(f"{where}: {value!r} is no {kind.__name__} (write 1.0e-5 with its point)")
    return value


def _read_dataclass(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, Mapping):
        raise SettingsError(f"{where}: {value!r} is no section of settings")
    types, known = get_type_hints(kind), [part.name for part in fields(kind)]
    if unknown := value.keys() - set(known):
        raise SettingsError(f"{where}: {sorted(unknown)[0]} is unknown; there are {', '.join(known)}")
    values = {name: _read(types[name], item, f"{where}: {name}") for name, item in value.items()}
    try:
        return kind(**values)
    except TypeError as error:
        raise SettingsError(f"{where}: {error}") from None
