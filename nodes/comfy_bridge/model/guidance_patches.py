"""What nodes such as APG, TCFG, FreSca, SLG and RescaleCFG do to guidance, done to X-Dub's.

They know two predictions, `cond` and `uncond`, and one scale; X-Dub's guidance is of three predictions and two scales:

    none + r (ref - none) + a (both - ref)  =  [ref + a (both - ref)]  +  (r - 1) (ref - none)

So they get the speech's part, in brackets: cond is both (reference and speech), uncond is ref, the scale is a. The
other part, how much further than once the reference is followed, is added to what they make of it. Functions that come
after guidance get the whole. Where the speech is not guided, a being 1 or 0, there is nothing to change for those that
come before it, just as in core.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from comfy.patcher_extension import WrappersMP
from comfy.samplers import calc_cond_batch
from torch import Tensor

from xdub_core.sampling.guidance import BranchWeights, Velocities
from xdub_core.sampling.prediction_memory import Predict, PredictionMemory

from ..host.warnings import warn

PREDICT, BEFORE, INSTEAD, AFTER = (
    "sampler_calc_cond_batch_function",
    "sampler_pre_cfg_function",
    "sampler_cfg_function",
    "sampler_post_cfg_function",
)
"""Core's names for what nodes set: how predictions are made, what comes before, instead of and after guidance."""
KINDS = (PREDICT, BEFORE, INSTEAD, AFTER)

IDLE = {
    "PerturbedAttentionGuidance": "it changes a layer that only a UNet has",
    "SelfAttentionGuidance": "it looks into a layer that only a UNet has",
    "PerpNeg": "X-Dub knows no negative prompt",
    "VideoLinearCFGGuidance": "it takes frames for a batch, and X-Dub's are not one",
    "VideoTriangleCFGGuidance": "it takes frames for a batch, and X-Dub's are not one",
    "LTXVReferenceAudio": "it is made for LTX",
    "LTXVSpatioTemporalGuidance": "it is made for LTX",
    "LTXVModalityGuidance": "it is made for LTX",
    "SUPIRApply": "it is made for SUPIR",
}
"""Core's nodes whose patches have no meaning for X-Dub, and why: they are left out."""

LAZY_CACHE = "lazycache"
"""Core's name for what the node LazyCache wraps around sampling."""
IDLE_CACHE = {
    "LazyCache": "it keeps a guided result, border and scales of another step included; use speed, or EasyCache"
}

NAMED = "xdub_idle_patches_named"
"""Attachment of a MODEL: the nodes that the artist has been warned of."""

_LITTLE = 1e-9
"""The weight of a prediction that nodes are given, but the guidance by itself makes nothing of."""

Conds = Mapping[str, Any]
"""CONDITIONING of the branches, as core processed it, by core's names."""


@dataclass(frozen=True)
class Step:
    """One step: core's model, its conditionings, the latents `x` at noise level `timestep`, and MODEL's options."""

    model: Any
    conds: Conds
    x: Tensor
    timestep: Tensor
    options: dict[str, Any]

    @property
    def sigma(self) -> float:
        """The noise level."""
        return float(self.timestep.flatten()[0])

    @property
    def common(self) -> dict[str, Any]:
        """What every function gets."""
        return {
            "model": self.model,
            "input": self.x,
            "sigma": self.timestep,
            "timestep": self.timestep,
            "model_options": self.options,
        }


def is_patched(options: Mapping[str, Any]) -> bool:
    """Whether nodes have changed the guidance."""
    return any(next(_functions(options, kind), None) is not None for kind in KINDS)


def remembered(
    memory: PredictionMemory, step: Step, predict: Predict, weights: BranchWeights | None = None
) -> Velocities:
    """Predictions of the clean latents: those that `predict` makes, and what a memory of velocities has for the others.

    Where every prediction is made, they are what `predict` gives.
    """
    if memory.reuse.exact:
        return memory.velocities(step.x, step.sigma, predict, weights)

    def velocities(due: BranchWeights) -> Velocities:
        return Velocities(*((step.x - clean) / step.sigma for clean in predict(due)))

    found = memory.velocities(step.x, step.sigma, velocities, weights)
    return Velocities(*(step.x - step.sigma * velocity for velocity in found))


def patched_guidance(step: Step, memory: PredictionMemory) -> Tensor:
    """The guided prediction of the clean latents, with what nodes do to it; see the module's docstring."""
    guidance, sigma = memory.guidance, step.sigma
    r, a = guidance.reference(sigma), guidance.audio(sigma)
    forced = bool(step.options.get("disable_cfg1_optimization"))
    guided = a != 0 and (forced or not math.isclose(a, 1))
    positive, middle = step.conds["positive"], step.conds["middle"] if guided or a != 1 or r != 1 else None
    wanted = [positive, middle, step.conds["negative"] if r != 1 else None]
    none, ref, both = remembered(
        memory, step, _predicting(step, wanted), _counting(guidance.weights(sigma), wanted)
    )
    shown = {
        "cond": positive,
        "uncond": middle,
        "cond_scale": a,
        "cond_denoised": both,
        "uncond_denoised": ref,
    }
    denoised = _guided_by_speech(step, shown) if guided else ref if a == 0 else both
    if r != 1:
        denoised = denoised + (r - 1) * (ref - none)
    for function in _functions(step.options, AFTER):
        denoised = function({**step.common, **shown, "denoised": denoised})
    return denoised


def warn_of_idle_patches(model: Any) -> None:
    """Name the nodes whose patches in a MODEL do nothing for X-Dub, in one line, and each of them once."""
    named = model.get_attachment(NAMED) or frozenset()
    found = _idle_patches(model.model_options) | (IDLE_CACHE if has_lazy_cache(model) else {})
    idle = {node: reason for node, reason in found.items() if node not in named}
    if idle:
        model.set_attachments(NAMED, named | idle.keys())
        named_with_reason = "; ".join(f"{node} ({reason})" for node, reason in idle.items())
        warn(f"these nodes do nothing to X-Dub and may be taken out: {named_with_reason}")


def has_lazy_cache(model: Any) -> bool:
    """Whether a MODEL comes from the node LazyCache."""
    return bool(model.get_wrappers(WrappersMP.PREDICT_NOISE, LAZY_CACHE))


def without_lazy_cache(model: Any) -> Any:
    """The MODEL without what LazyCache wraps around it."""
    if not has_lazy_cache(model):
        return model
    model = model.clone()
    for kind in (WrappersMP.PREDICT_NOISE, WrappersMP.OUTER_SAMPLE):
        model.remove_wrappers_with_key(kind, LAZY_CACHE)
    return model


def _idle_patches(options: Mapping[str, Any]) -> dict[str, str]:
    """Nodes and why their patches do nothing."""
    guiding = {_node_of(function) for kind in KINDS for function in _all(options, kind)}
    transformer = options.get("transformer_options", {})
    other = [
        f for kind, found in transformer.get("patches", {}).items() if kind != "double_block" for f in found
    ]
    for kind, found in transformer.get("patches_replace", {}).items():
        other += found.values() if kind != "dit" else []
    idle = {_node_of(function): "it changes layers that other models have" for function in other}
    return idle | {node: IDLE[node] for node in guiding if node in IDLE}


def _counting(weights: BranchWeights, wanted: Sequence[Any]) -> BranchWeights:
    """What each prediction counts for: at least a little, where nodes are given it."""
    none, ref, both = (
        0.0 if cond is None else weight or _LITTLE for weight, cond in zip(weights, wanted[::-1], strict=True)
    )
    return none, ref, both


def _predicting(step: Step, wanted: Sequence[Any]) -> Predict:
    """Makes those of the `wanted` predictions that count; all, where a node makes them."""
    every = next(_functions(step.options, PREDICT), None) is not None

    def predict(weights: BranchWeights) -> Velocities:
        conds = [
            cond if weight or every else None for cond, weight in zip(wanted, weights[::-1], strict=True)
        ]
        return Velocities(*reversed(_predictions(step, conds)))

    return predict


def _predictions(step: Step, conds: list[Any]) -> list[Tensor]:
    """Predictions of the branches (both, ref, none); zeros for one that is not wanted."""
    function = next(_functions(step.options, PREDICT), None)
    if function is None:
        return calc_cond_batch(step.model, conds, step.x, step.timestep, step.options)
    pair = function({**step.common, "conds": conds[:2]})
    rest = calc_cond_batch(step.model, conds[2:], step.x, step.timestep, step.options)
    return [*pair, *rest]


def _guided_by_speech(step: Step, shown: Mapping[str, Any]) -> Tensor:
    """ref + a (both - ref), or what nodes make of it."""
    predictions = [shown["cond_denoised"], shown["uncond_denoised"]]
    conds, a = [shown["cond"], shown["uncond"]], shown["cond_scale"]
    for function in _functions(step.options, BEFORE):
        predictions = function(
            {**step.common, "conds": conds, "conds_out": list(predictions), "cond_scale": a}
        )
    both, ref = predictions[:2]
    instead = next(_functions(step.options, INSTEAD), None)
    if instead is None:
        return ref + a * (both - ref)
    given = {"cond": step.x - both, "uncond": step.x - ref, "cond_denoised": both, "uncond_denoised": ref}
    given |= {"input_cond": conds[0], "input_uncond": conds[1], "cond_scale": a}
    return step.x - instead({**step.common, **given})


def _functions(options: Mapping[str, Any], kind: str) -> Iterator[Callable[[dict[str, Any]], Any]]:
    """The functions of a kind that have a meaning for X-Dub."""
    return (function for function in _all(options, kind) if _node_of(function) not in IDLE)


def _all(options: Mapping[str, Any], kind: str) -> list[Callable[[dict[str, Any]], Any]]:
    found = options.get(kind) or []
    return list(found) if isinstance(found, list | tuple) else [found]


def _node_of(function: Any) -> str:
    """The class that a patch comes from: that of the node, mostly."""
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    return name.split(".")[0]
