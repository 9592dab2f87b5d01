"""Core's guidance nodes on X-Dub's MODEL: those that have a meaning act, as they do in core; the others are named."""

import logging

import pytest
import torch
from clips import CONTEXT, random_clip, sample
from models import RELEASED_HEADS, load_model, put_model, random_state, relative_error

from xdub_core.sampling.guidance import Guidance
from xdub_core.sampling.reuse import EXACT, SPEEDS
from xdub_core.sampling.schedule import flow_sigmas

SIGMAS = flow_sigmas(2)
CONSTANT = Guidance(1.0, 3.0, dynamic=False)
"""With the reference followed once, X-Dub's guidance is core's: none counts for nothing."""


@pytest.fixture(scope="module")
def model():
    return load_model(put_model("guidance.safetensors", random_state(RELEASED_HEADS)))


@pytest.fixture
def sampled(pack):
    def run(model, guidance=CONSTANT, border=0, clip=None, reuse=EXACT, sigmas=SIGMAS):
        guider = pack("comfy_bridge.guider").ClipGuider
        return sample(guider(model, guidance, clip or random_clip(), CONTEXT, border, reuse), sigmas)

    return run


@pytest.fixture
def by_core(pack):
    """The same clip by core's own CFGGuider, whose two branches are reference with and without the speech."""

    def run(model, scale=3.0):
        from comfy_extras.nodes_custom_sampler import CFGGuider

        clip = random_clip()
        branches = pack("comfy_bridge.guider").branch_conditioning(CONTEXT, clip.reference, clip.audio)
        guider = CFGGuider.execute(model, branches["positive"], branches["middle"], scale).result[0]
        guider.clip = clip
        return sample(guider, SIGMAS)

    return run


def patched(name: str, model):
    """MODEL behind one of core's nodes."""
    from comfy_extras import (
        nodes_apg,
        nodes_cfg,
        nodes_eps,
        nodes_fresca,
        nodes_latent,
        nodes_lumina2,
        nodes_mahiro,
        nodes_model_advanced,
        nodes_slg,
        nodes_tcfg,
    )

    sharpen = nodes_latent.LatentOperationSharpen.execute(1, 1.0, 0.3).result[0]
    return {
        "APG": lambda: nodes_apg.APG.execute(model, 0.5, 4.0, -0.3).result[0],
        "TCFG": lambda: nodes_tcfg.TCFG.execute(model).result[0],
        "FreSca": lambda: nodes_fresca.FreSca.execute(model, 0.8, 1.4, 2).result[0],
        "CFGZeroStar": lambda: nodes_cfg.CFGZeroStar.execute(model).result[0],
        "CFGNorm": lambda: nodes_cfg.CFGNorm.execute(model, 0.7).result[0],
        "CFGNorm before": lambda: nodes_cfg.CFGNorm.execute(model, 0.7, True).result[0],
        "Mahiro": lambda: nodes_mahiro.Mahiro.execute(model).result[0],
        "RescaleCFG": lambda: nodes_model_advanced.RescaleCFG().patch(model, 0.7)[0],
        "RenormCFG": lambda: nodes_lumina2.RenormCFG.execute(model, 100.0, 0.5).result[0],
        "SLG": lambda: nodes_slg.SkipLayerGuidanceDiT.execute(model, 2.0, 0.0, 1.0, "1").result[0],
        "SLG simple": lambda: nodes_slg.SkipLayerGuidanceDiTSimple.execute(model, 0.0, 1.0, "1").result[0],
        "EpsilonScaling": lambda: nodes_eps.EpsilonScaling.execute(model, 1.02).result[0],
        "TemporalScoreRescaling": lambda: nodes_eps.TemporalScoreRescaling.execute(model, 0.9, 1.0).result[0],
        "APG and SLG": lambda: patched("APG", patched("SLG simple", model)),
        "sharpen": lambda: nodes_latent.LatentApplyOperationCFG.execute(model, flat(sharpen)).result[0],
    }[name]()


def flat(operation):
    """A latent operation, which knows pictures, on each frame of a video."""

    def run(latent):
        frames = operation(latent=latent.transpose(1, 2).flatten(0, 1))
        return frames.unflatten(0, (len(latent), -1)).transpose(1, 2)

    return run


NODES = [
    "APG", "TCFG", "FreSca", "CFGZeroStar", "CFGNorm", "CFGNorm before", "Mahiro", "RescaleCFG", "RenormCFG", "SLG",
    "SLG simple", "EpsilonScaling", "TemporalScoreRescaling", "APG and SLG", "sharpen",
]  # fmt: skip


@pytest.mark.parametrize("node", NODES)
def test_a_node_does_what_it_does_in_core(model, sampled, by_core, node):
    ours = sampled(patched(node, model))
    assert relative_error(ours, by_core(patched(node, model))) < 1e-4
    assert relative_error(ours, sampled(model)) > 1e-3


@pytest.mark.parametrize("node", NODES)
def test_it_acts_with_three_branches_dynamic_scales_and_motion_too(model, sampled, node):
    clip = random_clip(motion=True)
    plain = sampled(model, Guidance(), 1, clip)
    acted = sampled(patched(node, model), Guidance(), 1, clip)
    assert torch.isfinite(acted).all()
    assert relative_error(acted, plain) > 1e-4
    torch.testing.assert_close(acted[:, :, :2], clip.motion, rtol=0, atol=1e-4)


def untouched(model, kind):
    """MODEL with a function of that kind that does what core does without it."""
    from comfy.samplers import calc_cond_batch

    model = model.clone()
    if kind == "predict":
        model.set_model_sampler_calc_cond_batch_function(
            lambda args: calc_cond_batch(
                *(args[k] for k in ("model", "conds", "input", "sigma", "model_options"))
            )
        )
    if kind == "before":
        model.set_model_sampler_pre_cfg_function(lambda args: args["conds_out"])
    if kind == "instead":
        model.set_model_sampler_cfg_function(
            lambda args: args["uncond"] + args["cond_scale"] * (args["cond"] - args["uncond"])
        )
    if kind == "old way":
        model.set_model_sampler_cfg_function(lambda cond, uncond, scale: uncond + scale * (cond - uncond))
    if kind == "after":
        model.set_model_sampler_post_cfg_function(lambda args: args["denoised"])
    return model


@pytest.mark.parametrize("kind", ["predict", "before", "instead", "old way", "after"])
@pytest.mark.parametrize(
    "guidance",
    [
        Guidance(),
        Guidance(2.0, 3.0, dynamic=False),
        Guidance(1.5, 0.0, dynamic=False),
        Guidance(2.0, 1.0, dynamic=False),
        Guidance(3.0, 3.0, dynamic=False),
        Guidance(start=0.95, end=0.8),
    ],
    ids=["dynamic", "constant", "no speech", "speech once", "equal scales", "an interval"],
)
def test_a_function_that_changes_nothing_changes_nothing(model, sampled, kind, guidance):
    assert relative_error(sampled(untouched(model, kind), guidance), sampled(model, guidance)) < 1e-4


@pytest.mark.parametrize("kind", ["predict", "before", "instead", "after"])
def test_nor_does_it_at_a_speed(model, sampled, kind):
    given = {"border": 1, "reuse": SPEEDS["balanced"], "sigmas": flow_sigmas(12)}
    plain = sampled(model, Guidance(), **given)
    assert relative_error(sampled(untouched(model, kind), Guidance(), **given), plain) < 1e-4
    assert relative_error(sampled(model, Guidance(), **given | {"reuse": EXACT}), plain) > 1e-4


@pytest.mark.parametrize("node", ["APG", "TCFG", "FreSca", "RescaleCFG"])
def test_where_nothing_is_guided_nothing_is_changed(model, sampled, node):
    unguided = Guidance(1.0, 1.0, dynamic=False)
    assert relative_error(sampled(patched(node, model), unguided), sampled(model, unguided)) < 1e-6


def test_branches_that_count_for_nothing_are_still_not_computed(model, sampled):
    rows = []

    def count(executor, x, *args, **kwargs):
        rows.append(len(x))
        return executor(x, *args, **kwargs)

    counted = patched("APG", model)
    counted.add_wrapper_with_key("diffusion_model", "test", count)
    sampled(counted, CONSTANT)
    sampled(counted, Guidance(2.0, 3.0, dynamic=False))
    sampled(counted, Guidance(1.0, 1.0, dynamic=False))
    assert rows == [2, 2, 3, 3, 1, 1]


def test_functions_know_cond_from_uncond_as_in_core(model, sampled):
    """Attention overrides go by these numbers: 0 for cond, 1 for uncond."""
    seen = []

    def look(executor, *args, **kwargs):
        seen.append(args[-1]["cond_or_uncond"])
        return executor(*args, **kwargs)

    looking = model.clone()
    looking.add_wrapper_with_key("diffusion_model", "test", look)
    sampled(looking, Guidance(1.0, 3.0, dynamic=False))
    assert set(seen[0]) == {0, 1}


def idle(name: str, model):
    from comfy_extras import (
        nodes_hypertile,
        nodes_nag,
        nodes_pag,
        nodes_perpneg,
        nodes_sag,
        nodes_video_model,
    )

    return {
        "PerturbedAttentionGuidance": lambda: nodes_pag.PerturbedAttentionGuidance.execute(model, 3.0).result[
            0
        ],
        "SelfAttentionGuidance": lambda: nodes_sag.SelfAttentionGuidance.execute(model, 0.5, 2.0).result[0],
        "PerpNeg": lambda: nodes_perpneg.PerpNeg.execute(model, [[CONTEXT, {}]], 1.0).result[0],
        "VideoLinearCFGGuidance": lambda: nodes_video_model.VideoLinearCFGGuidance().patch(model, 1.0)[0],
        "VideoTriangleCFGGuidance": lambda: nodes_video_model.VideoTriangleCFGGuidance().patch(model, 1.0)[0],
        "HyperTile": lambda: nodes_hypertile.HyperTile.execute(model, 256, 2, 0, False)[0],
        "NAGuidance": lambda: nodes_nag.NAGuidance.execute(model, 5.0, 0.5, 1.5).result[0],
    }[name]()


IDLE = [
    "PerturbedAttentionGuidance", "SelfAttentionGuidance", "PerpNeg", "VideoLinearCFGGuidance",
    "VideoTriangleCFGGuidance", "HyperTile", "NAGuidance",
]  # fmt: skip


@pytest.mark.parametrize("node", IDLE)
def test_nodes_without_a_meaning_are_left_out_and_named_once(pack, model, sampled, node, caplog):
    given, expected = idle(node, model), sampled(model)
    with caplog.at_level(logging.WARNING):
        assert torch.equal(sampled(given), expected)
        sampled(given)
    (line,) = [record.getMessage() for record in caplog.records if "X-Dub" in record.getMessage()]
    assert node in line and "\n" not in line


def test_nodes_with_a_meaning_are_not_warned_of(pack, model, caplog):
    with caplog.at_level(logging.WARNING):
        for node in NODES:
            pack("comfy_bridge.model.guidance_patches").warn_of_idle_patches(patched(node, model))
    assert not caplog.records


def test_a_node_that_is_added_later_is_named_too(pack, model, caplog):
    warn = pack("comfy_bridge.model.guidance_patches").warn_of_idle_patches
    one = idle("HyperTile", model)
    with caplog.at_level(logging.WARNING):
        warn(one)
        warn(idle("PerpNeg", one))
    assert ["HyperTile" in record.getMessage() for record in caplog.records] == [True, False]
    assert "PerpNeg" in caplog.records[1].getMessage()
