"""The sound's reference at the target's own times, as JUST-DUB-IT has it (Sec. 3.1), in core's LTX-2.

Core puts the tokens of `ref_audio` before the target's, at times before 0, as ID-LoRA and the DubIt LoRA of LTX-2.3
want. The paper's LoRA learnt them at the times of the target, beginning at 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from comfy.patcher_extension import WrappersMP
from torch import Tensor

KEY = "xdub_dub_it_reference_times"


def with_reference_at_targets_times(model: Any) -> Any:
    """A clone of a MODEL."""
    clone = without_reference_times(model)
    clone.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, KEY, ReferenceTimes())
    return clone


def without_reference_times(model: Any) -> Any:
    """A clone of a MODEL with the reference before 0."""
    clone = model.clone()
    clone.remove_wrappers_with_key(WrappersMP.DIFFUSION_MODEL, KEY)
    return clone


@dataclass(frozen=True)
class ReferenceTimes:
    """A wrapper around LTX-2's forward, for whose time the model says other times of its reference.

    Nor is what is in it compiled, since the model is another one meanwhile.
    """

    @torch.compiler.disable
    def __call__(self, executor: Any, *args: Any, **given: Any) -> Any:
        model = executor.class_obj
        own = model._process_input

        def moved(*args: Any, **given: Any) -> Any:
            tokens, (video, audio), more = own(*args, **given)
            count = more.get("ref_audio_seq_len", 0)
            return tokens, [video, _with_times(audio, model.a_patchifier, count)], more

        shadowed = vars(model).get("_process_input")  # another node's, while its MODEL is loaded
        model._process_input = moved
        try:
            return executor(*args, **given)
        finally:
            if shadowed is None:
                del model._process_input
            else:
                model._process_input = shadowed


def _with_times(times: Tensor, patchifier: Any, count: int) -> Tensor:
    """Times [batch, 1, tokens, 2] in seconds, of which the first `count` are those of sound that begins at 0."""
    if not count:
        return times
    _, own = patchifier.patchify(torch.zeros(len(times), 1, count, 1, device=times.device))
    return torch.cat((own.to(times), times[:, :, count:]), dim=2)
