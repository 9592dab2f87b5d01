"""LTX-2 of random weights as a node of a ComfyUI server's, and training data made with it.

A server loads `install`'s folder as a pack; `python tiny_ltx.py FOLDER ADDRESS` makes training data with it.
"""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
NODES = {"nodes": {"1": {"class_type": "TinyLTX", "inputs": {}}}}
NODES |= {role: ["1", number] for number, role in enumerate(("model", "clip", "vae", "audio_vae"))}
PACK = """
import sys
sys.path.insert(0, {here!r})
from tiny_ltx import TinyLTX
NODE_CLASS_MAPPINGS = {{"TinyLTX": TinyLTX}}
"""


def install(folder: Path) -> None:
    """A pack with the node alone."""
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(PACK.format(here=str(HERE)), encoding="utf-8")


class TinyLTX:
    """Both VAEs, the transformer of LTX-2.0, and what encodes a text."""

    RETURN_TYPES = ("MODEL", "CLIP", "VAE", "VAE")
    FUNCTION, CATEGORY = "make", "tests"

    @classmethod
    def INPUT_TYPES(cls):  # noqa: N802
        return {"required": {}}

    def make(self):
        import ltx

        return ltx.transformer("2.0", layers=1), ltx.Words("2.0"), ltx.video_vae(), ltx.audio_vae()


class StillMouths:
    """A mouth in the middle of every frame that opens and closes with the picture's brightness there."""

    def find(self, frames):
        from xdub_core.evaluation.dub_it.judges import FoundMouths

        turn = np.pi - 2 * np.pi * np.arange(20) / 12
        ring = np.stack([np.cos(turn), -np.sin(turn)], axis=1)
        points, faces = [], []
        for frame in frames:
            height, width = frame.shape[:2]
            light = (
                float(frame[height // 2 - 8 : height // 2 + 8, width // 2 - 8 : width // 2 + 8].mean()) / 255
            )
            points.append([width / 2, height / 2] + ring * [width / 8, width / 16 * (0.5 + light)])
            faces.append([width / 4, height / 4, 3 * width / 4, 3 * height / 4])
        return FoundMouths(np.array(points), np.array(faces))


def maker(folder: Path, address: str, **given):
    """What makes the data: clips of 33 frames at 64 x 64, cut where their prompts say."""
    import json

    from xdub_core.evaluation.dub_it.judges import DubItJudges
    from xdub_core.training.dub_it.data.comfy_client import ComfyClient
    from xdub_core.training.dub_it.data.models import read_nodes
    from xdub_core.training.dub_it.data.pipeline import DataMaker, DataSettings
    from xdub_core.training.dub_it.data.quality import QualityThresholds
    from xdub_core.training.dub_it.data.switch import SwitchSettings
    from xdub_core.training.dub_it.data.workflows import ClipSettings, SamplingSettings

    folder.mkdir(parents=True, exist_ok=True)
    nodes = folder / "nodes.json"
    nodes.write_text(json.dumps(NODES), encoding="utf-8")
    settings = DataSettings(
        clip=ClipSettings((64, 64), 33, Fraction(25)),
        sampling=SamplingSettings(steps=2, guidance=1.0),
        switch=SwitchSettings(9, 17, must_pause=False),
        quality=given.pop("quality", QualityThresholds(lmd=None, mar=None, mar_diversity=None, qd=None)),
    )
    judges = given.pop("judges", DubItJudges(mouths=StillMouths()))
    return DataMaker(folder, ComfyClient(address), read_nodes(nodes), judges, settings, **given)


if __name__ == "__main__":
    import torch

    from xdub_core.training.dub_it.data.prompts import scripts

    torch.set_num_threads(1)
    maker(Path(sys.argv[1]), sys.argv[2]).make(scripts(2))
