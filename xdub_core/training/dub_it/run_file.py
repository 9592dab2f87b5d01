"""What a run was begun with, as `run.json` in its folder: it goes on with the same, or not at all.

Else a LoRA would say of itself what it learnt in its last steps only.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from xdub_core.errors import CheckpointError, SettingsError
from xdub_core.files import write_text_whole
from xdub_core.training.dub_it.records import Manifest
from xdub_core.training.dub_it.settings import LoraTraining
from xdub_core.weights.stated import stated_object

RUN_FILE = "run.json"
MAY_CHANGE = ("steps", "saved", "save_every", "checkpoint_every", "log_every")
"""Settings that a run may go on with another of: more steps, and what does not touch the weights."""


def begin(folder: Path, settings: LoraTraining, version: str, manifest: Manifest) -> None:
    """Write down what a run begins with, or compare it where it began before.

    Raises SettingsError where that was something else, and CheckpointError where the folder cannot be used.
    """
    path = folder / RUN_FILE
    fixed = {name: value for name, value in asdict(settings).items() if name not in MAY_CHANGE}
    pairs = [record.name for record in manifest.records]
    wanted = json.loads(json.dumps({"ltx_version": version, **fixed, "pairs": pairs}))
    if not path.exists():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_text_whole(path, json.dumps(wanted, indent=1) + "\n")
        except OSError as error:
            raise CheckpointError(
                f"{folder} cannot hold a run ({error.strerror}): give another folder"
            ) from None
        return
    found = stated_object(path.read_text(encoding="utf-8"), str(path))
    odd = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    if odd:
        raise SettingsError(
            f"the run in {folder} was begun with {odd[0]} {_told(found, odd[0])}, and now it is "
            f"{_told(wanted, odd[0])}: give another folder, or what it was begun with"
        )


def _told(values: dict[str, Any], name: str) -> str:
    text = json.dumps(values.get(name))
    return text if len(text) <= 60 else f"{text[:57]}..."
