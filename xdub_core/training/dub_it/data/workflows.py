"""The prompts that a ComfyUI runs: core's nodes for LTX-2, and one of ours that saves an encoded text.

1. `generation`: a clip that switches language, of text alone.
2. `probe`: its latents as it is, and with the lips blacked out, for the fine mask.
3. `inpainting`: a half made anew: all of its sound, and of its picture the cells of the fine mask; the rest is context.
4. `encoding`: both clips of a pair as latents, and the encoded text.

Masks go there as videos without loss, one pixel a latent cell; core's nodes bring them to the latents as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from xdub_core.dub_it.recipes import RELEASE, SCHEDULE
from xdub_core.dub_it.times import check_frames, padded_frames, sound_latents
from xdub_core.errors import SettingsError

from .models import Link, LtxNodes

SAVE_TEXT = "XDubItSavePrompt"
"""Our node: a CONDITIONING into a file of tensors."""
NEGATIVE = (
    "blurry, distorted face, deformed mouth, subtitles, text, watermark, background music, robotic voice"
)
"""An estimate; the paper says nothing of it."""
CRF = 4
"""H.264 quality of clips that come back: nearly without loss, since they are encoded again."""


@dataclass(frozen=True)
class ClipSettings:
    """Clips as they are generated. `size`: width and height, of multiples of 32 pixels; `frames`: 8 k + 1.

    The paper trains on halves of up to 960 x 544 x 121 at 25 fps (A.3); its example of a clip has ten seconds (A.1).
    """

    size: tuple[int, int] = (960, 544)
    frames: int = 249
    fps: Fraction = Fraction(25)

    def __post_init__(self) -> None:
        check_frames(self.frames)
        if self.frames != padded_frames(self.frames):
            raise SettingsError(f"clips of {self.frames} frames cannot be: take 8 k + 1, such as 249")
        if any(side % 32 or side < 64 for side in self.size):
            width, height = self.size
            raise SettingsError(f"clips of {width} x {height} cannot be: take multiples of 32, from 64 on")
        if self.fps <= 0:
            raise SettingsError(f"clips at {self.fps} fps cannot be: take 25 or so")

    @property
    def seconds(self) -> float:
        """Length."""
        return float(self.frames / self.fps)


@dataclass(frozen=True)
class SamplingSettings:
    """How clips are sampled, made anew too: the release's values; the paper says nothing of its data's."""

    steps: int = RELEASE.steps
    guidance: float = RELEASE.guidance
    sampler: str = "euler"
    negative: str = NEGATIVE

    def __post_init__(self) -> None:
        if self.steps < 1 or self.guidance < 1:
            raise SettingsError(
                f"{self.steps} steps at a guidance of {self.guidance:g}: take 1 or more of each"
            )


@dataclass(frozen=True)
class Sound:
    """A sound in the server's input folder: `latents` of it count, from its start on; `mask`: 1 where it is new."""

    file: str
    latents: int
    mask: str = ""


@dataclass
class Workflow:
    """Nodes in the API's form, as they are added."""

    nodes: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, kind: str, name: str = "", /, **inputs: Any) -> str:
        """Add a node; returns its id. Names of inputs with dots in them are written with two underscores."""
        name = name or str(len(self.nodes) + 1)
        told = {key.replace("__", "."): value for key, value in inputs.items()}
        self.nodes[name] = {"class_type": kind, "inputs": told}
        return name

    def use(self, models: LtxNodes) -> None:
        """Add the nodes that load LTX-2."""
        self.nodes |= {name: dict(node) for name, node in models.nodes.items()}


def generation(
    models: LtxNodes, clip: ClipSettings, sampling: SamplingSettings, prompt: str, seed: int, prefix: str
) -> dict[str, dict[str, Any]]:
    """A clip of text alone, saved by the nodes "video" and "sound"."""
    flow = Workflow()
    flow.use(models)
    width, height = clip.size
    picture = flow.add("EmptyLTXVLatentVideo", width=width, height=height, length=clip.frames, batch_size=1)
    sound = flow.add(
        "LTXVEmptyLatentAudio",
        frames_number=clip.frames,
        frame_rate=float(clip.fps),
        batch_size=1,
        audio_vae=models.audio_vae,
    )
    latent = flow.add("LTXVConcatAVLatent", video_latent=[picture, 0], audio_latent=[sound, 0])
    _sampled_and_saved(flow, models, clip, sampling, prompt, seed, [latent, 0], prefix)
    return flow.nodes


def probe(
    models: LtxNodes, clip: ClipSettings, video: str, lips: str, prefix: str
) -> dict[str, dict[str, Any]]:
    """Latents of a clip, saved by the node "plain", and of it with the lips blacked out, by "masked"."""
    flow = Workflow()
    flow.use(models)
    images, (width, height) = _images(flow, video), clip.size
    black = flow.add("EmptyImage", width=width, height=height, batch_size=1, color=0)
    hidden = flow.add(
        "ImageCompositeMasked",
        destination=images,
        source=[black, 0],
        x=0,
        y=0,
        resize_source=False,
        mask=_mask(flow, lips),
    )
    for name, pixels in (("plain", images), ("masked", [hidden, 0])):
        latent = flow.add("VAEEncode", pixels=pixels, vae=models.vae)
        flow.add("SaveLatent", name, samples=[latent, 0], filename_prefix=f"{prefix}-{name}")
    return flow.nodes


def inpainting(
    models: LtxNodes,
    clip: ClipSettings,
    sampling: SamplingSettings,
    prompt: str,
    seed: int,
    video: str,
    cells: str,
    sound: Sound,
    prefix: str,
) -> dict[str, dict[str, Any]]:
    """A clip of which a half is made anew, saved by the nodes "video" and "sound".

    `cells`: a video of a mask in the latents' own size. Both streams are denoised together (Sec. 3.2).
    """
    flow = Workflow()
    flow.use(models)
    pixels = flow.add("VAEEncode", pixels=_images(flow, video), vae=models.vae)
    picture = flow.add("SetLatentNoiseMask", samples=[pixels, 0], mask=_mask(flow, cells))
    heard = flow.add("SetLatentNoiseMask", samples=_sound(flow, models, sound), mask=_mask(flow, sound.mask))
    latent = flow.add("LTXVConcatAVLatent", video_latent=[picture, 0], audio_latent=[heard, 0])
    _sampled_and_saved(flow, models, clip, sampling, prompt, seed, [latent, 0], prefix)
    return flow.nodes


def encoding(
    models: LtxNodes,
    pair: tuple[tuple[str, Sound], tuple[str, Sound]],
    frames: range,
    prompt: str,
    prefix: str,
) -> dict[str, dict[str, Any]]:
    """A pair's source and target as latents, and the prompt's embedding, saved by nodes named as a `Pair`'s fields.

    Each of the pair is a video, of which `frames` are taken, and a sound of them alone.
    """
    flow = Workflow()
    flow.use(models)
    for name, (video, sound) in zip(("source", "target"), pair, strict=True):
        whole = _images(flow, video)
        part = flow.add("ImageFromBatch", image=whole, batch_index=frames.start, length=len(frames))
        latent = flow.add("VAEEncode", pixels=[part, 0], vae=models.vae)
        for kind, samples in (("video", [latent, 0]), ("audio", _sound(flow, models, sound))):
            flow.add(
                "SaveLatent", f"{name}_{kind}", samples=samples, filename_prefix=f"{prefix}-{name}-{kind}"
            )
    text = flow.add("CLIPTextEncode", text=prompt, clip=models.clip)
    flow.add(SAVE_TEXT, "text", conditioning=[text, 0], filename_prefix=f"{prefix}-text")
    return flow.nodes


def needed_nodes(models: LtxNodes) -> set[str]:
    """All nodes that the prompts are made of."""
    clip, sampling, sound = ClipSettings(), SamplingSettings(), Sound("", sound_latents(249, Fraction(25)))
    flows = (
        generation(models, clip, sampling, "", 0, ""),
        probe(models, clip, "", "", ""),
        inpainting(models, clip, sampling, "", 0, "", "", sound, ""),
        encoding(models, (("", sound), ("", sound)), range(9), "", ""),
    )
    return {node["class_type"] for flow in flows for node in flow.values()}


def _sampled_and_saved(
    flow: Workflow,
    models: LtxNodes,
    clip: ClipSettings,
    sampling: SamplingSettings,
    prompt: str,
    seed: int,
    latent: Link,
    prefix: str,
) -> None:
    texts = [flow.add("CLIPTextEncode", text=text, clip=models.clip) for text in (prompt, sampling.negative)]
    both = flow.add(
        "LTXVConditioning", positive=[texts[0], 0], negative=[texts[1], 0], frame_rate=float(clip.fps)
    )
    guider = flow.add(
        "CFGGuider", model=models.model, positive=[both, 0], negative=[both, 1], cfg=sampling.guidance
    )
    made = flow.add(
        "SamplerCustomAdvanced",
        noise=[flow.add("RandomNoise", noise_seed=seed), 0],
        guider=[guider, 0],
        sampler=[flow.add("KSamplerSelect", sampler_name=sampling.sampler), 0],
        sigmas=[flow.add("LTXVScheduler", steps=sampling.steps, **SCHEDULE), 0],
        latent_image=latent,
    )
    parts = flow.add("LTXVSeparateAVLatent", av_latent=[made, 0])
    images = flow.add("VAEDecode", samples=[parts, 0], vae=models.vae)
    audio = flow.add("LTXVAudioVAEDecode", samples=[parts, 1], audio_vae=models.audio_vae)
    video = flow.add("CreateVideo", images=[images, 0], audio=[audio, 0], fps=float(clip.fps))
    flow.add(
        "SaveVideo",
        "video",
        video=[video, 0],
        filename_prefix=prefix,
        format="mp4",
        format__codec="h264",
        format__codec__encoding="re-encode",
        format__codec__encoding__crf=CRF,
        format__codec__encoding__color_space="auto",
    )
    flow.add("SaveAudioAdvanced", "sound", audio=[audio, 0], filename_prefix=prefix, format="flac")


def _images(flow: Workflow, video: str) -> Link:
    loaded = flow.add("LoadVideo", file=video)
    return [flow.add("GetVideoComponents", video=[loaded, 0]), 0]


def _mask(flow: Workflow, video: str) -> Link:
    return [flow.add("ImageToMask", image=_images(flow, video), channel="red"), 0]


def _sound(flow: Workflow, models: LtxNodes, sound: Sound) -> Link:
    loaded = flow.add("LoadAudio", audio=sound.file)
    latent = flow.add("LTXVAudioVAEEncode", audio=[loaded, 0], audio_vae=models.audio_vae)
    return [flow.add("LatentCut", samples=[latent, 0], dim="y", index=0, amount=sound.latents), 0]
