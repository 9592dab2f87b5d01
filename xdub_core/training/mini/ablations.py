"""The paper's ablations in miniature (table 4): short editors that differ in one thing each, and the generator.

All start from the same generator, see the same pairs and take the same steps:

    high noise, tokens       as the mini's own first phase
    uniform t                timesteps drawn uniformly
    channel concatenation    the reference beside the noised target in channels, instead of along frames
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from xdub_core.dub.model import DubModel
from xdub_core.errors import MissingModelError
from xdub_core.mini.vae import MiniVAE
from xdub_core.model.dit import XDubDiT
from xdub_core.model.dit_file import load_dit
from xdub_core.sampling.denoiser import Denoiser, DiTDenoiser
from xdub_core.training.channelwise import ChannelwiseDenoiser
from xdub_core.training.config import TrainingConfig
from xdub_core.training.example_files import ExampleFolder
from xdub_core.training.initial import editor_from_generator
from xdub_core.training.mini.make import MiniMaker
from xdub_core.training.timesteps import UNIFORM

BASELINE, UNIFORM_T, CHANNELS = "high noise, tokens", "uniform t", "channel concatenation"


@dataclass(frozen=True)
class Ablations:
    """The variants of a mini whose work folder has its generator and its pairs still; `steps` each."""

    maker: MiniMaker
    steps: int = 600

    @property
    def generator(self) -> Path:
        """The generator's file. Raises MissingModelError where the work folder has none."""
        path = self.maker.examples.generator
        if not path.is_file():
            raise MissingModelError(f"{path} is missing: run `train mini` in that folder first")
        return path

    def train(self) -> Mapping[str, DubModel]:
        """Train what is not trained yet; the variants by name."""
        return {name: self._variant(name, make) for name, make in _VARIANTS.items()}

    def _variant(self, name: str, configure: Callable[[TrainingConfig], TrainingConfig]) -> DubModel:
        config = configure(replace(self.maker.recipe, editor_steps=self.steps).stage("editor"))
        folder = self.maker.folder / "ablations" / f"{name.replace(', ', '-').replace(' ', '-')}-{self.steps}"
        path = folder / "model.safetensors"
        if not path.exists():
            generator = load_dit(self.generator)
            start = generator if config.concatenation == "channels" else editor_from_generator(generator)
            pairs = ExampleFolder(self.maker.folder / "pairs")
            self.maker.run_stage(config, pairs, folder, start, name=name)
        dit = load_dit(path)
        return DubModel(MiniVAE(self.maker.examples.networks.vae), self._denoiser(config, dit))

    def _denoiser(self, config: TrainingConfig, dit: XDubDiT) -> Denoiser:
        kind = ChannelwiseDenoiser if config.concatenation == "channels" else DiTDenoiser
        return kind(dit, self.maker.recipe.context)


def _high_noise(config: TrainingConfig) -> TrainingConfig:
    return config


def _uniform(config: TrainingConfig) -> TrainingConfig:
    return replace(config, flow=replace(config.flow, timesteps=UNIFORM))


def _channels(config: TrainingConfig) -> TrainingConfig:
    return replace(config, concatenation="channels", model=replace(config.model, background=True))


_VARIANTS = {BASELINE: _high_noise, UNIFORM_T: _uniform, CHANNELS: _channels}
