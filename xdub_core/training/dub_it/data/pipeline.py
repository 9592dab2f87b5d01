"""The whole way from prompts to pairs (Sec. 3.2, A.1), step by step and resumable.

For each script: a clip is generated, cut where it switches language, and each half made anew in the other's language.
Where the paper conditions that on the other half, the whole clip is inpainted here, whose other half stays as it is in
both streams; that is a reading of it.

    FOLDER/records.json      the pairs that were kept, as the training reads them
    FOLDER/verdicts.json     all pairs that were judged, with the reasons
    FOLDER/pairs/0007-a.safetensors
    FOLDER/clips/0007/       clip.mp4 as it was generated; a-words.mp4, a-letters.mp4: its first half made anew; notes
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from xdub_core.errors import JobError, SettingsError
from xdub_core.evaluation.dub_it.judges import DubItJudges, found_mouths
from xdub_core.files import write_text_whole
from xdub_core.job.lock import FileLock
from xdub_core.progress import Progress, ProgressCallback, ignore_progress

from ..records import Manifest, Record, write_manifest
from . import workflows
from .carried import read_frames
from .carrier import Carrier, prefix
from .comfy_client import ComfyClient
from .half import Half, Workshop, seed_of
from .heard import clip_speech
from .lips import write_mouths
from .models import LtxNodes
from .prompts import Script
from .settings import DataSettings, key_from
from .steps import Facts, done_once
from .switch import NoSwitchError, find_switch

VERDICTS = "verdicts.json"


@dataclass(frozen=True)
class Made:
    """What there is in the end: how many pairs were kept, and rejected, and how many clips and halves given up."""

    kept: int
    rejected: int
    given_up: int


class DataMaker:
    """Makes training data in a folder; the same call goes on where it was ended.

    `judges`: of the pairs, with a finder of mouths, which the masks need as well. `judged_by`: what they are, in words:
    others judge anew. Raises SettingsError without a finder of mouths.
    """

    def __init__(
        self,
        folder: Path,
        client: ComfyClient,
        models: LtxNodes,
        judges: DubItJudges,
        settings: DataSettings | None = None,
        judged_by: str = "",
        on_progress: ProgressCallback = ignore_progress,
    ) -> None:
        if judges.mouths is None:
            raise SettingsError("a finder of mouths is needed: without one nobody knows where the lips are")
        self.client, self.mouths, self.on_progress = client, judges.mouths, on_progress
        self._now = Progress("clips", 0, 0)
        carrier = Carrier(client, lambda: on_progress(self._now))
        self.shop = Workshop(folder, carrier, models, judges, judged_by, settings or DataSettings())

    def make(self, scripts: Sequence[Script]) -> Made:
        """Make all pairs. Raises JobError where the ComfyUI is away or fails, lacks a node, or the folder is in use."""
        self.client.check_nodes(workflows.needed_nodes(self.shop.models))
        verdicts: list[Facts] = []
        with _alone_in(self.shop.folder):
            for number, script in enumerate(scripts):
                self._now = Progress("clips", number, len(scripts))
                verdicts += self._clip(number, script)
                self._write_lists(verdicts)
            self.on_progress(Progress("clips", len(scripts), len(scripts)))
        kept, given_up = (sum(map(bool, each)) for each in zip(*map(_outcome, verdicts), strict=True))
        return Made(kept, len(verdicts) - kept - given_up, given_up)

    def _clip(self, number: int, script: Script) -> list[Facts]:
        """The verdicts on both halves of a clip, or that it is given up."""
        shop, folder = self.shop, self.shop.folder / "clips" / f"{number:04d}"
        key = self._generate(folder, number, script)
        cut = done_once(folder, "cut", key_from(key, shop.settings.switch), lambda: self._cut(folder))
        if "given_up" in cut:
            return [{"name": f"{number:04d}", "kept": False, **cut}]
        done_once(folder, "mouths", key_from(key, shop.judged_by), lambda: self._find_mouths(folder))
        halves = [range(*each) for each in cut["halves"]]
        return [
            Half(shop, folder, script, number, half, frames, key).made() for half, frames in enumerate(halves)
        ]

    def _generate(self, folder: Path, number: int, script: Script) -> str:
        """Make the clip; returns its key."""
        shop, settings = self.shop, self.shop.settings
        prompt, seed = script.prompt(settings.clip.seconds), seed_of(settings, number, 0)
        key = key_from(shop.models, prompt, seed, settings.clip, settings.sampling)

        def make() -> Mapping[str, Any]:
            graph = workflows.generation(
                shop.models, settings.clip, settings.sampling, prompt, seed, prefix(key, "clip")
            )
            shop.carrier.save_video(graph, key, folder / "clip")
            return {"prompt": prompt, "seed": seed}

        done_once(folder, "clip", key, make)
        return key

    def _cut(self, folder: Path) -> Mapping[str, Any]:
        settings = self.shop.settings
        try:
            speech = clip_speech(folder / "clip.flac")
            switch = find_switch(settings.clip.frames, settings.clip.fps, speech, settings.switch)
        except NoSwitchError as error:
            return {"given_up": str(error)}
        halves = [[each.start, each.stop] for each in switch.halves]
        return {"halves": halves, "second": switch.second, "heard": switch.heard}

    def _find_mouths(self, folder: Path) -> Mapping[str, Any]:
        mouths = found_mouths(self.mouths, read_frames(folder / "clip.mp4"))
        write_mouths(folder / "mouths.npz", mouths)
        return {"seen": mouths.seen}

    def _write_lists(self, verdicts: Sequence[Facts]) -> None:
        kept = {each["name"]: each["record"] for each in verdicts if each["kept"]}
        records = [Record(name, **{**told, "fps": Fraction(told["fps"])}) for name, told in kept.items()]
        told = [{name: value for name, value in each.items() if name != "record"} for each in verdicts]
        text = json.dumps(told, indent=1, ensure_ascii=False) + "\n"
        write_text_whole(self.shop.folder / VERDICTS, text)
        write_manifest(self.shop.folder, Manifest(self.shop.settings.version, tuple(records)))


def _outcome(verdict: Facts) -> tuple[bool, bool]:
    """Whether a pair was kept, and whether it was given up before it could be judged."""
    return bool(verdict["kept"]), "given_up" in verdict


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Keep others from the folder. Raises JobError where somebody is at it."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "lock")
    if not lock.acquire():
        raise JobError(f"{folder} is in use by {lock.holder()}: wait for it, or choose another folder")
    try:
        yield
    finally:
        lock.release()
