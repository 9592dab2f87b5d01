"""The files of the released X-Dub: what they are, where they belong, and which are there.

Reading only; `released_download.py` gets the missing ones when told to. Source: released model §1 (about 30 GB).
"""

import json
import os
import re
import shlex
import struct
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from xdub_core.errors import MissingModelError, SettingsError
from xdub_core.weights.kinds import START_BYTES, Kind, kind_by_first_bytes

REPOSITORY = "KlingTeam/X-Dub"
DOWNLOAD_COMMAND = "python -m xdub_core models download"
MODELS_VARIABLE = "XDUB_MODELS"
DEFAULT_MODELS_FOLDER = Path("models") / "x-dub"

# A file that falls short of its (approximate) size by more is one whose download broke off.
_SIZE_TOLERANCE = 0.05


@dataclass(frozen=True)
class ReleasedFile:
    """One file, or one small folder, of the release.

    key             short name for settings and the command line
    path            where a download puts it inside the models folder; its name is looked for in every subfolder
    size_bytes      what it weighs; approximate, except that tensor files cannot be smaller than their numbers
    smallest_bytes  the same for a half-precision copy that is as good
    members         for a folder, the files that it must hold; "a|b" means either
    equivalents     other files that serve as well (ComfyUI users often have them)
    comfyui         where ComfyUI keeps such a file, inside its own folder
    """

    key: str
    path: str
    size_bytes: int
    purpose: str
    smallest_bytes: int | None = None
    members: tuple[str, ...] = ()
    equivalents: tuple[str, ...] = ()
    comfyui: str = ""

    @property
    def name(self) -> str:
        """The file's (or folder's) own name."""
        return self.path.rsplit("/", 1)[-1]


FILES: tuple[ReleasedFile, ...] = (
    ReleasedFile(
        key="model",
        path="X-Dub_model.safetensors",
        size_bytes=2 * 6_292_551_360,  # the checkpoint's tensor list, in bfloat16
        purpose="the dubbing model",
        comfyui="models/diffusion_models",
    ),
    ReleasedFile(
        key="vae",
        path="Wan2.2_VAE.safetensors",
        size_bytes=4 * 704_688_668,  # the Wan2.2 VAE's tensors, in float32
        smallest_bytes=2 * 704_688_668,
        purpose="the Wan2.2 VAE: video frames to latents and back",
        equivalents=("wan2.2_vae.safetensors", "Wan2.2_VAE.pth"),
        comfyui="models/vae",
    ),
    ReleasedFile(
        key="text",
        path="models_t5_umt5-xxl-enc-bf16.safetensors",
        size_bytes=2 * 5_680_910_336,  # the umt5-xxl encoder's tensors, in bfloat16
        purpose="the text encoder, read once to make empty_prompt.safetensors (16 kB), which then replaces it",
        equivalents=(
            "empty_prompt.safetensors",
            "models_t5_umt5-xxl-enc-bf16.pth",
            "umt5_xxl_fp16.safetensors",
        ),
        comfyui="models/text_encoders",
    ),
    ReleasedFile(
        key="whisper",
        path="whisper/large-v2.pt",
        size_bytes=2 * 1_541_384_960,  # Whisper large's parameters, in float16
        purpose="Whisper large-v2: speech features",
        comfyui="models/audio_encoders",
    ),
    ReleasedFile(
        key="wav2vec",
        path="wav2vec2-base-960h",
        size_bytes=4 * 94_396_320,  # wav2vec2-base's parameters, in float32
        purpose="wav2vec2-base-960h: speech features",
        members=("config.json", "preprocessor_config.json", "model.safetensors|pytorch_model.bin"),
        comfyui="models/audio_encoders",
    ),
    ReleasedFile(
        key="person_detector",
        path="yolox_l_8x8_300e_coco_20211126_140236-d3bd2b23.pth",
        size_bytes=207 * 2**20,
        purpose="YOLOX-L person detector: finding the face, where no box is given",
    ),
    ReleasedFile(
        key="pose",
        path="rtmw-x_simcc-cocktail14_pt-ucoco_270e-384x288-f840f204_20231122.pth",
        size_bytes=352 * 2**20,
        purpose="RTMW-x landmarks: finding the face, where no box is given",
    ),
)


class FileState(Enum):
    """What was found of a released file."""

    THERE = "there"
    MISSING = "missing"
    EMPTY = "empty"
    DAMAGED = "damaged"


@dataclass(frozen=True)
class FileStatus:
    """One released file as found in a models folder; `note` says what is wrong with it, if anything."""

    file: ReleasedFile
    state: FileState
    path: Path | None = None
    size_bytes: int = 0
    note: str = ""

    @property
    def usable(self) -> bool:
        """Whether the file can be loaded, as far as its size and header tell."""
        return self.state is FileState.THERE

    @property
    def told(self) -> str:
        """The state in words, with what is wrong: "missing", "damaged: its end is missing"."""
        return f"{self.state.value}: {self.note}" if self.note else self.state.value


def models_folder(chosen: str | Path | None = None, environ: Mapping[str, str] | None = None) -> Path:
    """The folder of the released files: `chosen`, else $XDUB_MODELS, else models/x-dub where one is working."""
    named = chosen or (os.environ if environ is None else environ).get(MODELS_VARIABLE)
    return Path(named).expanduser() if named else DEFAULT_MODELS_FOLDER


def released_file(key: str) -> ReleasedFile:
    """The manifest's entry called `key`; raises SettingsError for an unknown one."""
    for file in FILES:
        if file.key == key:
            return file
    raise SettingsError(
        f"there is no released file called {key!r}: choose from {', '.join(f.key for f in FILES)}"
    )


def find_files(models_dir: Path, files: Iterable[ReleasedFile] = FILES) -> list[FileStatus]:
    """What `models_dir` (and every folder in it) holds of `files`, in their order. A missing folder holds none."""
    places = _index(models_dir)
    return [_best_status(file, places) for file in files]


def find_file(key: str, models_dir: Path) -> Path:
    """The usable file or folder called `key` in `models_dir`.

    Raises MissingModelError, whose message names the file, its size and the command that gets it.
    """
    file = released_file(key)
    status = find_files(models_dir, [file])[0]
    if status.usable and status.path is not None:
        return status.path
    raise MissingModelError(missing_file_message(file, models_dir, status))


def missing_file_message(
    file: ReleasedFile, models_dir: Path | None = None, status: FileStatus | None = None
) -> str:
    """One line: which file is missing (or broken), what it is for, its size, and the command that gets it."""
    where = f" in {models_dir}" if models_dir is not None else ""
    problem = f"is missing{where}"
    if status is not None and status.state in (FileState.EMPTY, FileState.DAMAGED):
        problem = f"at {status.path} is {status.state.value} ({status.note})"
    others = f" (or put {' or '.join(file.equivalents)} there)" if file.equivalents else ""
    return (
        f"{file.name} ({file.purpose}; {human_size(file.size_bytes)}) {problem}: "
        f"get it with `{download_command(models_dir)}`{others}"
    )


def download_command(models_dir: Path | None = None) -> str:
    """The command that gets what is missing in `models_dir`, to be copied into a shell as it is."""
    if models_dir is None:
        return DOWNLOAD_COMMAND
    folder = str(models_dir)
    plain = re.fullmatch(r"[\w./\\:~+,@%=-]+", folder)
    return f"{DOWNLOAD_COMMAND} --models-dir {folder if plain else _quoted(folder)}"


def _quoted(text: str) -> str:
    return f'"{text}"' if os.name == "nt" else shlex.quote(text)


def human_size(size_bytes: int) -> str:
    """Decimal units, as shops and browsers count: 12.6 GB, 378 MB, 16 kB."""
    size = float(size_bytes)
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def _index(folder: Path) -> dict[str, list[Path]]:
    """Every visible file and folder below `folder`, by name; the nearest to the top first."""
    places: dict[str, list[Path]] = {}
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in [*folders, *names]:
            places.setdefault(name, []).append(Path(parent) / name)
    for found in places.values():
        found.sort(key=lambda path: (len(path.parts), path))
    return places


def _best_status(file: ReleasedFile, places: dict[str, list[Path]]) -> FileStatus:
    """The first usable candidate, or else the first broken one, or else missing."""
    candidates = [
        _status(file, path, file.smallest_bytes or file.size_bytes) for path in places.get(file.name, [])
    ]
    for name in file.equivalents:
        candidates += [_status(file, path, 0) for path in places.get(name, [])]
    usable = [status for status in candidates if status.usable]
    return next(iter(usable or candidates), FileStatus(file, FileState.MISSING))


def _status(file: ReleasedFile, path: Path, least_bytes: int) -> FileStatus:
    if file.members:
        return _folder_status(file, path)
    if not path.is_file():
        return FileStatus(
            file, FileState.DAMAGED, path, 0, "no file" if not path.is_dir() else "a folder, not a file"
        )
    size = path.stat().st_size
    if not size:
        return FileStatus(file, FileState.EMPTY, path, size, "0 bytes")
    note = _damage(path, size)
    if not note and size < least_bytes * (1 - _SIZE_TOLERANCE):
        note = f"{human_size(size)} of about {human_size(least_bytes)}"
    return FileStatus(file, FileState.DAMAGED if note else FileState.THERE, path, size, note)


def _folder_status(file: ReleasedFile, path: Path) -> FileStatus:
    """A folder is there when every member is, whole."""
    if not path.is_dir():
        return FileStatus(file, FileState.DAMAGED, path, 0, "a file, not a folder")
    size, notes = 0, []
    for member in file.members:
        found = [path / name for name in member.split("|") if (path / name).is_file()]
        sizes = [candidate.stat().st_size for candidate in found]
        damage = [_damage(candidate, length) for candidate, length in zip(found, sizes, strict=True)]
        if "" not in damage:
            notes.append(f"{found[0].name}: {damage[0]}" if found else f"no {member.replace('|', ' or ')}")
            continue
        size += sizes[damage.index("")]
    state = FileState.DAMAGED if notes else FileState.THERE
    return FileStatus(file, state, path, size, "; ".join(notes))


def _damage(path: Path, size: int) -> str:
    """What the file's own bytes say is wrong with it ("" where nothing is)."""
    try:
        with path.open("rb") as stream:
            start = stream.read(START_BYTES)
            if kind := kind_by_first_bytes(start):
                return "0 bytes" if kind is Kind.EMPTY else f"it is {kind.value}"
            if path.suffix == ".safetensors":
                stream.seek(8)
                return _safetensors_damage(start[:8], stream.read(_header_length(start[:8], size)), size)
            if path.suffix == ".json":
                return "" if isinstance(json.loads(path.read_bytes()), dict) else "no JSON object"
        return _zip_damage(path) if start.startswith(b"PK") else ""
    except OSError as error:
        return f"it cannot be read ({error.strerror or error})"
    except (ValueError, RecursionError):
        return "no JSON"


def _zip_damage(path: Path) -> str:
    """A torch file is a zip archive, whose list of contents stands at its end."""
    try:
        with zipfile.ZipFile(path) as archive:
            whole = any(name.endswith("data.pkl") for name in archive.namelist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return "its end is missing"
    return "" if whole else "it is no PyTorch file"


def _header_length(start: bytes, size: int) -> int:
    length: int = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
    return length if length <= size else 0


def _safetensors_damage(start: bytes, header: bytes, size: int) -> str:
    """A safetensors file says in its header how long it must be."""
    try:
        tensors = json.loads(header)
        end = max(
            (int(entry["data_offsets"][1]) for name, entry in tensors.items() if name != "__metadata__"),
            default=0,
        )
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError, OverflowError):
        return "its header cannot be read"
    expected = len(start) + len(header) + end
    return "" if size == expected else f"{human_size(size)} of {human_size(expected)}"
