"""GGUF files through the ComfyUI-GGUF pack, where it is installed beside this one, with experts too."""

import asyncio
import os
from pathlib import Path

import pytest
import torch
from clips import CONTEXT, random_clip, sample
from models import RELEASED_HEADS, load_model, put_lora, put_model, random_state, relative_error

from xdub_core.experts.expert import ExpertInfo
from xdub_core.sampling.guidance import Guidance
from xdub_core.sampling.schedule import flow_sigmas

PACK = Path(os.environ["XDUB_INSIDE_COMFYUI"]) / "custom_nodes" / "ComfyUI-GGUF"
INFO = ExpertInfo("lip", 4, 8.0, 0.0, 1.0)
pytestmark = pytest.mark.skipif(not PACK.is_dir(), reason=f"ComfyUI-GGUF is not at {PACK}")


@pytest.fixture(scope="module")
def gguf_loader():
    import folder_paths

    import nodes

    assert asyncio.run(nodes.load_custom_node(str(PACK)))

    def load(name):
        folder_paths.filename_list_cache.clear()
        return nodes.NODE_CLASS_MAPPINGS["UnetLoaderGGUF"]().load_unet(name)[0]

    return load


def write_gguf(path, state):
    """As the pack's own converter does: Linear weights as Q8_0 where they divide. Returns what was stored."""
    import gguf
    from gguf.quants import dequantize, quantize

    writer, stored = gguf.GGUFWriter(path, "wan"), {}
    for name, tensor in state.items():
        data, kind = tensor.float().numpy(), gguf.GGMLQuantizationType.F32
        if data.ndim == 2 and data.shape[1] % 32 == 0:
            kind = gguf.GGMLQuantizationType.Q8_0
        elif name.endswith(".pe"):
            kind = gguf.GGMLQuantizationType.BF16
        elif data.ndim > 4:
            writer.add_array(f"comfy.gguf.orig_shape.{name}", list(data.shape))
            data = data.reshape(data.shape[0], -1)
        packed = quantize(data, kind)
        writer.add_tensor(name, packed, raw_dtype=kind)
        whole = (
            tensor
            if name.endswith(".pe")
            else torch.from_numpy(dequantize(packed, kind)).reshape(tensor.shape)
        )
        stored[name] = whole.clone()
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return stored


def test_gguf_model_equals_its_dequantised_weights_with_and_without_experts(gguf_loader, pack):
    import folder_paths

    path = Path(folder_paths.get_folder_paths("diffusion_models")[0]) / "small.gguf"
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = write_gguf(path, random_state(RELEASED_HEADS))
    quantised, whole = gguf_loader(path.name), load_model(put_model("dequantised.safetensors", stored))
    assert type(quantised.model).__name__ == "XDubModel"
    guider = pack("comfy_bridge.guider").ClipGuider

    def sampled(model):
        return sample(guider(model, Guidance(), random_clip(), CONTEXT), flow_sigmas(4))

    expected = sampled(whole)
    assert relative_error(sampled(quantised), expected) < 1e-3
    name = put_lora("gguf.safetensors", whole, ("blocks.0.audio_attn.q", "blocks.1.ffn.0"), INFO, seed=5)
    path = Path(folder_paths.get_full_path("loras", name))
    with_expert = pack("comfy_bridge.expert").with_expert
    changed = sampled(with_expert(whole, path, 1.0, 0.0, 0.9))
    assert relative_error(changed, expected) > 5e-3
    assert relative_error(sampled(with_expert(quantised, path, 1.0, 0.0, 0.9)), changed) < 1e-3
