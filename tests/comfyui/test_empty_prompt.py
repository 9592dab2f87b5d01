"""Empty Prompt and Load Text Encoder: computed once, kept, and not needed afterwards."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from xdub_core.errors import MissingModelError, SettingsError


def model_of_width(width):
    config = SimpleNamespace(text_dim=width)
    return SimpleNamespace(model=SimpleNamespace(diffusion_model=SimpleNamespace(config=config)))


class FakeClip:
    """What Load CLIP gives for umt5_xxl, as far as an empty prompt needs it: one token, then zeros."""

    def __init__(self, name="umt5xxl", width=4096):
        self.name, self.row, self.asked = name, torch.randn(1, width), 0

    def tokenize(self, text):
        assert text == ""
        return {self.name: [[(1, 1.0)]]}

    def encode_from_tokens(self, tokens):
        self.asked += 1
        return torch.cat([self.row, torch.zeros(511, self.row.shape[1])])[None]


def test_empty_prompt_asks_the_clip_once_and_is_kept(pack, tmp_path, monkeypatch):
    import folder_paths

    monkeypatch.setattr(folder_paths, "get_user_directory", lambda: str(tmp_path))
    node, clip, prompt = pack("empty_prompt").EmptyPrompt, FakeClip(), pack("comfy_bridge.empty_prompt")
    released = model_of_width(4096)
    assert "Load CLIP" in node.validate_inputs(source="automatic")
    assert node.check_lazy_status("automatic") == ["clip"]
    with pytest.raises(MissingModelError, match="Load CLIP"):
        prompt.context_for(released)
    with pytest.raises(SettingsError, match="t5xxl"):
        node.execute("automatic", FakeClip("t5xxl"))
    ((context, _),) = node.execute("automatic", clip).result[0]
    assert context.shape == (1, 512, 4096)
    assert torch.equal(context[0, :1], clip.row)
    assert not context[0, 1:].any()
    assert node.check_lazy_status("automatic") == []
    assert node.validate_inputs(source="automatic") is True
    assert torch.equal(node.execute("automatic").result[0][0][0], context)
    assert torch.equal(prompt.context_for(released), context)
    assert clip.asked == 1


def test_empty_prompt_from_a_file(pack, tmp_path, monkeypatch):
    import folder_paths

    from xdub_core.released.empty_prompt import save_empty_prompt

    row, node = torch.randn(1, 4096), pack("empty_prompt").EmptyPrompt
    monkeypatch.setattr(folder_paths, "get_user_directory", lambda: str(tmp_path / "user"))
    folder = Path(folder_paths.get_folder_paths("text_encoders")[0])
    save_empty_prompt(folder / "given.safetensors", row)
    assert node.validate_inputs(source="given.safetensors") is True
    ((context, _),) = node.execute("given.safetensors").result[0]
    assert torch.equal(context[0, :1], row)
    (folder / "given.safetensors").unlink()
    assert node.validate_inputs(source="given.safetensors") is True
    assert torch.equal(node.execute("given.safetensors").result[0][0][0], context)
    for nowhere in ("given.safetensors", "/etc/passwd", "../x"):
        pack("comfy_bridge.empty_prompt").kept_prompt().unlink(missing_ok=True)
        assert "there is no" in node.validate_inputs(source=nowhere)


def test_the_text_encoder_s_file_may_go_once_the_prompt_is_kept(pack, tmp_path, monkeypatch):
    import comfy.sd
    import folder_paths
    from safetensors.torch import save_file

    monkeypatch.setattr(folder_paths, "get_user_directory", lambda: str(tmp_path))
    loader, node = pack("text_encoder").LoadTextEncoder, pack("empty_prompt").EmptyPrompt
    file = Path(folder_paths.get_folder_paths("text_encoders")[0]) / "umt5_tiny.safetensors"
    assert "is missing" in loader.validate_inputs(clip_name=file.name)
    assert loader.validate_inputs() is True  # linked: known when it runs
    save_file({"empty_prompt": torch.zeros(1, 8)}, file)
    assert "not the umt5-xxl text encoder" in loader.validate_inputs(clip_name=file.name)
    layer = "encoder.block.0.layer.0.SelfAttention"
    save_file(
        {f"{layer}.q.weight": torch.zeros(2), f"{layer}.relative_attention_bias.weight": torch.zeros(2)}, file
    )
    assert loader.validate_inputs(clip_name=file.name) is True
    asked = {}
    monkeypatch.setattr(
        comfy.sd, "load_clip", lambda paths, **options: asked.update(options, paths=paths) or FakeClip()
    )
    node.execute("automatic", loader.execute(file.name).result[0])
    assert asked["paths"] == [str(file)] and asked["clip_type"] is comfy.sd.CLIPType.WAN
    file.unlink()
    assert loader.validate_inputs(clip_name=file.name) is True
    assert node.check_lazy_status("automatic") == []


def test_models_without_a_text_encoder_are_sampled_with_zeros(pack):
    context = pack("comfy_bridge.empty_prompt").context_for(model_of_width(16))
    assert torch.equal(context, torch.zeros(1, 1, 16))


def beyond_an_embedding(name, conditioning):
    """A CONDITIONING behind one of core's nodes."""
    import comfy.hooks
    from comfy_extras.nodes_hooks import ConditioningSetProperties

    import nodes

    hooks = comfy.hooks.create_hook_lora({}, 1.0, 0.0)
    return {
        "hooks": lambda: ConditioningSetProperties().set_properties(conditioning, 1.0, "default", hooks=hooks)[0],
        "a range of steps": lambda: nodes.ConditioningSetTimestepRange().set_range(conditioning, 0.2, 1.0)[0],
        "a strength": lambda: nodes.ConditioningSetAreaStrength().append(conditioning, 0.5)[0],
        "an area": lambda: nodes.ConditioningSetArea().append(conditioning, 64, 64, 0, 0, 1.0)[0],
        "a mask": lambda: nodes.ConditioningSetMask().append(conditioning, torch.ones(8, 8), "default", 1.0)[0],
        "2 conditionings": lambda: nodes.ConditioningCombine().combine(conditioning, conditioning)[0],
    }[name]()  # fmt: skip


@pytest.mark.parametrize(
    "what", ["hooks", "a range of steps", "a strength", "an area", "a mask", "2 conditionings"]
)
def test_what_would_be_left_out_of_a_conditioning_is_refused(pack, what):
    context_for, conditioning = pack("comfy_bridge.empty_prompt").context_for, [[torch.zeros(1, 1, 16), {}]]
    assert torch.equal(context_for(model_of_width(16), conditioning), torch.zeros(1, 1, 16))
    with pytest.raises(SettingsError, match=f"has .*{what}.*Load LoRA or LoRA Expert"):
        context_for(model_of_width(16), beyond_an_embedding(what, conditioning))
