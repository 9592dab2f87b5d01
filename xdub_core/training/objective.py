"""The training objective: one forward from a batch of latents to its losses, for the generator and the editor alike.

Phases differ in data only: the timesteps they draw, what they predict with (`inpaint` or `edit`), whether the weights
or a LoRA's are trained, and the pixel losses added.

A batch maps names to tensors, b samples at once:

    target       [b, C, f, h, w]      latents of the real clip, which is always the goal
    reference    [b, C, n, h, w]      the synthetic clip (editor, n = f), or single frames (generator, n = N)
    background   [b, C, f, h, w]      the masked clip (generator only)
    audio        [b, f, 8, audio_dim] windows of the real clip's speech
    face, lip    [b, 1, f, h, w]      loss masks in 0..1 (optional: none, no extra weight)
    rows         [b, 2 F, width]      the sync scorer's audio features, two for each of the clip's F frames
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn

from xdub_core.dub.clip_plan import RELEASED_GEOMETRY
from xdub_core.errors import SettingsError
from xdub_core.model.config import TIMESTEPS
from xdub_core.model.dit import XDubDiT
from xdub_core.training.batches import Batch
from xdub_core.training.conditions import ConditionDropout, Conditions, Kept, draw_kept, drop_conditions
from xdub_core.training.flow import (
    NoisedTarget,
    flow_loss,
    loss_weights,
    noise_target,
    per_sample,
    single_step_latents,
)
from xdub_core.training.rewards import (
    Embedder,
    FrameDecoder,
    PixelLossSettings,
    SyncScorer,
    draw_segment,
    identity_loss,
    segment_rows,
    sync_loss,
)
from xdub_core.training.timesteps import HIGH_NOISE, TimestepDistribution
from xdub_core.vae.grid import WAN_GRID, LatentGrid


class Predict(Protocol):
    """How a stage's model is called: `generator.inpaint` or `editor.edit`."""

    def __call__(
        self,
        dit: XDubDiT,
        latents: Tensor,
        timestep: Tensor,
        conditions: Conditions,
        motion_latents: int = 0,
        audio_attention: bool = True,
    ) -> Tensor: ...


@dataclass(frozen=True)
class FlowSettings:
    """How targets are noised and weighted.

    A share `motion_probability` of the batches continue a clip: their first `motion_latents` frames stay clean, but for
    noise of a deviation of up to `motion_noise`, drawn per sample, which is not in the paper: it teaches not to trust
    one's own faults of the clip before. `audio_noise`: as much for the audio windows, which have a variance of about 1;
    it keeps a small set of speech from being learnt by heart. The mask weights are the paper's w = w_lip = 0.3
    (appendix D).
    """

    timesteps: TimestepDistribution = HIGH_NOISE
    motion_latents: int = RELEASED_GEOMETRY.motion_latents
    motion_probability: float = 0.5
    motion_noise: float = 0.0
    audio_noise: float = 0.0
    face_weight: float = 0.3
    lip_weight: float = 0.3
    dropout: ConditionDropout = field(default_factory=ConditionDropout)

    def __post_init__(self) -> None:
        if not 0 <= self.motion_probability <= 1:
            raise SettingsError(f"motion_probability is {self.motion_probability}: use 0 to 1")
        for name in ("motion_latents", "motion_noise", "audio_noise", "face_weight", "lip_weight"):
            if getattr(self, name) < 0:
                raise SettingsError(f"{name} is {getattr(self, name)}: use 0 or more")


@dataclass(frozen=True)
class PixelLosses:
    """Supervision of single-step decoded pixels: by a sync scorer (lip expert), by embedders (texture expert).

    `grid`: that of `decode`'s VAE.
    """

    decode: FrameDecoder
    sync: SyncScorer | None = None
    identity: tuple[Embedder, ...] = ()
    settings: PixelLossSettings = field(default_factory=PixelLossSettings)
    grid: LatentGrid = WAN_GRID


class Objective(nn.Module):
    """Losses of a batch. Whatever of `dit` and `adapters` asks for gradients is trained.

    `adapters` are LoRA layers already attached to `dit`; they are registered here so that the trainer finds them.
    """

    context: Tensor

    def __init__(
        self,
        dit: XDubDiT,
        predict: Predict,
        context: Tensor,
        settings: FlowSettings,
        pixels: PixelLosses | None = None,
        adapters: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.dit = dit
        self.adapters = adapters
        self.register_buffer("context", context, persistent=False)
        self.predict = predict
        self.settings = settings
        self.pixels = pixels

    @property
    def skips_parameters(self) -> bool:
        """Whether some steps give some of the trained parameters no gradient: those without audio attention do."""
        return self.pixels is not None and bool(self.pixels.identity)

    def forward(self, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """`loss` and its parts, each a scalar. Everything random comes from `generator` (on the CPU)."""
        batch = self._noise_audio(batch, generator)
        target = self._draw_target(batch, generator)
        kept = draw_kept(len(target.clean), self.settings.dropout, generator)
        audio_attention = self._draw_audio_attention(generator)
        predicted = self.velocity(batch, target, kept, audio_attention)
        parts = {"flow": flow_loss(predicted, target, self._weights(batch, target))}
        loss = parts["flow"]
        for name, weight, part in self._pixel_parts(
            batch, target, predicted, kept, audio_attention, generator
        ):
            parts[name] = part
            loss = loss + weight * part
        return {"loss": loss, **parts}

    def velocity(
        self, batch: Batch, target: NoisedTarget, kept: Kept | None = None, audio_attention: bool = True
    ) -> Tensor:
        """The model's velocity for a noised target, with the conditions that are kept (all, by default)."""
        conditions = Conditions(
            context=self.context,
            audio=batch["audio"].float(),
            reference=batch["reference"].float(),
            background=batch["background"].float() if "background" in batch else None,
        )
        if kept is not None:
            conditions = drop_conditions(conditions, kept)
        timestep = TIMESTEPS * target.t
        return self.predict(
            self.dit, target.latents, timestep, conditions, target.motion_latents, audio_attention
        )

    def _draw_target(self, batch: Batch, generator: torch.Generator) -> NoisedTarget:
        settings, clean = self.settings, batch["target"].float()
        continues = torch.rand((), generator=generator).item() < settings.motion_probability
        t = settings.timesteps.sample(len(clean), generator)
        noise = torch.randn(clean.shape, generator=generator).to(clean)
        if not continues:
            return noise_target(clean, noise, t)
        motion_noise = settings.motion_noise * torch.rand(len(clean), generator=generator)
        return noise_target(clean, noise, t, settings.motion_latents, motion_noise)

    def _noise_audio(self, batch: Batch, generator: torch.Generator) -> Batch:
        """The batch with noise in its audio windows."""
        if not self.settings.audio_noise:
            return batch
        audio = batch["audio"].float()
        deviation = self.settings.audio_noise * torch.rand(len(audio), 1, 1, 1, generator=generator)
        noise = deviation * torch.randn(audio.shape, generator=generator)
        return {**batch, "audio": audio + noise.to(audio)}

    def _draw_audio_attention(self, generator: torch.Generator) -> bool:
        """Whether a step attends to the audio: a share of those that supervise identity do not."""
        if self.pixels is None or not self.pixels.identity:
            return True
        return torch.rand((), generator=generator).item() >= self.pixels.settings.silent

    def _weights(self, batch: Batch, target: NoisedTarget) -> Tensor:
        none = torch.zeros_like(target.clean[:, :1])
        face, lip = (batch[name].to(none) if name in batch else none for name in ("face", "lip"))
        weights = loss_weights(face, lip, self.settings.face_weight, self.settings.lip_weight)
        # A residual model predicts a difference, whose error the velocity has 1/t times: count it once.
        return weights * per_sample(target.t).square() if self.dit.config.residual else weights

    def _pixel_parts(
        self,
        batch: Batch,
        target: NoisedTarget,
        predicted: Tensor,
        kept: Kept,
        audio_attention: bool,
        generator: torch.Generator,
    ) -> list[tuple[str, float, Tensor]]:
        """(name, weight, loss) of the pixel losses: sync with audio attention, identity without."""
        pixels = self.pixels
        if pixels is None or (pixels.sync is None and audio_attention):
            return []
        settings, parts = pixels.settings, []
        with torch.autocast(predicted.device.type, enabled=False):
            segment = draw_segment(target.clean.shape[2], settings.segment_latents, generator)
            estimate = single_step_latents(target, predicted, settings.threshold)
            frames = pixels.decode(estimate[:, :, segment])
            expected = pixels.grid.frames(segment.stop - segment.start)
            if frames.shape[1] != expected:
                raise SettingsError(
                    f"{segment.stop - segment.start} latents were decoded to {frames.shape[1]} frames, but with "
                    f"{pixels.grid.temporal} frames a latent they hold {expected}: say the VAE's own number"
                )
            if pixels.sync is not None and audio_attention:
                if "rows" not in batch:
                    raise SettingsError('a sync loss needs the "rows" of its scorer in every batch')
                rows = segment_rows(batch["rows"].float(), segment, pixels.grid)
                each = sync_loss(pixels.sync, frames, rows, min(settings.sync_window, frames.shape[1]))
                parts.append(("sync", settings.sync_weight, _mean_of(each, kept.audio)))
            if pixels.identity and not audio_attention:
                with torch.no_grad():
                    reference = pixels.decode(batch["reference"].float()[:, :, segment])
                each = identity_loss(pixels.identity, frames, reference)
                parts.append(("identity", settings.identity_weight, _mean_of(each, kept.reference)))
        return parts


def _mean_of(values: Tensor, chosen: Tensor) -> Tensor:
    """The mean of the chosen values, 0 where none is."""
    chosen = chosen.to(values)
    return (values * chosen).sum() / chosen.sum().clamp(min=1)
