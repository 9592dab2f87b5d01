"""The commands and their options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from xdub_core import __version__
from xdub_core.cli import USER_ERROR, interruptible
from xdub_core.cli.batch.run import run_batch
from xdub_core.cli.cluster.connection import connected
from xdub_core.cli.demo import run_demo
from xdub_core.cli.dub import run_dub
from xdub_core.cli.dub_job import DubJob
from xdub_core.cli.evaluate import evaluate_app
from xdub_core.cli.info import show_info
from xdub_core.cli.jobs import jobs_app
from xdub_core.cli.models import models_app
from xdub_core.cli.options import grouped, plain_words
from xdub_core.cli.options.encoding import EncodingOptions
from xdub_core.cli.options.face import DetectorOptions, FaceOptions
from xdub_core.cli.options.files import FileOptions
from xdub_core.cli.options.model import ModelOptions
from xdub_core.cli.options.origin import OriginOptions
from xdub_core.cli.options.ray import MayRunOnRay, Ray, RayOptions, check_address
from xdub_core.cli.options.resume import ResumeOptions
from xdub_core.cli.options.sampling import SamplingOptions
from xdub_core.cli.options.speech import SpeechOptions
from xdub_core.cli.people import show_people
from xdub_core.cli.train import train_app


class _Commands(TyperGroup):
    """Tells of Ctrl-C in any command, and of wrong choices without the words of what checks them."""

    @interruptible()
    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = plain_words(error)
            raise


app = typer.Typer(
    name="xdub_core",
    cls=_Commands,
    help="X-Dub: give it a video and a recording, get the same video with lips that speak the recording.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.add_typer(models_app, name="models")
app.add_typer(jobs_app, name="jobs")
app.add_typer(train_app, name="train")
app.add_typer(evaluate_app, name="evaluate")


Debug = Annotated[bool, typer.Option("--debug", help="Log everything, and show where an error comes from.")]


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True),
    ] = False,
    debug: Debug = False,
) -> None:
    """Options before the command."""


@app.command("dub", cls=MayRunOnRay)
@interruptible("no output was written")
@grouped
def dub_command(
    files: FileOptions,
    model: ModelOptions,
    face: FaceOptions,
    sampling: SamplingOptions,
    encoding: EncodingOptions,
    origin: OriginOptions,
    resume: ResumeOptions,
    speech: SpeechOptions,
    ray: RayOptions,
    debug: Debug = False,  # noqa: ARG001 (read by main)
) -> None:
    """Dub a video with a recording, or with one for each of several people."""
    job = DubJob(files, model, face, sampling, encoding, origin, resume, speech)
    if ray.ray is None:
        run_dub(job)
        return
    ray.check(resume)
    with connected(ray.ray) as cluster:
        run_dub(job, cluster)


@app.command("batch", cls=MayRunOnRay)
@interruptible("what is done is kept, and the same command goes on with the rest")
def batch_command(
    manifest: Annotated[
        Path,
        typer.Argument(
            help="A table with a header (.csv: UTF-8, separated by commas, semicolons or tabs), or a .json list of "
            "objects. Columns are called as dub's options: video, audio, out, and any other; empty is the default. "
            "For several people there are voice_1, voice_2, voice_offset_2 and so on in the place of audio. "
            "Relative paths start in its folder; a switch is yes or no."
        ),
    ],
    report: Annotated[
        Path | None,
        typer.Option(help="What became of each row, as JSON (default: beside the manifest, .report.json)."),
    ] = None,
    keep_going: Annotated[bool, typer.Option(help="Go on after a row that failed.")] = True,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace outputs, in rows that do not say otherwise.")
    ] = False,
    ray: Ray = None,
    debug: Debug = False,  # noqa: ARG001 (read by main)
) -> None:
    """Dub many videos, one after another (with --ray side by side): a row of a table each.

    All rows are checked before any work. Exit code 1: a row failed; 2: the table is wrong, and nothing was done.

    The same command again skips what is done: the row's options, its inputs' sizes and times, its outputs are the same.
    """
    check_address(ray)
    result = run_batch(manifest, report, keep_going, overwrite, ray)
    if result is None or result.failed:
        raise typer.Exit(USER_ERROR if result is None else 1)


@app.command("people")
@interruptible("no contact sheet was written")
@grouped
def people_command(
    video: Annotated[Path, typer.Argument(help="The video; or numbered pictures, as frames/%04d.png.")],
    model: ModelOptions,
    faces: DetectorOptions,
    out: Annotated[
        Path | None, typer.Option(help="A contact sheet of their faces, with their numbers: a .png.")
    ] = None,
    video_stream: Annotated[
        int | None, typer.Option(help="Which of several video streams, from 0 on.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the contact sheet.")] = False,
    debug: Debug = False,  # noqa: ARG001 (read by main)
) -> None:
    """Tell who is in a video: everybody's number (for dub --person), when and how large they are seen, who speaks.

    Only rendered heads are found with --model mini; the released model's detector finds people.
    """
    show_people(video, out, model, faces, video_stream, overwrite)


@app.command("info")
def info_command(
    file: Annotated[Path, typer.Argument(help="A model file, a model's folder, or a video.")],
    debug: Debug = False,  # noqa: ARG001 (read by main)
) -> None:
    """Tell what a model file is, or whether a video says that AI edited it."""
    show_info(file)


@app.command("demo")
def demo_command(
    out: Annotated[Path, typer.Option(help="The output.")] = Path("out/demo.mp4"),
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the output and its preview.")
    ] = False,
    debug: Debug = False,  # noqa: ARG001 (read by main)
) -> None:
    """Dub the sample that comes with the built-in model, and tell how well lips and sound agree before and after."""
    run_demo(out, overwrite)
