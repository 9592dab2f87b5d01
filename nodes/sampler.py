"""Sampler: all clips of the dub, one after the other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from comfy_api.latest import io
from torch import Tensor

from . import inputs, sockets
from .comfy_bridge.types import ReferenceLatents, SpeechFeatures


class DubSampler(io.ComfyNode):
    """Reference latents and features to the latents of every clip."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="XDubSampler",
            display_name="Sampler (X-Dub)",
            category=sockets.CATEGORY,
            description="Makes the new crops of the whole recording, clip by clip, each going on from the last frames "
            "of the one before. Takes any of ComfyUI's samplers and sigmas.",
            search_aliases=["ksampler", "lip sync sampler"],
            inputs=[
                inputs.model(),
                inputs.reference(),
                inputs.audio_features(),
                inputs.seed(),
                io.Boolean.Input(
                    "seed_per_clip",
                    default=False,
                    label_on="each clip its own",
                    label_off="the same for all",
                    tooltip="The same noise for every clip is how the model was released, and the calmer choice; a "
                    "seed of its own for each (counting up) hides repeating patterns.",
                ),
                *inputs.conditioning(),
                io.Sampler.Input(
                    "sampler", optional=True, tooltip="From KSamplerSelect; without it, euler, as released."
                ),
                io.Sigmas.Input(
                    "sigmas",
                    optional=True,
                    tooltip="From BasicScheduler ('simple') or any other; without it, what suits the model (30 steps).",
                ),
                inputs.border(),
                inputs.switch(
                    "match_colors",
                    True,
                    "Match the colours of the frames that the next clip goes on from to the source's, so that they do "
                    "not drift.",
                ),
                inputs.switch(
                    "as_released",
                    False,
                    "Hand frames on from clip to clip in 8 bits, as the release does. Off drifts less.",
                ),
                inputs.redo(),
                inputs.speed(),
            ],
            has_intermediate_output=True,
            outputs=[
                io.Latent.Output(
                    display_name="latents",
                    is_output_list=True,
                    tooltip="The clips' latents, for Stitch Clips (X-Dub): a batch for each shot.",
                )
            ],
        )

    @classmethod
    def validate_inputs(cls, redo: str | None = None) -> bool | str:
        return inputs.check_redo(redo)

    @classmethod
    def execute(
        cls,
        model: Any,
        reference: ReferenceLatents,
        audio_features: SpeechFeatures,
        seed: int,
        seed_per_clip: bool,
        border: int,
        match_colors: bool,
        as_released: bool,
        guidance: Any = None,
        empty_prompt: Any = None,
        sampler: Any = None,
        sigmas: Tensor | None = None,
        redo: str = "",
        speed: str = inputs.SPEEDS[0],
    ) -> io.NodeOutput:
        from xdub_core.dub.crops import crop_finisher
        from xdub_core.dub.observer import Observers
        from xdub_core.dub.redo import redo_counts
        from xdub_core.sampling.reuse import reuse_named

        from .comfy_bridge.clip_sampler import ComfyClipSampler
        from .comfy_bridge.clips import LiveClips, lane_of
        from .comfy_bridge.empty_prompt import context_for
        from .comfy_bridge.guidance_plot import GuidanceUsed
        from .comfy_bridge.host.warnings import show_now
        from .comfy_bridge.model.own_settings import own_settings
        from .comfy_bridge.sampler import sample_shots

        whole = own_settings(model)
        own, retries = whole.sampler, 0 if as_released else whole.retries
        settings = replace(
            own, guidance=guidance or own.guidance, seed=seed, border=border, reuse=reuse_named(speed)
        )
        context, finish = context_for(model, empty_prompt), crop_finisher(match_colors, as_released)
        again = redo_counts(inputs.clips_to_redo(redo), reference.clips, f"redo {redo}")
        levels = settings.sigmas if sigmas is None else sigmas
        used = GuidanceUsed(settings.guidance, levels, model, settings.reuse)
        clip_sampler = ComfyClipSampler(
            model, context, settings, sampler, sigmas, seed_per_clip, on_predicted=used.predicted, redo=again
        )
        with LiveClips() as live:
            live.seed = seed
            live.plan(reference.frames, [lane_of(reference)])
            watching = Observers(live, used)
            clips = sample_shots(
                clip_sampler, reference, audio_features, finish, as_released, retries, watching
            )
        show_now("")
        return io.NodeOutput([{"samples": shot} for shot in clips], ui=live.output | used.output)
