"""The pairs that a dub is learnt from, on disk: `records.json` and a file of tensors for each pair.

    {"format": 1, "ltx_version": "2.0", "records": [
        {"name": "0007-b", "file": "pairs/0007-b.safetensors", "fps": "30000/1001", "frames": 121,
         "prompt": "A woman is speaking French, saying: \"...\"", "about": {"language": "fr", "lmd": 0.021}}]}

`file` lies inside the folder. `about` is the maker's own (measures, seeds, languages): nothing here reads it. A file
of tensors holds a `Pair` by the names of its fields, in any float; its metadata says `raw_text`, "true" or "false".
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from torch import Tensor

from xdub_core.dub_it.times import FRAMES_PER_LATENT, latent_frames, sound_latents
from xdub_core.errors import CheckpointError, XDubError
from xdub_core.files import write_text_whole
from xdub_core.weights.kinds import FLOATS
from xdub_core.weights.stated import stated_object
from xdub_core.weights.tensor_file import TensorFile, open_tensors, save_tensors

MANIFEST = "records.json"
FORMAT = 1
VIDEO_CHANNELS, AUDIO_CHANNELS, AUDIO_BINS = 128, 8, 16
"""Of LTX-2's latents of picture and sound."""
STORED, STORED_TEXT = torch.float16, torch.bfloat16
"""Latents are finer than the VAE's own error in half precision; a text's embedding may be beyond its range."""
_RAW_TEXT = "raw_text"


@dataclass(frozen=True)
class Pair:
    """A clip said in two ways, as LTX-2's latents of one size: the model learns to make `target` of `source`.

    `source_video`, `target_video`: [128, frames, height, width] as the VAE gives them. `source_audio`, `target_audio`:
    [8, latents, 16]. `text`: the target's prompt as the text encoder gives it [tokens, width]. `raw_text`: the text has
    not been through the model's own connectors (core's `unprocessed_ltxav_embeds`). `face`: [frames, height, width] in
    0..1, how far a latent cell shows the speaker's face, in source or target; None: not known, and all counts alike.
    """

    source_video: Tensor
    source_audio: Tensor
    target_video: Tensor
    target_audio: Tensor
    text: Tensor
    raw_text: bool = True
    face: Tensor | None = None


@dataclass(frozen=True)
class Record:
    """A pair in the manifest; `frames` (8 k + 1) of the clip at `fps`, `prompt` what its `text` was made of."""

    name: str
    file: str
    fps: Fraction
    frames: int
    prompt: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Manifest:
    """All pairs of a folder, whose latents and texts are those of one `version` of LTX-2, "2.0" or "2.3"."""

    version: str
    records: tuple[Record, ...] = ()


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write a folder's `records.json`, whole or not at all."""
    rows = [{**vars(each), "fps": str(each.fps), "about": dict(each.about)} for each in manifest.records]
    content = {"format": FORMAT, "ltx_version": manifest.version, "records": rows}
    write_text_whole(folder / MANIFEST, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def read_manifest(folder: Path) -> Manifest:
    """A folder's `records.json`. Raises CheckpointError where it is missing, damaged, or says something odd."""
    path = folder / MANIFEST
    try:
        content = stated_object(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no text in UTF-8"
        raise CheckpointError(f"{path} cannot be read ({reason}): give a folder of training pairs") from None
    rows, version = content.get("records"), content.get("ltx_version")
    if content.get("format") != FORMAT or not isinstance(rows, list) or not isinstance(version, str):
        raise CheckpointError(
            f"{path} has not the format {FORMAT}, an ltx_version and a list of records: make the pairs again"
        )
    records = tuple(_record(row, f"{path}: record {number}") for number, row in enumerate(rows, 1))
    names = [each.name for each in records]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise CheckpointError(f"{path}: {twice!r} comes twice: leave one of the two out")
    return Manifest(version, records)


def write_pair(path: Path, pair: Pair) -> None:
    """Write a pair's tensors, whole or not at all, in half precision. Raises CheckpointError for what is no pair."""
    tensors = {name: value for name, value in vars(pair).items() if isinstance(value, Tensor)}
    _check_shapes({name: tuple(value.shape) for name, value in tensors.items()}, str(path))
    kinds = {name: STORED_TEXT if name == "text" else STORED for name in tensors}
    stored = {name: value.to(kinds[name]) for name, value in tensors.items()}
    _check_numbers(stored, str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    save_tensors(path, stored, {_RAW_TEXT: str(pair.raw_text).lower()})


def read_pair(folder: Path, record: Record) -> Pair:
    """A record's pair, on the CPU. Raises CheckpointError as `check_pair` does, and for odd numbers."""
    file = check_pair(folder, record)
    tensors = {name: file.read(name) for name in file.shapes}
    _check_numbers(tensors, str(file.path))
    return Pair(**tensors, raw_text=file.metadata[_RAW_TEXT] == "true")


def check_pair(folder: Path, record: Record) -> TensorFile:
    """A record's file, not read yet. Raises CheckpointError where it is not as its record says."""
    path = folder / record.file
    if not path.is_file():
        raise CheckpointError(f"{path} is missing, the pair of record {record.name!r}: make it again")
    file = open_tensors(path)
    _check_shapes(file.shapes, str(file.path))
    if odd := [name for name, dtype in file.dtypes.items() if dtype not in FLOATS]:
        raise CheckpointError(f"{file.path}: {odd[0]} is {file.dtypes[odd[0]]}, and no float: make it again")
    if file.metadata.get(_RAW_TEXT) not in ("true", "false"):
        raise CheckpointError(f"{file.path} does not say {_RAW_TEXT} in its metadata: make it again")
    wanted = (latent_frames(record.frames), sound_latents(record.frames, record.fps))
    found = (file.shapes["target_video"][1], file.shapes["target_audio"][1])
    if wanted != found:
        raise CheckpointError(
            f"{file.path} has {found[0]} latents of picture and {found[1]} of sound, and {record.frames} frames at "
            f"{record.fps} fps have {wanted[0]} and {wanted[1]}: make it again"
        )
    return file


def text_of(folder: Path, record: Record) -> tuple[int, bool]:
    """How wide a record's text is, and whether it is raw; no tensor is read. Raises what `check_pair` does."""
    file = check_pair(folder, record)
    return file.shapes["text"][1], file.metadata[_RAW_TEXT] == "true"


def check_records(folder: Path, manifest: Manifest) -> None:
    """Raise CheckpointError unless there are pairs, and every one is there and sound; no tensor is read."""
    if not manifest.records:
        raise CheckpointError(f"{folder / MANIFEST} has no records: make training pairs first")
    for record in manifest.records:
        check_pair(folder, record)


def _check_shapes(shapes: Mapping[str, Sequence[int]], where: str) -> None:
    tensors = {"source_video", "source_audio", "target_video", "target_audio", "text"}
    if odd := sorted(tensors - shapes.keys()) or sorted(shapes.keys() - tensors - {"face"}):
        raise CheckpointError(
            f"{where} is no training pair: {odd[0]} is {'unknown' if odd[0] in shapes else 'missing'}; make it again"
        )
    video, audio = tuple(shapes["target_video"]), tuple(shapes["target_audio"])
    wanted = {
        "target_video": (VIDEO_CHANNELS, *video[1:4]) if len(video) == 4 else (VIDEO_CHANNELS, 0, 0, 0),
        "target_audio": (AUDIO_CHANNELS, audio[1] if len(audio) == 3 else 0, AUDIO_BINS),
        "source_video": video,
        "source_audio": audio,
        "face": video[1:],
    }
    for name, shape in wanted.items():
        if name in shapes and tuple(shapes[name]) != shape:
            raise CheckpointError(
                f"{where}: {name} is {list(shapes[name])}, and not {list(shape)}; make it again"
            )
    if len(shapes["text"]) != 2 or 0 in (*video, *audio, *shapes["text"]):
        raise CheckpointError(f"{where} holds an empty clip, or a text that is no matrix; make it again")


def _check_numbers(tensors: Mapping[str, Tensor], where: str) -> None:
    if odd := [name for name, value in tensors.items() if not value.isfinite().all()]:
        raise CheckpointError(f"{where}: {odd[0]} holds numbers that are not finite; make it again")
    if "face" in tensors and not 0 <= tensors["face"].min() <= tensors["face"].max() <= 1:
        raise CheckpointError(f"{where}: face is not within 0 to 1; make it again")


def _record(row: object, where: str) -> Record:
    """A row of the manifest."""
    try:
        if not isinstance(row, dict):
            raise TypeError("it is no object")
        record = Record(**{**row, "fps": Fraction(row["fps"])})
        fits = (
            isinstance(record.name, str)
            and isinstance(record.prompt, str)
            and isinstance(record.about, Mapping)
            and isinstance(record.frames, int)
            and record.frames % FRAMES_PER_LATENT == 1
            and record.frames > 1
            and record.fps > 0
            and _inside(record.file)
        )
        if not fits:
            raise ValueError(
                "it needs a name, a file inside the folder, fps above 0 and 8 k + 1 frames, 9 or more"
            )
    except XDubError:
        raise
    except (TypeError, ValueError, KeyError, ZeroDivisionError) as error:
        raise CheckpointError(f"{where} cannot be used ({error}): make the pairs again") from None
    return record


def _inside(file: object) -> bool:
    path = PurePosixPath(file) if isinstance(file, str) and file and "\\" not in file else None
    return path is not None and not path.is_absolute() and ".." not in path.parts and ":" not in path.parts[0]
