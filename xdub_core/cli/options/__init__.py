"""The options of `dub`, one dataclass a step, each option written once: its type, name, help and default."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Any, TypeVar, get_type_hints

import typer

Result = TypeVar("Result")


def grouped(command: Callable[..., Result]) -> Callable[..., Result]:
    """A command for typer whose parameters are dataclasses of options: typer is shown their fields, one after another.

    A field is `Annotated[type, typer.Option(...)]`; its name is the option's, unless that says otherwise. Parameters
    that are no dataclasses stay as they are. What a dataclass raises when it is built, the command raises.
    """
    hints = get_type_hints(command, include_extras=True)
    given = signature(command).parameters
    groups: dict[str, Any] = {name: hints[name] for name in given if is_dataclass(hints[name])}
    parameters: list[Parameter] = []
    for name, parameter in given.items():
        if name in groups:
            parameters += _options(groups[name])
        else:
            parameters.append(parameter.replace(kind=Parameter.KEYWORD_ONLY, annotation=hints[name]))

    @wraps(command)
    def flat(**values: Any) -> Result:
        for name, group in groups.items():
            values[name] = group(**{field.name: values.pop(field.name) for field in fields(group)})
        return command(**values)

    flat.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    flat.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return flat


def plain_words(error: typer.BadParameter) -> str:
    """What typer says of a wrong value, without what the package that checks values begins it with."""
    return error.message.removeprefix("Value error, ")


def _options(group: Any) -> list[Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        Parameter(
            field.name,
            Parameter.KEYWORD_ONLY,
            default=Parameter.empty if field.default is MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in fields(group)
    ]
