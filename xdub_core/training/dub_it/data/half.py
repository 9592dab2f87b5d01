"""One half of a clip: its lips masked, made anew twice in the other language, judged, and encoded as a pair."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from xdub_core.dub_it.layouts import layout_named
from xdub_core.dub_it.prompt import dub_prompt
from xdub_core.dub_it.times import samples, sound_latents
from xdub_core.errors import SettingsError
from xdub_core.evaluation.dub_it.judges import DubItJudges

from ..fine_mask import coarse_mask, fine_mask, lip_mask
from ..records import Pair, write_pair
from . import workflows
from .carried import (
    latents_of,
    mask_video,
    padded_wave,
    read_sound,
    saved_tensors,
)
from .carrier import Carrier, prefix
from .heard import spoken_part
from .lips import face_cells, lip_boxes, read_mouths
from .models import LtxNodes
from .prompts import Script, letters
from .quality import Said, judged
from .settings import DataSettings, key_from
from .steps import Facts, done_once, write_bytes_whole

LETTER = ("a", "b")
WORDS, LETTERS = "words", "letters"
"""The two passes: with the words of the other language, and with letters (lip augmentation)."""


@dataclass(frozen=True)
class Workshop:
    """What all halves are made with. `judged_by`: what the judges are, in words, for keys."""

    folder: Path
    carrier: Carrier
    models: LtxNodes
    judges: DubItJudges
    judged_by: str
    settings: DataSettings


@dataclass(frozen=True)
class Half:
    """A half of a clip whose files are in `folder`: which one it is, 0 or 1, its frames, and the key of the clip."""

    shop: Workshop
    folder: Path
    script: Script
    clip_number: int
    number: int
    frames: range
    clip_key: str

    @property
    def name(self) -> str:
        """Of the pair."""
        return f"{self.clip_number:04d}-{LETTER[self.number]}"

    @property
    def key(self) -> str:
        """Of where it is in which clip, and of the masks."""
        settings = self.shop.settings
        return key_from(self.clip_key, self.frames, settings.mask, settings.lip_margin, self.shop.judged_by)

    def made(self) -> Facts:
        """Everything that is done with it, each step once: its verdict, and the pair's record where it is kept."""
        mask = self._once("mask", self.key, self._mask)
        if "given_up" in mask:
            return {"name": self.name, "kept": False, **mask}
        prompts = self._prompts()
        for turn, (which, prompt) in enumerate(prompts.items(), 1):
            self._remake(which, prompt, seed_of(self.shop.settings, self.clip_number, 2 * self.number + turn))
        made = key_from(self.key, prompts, self.shop.settings.sampling)
        verdict = self._once("verdict", key_from(made, self.shop.settings.quality), self._judge)
        facts: Facts = {"name": self.name, **verdict}
        if verdict["kept"]:
            key = key_from(made, self.shop.settings.layout)
            pair = self._once("pair", key, lambda: self._encode(key))
            facts["record"] = {**pair, "about": self._about(mask, verdict)}
        return facts

    def _once(self, name: str, key: str, make: Any) -> Facts:
        return done_once(self.folder, f"{LETTER[self.number]}-{name}", key, make)

    def _file(self, name: str) -> Path:
        return self.folder / f"{LETTER[self.number]}-{name}"

    def _prompts(self) -> dict[str, str]:
        settings = self.shop.settings
        rng = np.random.default_rng((settings.seed, self.clip_number, self.number))
        seconds = settings.clip.seconds
        return {
            WORDS: self.script.prompt(seconds, self.number),
            LETTERS: self.script.prompt(seconds, self.number, letters(rng)),
        }

    def _mask(self) -> Mapping[str, Any]:
        """The cells to make anew, written as a video that core reads as a mask."""
        shop, clip = self.shop, self.shop.settings.clip
        try:
            boxes = lip_boxes(read_mouths(self.folder / "mouths.npz"), shop.settings.lip_margin)
            lips = lip_mask(boxes, self.frames, clip.frames, clip.size)
            video = shop.carrier.upload(self.key, "lips.mov", lambda: mask_video(lips))
            graph = workflows.probe(shop.models, clip, self._clip_there(), video, prefix(self.key, "probe"))
            saved = shop.carrier.fetched(graph, self.key, ("plain", "masked"))
            cells = fine_mask(latents_of(saved["plain"]), latents_of(saved["masked"]), shop.settings.mask)
        except SettingsError as error:
            return {"given_up": str(error)}
        write_bytes_whole(self._file("cells.mov"), mask_video(cells))
        coarse = coarse_mask(torch.from_numpy(lips))
        return {"coverage": float(cells.float().mean()), "coarse_coverage": float(coarse.float().mean())}

    def _remake(self, which: str, prompt: str, seed: int) -> None:
        """The clip with the half made anew by a prompt."""
        shop = self.shop
        key = key_from(self.key, which, prompt, seed, shop.settings.sampling)

        def make() -> Mapping[str, Any]:
            graph = workflows.inpainting(
                shop.models,
                shop.settings.clip,
                shop.settings.sampling,
                prompt,
                seed,
                self._clip_there(),
                shop.carrier.upload(self.key, "cells.mov", self._file("cells.mov").read_bytes),
                self._clip_sound(),
                prefix(key, which),
            )
            shop.carrier.save_video(graph, key, self._file(which))
            return {"prompt": prompt, "seed": seed}

        self._once(which, key, make)

    def _clip_there(self) -> str:
        return self.shop.carrier.upload(self.clip_key, "clip.mp4", (self.folder / "clip.mp4").read_bytes)

    def _clip_sound(self) -> workflows.Sound:
        """The clip's sound, of which the half's latents are made anew."""
        clip, upload = self.shop.settings.clip, self.shop.carrier.upload
        count = sound_latents(clip.frames, clip.fps)
        start, stop = (sound_latents(edge, clip.fps) for edge in (self.frames.start, self.frames.stop))
        new = np.zeros((1, count, 16), bool)
        new[:, start:stop] = True
        wave = upload(self.clip_key, "clip.wav", lambda: padded_wave(*read_sound(self.folder / "clip.flac")))
        return workflows.Sound(wave, count, upload(self.key, "time.mov", lambda: mask_video(new)))

    def _judge(self) -> Mapping[str, Any]:
        """Source: the lips of the letters, the sound of the words. Target: the clip's own half."""
        fps, script, number = self.shop.settings.clip.fps, self.script, self.number
        source = spoken_part(self._file(f"{LETTERS}.mp4"), self._file(f"{WORDS}.flac"), self.frames, fps)
        target = spoken_part(self.folder / "clip.mp4", self.folder / "clip.flac", self.frames, fps)
        said = [Said(script.said(number, other), script.language(number, other)) for other in (True, False)]
        return asdict(
            judged(source, target, (said[0], said[1]), self.shop.judges, self.shop.settings.quality)
        )

    def _encode(self, key: str) -> Mapping[str, Any]:
        """Both clips as latents, and the prompt of the target's words, written as a pair."""
        shop, clip = self.shop, self.shop.settings.clip
        script, number = self.script, self.number
        layout = layout_named(shop.settings.layout)
        prompt = dub_prompt(
            layout, script.speaker, script.language(number), script.said(number), script.scene
        )
        source = self._encoded_there(key, "source", self._file(f"{LETTERS}.mp4"), self._file(f"{WORDS}.flac"))
        target = self._encoded_there(key, "target", self.folder / "clip.mp4", self.folder / "clip.flac")
        graph = workflows.encoding(shop.models, (source, target), self.frames, prompt, prefix(key, "pair"))
        names = ("source_video", "source_audio", "target_video", "target_audio")
        saved = shop.carrier.fetched(graph, key, (*names, "text"))
        pair = Pair(
            **{name: latents_of(saved[name]) for name in names},
            text=saved_tensors(saved["text"], "text"),
            raw_text=bool(saved_tensors(saved["text"], "unprocessed")),
            face=face_cells(read_mouths(self.folder / "mouths.npz"), self.frames, clip.size),
        )
        file = f"pairs/{self.name}.safetensors"
        write_pair(shop.folder / file, pair)
        return {"file": file, "fps": str(clip.fps), "frames": len(self.frames), "prompt": prompt}

    def _encoded_there(self, key: str, name: str, video: Path, sound: Path) -> tuple[str, workflows.Sound]:
        """A clip's video and the half's sound, brought to the server."""
        fps, upload = self.shop.settings.clip.fps, self.shop.carrier.upload

        def wave() -> bytes:
            heard, rate = read_sound(sound)
            start, stop = (samples(edge, fps, rate) for edge in (self.frames.start, self.frames.stop))
            return padded_wave(heard[:, start:stop], rate)

        there = upload(key, f"{name}.mp4", video.read_bytes)
        latents = sound_latents(len(self.frames), fps)
        return there, workflows.Sound(upload(key, f"{name}.wav", wave), latents)

    def _about(self, mask: Facts, verdict: Facts) -> Facts:
        script, number = self.script, self.number
        return {
            "languages": {"source": script.language(number, True), "target": script.language(number)},
            "words": {"source": script.said(number, True), "target": script.said(number)},
            "clip": self.clip_number,
            "frames_of_clip": [self.frames.start, self.frames.stop],
            "seed": self.shop.settings.seed,
            "mask": mask,
            "verdict": {name: verdict[name] for name in ("measures", "unknown")},
        }


def seed_of(settings: DataSettings, clip: int, turn: int) -> int:
    """Of a clip's noise; `turn`: 0 for the clip, 1 and 2 for its first half made anew, 3 and 4 for the second."""
    return int(np.random.default_rng((settings.seed, clip, turn)).integers(2**62))
