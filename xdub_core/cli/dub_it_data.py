"""`python -m xdub_core train dub-it-data` and `train dub-it-prompts`: training data for a dub by LTX-2."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from xdub_core.cli import interruptible
from xdub_core.cli.console import answer, progress_bars
from xdub_core.cli.options import grouped
from xdub_core.cli.options.dub_it_data import WhatIsKept, WhatIsMade, WithWhat, data_settings
from xdub_core.cli.options.judges import JudgeOptions


@interruptible("the same command goes on from what is in its folder")
@grouped
def make_dub_it_data(
    made: WhatIsMade,
    using: WithWhat,
    judges: JudgeOptions,
    kept: WhatIsKept,
    folder: Annotated[Path, typer.Option(help="Work folder; what is in it is not made again.")] = Path(
        "out/dub-it-data"
    ),
) -> None:
    """Make pairs for a dub's LoRA by JUST-DUB-IT's method, with a ComfyUI that runs. Stop and start at will."""
    from xdub_core.training.dub_it.data.comfy_client import ComfyClient
    from xdub_core.training.dub_it.data.pipeline import VERDICTS, DataMaker
    from xdub_core.training.dub_it.records import MANIFEST

    settings, scripts, models = data_settings(made, using, kept), made.scripts(), using.models()
    client = ComfyClient(using.server)
    with progress_bars() as show:
        maker = DataMaker(folder, client, models, judges.load(), settings, judges.told(), show)
        done = maker.make(scripts)
    answer.print(
        f"{done.kept} pairs are kept and {done.rejected} rejected; {done.given_up} clips and halves are given up.\n"
        f"[green]{escape(str(folder / MANIFEST))}[/] tells those that are kept, {escape(str(folder / VERDICTS))} why "
        "others are not.",
        highlight=False,
        soft_wrap=True,
    )


def write_dub_it_prompts(
    out: Annotated[Path, typer.Argument(help="The JSON file to write.")],
    count: Annotated[int, typer.Option(help="Prompts.")] = 100,
    seed: Annotated[int, typer.Option(help="Another one composes others.")] = 0,
) -> None:
    """Compose prompts for dub-it-data, to look at, to change, or to take as a form for others."""
    from xdub_core.training.dub_it.data.prompts import write_scripts

    write_scripts(out, WhatIsMade(count=count, seed=seed).scripts())
    answer.print(f"[green]{escape(str(out))}[/]", highlight=False, soft_wrap=True)
