"""The commands and their options."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import torch
import typer

from xdub_core import __version__
from xdub_core.cli.demo import run_demo
from xdub_core.cli.dub import RELEASED, UNTRAINED, Detector, DubJob, FaceOptions, Length, run_dub
from xdub_core.cli.info import show_info
from xdub_core.cli.models import ModelsDir, models_app
from xdub_core.cli.train import train_app
from xdub_core.dub import RELEASED_CROP, DubSettings
from xdub_core.errors import SettingsError
from xdub_core.media.encode_settings import CODECS, PRESETS, EncodeSettings
from xdub_core.mini.model import is_mini, load_mini
from xdub_core.released_files import models_folder
from xdub_core.sampling.guidance import Guidance
from xdub_core.sampling.plan import RELEASED_GEOMETRY, ClipGeometry
from xdub_core.sampling.sampler import SamplerSettings

app = typer.Typer(
    name="xdub_core",
    help="X-Dub: give it a video and a recording, get the same video with lips that speak the recording.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.add_typer(models_app, name="models")
app.add_typer(train_app, name="train")


class DType(str, Enum):
    """Arithmetic of the model."""

    AUTO = "auto"
    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"


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


@app.command("dub")
def dub_command(
    video: Annotated[Path, typer.Option(help="The video whose lips shall move.", rich_help_panel="Files")],
    audio: Annotated[
        Path, typer.Option(help="The speech: any file with sound, a video too.", rich_help_panel="Files")
    ],
    out: Annotated[
        Path, typer.Option(help="The output: .mp4, .mov, .mkv or .webm.", rich_help_panel="Files")
    ],
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the output.", rich_help_panel="Files")
    ] = False,
    preview: Annotated[
        bool,
        typer.Option(help="Also write OUT.preview: source and dub side by side.", rich_help_panel="Files"),
    ] = False,
    length: Annotated[
        Length,
        typer.Option(
            help="How long the output is. Where the video is shorter it is played to and fro; where the speech is "
            "shorter, silence follows it.",
            rich_help_panel="Files",
        ),
    ] = Length.AUDIO,
    model: Annotated[
        str,
        typer.Option(
            help=f"'{RELEASED}', the path of an X-Dub checkpoint, a folder made by `train mini`, or '{UNTRAINED}' "
            "(noise, to try the rest).",
            rich_help_panel="Model",
        ),
    ] = RELEASED,
    models_dir: ModelsDir = None,
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda, cuda:1, mps...", rich_help_panel="Model")
    ] = "auto",
    dtype: Annotated[
        DType, typer.Option(help="auto: bfloat16 on a GPU, else float32.", rich_help_panel="Model")
    ] = DType.AUTO,
    low_memory: Annotated[
        bool,
        typer.Option(
            "--low-memory",
            help="Run guidance's three branches one by one: less memory, a little slower.",
            rich_help_panel="Model",
        ),
    ] = False,
    box: Annotated[
        str | None, typer.Option(help="The face, as x0,y0,x1,y1 in pixels.", rich_help_panel="Face")
    ] = None,
    boxes: Annotated[
        Path | None,
        typer.Option(help="JSON: one box per frame, null where there is no face.", rich_help_panel="Face"),
    ] = None,
    whole_frame: Annotated[
        bool, typer.Option("--whole-frame", help="The video is a face crop already.", rich_help_panel="Face")
    ] = False,
    detector: Annotated[
        Detector, typer.Option(help="What finds the face otherwise.", rich_help_panel="Face")
    ] = Detector.RTMW,
    detect_every: Annotated[
        int, typer.Option(help="Look for the face in every n-th frame.", rich_help_panel="Face")
    ] = 1,
    steps: Annotated[int, typer.Option(help="Sampling steps.", rich_help_panel="Sampling")] = 30,
    ref_scale: Annotated[
        float, typer.Option(help="How closely to keep to the source's looks.", rich_help_panel="Sampling")
    ] = 2.5,
    audio_scale: Annotated[
        float, typer.Option(help="How strongly the lips follow the speech.", rich_help_panel="Sampling")
    ] = 10.0,
    constant_guidance: Annotated[
        bool,
        typer.Option(
            "--constant-guidance",
            help="Keep both scales as they are at every step.",
            rich_help_panel="Sampling",
        ),
    ] = False,
    shift: Annotated[
        float, typer.Option(help="Shift of the noise schedule.", rich_help_panel="Sampling")
    ] = 5.0,
    seed: Annotated[int, typer.Option(help="Same seed, same dub.", rich_help_panel="Sampling")] = 42,
    crop_size: Annotated[
        int | None,
        typer.Option(help="Pixels of the face crop, if not the model's own 512.", rich_help_panel="Sampling"),
    ] = None,
    clip_frames: Annotated[
        int | None,
        typer.Option(help="Frames per clip, if not the model's own 77.", rich_help_panel="Sampling"),
    ] = None,
    motion_frames: Annotated[
        int | None,
        typer.Option(help="Frames that a clip takes over, if not the model's 5.", rich_help_panel="Sampling"),
    ] = None,
    match_colors: Annotated[
        bool, typer.Option(help="Match the crop's colours to the source's.", rich_help_panel="Sampling")
    ] = True,
    reference: Annotated[
        bool,
        typer.Option(
            "--reference",
            help="Do everything as the release does, for comparison.",
            rich_help_panel="Sampling",
        ),
    ] = False,
    codec: Annotated[
        str, typer.Option(help=f"auto, {', '.join(CODECS)}.", rich_help_panel="Encoding")
    ] = "auto",
    quality: Annotated[
        int | None,
        typer.Option(help="Constant quality (CRF), lower is better.", rich_help_panel="Encoding"),
    ] = None,
    preset: Annotated[
        str, typer.Option(help=f"Encoding speed: {', '.join(PRESETS)}.", rich_help_panel="Encoding")
    ] = "medium",
    bit_depth: Annotated[
        int | None,
        typer.Option(
            help="8 or 10; otherwise as the source where the codec can.", rich_help_panel="Encoding"
        ),
    ] = None,
    debug: Debug = False,  # noqa: ARG001 (read by main)
) -> None:
    """Dub a video with a recording."""
    chosen_device = _device(device)
    mini = load_mini(Path(model), batched=not low_memory) if is_mini(Path(model)) else None
    own_crop, own_clip = (mini.card.crop, mini.card.geometry) if mini else (RELEASED_CROP, RELEASED_GEOMETRY)
    run_dub(
        DubJob(
            video=video,
            audio=audio,
            out=out,
            models_dir=models_folder(models_dir),
            model=model,
            mini=mini,
            face=FaceOptions(box, boxes, whole_frame, detector, detect_every),
            settings=DubSettings(
                crop_size=own_crop if crop_size is None else crop_size,
                geometry=ClipGeometry(
                    own_clip.frames if clip_frames is None else clip_frames,
                    own_clip.motion_frames if motion_frames is None else motion_frames,
                ),
                sampler=SamplerSettings(
                    steps=steps,
                    guidance=Guidance(ref_scale, audio_scale, dynamic=not constant_guidance),
                    shift=shift,
                    seed=seed,
                ),
                match_colors=match_colors,
                reference=reference,
            ),
            encoding=EncodeSettings(codec=codec, quality=quality, preset=preset, bit_depth=bit_depth),
            length=length,
            device=chosen_device,
            dtype=_dtype(dtype, chosen_device),
            batched=not low_memory,
            preview=preview,
            overwrite=overwrite,
        )
    )


@app.command("info")
def info_command(
    file: Annotated[Path, typer.Argument(help="A model file.")],
    debug: Debug = False,  # noqa: ARG001 (read by main)
) -> None:
    """Tell what a model file is."""
    show_info(file)


@app.command("demo")
def demo_command(
    out: Annotated[Path, typer.Option(help="The output.")] = Path("out/demo.mp4"),
    debug: Debug = False,  # noqa: ARG001 (read by main)
) -> None:
    """Run the whole engine on a generated sample with an untrained model (no dub, but everything around it)."""
    run_demo(out)


def _device(name: str) -> str:
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise SettingsError(f"--device {name}: PyTorch cannot use it here; try --device cpu") from None
    return name


def _dtype(chosen: DType, device: str) -> torch.dtype:
    if chosen is DType.AUTO:
        return torch.float32 if device == "cpu" else torch.bfloat16
    return getattr(torch, chosen.value)
