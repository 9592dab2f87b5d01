"""The nodes that the example workflows are made of."""

from __future__ import annotations

from typing import Any

from workflow_format import Link, Step

WAN22 = "https://huggingface.co/Comfy-Org/Wan_2.2_ComfyUI_Repackaged/resolve/main/split_files"
WAN21 = "https://huggingface.co/Comfy-Org/Wan_2.1_ComfyUI_repackaged/resolve/main/split_files"
XDUB = "https://huggingface.co/KlingTeam/X-Dub/resolve/main"
MODEL, VAE, UMT5 = (
    "X-Dub_model.safetensors",
    "wan2.2_vae.safetensors",
    "umt5_xxl_fp8_e4m3fn_scaled.safetensors",
)
FEW_STEPS_LORA = "Wan2_2_5B_FastWanFullAttn_lora_rank_128_bf16.safetensors"
WHISPER, WAV2VEC = "large-v2.pt", "wav2vec2-base-960h.safetensors"
PEOPLE = "yolox_l_8x8_300e_coco_20211126_140236-d3bd2b23.pth"
POSE = "rtmw-x_simcc-cocktail14_pt-ucoco_270e-384x288-f840f204_20231122.pth"


def _file(name: str, url: str, directory: str) -> dict[str, str]:
    return {"name": name, "url": url, "directory": directory}


def source() -> tuple[Step, ...]:
    return (
        Step("video", "LoadVideo", {"file": "video.mp4"}, "The video"),
        Step("audio", "LoadAudio", {"audio": "speech.wav"}, "The new speech"),
    )


def released(weight_dtype: str = "default", precision: str = "float32 (as released)") -> tuple[Step, ...]:
    return (
        Step(
            "model",
            "UNETLoader",
            {"unet_name": MODEL, "weight_dtype": weight_dtype},
            models=(_file(MODEL, f"{XDUB}/{MODEL}", "diffusion_models"),),
        ),
        Step("vae", "VAELoader", {"vae_name": VAE}, models=(_file(VAE, f"{WAN22}/vae/{VAE}", "vae"),)),
        Step(
            "clip",
            "XDubLoadTextEncoder",
            {"clip_name": UMT5},
            models=(_file(UMT5, f"{WAN21}/text_encoders/{UMT5}", "text_encoders"),),
        ),
        Step("prompt", "XDubEmptyPrompt", {"source": "automatic", "clip": Link("clip")}),
        Step(
            "encoders",
            "XDubLoadAudioEncoders",
            {"whisper": WHISPER, "wav2vec2": WAV2VEC, "precision": precision},
            models=(
                _file(WHISPER, f"{XDUB}/whisper/{WHISPER}", "audio_encoders"),
                _file(WAV2VEC, f"{XDUB}/wav2vec2-base-960h/model.safetensors", "audio_encoders"),
            ),
        ),
        Step(
            "detector",
            "XDubLoadFaceDetector",
            {
                "person_detector": PEOPLE,
                "pose": POSE,
                "person": 0,
                "threshold": 0.2,
                "precision": "float32 (as released)",
                "backend": "built in",
            },
        ),
    )


def dub(video: Link, audio: Link, model: Link, **others: Any) -> Step:
    inputs: dict[str, Any] = {
        "video": video,
        "audio": audio,
        "model": model,
        "vae": Link("vae"),
        "audio_encoders": Link("encoders"),
        "seed": 42,
        "steps": 0,
        "length": "audio",
        "quality": 16,
        "as_released": False,
        "image_fps": 25.0,
        "face_detector": Link("detector"),
        "empty_prompt": Link("prompt"),
    }
    inputs |= others
    return Step("dub", "XDubDub", {name: value for name, value in inputs.items() if value is not None})


def save(video: Link, prefix: Any = "video/x-dub") -> Step:
    return Step(
        "save",
        "SaveVideo",
        {"video": video, "filename_prefix": prefix, "format": "auto", "format.codec": "auto"},
    )


def steps_between(
    model: Link,
    vae: Link,
    encoders: Link,
    detector: Link,
    *,
    video: Link,
    audio: Link,
    decoder: Link,
    **sizes: Any,
) -> tuple[Step, ...]:
    """Everything that Dub Video does, as nodes; `sizes`: crop_size, clip_frames, steps, and what the sampler gets."""
    return (
        Step(
            "face",
            "XDubFaceCrop",
            {
                "source": video,
                "face": "find it",
                "crop_size": sizes["crop_size"],
                "as_released": False,
                "image_fps": 25.0,
                "face.face_detector": detector,
            },
        ),
        Step("look", "PreviewImage", {"images": Link("face", 2)}, "Is the whole head in the box?"),
        Step(
            "features",
            "XDubAudioFeatures",
            {"audio": audio, "audio_encoders": encoders, "length": "audio", "face_track": Link("face", 0)},
        ),
        Step(
            "reference",
            "XDubReferenceLatents",
            {
                "crops": Link("face", 1),
                "face_track": Link("face", 0),
                "vae": vae,
                "audio_features": Link("features"),
                "clip_frames": sizes["clip_frames"],
                "motion_frames": 5,
            },
        ),
        Step("euler", "KSamplerSelect", {"sampler_name": "euler"}),
        Step(
            "sigmas",
            "BasicScheduler",
            {"model": model, "scheduler": "simple", "steps": sizes["steps"], "denoise": 1.0},
        ),
        Step(
            "sampler",
            "XDubSampler",
            {
                "model": model,
                "reference": Link("reference"),
                "audio_features": Link("features"),
                "seed": 42,
                "seed_per_clip": False,
                "sampler": Link("euler"),
                "sigmas": Link("sigmas"),
                "border": 1,
                "match_colors": True,
                "as_released": False,
            }
            | sizes["conditions"],
        ),
        Step("stitch", "XDubStitchClips", {"latents": Link("sampler"), "reference": Link("reference")}),
        Step("decode", "VAEDecode", {"samples": Link("stitch"), "vae": decoder}),
        Step("colors", "XDubColorMatch", {"images": Link("decode"), "reference": Link("reference")}),
        Step(
            "paste",
            "XDubPasteBack",
            {
                "source": video,
                "images": Link("colors"),
                "face_track": Link("face", 0),
                "reference": Link("reference"),
                "paste": "change",
                "keep_unchanged": True,
                "output": "video",
                "quality": 16,
                "image_fps": 25.0,
                "audio": audio,
            },
        ),
        save(Link("paste")),
    )


MINI = Step("mini", "XDubLoadMini", {"experts": True, "folder": ""})
GUIDANCE = Step(
    "guidance",
    "XDubGuidance",
    {
        "reference_scale": 2.5,
        "audio_scale": 10.0,
        "dynamic": True,
        "audio_power": 1.5,
        "reference_high": 1.0,
        "reference_middle": 0.6,
        "reference_low": 0.3,
        "high_until": 0.85,
        "middle_from": 0.75,
        "middle_until": 0.45,
        "low_from": 0.35,
        "start": 1.0,
        "end": 0.0,
    },
)


def expert(name: str, model: Link, file: str) -> Step:
    inputs = {"expert": file, "strength": 1.0, "noise_range": "as the file says"}
    return Step(name, "XDubExpert", {"model": model, **inputs})


def mini_dub(**more: Any) -> Step:
    """Dub Video of the sample with the built-in model; `more`: its other inputs."""
    inputs = {
        "video": Link("sample", 0),
        "audio": Link("sample", 1),
        "model": Link("mini", 0),
        "vae": Link("mini", 1),
        "audio_encoders": Link("mini", 2),
        "seed": 42,
        "steps": 0,
        "length": "audio",
        "quality": 16,
        "as_released": False,
        "image_fps": 25.0,
        "face_detector": Link("mini", 3),
    }
    return Step("dub", "XDubDub", {**inputs, **more})


def sample(which: str = "one person") -> Step:
    """What comes with the pack."""
    return Step("sample", "XDubLoadSample", {"sample": which})
