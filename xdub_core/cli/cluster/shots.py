"""The shots of one dub on a Ray cluster: each task samples some of them into the job's folder.

The video, the model and the job's folder must be seen by all of the cluster's machines under the same paths. What is
sampled there is what would be sampled here, as far as the machines compute alike: of other CPUs or GPUs the last bits
may differ.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from xdub_core.audio.features import AudioFeatures
from xdub_core.cli.chosen_model import choose_model
from xdub_core.cli.cluster.connection import Cluster
from xdub_core.dub.kept_clips import KeptClips, Plans
from xdub_core.dub.pipeline import sample_shots
from xdub_core.dub.scene import Scene
from xdub_core.dub.settings import DubSettings
from xdub_core.errors import SettingsError
from xdub_core.job.folder import CLIPS
from xdub_core.job.kept_features import BLOCK_ROWS, KeptFeatures
from xdub_core.job.store import SUFFIX, Store
from xdub_core.media.video.passes import VideoPasses
from xdub_core.media.video.video_info import scan_video
from xdub_core.progress import Progress, ProgressCallback, Stage, ignore_progress

_TASKS_EACH = 3
"""Tasks for each place in the cluster: few, since each loads the model, but more than one, since shots differ."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SharedDub:
    """A dub as every machine of a cluster can begin it.

    `options`: the `DubJob`; `here`: the folder that its paths start in; `scene`: without its source and its speakers'
    features, which each machine opens itself: the features by their keys, `heard`, in the store in `folder`. `redos`:
    see `KeptClips.planned`.
    """

    options: Any
    here: Path
    scene: Any
    settings: DubSettings
    folder: Path
    inputs: str
    heard: tuple[str, ...]
    redos: Mapping[str, int]


def on_cluster(
    kept: KeptClips,
    cluster: Cluster,
    options: Any,
    scene: Scene,
    settings: DubSettings,
    on_progress: ProgressCallback,
) -> KeptClips:
    """The same place for a dub's clips, into which a cluster samples all of them before any is asked for."""
    return replace(kept, elsewhere=partial(_sample, kept, cluster, options, scene, settings, on_progress))


def _sample(
    kept: KeptClips,
    cluster: Cluster,
    options: Any,
    scene: Scene,
    settings: DubSettings,
    on_progress: ProgressCallback,
    plans: Plans,
    redos: Mapping[str, int],
) -> None:
    """See `KeptClips.elsewhere`."""
    for speaker in scene.speakers:
        _keep_all(speaker.features)
    if not kept.store.writable:
        raise SettingsError(
            f"--ray: {kept.store.folder} keeps no more, and machines share it: free some space or raise --job-limit"
        )
    shared = SharedDub(
        options,
        Path.cwd(),
        _without_files(scene),
        settings,
        kept.store.folder.absolute(),
        kept.inputs,
        kept.heard,
        dict(redos),
    )
    room = cluster.room(options.model.torch_device)
    tasks = [
        partial(_sample_group, shared, group) for group in grouped_shots(plans, _TASKS_EACH * room.tasks)
    ]
    clips = sum(len(shot.clips) for shots in plans for shot in shots)
    tell = partial(_tell, kept.store.folder, clips, on_progress)
    for done in cluster.run(room, tasks, tell):
        kept.sampled.update(done.result)
        for line in done.warnings:
            _log.warning("%s", line)


def grouped_shots(plans: Plans, groups: int) -> list[list[tuple[int, int]]]:
    """The shots, as (speaker, shot), in so many groups of about as many clips each; the largest first."""
    shots = sorted(
        (
            (len(shot.clips), number, place)
            for number, shots in enumerate(plans)
            for place, shot in enumerate(shots)
        ),
        key=lambda shot: (-shot[0], *shot[1:]),
    )
    made: list[list[tuple[int, int]]] = [[] for _ in range(min(groups, len(shots)))]
    clips = [0] * len(made)
    for count, number, place in shots:
        least = clips.index(min(clips))
        made[least].append((number, place))
        clips[least] += count
    return made


def _sample_group(shared: SharedDub, group: Sequence[tuple[int, int]]) -> set[int]:
    """In a worker: sample these shots; the numbers of the clips that were not kept yet."""
    os.chdir(shared.here)
    options, settings = shared.options, shared.settings
    if options.model.torch_device.startswith("cuda"):  # Ray shows each worker its own GPU only
        options = replace(options, model=replace(options.model, device="cuda"))
    model = choose_model(options.model, options.face.detector).checked(settings, detects=False)
    store = Store(shared.folder)
    features = [KeptFeatures(store, key, _nothing_to_hear) for key in shared.heard]
    speakers = tuple(
        replace(speaker, features=heard)
        for speaker, heard in zip(shared.scene.speakers, features, strict=True)
    )
    source = VideoPasses(scan_video(options.files.video, options.files.video_stream))
    scene = replace(shared.scene, source=source, speakers=speakers)
    kept = KeptClips(store, shared.inputs, shared.heard, lambda *_: shared.redos)
    with ExitStack() as stack:
        _, dub_model = model.load([], shared.folder, stack, ignore_progress, lambda _, listen: listen())
        sample_shots(scene, dub_model, settings, kept, group)
    return kept.sampled


def _without_files(scene: Scene) -> Any:
    speakers = tuple(replace(speaker, features=None) for speaker in scene.speakers)  # type: ignore[arg-type]
    return replace(scene, source=None, speakers=speakers, playback=None)  # type: ignore[arg-type]


def _keep_all(features: AudioFeatures) -> None:
    """Read all rows: what computes and keeps them does both now."""
    for start in range(0, features.rows, BLOCK_ROWS):
        features.read(start, min(start + BLOCK_ROWS, features.rows))


def _nothing_to_hear() -> AudioFeatures:
    raise SettingsError(
        "--ray: what was heard is not in the job's folder on this machine; all of the cluster's machines must see the "
        "same folders under the same paths"
    )


def _tell(folder: Path, clips: int, on_progress: ProgressCallback) -> None:
    """Tell how many clips are kept by now."""
    there = min(clips, sum(1 for _ in (folder / CLIPS).glob(f"*{SUFFIX}")))
    on_progress(Progress(Stage.CLIPS, there, clips, f"{there} of {clips} clips on the cluster"))
