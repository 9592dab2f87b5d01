"""The nodes that the example workflows of Dub It are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from workflow_format import Link, Step

LIGHTRICKS = "https://huggingface.co/Lightricks"
GEMMA = "gemma_3_12B_it_fp4_mixed.safetensors"
GEMMA_URL = f"https://huggingface.co/Comfy-Org/ltx-2/resolve/main/split_files/text_encoders/{GEMMA}"
LINE = {
    "dialogue": "Buenas noches, y bienvenidos a todos.",
    "language": "Spanish",
    "speaker": "The person",
}


@dataclass(frozen=True)
class Version:
    """The files of a version of LTX-2: (name, address) each."""

    checkpoint: tuple[str, str]
    lora: tuple[str, str]
    upscaler: tuple[str, str]
    layout: str


def _at(repository: str, name: str) -> tuple[str, str]:
    return name, f"{repository}/resolve/main/{name}"


LTX_2 = Version(
    _at(f"{LIGHTRICKS}/LTX-2", "ltx-2-19b-dev-fp8.safetensors"),
    _at("https://huggingface.co/justdubit/justdubit", "ltx-2-19b-ic-lora-lipdubbing.safetensors"),
    _at(f"{LIGHTRICKS}/LTX-2", "ltx-2-spatial-upscaler-x2-1.0.safetensors"),
    "paper release",
)
LTX_2_3 = Version(
    _at(f"{LIGHTRICKS}/LTX-2.3-fp8", "ltx-2.3-22b-distilled-fp8.safetensors"),
    _at(f"{LIGHTRICKS}/LTX-2.3-22b-IC-LoRA-DubIt", "ltx-2.3-22b-ic-lora-dubit-0.9.safetensors"),
    _at(f"{LIGHTRICKS}/LTX-2.3", "ltx-2.3-spatial-upscaler-x2-1.1.safetensors"),
    "ltx 2.3",
)
UNWANTED = "blurry, distorted, low quality, robotic voice"
DISTILLED = _at(f"{LIGHTRICKS}/LTX-2", "ltx-2-19b-distilled-lora-384.safetensors")
"""The refiner's LoRA of LTX-2 19B."""


def _file(named: tuple[str, str], directory: str) -> dict[str, str]:
    return {"name": named[0], "url": named[1], "directory": directory}


def video() -> Step:
    return Step("video", "LoadVideo", {"file": "video.mp4"}, "The video")


def lora(name: str, file: tuple[str, str], title: str) -> Step:
    """A LoRA on the checkpoint's model."""
    inputs = {"model": Link("checkpoint"), "lora_name": file[0], "strength_model": 1.0}
    return Step(name, "LoraLoaderModelOnly", inputs, title, (_file(file, "loras"),))


def models(version: Version) -> tuple[Step, ...]:
    """All that Dub It needs at least, as the steps checkpoint, lora, encoder and sound."""
    name = version.checkpoint[0]
    checkpoint = _file(version.checkpoint, "checkpoints")
    return (
        Step("checkpoint", "CheckpointLoaderSimple", {"ckpt_name": name}, models=(checkpoint,)),
        lora("lora", version.lora, "The LoRA for dubbing"),
        Step(
            "encoder",
            "LTXAVTextEncoderLoader",
            {"text_encoder": GEMMA, "ckpt_name": name, "device": "default"},
            models=(_file((GEMMA, GEMMA_URL), "text_encoders"),),
        ),
        Step("sound", "LTXVAudioVAELoader", {"ckpt_name": name}),
    )


def upscaler(version: Version) -> Step:
    files = (_file(version.upscaler, "latent_upscale_models"),)
    return Step("upscaler", "LatentUpscaleModelLoader", {"model_name": version.upscaler[0]}, models=files)


def dub_it(version: Version, **more: Any) -> Step:
    """Dub It; `more`: its other inputs."""
    inputs = {
        "video": Link("video"),
        **LINE,
        "model": Link("lora"),
        "clip": Link("encoder"),
        "vae": Link("checkpoint", 2),
        "audio_vae": Link("sound"),
        "layout": version.layout,
        "size": 960,
        "voice": "source",
        "seed": 42,
        "keep_sound": True,
        "scene": "",
        "negative": "",
        "steps": 0,
        "guidance": 0.0,
        "longest": 121,
        "quality": 16,
    }
    return Step("it", "XDubIt", inputs | more)


def every_step(version: Version) -> tuple[Step, ...]:
    """Everything that Dub It does in two stages, as nodes."""
    line = {**LINE, "layout": version.layout, "scene": "", "old_audio": Link("components", 1)}
    prompts = {"positive": Link("positive"), "negative": Link("negative")}
    vaes = {"vae": Link("checkpoint", 2), "audio_vae": Link("sound")}
    choices = {"layout": version.layout, "size": 960, "voice": "source"}
    isolated = {"model": Link("conditioning"), "isolate": True, "first_frame": True}
    schedule = {"steps": 30, "max_shift": 2.05, "base_shift": 0.95, "stretch": True, "terminal": 0.1}
    again = {"latent": Link("sampler"), "model": Link("distilled"), "vae": vaes["vae"]}
    return (
        Step("components", "GetVideoComponents", {"video": Link("video")}),
        Step("prompt", "XDubItPrompt", line),
        Step("positive", "CLIPTextEncode", {"clip": Link("encoder"), "text": Link("prompt")}, "The prompt"),
        Step("negative", "CLIPTextEncode", {"clip": Link("encoder"), "text": UNWANTED}, "What is not wanted"),
        Step(
            "conditioning",
            "XDubItConditioning",
            {"model": Link("lora"), **prompts, **vaes, "video": Link("video"), **choices},
        ),
        Step("isolation", "XDubItIsolation", isolated),
        Step("sigmas", "LTXVScheduler", schedule),
        *_sampling("", Link("isolation"), "conditioning", Link("sigmas"), 3.0),
        upscaler(version),
        Step("second", "XDubItSecondStage", {**again, "upscale_model": Link("upscaler")}),
        Step("sigmas_2", "ManualSigmas", {"sigmas": "0.725, 0.421875, 0.0"}),
        *_sampling("_2", Link("second"), "second", Link("sigmas_2"), 1.0),
        Step(
            "decode",
            "XDubItDecode",
            {"latent": Link("sampler_2"), **vaes, "quality": 16, "keep_sound": True},
        ),
    )


def _sampling(after: str, model: Link, context: str, sigmas: Link, cfg: float) -> tuple[Step, ...]:
    """Core's nodes for sampling what the step `context` gives; `after`: what their names end with."""
    both = {"positive": Link(context, 1), "negative": Link(context, 2)}
    inputs = {
        "noise": Link(f"noise{after}"),
        "guider": Link(f"guider{after}"),
        "sampler": Link(f"euler{after}"),
        "sigmas": sigmas,
        "latent_image": Link(context, 3),
    }
    return (
        Step(f"noise{after}", "RandomNoise", {"noise_seed": 42}),
        Step(f"guider{after}", "CFGGuider", {"model": model, **both, "cfg": cfg}),
        Step(f"euler{after}", "KSamplerSelect", {"sampler_name": "euler"}),
        Step(f"sampler{after}", "SamplerCustomAdvanced", inputs),
    )
