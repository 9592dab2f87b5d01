"""A video of any length dubbed by LTX-2: planned in segments, sampled one after the other, and joined as it is written.

Only latents are kept of all segments; frames are in memory of one at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchaudio.functional import resample

from xdub_core.dub_it.framing import framing
from xdub_core.dub_it.joins import joined_frames, joined_sound
from xdub_core.dub_it.kept_sound import with_channels
from xdub_core.dub_it.prompt import divided, dub_prompt
from xdub_core.dub_it.segments import Segment, plan_segments, speech_seconds
from xdub_core.dub_it.speaking_time import compared, seconds_of_speech, speaking_seconds
from xdub_core.errors import SettingsError

from ..face_crop import check_track
from ..host.progress import interruptible
from ..host.warnings import show_now, warn
from .kept import Keep, Latents, with_own_picture, with_own_sound
from .ltx import tell_without_lora
from .memory import check_memory
from .old_speech import speech_of
from .result import decoded_frames, decoded_sound, video_of_dub
from .source import Source, source_of
from .stages import Choices, LtxModels, check, sampled
from .voice import heard

SEEDS = 2**64
NOTHING_KEPT = Keep(face=None, sound=False)


@dataclass(frozen=True)
class Line:
    """What is to be spoken, by whom; as for `dub_prompt`. `negative`: the negative prompt."""

    dialogue: str
    language: str
    speaker: str
    scene: str = ""
    negative: str = ""


def dubbed_by_ltx(
    video: Any,
    line: Line,
    models: LtxModels,
    choices: Choices,
    longest: int,
    quality: int,
    voice: Mapping[str, Any] | None = None,
    keep: Keep = NOTHING_KEPT,
) -> tuple[Any, dict[str, Any]]:
    """A VIDEO and its AUDIO. `longest`: frames of a segment at most. `voice`: AUDIO instead of the video's own.

    A segment in which nobody speaks stays the source's. Raises CheckpointError, MediaError or SettingsError; what can
    be known before anything is sampled is.
    """
    check(models, choices)
    dub_prompt(choices.layout, line.speaker, line.language, line.dialogue)
    source = source_of(video)
    if keep.face is not None:
        check_track(keep.face, source.footage)
    segments, said = _plan(source, line, longest)
    tell_without_lora(models.model)
    at_once, made = max(each.frames for each in segments), framing(*source.size, choices.size)
    check_memory(models.model, at_once, made, times=1 if models.upscaler is None else 2)
    for segment, words in zip(segments, said, strict=True):
        if words and not choices.free:
            heard(source.sound(segment) if voice is None else voice)
    negative = _encoded(models.clip, line.negative)
    latents: list[dict[str, Any] | None] = []
    for number, (segment, words) in enumerate(interruptible(zip(segments, said, strict=True))):
        show_now(f"Segment {number + 1} of {len(segments)}")
        if not words:
            latents.append(None)
            continue
        prompt = dub_prompt(choices.layout, line.speaker, line.language, words, line.scene)
        both = _encoded(models.clip, prompt), negative
        seeded = replace(choices, seed=(choices.seed + number) % SEEDS)
        latents.append(sampled(models, both, source.clip(segment), seeded, voice))
    show_now("")
    return finished(source, segments, latents, (models.vae, models.audio_vae), keep, quality)


def finished(
    source: Source,
    segments: Sequence[Segment],
    latents: Latents,
    vaes: tuple[Any, Any],
    keep: Keep,
    quality: int,
) -> tuple[Any, dict[str, Any]]:
    """The VIDEO and AUDIO of sampled segments, decoded and joined. Raises FaceError for another video's face."""
    if keep.face is not None:
        check_track(keep.face, source.footage)
    sound = _joined_sound(source, segments, latents, vaes[1])
    if keep.sound:
        sound = with_own_sound(source, sound)
    frames: Iterator[Any] = (
        joined_frames(segments, _made_frames(source, segments, latents, vaes[0]))
        if keep.face is None
        else with_own_picture(source, segments, latents, vaes[0], keep.face)
    )
    return video_of_dub(interruptible(frames), source, sound, quality), sound


def _plan(source: Source, line: Line, longest: int) -> tuple[tuple[Segment, ...], list[str]]:
    """The segments, and what is said in each: as much of the dialogue as there is speech, or time where there is none.

    Raises SettingsError where there are fewer words than segments in which somebody speaks.
    """
    speech = () if source.audio is None else speech_of(source.audio)
    told = compared(speaking_seconds(line.dialogue, line.language), seconds_of_speech(speech))
    if told:
        warn(told)
    segments = plan_segments(source.frames, source.fps, speech, longest)
    spoken = speech_seconds(segments, source.fps, speech)
    shares = spoken if sum(spoken) else [float(each.frames) for each in segments]
    said = divided(line.dialogue, line.language, shares)
    if any(share and not words for share, words in zip(spoken, said, strict=True)):
        raise SettingsError(
            f"somebody speaks in {sum(share > 0 for share in spoken)} of the video's {len(segments)} segments, and the "
            "dialogue is too short to say something in each: write more, or raise longest, or cut the video"
        )
    return segments, said


def _encoded(clip: Any, text: str) -> list[Any]:
    return clip.encode_from_tokens_scheduled(clip.tokenize(text))


def _joined_sound(
    source: Source, segments: Sequence[Segment], latents: Latents, audio_vae: Any
) -> dict[str, Any]:
    rate = int(audio_vae.first_stage_model.output_sample_rate)
    made = (
        _own_sound(source, segment, rate)
        if latent is None
        else decoded_sound(latent, audio_vae)["waveform"][0].numpy()
        for segment, latent in zip(segments, latents, strict=True)
    )
    sound = joined_sound(segments, made, source.fps, rate)
    return {"waveform": torch.from_numpy(sound)[None], "sample_rate": rate}


def _own_sound(source: Source, segment: Segment, rate: int) -> np.ndarray:
    """The source's sound of a segment, [2, samples]."""
    audio = source.sound(segment)
    if audio is None:
        return np.zeros((2, 0), np.float32)
    own = resample(audio["waveform"][0].float(), audio["sample_rate"], rate)
    return with_channels(own.numpy(), 2)


def _made_frames(source: Source, segments: Sequence[Segment], latents: Latents, vae: Any) -> Iterator[Tensor]:
    for segment, latent in zip(segments, latents, strict=True):
        yield source.clip(segment).images if latent is None else decoded_frames(latent, vae)
