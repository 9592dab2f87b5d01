"""`python -m xdub_core demo`: the whole engine on a generated sample."""

from __future__ import annotations

import tempfile
from pathlib import Path

from xdub_core.cli.console import answer
from xdub_core.cli.dub import UNTRAINED, DubJob, FaceOptions, run_dub
from xdub_core.dub import DubSettings
from xdub_core.sample import SAMPLE_BOX, write_sample
from xdub_core.sampling.sampler import SamplerSettings

DEMO_STEPS = 4
DEMO_CROP = 256


def run_demo(out: Path) -> None:
    """Draw a talking head, make a sound, and dub the one with the other; the model is untrained."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="xdub-demo-") as folder:
        video, audio = write_sample(Path(folder))
        run_dub(
            DubJob(
                video=video,
                audio=audio,
                out=out,
                models_dir=Path(folder),
                model=UNTRAINED,
                face=FaceOptions(box=",".join(map(str, SAMPLE_BOX))),
                settings=DubSettings(crop_size=DEMO_CROP, sampler=SamplerSettings(steps=DEMO_STEPS)),
                preview=True,
                overwrite=True,
            )
        )
    answer.print(
        "The model is untrained: it turns the face into noise. Everything around it is the real thing: "
        "see `python -m xdub_core models` for the real model."
    )
