"""The example workflows, as recipes."""

from __future__ import annotations

from typing import Any

from workflow_format import Link, Recipe, Step

WAN22 = "https://huggingface.co/Comfy-Org/Wan_2.2_ComfyUI_Repackaged/resolve/main/split_files"
WAN21 = "https://huggingface.co/Comfy-Org/Wan_2.1_ComfyUI_repackaged/resolve/main/split_files"
XDUB = "https://huggingface.co/KlingTeam/X-Dub/resolve/main"
MODEL, VAE, UMT5 = (
    "X-Dub_model.safetensors",
    "wan2.2_vae.safetensors",
    "umt5_xxl_fp8_e4m3fn_scaled.safetensors",
)
WHISPER, WAV2VEC = "large-v2.pt", "wav2vec2-base-960h.safetensors"
PEOPLE = "yolox_l_8x8_300e_coco_20211126_140236-d3bd2b23.pth"
POSE = "rtmw-x_simcc-cocktail14_pt-ucoco_270e-384x288-f840f204_20231122.pth"

FILES = f"""
**Files** (ComfyUI offers to download what it knows a place for):

| folder in models/ | file |
| --- | --- |
| diffusion_models | {MODEL} |
| vae | {VAE} |
| text_encoders | {UMT5} |
| audio_encoders | {WHISPER} (Whisper large-v2), {WAV2VEC} |
| detection | {PEOPLE}, {POSE} |

The text encoder is only loaded the first time; after that its file may be deleted.
"""


def _file(name: str, url: str, directory: str) -> dict[str, str]:
    return {"name": name, "url": url, "directory": directory}


def _source() -> tuple[Step, ...]:
    return (
        Step("video", "LoadVideo", {"file": "video.mp4"}, "The video"),
        Step("audio", "LoadAudio", {"audio": "speech.wav"}, "The new speech"),
    )


def _released(weight_dtype: str = "default", precision: str = "float32 (as released)") -> tuple[Step, ...]:
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


def _dub(video: Link, audio: Link, model: Link, **others: Any) -> Step:
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


def _save(video: Link, prefix: Any = "video/x-dub") -> Step:
    return Step(
        "save",
        "SaveVideo",
        {"video": video, "filename_prefix": prefix, "format": "auto", "format.codec": "auto"},
    )


def _steps_between(model: Link, vae: Link, encoders: Link, detector: Link, **sizes: Any) -> tuple[Step, ...]:
    """Everything that Dub Video does, as nodes; `sizes`: crop_size, clip_frames, steps, and what the sampler gets."""
    video, audio = Link("video", sizes["video_output"]), Link("audio", sizes["audio_output"])
    return (
        Step(
            "face",
            "XDubFaceCrop",
            {
                "source": video,
                "face": "find it",
                "crop_size": sizes["crop_size"],
                "box": "",
                "detect_every": 1,
                "as_released": False,
                "image_fps": 25.0,
                "face_detector": detector,
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
        Step("decode", "VAEDecode", {"samples": Link("stitch"), "vae": vae}),
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
        _save(Link("paste")),
    )


_MINI = Step("mini", "XDubLoadMini", {"experts": True, "folder": ""})
_GUIDANCE = Step(
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


def _expert(name: str, model: Link, file: str) -> Step:
    inputs = {
        "expert": file,
        "strength": 1.0,
        "noise_range": "as the file says",
        "from_noise": 1.0,
        "to_noise": 0.0,
    }
    return Step(name, "XDubExpert", {"model": model, **inputs})


def _mini_dub(**more: Any) -> Step:
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


RECIPES = (
    Recipe(
        "1_quick_start_built_in_model",
        "X-Dub: quick start",
        "## Quick start\n\nPress **Run**: the small built-in model dubs a drawn head. No download, no GPU, a minute or "
        "two on a CPU.\n\nThe built-in model knows drawn heads only. For real people open *the released model, "
        "simple*.",
        (
            Step("sample", "XDubLoadSample"),
            _MINI,
            _mini_dub(),
            _save(Link("dub")),
        ),
    ),
    Recipe(
        "2_built_in_model_every_step",
        "X-Dub: every step, built-in model",
        "## Every step\n\nThe same as the quick start, with all that *Dub Video* does as nodes of its own: look in, "
        "change, replace. Runs on a CPU.",
        (
            Step("sample", "XDubLoadSample"),
            _MINI,
            *(
                Step(
                    step.name,
                    step.kind,
                    {
                        name: Link("sample", value.index)
                        if isinstance(value, Link) and value.node in ("video", "audio")
                        else value
                        for name, value in step.inputs.items()
                    },
                    step.title,
                )
                for step in _steps_between(
                    Link("mini", 0),
                    Link("mini", 1),
                    Link("mini", 2),
                    Link("mini", 3),
                    video_output=0,
                    audio_output=1,
                    crop_size=Link("mini", 5),
                    clip_frames=Link("mini", 6),
                    steps=Link("mini", 7),
                    conditions={"guidance": Link("mini", 4)},
                )
            ),
        ),
    ),
    Recipe(
        "3_released_model_simple",
        "X-Dub: the released model",
        "## Dub a video\n\nChoose a video of one person and a recording, and press **Run**.\n" + FILES,
        (
            *_source(),
            *_released(),
            _dub(Link("video"), Link("audio"), Link("model")),
            _save(Link("dub")),
        ),
    ),
    Recipe(
        "4_released_model_every_step",
        "X-Dub: every step",
        "## Every step\n\nAll that *Dub Video* does as nodes of its own. The crops of the whole video are held in "
        "memory (3 MB a frame): for more than a few minutes use *Dub Video*.\n" + FILES,
        (
            *_source(),
            *_released(),
            _GUIDANCE,
            *_steps_between(
                Link("model"),
                Link("vae"),
                Link("encoders"),
                Link("detector"),
                video_output=0,
                audio_output=0,
                crop_size=512,
                clip_frames=77,
                steps=30,
                conditions={"guidance": Link("guidance"), "empty_prompt": Link("prompt")},
            ),
        ),
    ),
    Recipe(
        "5_low_vram",
        "X-Dub: low VRAM",
        "## Low VRAM\n\nThe model in fp8 (6.3 GB instead of 12.6), the encoders in half precision. What still does not "
        "fit ComfyUI moves to the RAM; start it with --lowvram or --reserve-vram where it should keep more free.\n"
        + FILES,
        (
            *_source(),
            *_released("fp8_e4m3fn", "float16"),
            _dub(Link("video"), Link("audio"), Link("model")),
            _save(Link("dub")),
        ),
    ),
    Recipe(
        "6_lora_experts",
        "X-Dub: LoRA experts",
        "## LoRA experts\n\nOne expert acts while the mouth's shape is decided, the other while its texture is. Put "
        "their files into models/loras. The release has none: they are made with this pack's trainer.\n"
        + FILES,
        (
            *_source(),
            *_released(),
            _expert("lip", Link("model"), "xdub_lip_expert.safetensors"),
            _expert("texture", Link("lip"), "xdub_texture_expert.safetensors"),
            _dub(Link("video"), Link("audio"), Link("texture")),
            _save(Link("dub")),
        ),
    ),
    Recipe(
        "7_batch_over_a_folder",
        "X-Dub: a folder of videos",
        "## Batch\n\nPut pairs of one name into a folder in ComfyUI's input folder, anna.mp4 and anna.wav, and write "
        "its name into *Load Folder*. Each result takes its pair's name.\n\nWith *pair* at 0 "
        "all are dubbed in one run and saved when the last is done: an error or Cancel before that loses them all, and "
        "all recordings are in memory. For more than a few, set *pair* to 1 and *control after generate* to "
        "*increment*, and run as often as there are pairs (the number beside **Run**): then each is saved when it is "
        "done, and what goes wrong with one leaves the others alone.\n" + FILES,
        (
            Step("folder", "XDubLoadFolder", {"folder": "x-dub", "pair": 0}),
            *_released(),
            _dub(Link("folder", 0), Link("folder", 1), Link("model")),
            _save(Link("dub"), Link("folder", 2)),
        ),
    ),
    Recipe(
        "8_two_people",
        "X-Dub: two people",
        "## Two people\n\nPress **Run**: two drawn heads get a recording each, and both are heard. No download, no "
        "GPU, a few minutes on a CPU.\n\n*People* shows who is in the video and their numbers; `person` in *Dub Video* "
        "and *Voice* says who speaks which recording. A third person: one more *Voice*, connected to this one.\n\nEach "
        "recording begins with the video: where the other one speaks, it is silent. For real people, load the "
        "released model as *the released model, simple* does.",
        (
            Step("sample", "XDubLoadSample", {"sample": "two people"}),
            _MINI,
            Step(
                "people",
                "XDubPeople",
                {"source": Link("sample", 0), "face_detector": Link("mini", 3), "image_fps": 25.0},
            ),
            Step("voice", "XDubVoice", {"audio": Link("sample", 2), "person": "right"}, "The second voice"),
            _mini_dub(voices=Link("voice"), person="left"),
            _save(Link("dub")),
        ),
    ),
)
