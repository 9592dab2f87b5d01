"""The model that a dub's options name: the released one or a file like it, a mini, or noise."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial
from pathlib import Path

import torch

from xdub_core.audio.features import AudioFeatures
from xdub_core.audio.recording import Recording
from xdub_core.cli.options.face import Detector
from xdub_core.cli.options.model import MINI, RELEASED, UNTRAINED, ModelOptions
from xdub_core.dub.model import DubModel
from xdub_core.dub.settings import RELEASED_CROP_STEP, DubSettings, check_sizes
from xdub_core.errors import SettingsError
from xdub_core.experts.lora import Lora
from xdub_core.face.detector import FaceDetector
from xdub_core.face.openmmlab import OpenMMLabDetector
from xdub_core.face.rtmw_detector import RTMWSettings
from xdub_core.mini.card import BUILT_IN, CARD, is_mini
from xdub_core.mini.loading import Mini, load_mini
from xdub_core.model.dit_file import check_dit_file, checkpoint_config
from xdub_core.model.few_steps import FewSteps, stated_few_steps
from xdub_core.progress import Progress, ProgressCallback, Stage
from xdub_core.released.loading import (
    DETECTOR_FILES,
    DUB_FILES,
    KeepFeatures,
    Loading,
    check_added,
    released_detector,
    released_features,
    released_model,
    require_files,
)
from xdub_core.released.manifest import find_file, models_folder
from xdub_core.released.memory import Plan, chosen_dtype
from xdub_core.released.untrained import untrained_features, untrained_model
from xdub_core.sampling.clip_sampling import SamplerSettings
from xdub_core.sampling.guidance import UNGUIDED

_log = logging.getLogger(__name__)


class ModelPart(Enum):
    """A part of a model by what it does: finds faces, hears recordings, makes clips."""

    SEES = "sees"
    HEARS = "hears"
    DUBS = "dubs"


@dataclass(frozen=True)
class ChosenModel:
    """A model before it is loaded (a mini is so small that it is loaded already)."""

    name: str
    models_dir: Path
    device: str
    dtype: torch.dtype | None
    batched: bool
    merge_text: bool = True
    """Whether equal tokens of the prompt count as one with a weight: rounded otherwise than the release."""
    mini: Mini | None = None
    loras: tuple[Lora, ...] = ()
    experts: tuple[Lora, ...] = ()
    budget: int | None = None
    float8: bool = False
    resident: int | None = None
    others: tuple[str, ...] = ()

    @property
    def settings(self) -> DubSettings:
        """The model's own settings."""
        if self.mini is not None:
            return self.mini.card.settings
        if self.name == UNTRAINED:
            return DubSettings(retries=0)  # noise fails every check
        few = stated_few_steps(self.name) if Path(self.name).is_file() else None
        return DubSettings() if few is None else DubSettings(sampler=few_step_sampler(few))

    def checked(self, settings: DubSettings, detects: bool) -> ChosenModel:
        """The model with its dtype, when all files are there and fit into the device's memory.

        `detects` says that faces are looked for. Raises MissingModelError, CheckpointError, or SettingsError for sizes
        that the model does not take.
        """
        if self.mini is not None:
            check_sizes(settings, self.mini.model)
            if settings.as_released:
                return replace(self, mini=load_mini(self.mini_folder, batched=self.batched, merge_text=False))
            return self
        if settings.crop_size % RELEASED_CROP_STEP:
            raise SettingsError(f"--crop-size {settings.crop_size}: use a multiple of {RELEASED_CROP_STEP}")
        if detects:
            require_files(self.models_dir, DETECTOR_FILES)
        if self.name == UNTRAINED:
            return self
        dit = check_dit_file(self.name) if self.name != RELEASED else None
        require_files(self.models_dir, [key for key in DUB_FILES if not (key == "model" and dit)])
        dit = dit or check_dit_file(find_file("model", self.models_dir))
        check_added(checkpoint_config(dit), self.loras, self.experts)
        dtype = self.dtype or chosen_dtype(dit, self.device)
        plan = Plan(
            self.models_dir,
            dit,
            settings,
            self.device,
            dtype,
            self.batched,
            changed=bool(self.loras),
            float8=self.float8,
            budget=self.budget,
        ).placed()
        plan.check()
        if plan.resident is not None:
            blocks = checkpoint_config(dit).layers
            _log.info("%d of the model's %d blocks stay on %s", plan.resident, blocks, self.device)
        for other in self.others:
            replace(plan, device=other).check()
        return replace(
            self,
            dtype=dtype,
            batched=plan.batched,
            resident=plan.resident,
            merge_text=not settings.as_released,
        )

    def with_detector(self) -> ChosenModel:
        """The model, when the files of its face detector are there. Raises MissingModelError."""
        if self.mini is None:
            require_files(self.models_dir, DETECTOR_FILES)
        return self

    def detector(self, chosen: Detector, as_released: bool) -> FaceDetector:
        """What finds the faces: the mini's own, or the released model's files with our code or with OpenMMLab's."""
        if self.mini is not None:
            return self.mini.detector
        settings = RTMWSettings(face_threshold=0) if as_released else RTMWSettings()
        if chosen is Detector.OPENMMLAB:
            people, pose = (find_file(key, self.models_dir) for key in DETECTOR_FILES)
            return OpenMMLabDetector(people, pose, device=self.device, settings=settings)
        return released_detector(self.models_dir, device=self.device, settings=settings)

    @property
    def mini_folder(self) -> Path:
        """Where a mini's files are."""
        return BUILT_IN if self.name == MINI else Path(self.name)

    def files(self, part: ModelPart) -> list[Path]:
        """The files that a part of the model is in, which are there: see `checked`."""
        if self.mini is not None:
            return [self.mini_folder / CARD, *sorted(self.mini_folder.glob("*.safetensors"))]
        if part is ModelPart.SEES:
            return [find_file(key, self.models_dir) for key in DETECTOR_FILES]
        if self.name == UNTRAINED:
            return []
        if part is ModelPart.HEARS:
            return [find_file(key, self.models_dir) for key in ("whisper", "wav2vec")]
        dit = find_file("model", self.models_dir) if self.name == RELEASED else Path(self.name)
        added = [each.path for each in (*self.loras, *self.experts)]
        return [dit, *(find_file(key, self.models_dir) for key in ("vae", "text")), *added]

    @property
    def changed_by(self) -> str:
        """What changes the model's numbers, with how much of it; empty where nothing does."""
        kinds = (("lora", self.loras), ("expert", self.experts))
        told = [f"{kind} {each.strength}" for kind, added in kinds for each in added]
        return ", ".join([*told, *(["float8"] if self.float8 else [])])

    def load(
        self,
        recordings: Sequence[Recording],
        spool_dir: Path,
        stack: ExitStack,
        on_progress: ProgressCallback,
        keep: KeepFeatures,
    ) -> tuple[tuple[AudioFeatures, ...], DubModel]:
        """The features of each recording, open as long as `stack` is, and what dubs with them.

        `keep`: see `KeepFeatures`.
        """
        if self.name == UNTRAINED:
            features = tuple(keep(each, partial(untrained_features, each)) for each in recordings)
            return features, untrained_model(device=self.device)
        if self.mini is not None:
            features = tuple(keep(each, partial(self.mini.features, each)) for each in recordings)
            return features, self.mini.model
        spooled = released_features(
            recordings,
            self.models_dir,
            self.device,
            spool_dir=spool_dir,
            progress=lambda done, total: on_progress(Progress(Stage.AUDIO, done, total)),
            loading=_loading(Stage.ENCODERS, on_progress),
            keep=keep,
        )
        for each in spooled:
            stack.enter_context(each)
        model = released_model(
            self.models_dir,
            None if self.name == RELEASED else Path(self.name),
            device=self.device,
            dtype=self.dtype or torch.float32,
            batched=self.batched,
            others=self.others,
            resident=self.resident,
            float8=self.float8,
            merge_text=self.merge_text,
            loras=self.loras,
            experts=self.experts,
            loading=_loading(Stage.MODEL, on_progress),
        )
        return spooled, model


def few_step_sampler(few: FewSteps) -> SamplerSettings:
    """How a distilled model is sampled: as its file says, with no guidance but that in its weights."""
    return SamplerSettings(few.steps, UNGUIDED, few.shift)


def choose_model(options: ModelOptions, detector: Detector) -> ChosenModel:
    """The model that the options name.

    Raises SettingsError for a device that is not there, or what a mini does not do; MissingModelError or
    CheckpointError for a mini that is not whole.
    """
    loras, experts = options.added
    if options.budget is not None and torch.device(options.torch_device).type == "cpu":
        raise SettingsError(f"--memory {options.memory}: on a CPU there is nothing to move; leave it out")
    model = ChosenModel(
        name=options.model,
        models_dir=models_folder(options.models_dir),
        device=options.torch_device,
        dtype=options.torch_dtype,
        batched=not options.low_memory,
        loras=loras,
        experts=experts,
        budget=options.budget,
        others=options.other_devices,
        float8=options.float8,
    )
    folder = BUILT_IN if options.model == MINI else Path(options.model)
    if options.model != MINI and not is_mini(folder):
        if options.model == UNTRAINED and (loras or experts or options.float8):
            raise SettingsError(
                f"--lora, --expert and --float8 change a model; '{UNTRAINED}' is none: leave them out"
            )
        return model
    _check_mini_options(options, detector)
    return replace(model, mini=load_mini(folder, batched=model.batched))


def _check_mini_options(options: ModelOptions, detector: Detector) -> None:
    for option, chosen, possible in (
        ("--device", options.device, ("auto", "cpu")),
        ("--dtype", options.dtype.value, ("auto", "float32")),
        ("--detector", detector.value, (Detector.RTMW.value,)),  # the default: it may be no choice
    ):
        if chosen not in possible:
            raise SettingsError(
                f"{option} {chosen}: a mini runs on the CPU, in float32, and finds faces by itself; leave it out"
            )
    if options.lora or options.expert:
        raise SettingsError("--lora and --expert: a mini has its own experts already; leave them out")
    if options.float8:
        raise SettingsError("--float8: a mini is small, and runs in float32; leave it out")


def _loading(stage: Stage, on_progress: ProgressCallback) -> Loading:
    """Shows what is being loaded; nobody can tell how far it is."""

    def show(what: str | None) -> None:
        on_progress(Progress(stage, 1, 1) if what is None else Progress(stage, 0, None, what))

    return show
