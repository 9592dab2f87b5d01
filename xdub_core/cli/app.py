"""The commands and their options."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, TypeVar

import torch
import typer
from typer.core import TyperGroup

from xdub_core import __version__
from xdub_core.cli import interruptible
from xdub_core.cli.demo import run_demo
from xdub_core.cli.dub import (
    MINI,
    RELEASED,
    UNTRAINED,
    Detector,
    DubJob,
    FaceOptions,
    Length,
    check_mini_options,
    run_dub,
)
from xdub_core.cli.evaluate import evaluate_app
from xdub_core.cli.info import show_info
from xdub_core.cli.models import ModelsDir, models_app
from xdub_core.cli.train import train_app
from xdub_core.dub.clip_plan import ClipGeometry
from xdub_core.dub.pipeline import DubSettings
from xdub_core.errors import SettingsError
from xdub_core.media.output.encode_settings import CODECS, PRESETS, EncodeSettings
from xdub_core.mini.card import BUILT_IN, is_mini
from xdub_core.mini.loading import load_mini
from xdub_core.released.manifest import models_folder
from xdub_core.sampling.guidance import Guidance
from xdub_core.sampling.sampler import SamplerSettings


class _Commands(TyperGroup):
    """Tells of Ctrl-C in any command."""

    @interruptible()
    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command."""
        return super().invoke(ctx)


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
app.add_typer(train_app, name="train")
app.add_typer(evaluate_app, name="evaluate")


Settings = TypeVar("Settings", DubSettings, ClipGeometry, SamplerSettings, Guidance)


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
@interruptible("no output was written")
def dub_command(
    video: Annotated[
        Path,
        typer.Option(
            help="The video whose lips shall move; or numbered pictures, as frames/%04d.png (25 a second).",
            rich_help_panel="Files",
        ),
    ],
    audio: Annotated[
        Path,
        typer.Option(
            help="The speech: any file with sound, a video too. Its time 0, the earliest start of its tracks, goes "
            "with the first picture; sound that begins later in its own file has silence before it. The sound of the "
            "dubbed video itself stays with its pictures.",
            rich_help_panel="Files",
        ),
    ],
    out: Annotated[
        Path, typer.Option(help="The output: .mp4, .mov, .mkv or .webm.", rich_help_panel="Files")
    ],
    audio_offset: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            help="Moves the speech, for lips and sound alike: positive for later, with silence before it; negative for "
            "earlier, its beginning is cut.",
            rich_help_panel="Files",
        ),
    ] = 0.0,
    audio_stream: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Which of the recording's audio streams, from 0, if not the one that players take.",
            rich_help_panel="Files",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the output.", rich_help_panel="Files")
    ] = False,
    preview: Annotated[
        bool,
        typer.Option(help="Also write OUT.preview: source and dub side by side.", rich_help_panel="Files"),
    ] = False,
    video_stream: Annotated[
        int | None,
        typer.Option(
            help="Which of several video streams, from 0 on, if not the one that players show.",
            rich_help_panel="Files",
        ),
    ] = None,
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
            help=f"'{RELEASED}', '{MINI}' (the built-in one, for rendered heads only), the path of an X-Dub "
            f"checkpoint, a folder made by `train mini`, or '{UNTRAINED}' (noise, to try the rest).",
            rich_help_panel="Model",
        ),
    ] = RELEASED,
    models_dir: ModelsDir = None,
    device: Annotated[
        str,
        typer.Option(
            help=f"auto, cpu, cuda, cuda:1, mps... '{MINI}' runs on the CPU alone.", rich_help_panel="Model"
        ),
    ] = "auto",
    dtype: Annotated[
        DType,
        typer.Option(
            help="auto: bfloat16 on a GPU, and on a CPU for a model of over a billion parameters; else float32.",
            rich_help_panel="Model",
        ),
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
    landmarks: Annotated[
        Path | None,
        typer.Option(
            help="Landmarks of every frame found elsewhere: an array [frames, 68, 468 or 478, 2 or 3] as .npy, or "
            "OpenPose's keypoints as JSON.",
            rich_help_panel="Face",
        ),
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
    steps: Annotated[
        int | None,
        typer.Option(help="Sampling steps, if not the model's own 30.", rich_help_panel="Sampling"),
    ] = None,
    ref_scale: Annotated[
        float | None,
        typer.Option(
            help="How closely to keep to the source's looks, if not the model's own 2.5.",
            rich_help_panel="Sampling",
        ),
    ] = None,
    audio_scale: Annotated[
        float | None,
        typer.Option(
            help="How strongly the lips follow the speech, if not the model's own 10.",
            rich_help_panel="Sampling",
        ),
    ] = None,
    dynamic_guidance: Annotated[
        bool | None,
        typer.Option(
            "--dynamic-guidance/--constant-guidance",
            help="Let both scales fall with the noise, as the released model wants it, or keep them at every step.",
            rich_help_panel="Sampling",
        ),
    ] = None,
    shift: Annotated[
        float | None,
        typer.Option(
            help="Shift of the noise schedule, if not the model's own 5.", rich_help_panel="Sampling"
        ),
    ] = None,
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
    as_released: Annotated[
        bool,
        typer.Option(
            "--as-released",
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
            help="8, 10 or 12; otherwise as the source where the codec can.", rich_help_panel="Encoding"
        ),
    ] = None,
    pixel_format: Annotated[
        str | None,
        typer.Option(
            help="FFmpeg's name of the pixel format; otherwise the one that keeps the source's chroma (4:2:0, 4:2:2 "
            "or 4:4:4) and transparency where the codec can. Few players show other H.264 and HEVC than 4:2:0: "
            "yuv420p, or yuv420p10le for 10 bits, is what all show.",
            rich_help_panel="Encoding",
        ),
    ] = None,
    debug: Debug = False,  # noqa: ARG001 (read by main)
) -> None:
    """Dub a video with a recording."""
    chosen_device = _device(device)
    mini_folder = BUILT_IN if model == MINI else Path(model)
    mini = None
    if model == MINI or is_mini(mini_folder):
        check_mini_options(device, dtype.value, detector)
        mini = load_mini(mini_folder, batched=not low_memory)
    own = mini.card.settings if mini else DubSettings()
    guidance = given(
        own.sampler.guidance, reference_scale=ref_scale, audio_scale=audio_scale, dynamic=dynamic_guidance
    )
    settings = given(
        own,
        crop_size=crop_size,
        geometry=given(own.geometry, frames=clip_frames, motion_frames=motion_frames),
        sampler=given(own.sampler, steps=steps, shift=shift, seed=seed, guidance=guidance),
        match_colors=match_colors,
        as_released=as_released,
    )
    run_dub(
        DubJob(
            video=video,
            video_stream=video_stream,
            audio=audio,
            out=out,
            models_dir=models_folder(models_dir),
            model=model,
            mini=mini,
            face=FaceOptions(box, boxes, landmarks, whole_frame, detector, detect_every),
            settings=settings,
            encoding=EncodeSettings(
                codec=codec, quality=quality, preset=preset, bit_depth=bit_depth, pixel_format=pixel_format
            ),
            audio_stream=audio_stream,
            audio_offset=audio_offset,
            length=length,
            device=chosen_device,
            dtype=_dtype(dtype),
            batched=not low_memory,
            preview=preview,
            overwrite=overwrite,
        )
    )


@app.command("info")
def info_command(
    file: Annotated[Path, typer.Argument(help="A model file, or a model's folder.")],
    debug: Debug = False,  # noqa: ARG001 (read by main)
) -> None:
    """Tell what a model file is."""
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


def given(defaults: Settings, **values: Any) -> Settings:
    """`defaults` with those values in their place that are not None."""
    return replace(defaults, **{name: value for name, value in values.items() if value is not None})


def _device(name: str) -> str:
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise SettingsError(f"--device {name}: PyTorch cannot use it here; try --device cpu") from None
    return name


def _dtype(chosen: DType) -> torch.dtype | None:
    return None if chosen is DType.AUTO else getattr(torch, chosen.value)
