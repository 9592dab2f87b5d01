"""Eq. 3: what reaches what between sound and picture, by a real core's model of both versions."""

from dataclasses import replace

import ltx
import pytest
import torch
from comfy.ldm.modules.attention import attention_pytorch
from comfy.patcher_extension import WrappersMP

pytestmark = pytest.mark.usefixtures("inference")


@pytest.fixture(params=ltx.VERSIONS)
def version(request):
    return request.param


@pytest.fixture
def isolation(pack):
    return pack("comfy_bridge.dub_it.isolation")


def one_block(version, silenced=True, dtype=None):
    """A MODEL of one block; `silenced`: its self-attentions say nothing, so that streams meet in no other place."""
    model = ltx.transformer(version, layers=1, dtype=dtype)
    block = model.model.diffusion_model.transformer_blocks[0]
    for attention in (block.attn1, block.audio_attn1) if silenced else ():
        for parameter in attention.to_out.parameters():
            parameter.zero_()
    return model


def other(shown, what):
    """The same scene with another guide, reference or given frame."""
    if what == "given":
        video = shown.video.clone()
        video[:, :, : shown.given] += 1
        return replace(shown, video=video)
    return replace(shown, **{what: getattr(shown, what).flip(1)})


def reach(model, version, shown, what):
    """How far the target's picture (what is made of it) and sound move when something of the context is another."""
    frames = slice(shown.given, shown.video.shape[2])
    (video, audio), (video2, audio2) = (
        ltx.predict(model, version, each) for each in (shown, other(shown, what))
    )
    return (video - video2)[:, :, frames].abs().max().item(), (audio - audio2).abs().max().item()


def test_no_reference_crosses_to_the_other_stream(version, isolation):
    model, shown = one_block(version), ltx.scene()
    isolated = isolation.with_isolation(model, first_frame=False)
    assert reach(isolated, version, shown, "reference")[0] == 0.0
    assert reach(isolated, version, shown, "guide")[1] == 0.0


def test_weights_in_8_bits_are_isolated_as_well(version, isolation):
    model, shown = one_block(version, dtype=torch.float8_e4m3fn), ltx.scene()
    assert model.model.diffusion_model.transformer_blocks[0].attn2.to_q.weight.dtype == torch.float8_e4m3fn
    isolated = isolation.with_isolation(model, first_frame=False)
    assert reach(isolated, version, shown, "reference")[0] == 0.0
    assert reach(isolated, version, shown, "guide")[1] == 0.0
    assert reach(model, version, shown, "reference")[0] > 1e-3


@pytest.mark.parametrize("budget", [0, 20_000])
def test_weights_that_stay_elsewhere_are_isolated_as_well(version, isolation, budget):
    """As with --lowvram: core brings weights and LoRAs to each layer when it is computed."""
    model, shown = one_block(version), ltx.scene()
    layer = "diffusion_model.transformer_blocks.0.audio_to_video_attn.to_out.0.weight"
    rows, columns = model.get_model_object(layer).shape
    patched = isolation.with_isolation(model, first_frame=False)
    patched.add_patches({layer: ("diff", (0.1 * torch.ones(rows, columns),))})
    whole = isolation.with_isolation(model, first_frame=False)
    whole.add_patches({layer: ("diff", (0.1 * torch.ones(rows, columns),))})
    cpu = torch.device("cpu")
    whole.patch_model(cpu)
    fully = ltx.predict(whole, version, shown)
    whole.unpatch_model(cpu)
    patched.load(cpu, lowvram_model_memory=max(1, budget))
    attention = model.model.diffusion_model.transformer_blocks[0].audio_to_video_attn
    elsewhere = [
        name for name, each in attention.named_modules() if getattr(each, "comfy_cast_weights", False)
    ]
    assert budget or elsewhere
    try:
        for one, other_way in zip(ltx.predict(patched, version, shown), fully, strict=True):
            assert torch.allclose(one, other_way, atol=1e-5)
        assert reach(patched, version, shown, "reference")[0] == 0.0
        assert reach(patched, version, shown, "guide")[1] == 0.0
    finally:
        patched.unpatch_model(cpu)


def test_another_attention_sees_what_is_left(version, isolation):
    """Sage and flash attention come in as an override, which is called with the target's tokens alone."""
    model, shown = one_block(version), ltx.scene()
    isolated = isolation.with_isolation(model, first_frame=False)
    seen = []

    def attention(_function, q, k, v, heads, **options):
        seen.append((q.shape[1], k.shape[1], options.get("mask")))
        return attention_pytorch(q, k, v, heads, mask=options.get("mask"))

    given = {"optimized_attention_override": attention}
    same = ltx.predict(isolated, version, shown), ltx.predict(isolated, version, shown, **given)
    assert all(torch.allclose(one, other, atol=1e-5) for one, other in zip(*same, strict=True))
    video, audio = shown.size * shown.video.shape[2], shown.audio.shape[2]
    crossing = [call for call in seen if call[:2] in ((video, audio), (audio, video))]
    assert len(crossing) == 2 and all(mask is None for *_, mask in crossing)


def test_hooks_of_others_stay_and_work_beside_it(version, isolation):
    """Another node's wrapper on the same clone, and a hook that is in the layer for good."""
    model, shown = one_block(version), ltx.scene()
    isolated = isolation.with_isolation(model, first_frame=False)
    calls = []

    def other_wrapper(executor, *args, **given):
        calls.append("wrapper")
        return executor(*args, **given)

    isolated.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "somebody_else_s", other_wrapper)
    attention = model.model.diffusion_model.transformer_blocks[0].audio_to_video_attn
    handle = attention.register_forward_hook(lambda *_: calls.append("hook"))
    try:
        assert reach(isolated, version, shown, "reference")[0] == 0.0
    finally:
        handle.remove()
    assert calls == ["wrapper", "hook"] * 2
    assert isolation.without_isolation(isolated).get_wrappers(WrappersMP.DIFFUSION_MODEL, "somebody_else_s")


def test_without_isolation_both_cross(version):
    model, shown = one_block(version), ltx.scene()
    assert reach(model, version, shown, "reference")[0] > 1e-3
    assert reach(model, version, shown, "guide")[1] > 1e-3


def test_a_clean_first_frame_counts_as_context_where_it_is_asked_for(version, isolation):
    model, shown = one_block(version), ltx.scene(given=1)
    release, paper = (isolation.with_isolation(model, first_frame=each) for each in (True, False))
    assert reach(release, version, shown, "given")[1] == 0.0
    assert reach(paper, version, shown, "given")[1] > 1e-3
    for isolated in (release, paper):
        assert reach(isolated, version, shown, "reference")[0] == 0.0
        assert reach(isolated, version, shown, "guide")[1] == 0.0


def test_target_s_sound_and_picture_still_meet(version, isolation):
    model, shown = one_block(version), ltx.scene()
    isolated = isolation.with_isolation(model, first_frame=True)
    assert reach(isolated, version, shown, "audio")[0] > 1e-3
    assert reach(isolated, version, shown, "video")[1] > 1e-3


def masked_by_minus_infinity(shown, given):
    """Eq. 3 as a mask on the logits, for every attention between as many tokens as the two streams have."""
    frames = shown.video.shape[2]
    video = torch.zeros(shown.size * (frames + shown.guide.shape[2]), dtype=torch.bool)
    video[shown.size * given : shown.size * frames] = True
    audio = torch.ones(shown.reference.shape[2] + shown.audio.shape[2], dtype=torch.bool)
    audio[: shown.reference.shape[2]] = False
    of = {len(video): video, len(audio): audio}

    def attention(function, q, k, v, heads, **options):
        if {q.shape[1], k.shape[1]} != set(of):
            return function(q, k, v, heads, **options)
        both = of[q.shape[1]][:, None] & of[k.shape[1]]
        mask = torch.zeros(both.shape).masked_fill(~both, float("-inf"))
        return attention_pytorch(q, k, v, heads, mask=mask)

    return attention


@pytest.mark.parametrize("given", [0, 1])
def test_slicing_is_the_mask_of_the_paper_also_in_the_context_s_rows(version, isolation, given):
    model, shown = ltx.transformer(version, layers=2), ltx.scene(given=given)
    sliced = ltx.predict(isolation.with_isolation(model, first_frame=True), version, shown)
    masked = ltx.predict(
        model, version, shown, optimized_attention_override=masked_by_minus_infinity(shown, given)
    )
    plain = ltx.predict(model, version, shown)
    frames = shown.video.shape[2]
    for ours, paper in zip(sliced, masked, strict=True):
        assert torch.allclose(ours, paper, atol=1e-5)
    assert (sliced[0][:, :, frames:] - plain[0][:, :, frames:]).abs().max() > 1e-3


def test_clones_keep_to_themselves_and_isolation_can_be_taken_out(version, isolation):
    model, shown = ltx.transformer(version, layers=1), ltx.scene(given=1)
    plain = ltx.predict(model, version, shown)
    paper, release = (isolation.with_isolation(model, first_frame=each) for each in (False, True))
    first = [ltx.predict(each, version, shown) for each in (paper, release)]
    again = [
        ltx.predict(each, version, shown) for each in (isolation.with_isolation(release, False), release)
    ]
    taken_out = isolation.without_isolation(release)
    for result in (ltx.predict(model, version, shown), ltx.predict(taken_out, version, shown)):
        assert all(map(torch.equal, result, plain))
    for one, other_time in zip(first, again, strict=True):
        assert all(map(torch.equal, one, other_time))
    assert not torch.equal(first[0][0], first[1][0])


def test_nothing_is_left_in_the_model_when_a_step_fails(version, isolation):
    model, shown = ltx.transformer(version, layers=1), ltx.scene()
    isolated = isolation.with_isolation(model, first_frame=False)

    def fails(*_args, **_options):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        ltx.predict(isolated, version, shown, optimized_attention_override=fails)
    hooks = [each._forward_hooks | each._forward_pre_hooks for each in model.model.diffusion_model.modules()]
    assert not any(hooks)


def test_without_context_nothing_changes(version, isolation):
    model, shown = ltx.transformer(version, layers=1), ltx.scene()
    bare = replace(shown, guide=shown.guide[:, :, :0], reference=shown.reference[:, :, :0])
    isolated = isolation.with_isolation(model, first_frame=True)
    plain = ltx.predict(model, version, bare)
    assert all(map(torch.equal, ltx.predict(isolated, version, bare), plain))


def test_tokens_that_core_leaves_out_are_not_counted(isolation):
    mask = torch.ones(1, 1, 4, 2, 2)
    mask[:, :, 2:] = 0
    mask[:, :, 3, 1] = -1
    assert isolation.video_target(torch.zeros(1, 3, 8, 2), mask, True) == isolation.Target(0, 6)
