"""Whether the work is done on a Ray cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from xdub_core.cli.cluster.connection import LOCAL, is_address
from xdub_core.cli.options.resume import ResumeOptions
from xdub_core.errors import SettingsError

_PANEL = "On a Ray cluster"

Ray = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="[ADDRESS]",
        rich_help_panel=_PANEL,
        help="Do the work on a Ray cluster: its address (host:port, ray://host:port), or auto for the one that this "
        "machine is part of; without an address Ray is started on this machine. All machines must see the same files "
        "under the same paths, and have this program. The output is the same as without.",
    ),
]


@dataclass(frozen=True)
class RayOptions:
    """Raises SettingsError for what is no address."""

    ray: Ray = None

    def __post_init__(self) -> None:
        check_address(self.ray)

    def check(self, resume: ResumeOptions) -> None:
        """Raise SettingsError where nothing is kept: the job's folder is what the machines share."""
        if self.ray is not None and not resume.resume:
            raise SettingsError(
                "--ray and --no-resume contradict each other: the machines share the job's folder"
            )


def check_address(ray: str | None) -> None:
    """Raise SettingsError for what is no address of a cluster."""
    if ray is not None and not is_address(ray):
        raise SettingsError(f"--ray {ray}: give host:port, ray://host:port or auto, or no address")


class MayRunOnRay(TyperCommand):
    """A command whose --ray needs no address: what follows it counts as one only if it looks like one."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Give a --ray without an address the local one."""
        return super().parse_args(ctx, with_local_ray(args))


def with_local_ray(args: Sequence[str]) -> list[str]:
    """Arguments whose --ray has an address."""
    return [
        f"--ray={LOCAL}" if arg == "--ray" and not (following and is_address(following)) else arg
        for arg, following in zip(args, [*args[1:], ""], strict=True)
    ]
