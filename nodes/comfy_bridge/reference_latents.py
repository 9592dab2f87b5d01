"""The clips of a dub, planned, and the source crops of each as latents."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from xdub_core.dub.clip_plan import ClipGeometry
from xdub_core.dub.playback import Playback
from xdub_core.dub.scene import idle_frames
from xdub_core.dub.shots import plan_shots
from xdub_core.errors import SettingsError
from xdub_core.media.timeline import Extend

from .host.progress import counted
from .model.vae import ComfyVAE
from .types import ReferenceLatents, ShotReference, SpeechFeatures, TrackedFace


def encode_reference(
    crops: Tensor,
    face: TrackedFace,
    vae: Any,
    speech: SpeechFeatures,
    clip: tuple[int, int],
    extend: Extend = Extend.BOUNCE,
) -> ReferenceLatents:
    """Encode the crops [slots, size, size, 3] that every clip sees of a dub as long as the `speech`.

    `clip`: frames of a clip at most, and those of them that go on from the clip before; `extend`: how a video that is
    shorter is made longer. Raises SettingsError for crops of another track, a VAE that does not fit, a clip that is
    none, or speech that is silent throughout with the source's lips wanted in silence.
    """
    if len(crops) != len(face.track):
        raise SettingsError(
            f"there are {len(crops)} crops for {len(face.track)} boxes: connect crops and face track of one "
            "and the same Face Crop"
        )
    video_vae = ComfyVAE(vae)
    geometry = ClipGeometry(*clip, video_vae.grid)
    playback = None if face.clock is None else Playback(face.clock, face.timeline, extend, speech.end)
    plans = plan_shots(
        face.track,
        speech.frames,
        geometry,
        extend,
        fitted=not face.as_released,
        slots_for=None if playback is None else playback.slots,
        idle=idle_frames(speech.strength),
    )
    if not plans:
        raise SettingsError(
            "nobody speaks in the recording while the face is there, so there is nothing to dub: set silence to closed "
            "in Audio Features to have the lips closed"
        )
    seen = [
        plan.slots[clip.start - plan.frames.start :][: clip.frames] for plan in plans for clip in plan.clips
    ]
    encoded = (video_vae.encode(crops[slots]).cpu() for slots in counted(seen, len(seen)))
    shots = tuple(
        ShotReference(plan.frames, plan.clips, plan.slots, tuple(next(encoded) for _ in plan.clips))
        for plan in plans
    )
    return ReferenceLatents(
        shots,
        geometry,
        crops,
        video_vae,
        speech.frames,
        face.as_released,
        speech.strength,
        extend,
        playback,
    )
