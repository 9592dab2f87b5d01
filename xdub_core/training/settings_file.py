"""Settings from a YAML file: a dataclass, whose sections are dataclasses, too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml

from xdub_core.errors import SettingsError

Settings = TypeVar("Settings")


class _Loader(yaml.SafeLoader):
    """YAML in which nothing is said twice: of two sections of one name, the first would be lost without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [self.construct_object(key, deep) for key, _ in node.value]
        for name in names:
            if names.count(name) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"{name!r} comes twice", node.start_mark)
        return super().construct_mapping(node, deep)


def read_settings(path: Path | str, kind: type[Settings]) -> Settings:
    """A `kind` from a YAML file; raises SettingsError when it is missing, no YAML, or says something unknown."""
    path = Path(path)
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except UnicodeDecodeError:
        raise SettingsError(f"{path} is no text in UTF-8: give a configuration file") from None
    except OSError as error:
        raise SettingsError(f"cannot read {path} ({error.strerror}): give a configuration file") from None
    except yaml.YAMLError as error:
        raise SettingsError(f"{path} is no YAML: {' '.join(str(error).split())}") from None
    return _read(kind, content, str(path))


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
