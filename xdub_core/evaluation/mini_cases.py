"""Held-out dubs of rendered heads, whose true answer is rendered too."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from xdub_core.evaluation.measure import DubCase
from xdub_core.heads.dataset import TalkingHeads
from xdub_core.mini.phonemes import PhonemeNet
from xdub_core.training.mini.network_examples import clip_features


def dub_cases(
    heads: TalkingHeads, network: PhonemeNet, numbers: Iterable[int], take: int = 1
) -> list[DubCase]:
    """Clips whose speaker shall say recording `take` instead, with the true answer. Give it the held-out split."""
    cases = []
    for number in numbers:
        source, truth = heads[number], heads.dubbed(number, take)
        cases.append(
            DubCase(
                name=f"clip {number}",
                source=torch.from_numpy(source.frames),
                truth=torch.from_numpy(truth.frames),
                features=clip_features(truth, network),
                mouth=torch.from_numpy(source.jaw_masks),
                mask=torch.from_numpy(source.inpainting_masks),
                source_opening=source.openness,
                target_opening=truth.openness,
                kind=scene_kind(heads, number),
            )
        )
    return cases


def scene_kind(heads: TalkingHeads, number: int) -> str:
    """What makes a clip hard, or "plain"."""
    shown = heads.performance(number)
    hard = {
        "occlusion": shown.occluder.kind != "none",
        "light": shown.moving_light,
        "profile": shown.motion.yaw > type(shown.motion)().yaw,
    }
    return ", ".join(name for name, present in hard.items() if present) or "plain"
