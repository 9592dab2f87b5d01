"""Compare the engine with a folder of golden numbers, quantity by quantity.

    python tests/parity.py [DIR]

DIR is laid out as `tests/goldens`, the default, is; sizes are read from its files. One line per quantity: its largest
error, relative to the largest expected value unless a unit is named, and its tolerance. Exit code 1 if any is over, 2
if DIR lacks what should be there.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors.numpy import load_file as load_arrays
from safetensors.torch import load_file

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.golden import SHIPPED, golden_dit, golden_metadata, relative_error
from tests.golden_detector import measure_people, measure_pose
from xdub_core.audio.encoded import wav2vec_features, whisper_features
from xdub_core.audio.features import JoinedFeatures, TensorFeatures
from xdub_core.audio.recording import open_recording
from xdub_core.audio.wav2vec_checkpoint import load_wav2vec
from xdub_core.audio.whisper import load_whisper
from xdub_core.audio.windows import audio_windows
from xdub_core.compose.border_blend import blend_border
from xdub_core.compose.color_match import match_color_as_released
from xdub_core.compose.paste_back import paste_back, truncated
from xdub_core.dub.clip_plan import ClipGeometry, padded_frames
from xdub_core.dub.length import frames_of_audio
from xdub_core.dub.stitch import stitch
from xdub_core.face.crop import crop_frame
from xdub_core.face.detector import FACE_POINTS
from xdub_core.face.smoothing import filter_keypoints, raw_boxes, smooth_boxes
from xdub_core.media.timeline import ping_pong
from xdub_core.sampling.clip_sampling import ClipInputs, SamplerSettings, clip_noise, sample_clip
from xdub_core.sampling.denoiser import DiTDenoiser
from xdub_core.sampling.guidance import Guidance
from xdub_core.sampling.schedule import flow_sigmas

RELATIVE = 1e-4
SCHEDULE = 1e-6
GREY_LEVELS = 1


class Row(NamedTuple):
    """A compared quantity."""

    quantity: str
    error: float
    tolerance: float


def dit_rows(folder: Path) -> Iterator[Row]:
    golden = golden_dit(folder)
    projection = golden.tensors("audio_projection")
    tokens = golden.model.audio_embedding(projection["audio_feats"])
    yield Row("audio projection", relative_error(tokens, projection["audio_embeds"]), RELATIVE)
    forward = golden.tensors("dit_forward")
    batch = len(forward["ref_latents"])
    latents = forward["latents"].expand(batch, -1, -1, -1, -1)
    constants = golden.model.prepare(forward["context"], forward["audio_feats"], latents.shape)
    for name, expected in forward.items():
        case, _, quantity = name.partition(".")
        if quantity == "velocity":
            timestep = forward[f"{case}.timestep"].expand(batch)
            motion_latents = 2 if case == "motion" else 0
            result = golden.model(latents, forward["ref_latents"], timestep, constants, motion_latents)
            yield Row(f"DiT forward: {case}", relative_error(result, expected), RELATIVE)


def schedule_rows(folder: Path) -> Iterator[Row]:
    schedules = load_file(folder / "schedules.safetensors")
    for name, expected in sorted(schedules.items()):
        kind, _, argument = name.rpartition("_")
        if kind == "sigmas":
            result = flow_sigmas(int(argument))[:-1]
        elif kind == "timesteps":
            result = flow_sigmas(int(argument))[:-1] * 1000
        elif kind in ("ref_scale", "audio_scale"):
            guidance = Guidance(float(argument), float(argument))
            scale = guidance.reference if kind == "ref_scale" else guidance.audio
            result = torch.tensor([scale(t) for t in schedules["t_grid"].tolist()], dtype=torch.float64)
        else:
            continue
        yield Row(f"schedule: {name}", relative_error(result, expected), SCHEDULE)


def sampling_rows(folder: Path) -> Iterator[Row]:
    golden = golden_dit(folder)
    tensors, facts = golden.tensors("long_sampling"), golden_metadata(folder / "long_sampling.safetensors")
    settings = SamplerSettings(
        steps=int(facts["steps"]),
        guidance=Guidance(float(facts["ref_cfg"]), float(facts["audio_cfg"])),
        shift=float(facts["shift"]),
        seed=int(facts["seed"]),
        border=int(facts["border"]),
    )
    geometry = ClipGeometry(int(facts["clip_frames"]), int(facts["motion_frames"]))
    features = JoinedFeatures(
        [TensorFeatures(tensors[name][:, -1]) for name in ("whisper_feat", "wav2vec_feat")]
    )
    denoiser = DiTDenoiser(golden.model, tensors["context"])
    clips: list[torch.Tensor] = []
    while (clip := f"clip{len(clips)}") + ".latents" in tensors:
        reference, motion = tensors[f"{clip}.ref_latents"], tensors.get(f"{clip}.motion_latents")
        noise = clip_noise(reference.shape, settings.seed)
        yield Row(f"{clip}: noise", relative_error(noise, tensors[f"{clip}.noise"]), 0)
        windows = audio_windows(features, len(clips) * geometry.stride, reference.shape[2]).unsqueeze(0)
        yield Row(f"{clip}: audio windows", relative_error(windows, tensors[f"{clip}.audio_feats"]), RELATIVE)
        latents = sample_clip(denoiser, ClipInputs(reference, windows, motion), settings)
        yield Row(f"{clip}: sampled latents", relative_error(latents, tensors[f"{clip}.latents"]), RELATIVE)
        clips.append(latents)
    yield Row("stitched latents", relative_error(stitch(clips), tensors["stitched_latents"]), RELATIVE)


def audio_rows(folder: Path) -> Iterator[Row]:
    path = folder / "audio_features.safetensors"
    expected, facts = load_file(path), golden_metadata(path)
    with open_recording(folder / "speech_like.wav") as recording:
        frames = frames_of_audio(recording.samples)
        for name, total in facts.items():
            if name.startswith("total_frames"):
                sizes = name.removeprefix("total_frames").strip("_")
                geometry = ClipGeometry(*map(int, sizes.split("_"))) if sizes else ClipGeometry()
                yield Row(name, abs(padded_frames(frames, geometry) - int(total)), 0)
        encoders = {
            "whisper": whisper_features(recording, load_whisper(folder / "whisper_tiny.pt")),
            "wav2vec": wav2vec_features(recording, load_wav2vec(folder / "wav2vec2_tiny")),
        }
        for name, tensor in sorted(expected.items()):
            encoder, _, quantity = name.partition(".")
            features = encoders[encoder]
            if quantity == "last":
                result = features.read(0, features.rows)
            else:
                result = audio_windows(features, int(quantity.removeprefix("window_")), len(tensor))
            yield Row(f"audio: {name}", relative_error(result, tensor), RELATIVE)


def face_rows(folder: Path) -> Iterator[Row]:
    golden = load_arrays(folder / "face_boxes.safetensors")
    for name in sorted(key.removesuffix(".keypoints") for key in golden if key.endswith(".keypoints")):
        width, height = golden[f"{name}.size"].tolist()
        keypoints = golden[f"{name}.keypoints"][:, 0, FACE_POINTS]
        filtered = filter_keypoints(keypoints)
        expected = {key: golden[f"{name}.{key}"] for key in ("filtered", "raw_boxes", "boxes", "case")}
        released = expected["filtered"][:, 0, FACE_POINTS]
        result = smooth_boxes(keypoints, (width, height), as_released=True)
        yield Row(
            f"face: {name}: filtered keypoints",
            _largest(filtered, released),
            1e-6,
        )
        raw = raw_boxes(filtered, (width, height))
        yield Row(f"face: {name}: raw boxes (px)", _largest(raw, expected["raw_boxes"]), 1e-3)
        yield Row(f"face: {name}: case", abs(result.case - int(expected["case"][0])), 0)
        yield Row(f"face: {name}: boxes (px)", _largest(result.boxes, expected["boxes"]), 0)


def _largest(result: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(result.astype(np.float64) - expected).max())


def frame_rows(folder: Path) -> Iterator[Row]:
    golden = load_arrays(folder / "frames.safetensors")
    crops_name = next(name for name in golden if name.startswith("crops_"))
    size, crops = int(crops_name.removeprefix("crops_")), golden[crops_name]

    def unit(images: np.ndarray, index: int) -> np.ndarray:
        return images[index].astype(np.float32) / 255

    errors: dict[str, float] = dict.fromkeys(("crops", "colour match", "border blend", "paste-back"), 0.0)
    for i, (frame, box) in enumerate(zip(golden["raw"], golden["boxes"], strict=True)):
        matched, source = unit(golden["color_corrected"], i), unit(crops, i)
        results = {
            "crops": (np.rint(crop_frame(frame, box, size, "as_released") * 255), crops[i]),
            "colour match": (
                truncated(match_color_as_released(unit(golden["generated"], i), source) * 255),
                golden["color_corrected"][i],
            ),
            "border blend": (
                truncated(blend_border(matched * 255, source * 255)),
                golden["border_blended"][i],
            ),
            "paste-back": (paste_back(frame, matched, source, box, "as_released"), golden["pasted"][i]),
        }
        for stage, (result, expected) in results.items():
            errors[stage] = max(errors[stage], _largest(result, expected))
    yield from (Row(f"frames: {stage} (grey levels)", error, GREY_LEVELS) for stage, error in errors.items())


def ping_pong_rows(folder: Path) -> Iterator[Row]:
    for lengths, expected in json.loads((folder / "pingpong.json").read_text()).items():
        frames, length = map(int, lengths.split("->"))
        wrong = np.count_nonzero(ping_pong(frames, length) != np.array(expected))
        yield Row(f"ping-pong {lengths} (wrong frames)", float(wrong), 0)


def detector_rows(folder: Path) -> Iterator[Row]:
    detector = folder / "detector"
    if not detector.is_dir():
        print("detector/: not in this folder, not compared")
        return
    for measure in (measure_people, measure_pose):
        for row in measure(detector):
            yield Row(f"detector: {row.frame}: {row.quantity}", row.error, row.tolerance)


ROOMS = (
    dit_rows,
    schedule_rows,
    sampling_rows,
    audio_rows,
    face_rows,
    frame_rows,
    ping_pong_rows,
    detector_rows,
)


@torch.inference_mode()
def main() -> int:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else SHIPPED
    if len(sys.argv) > 2 or not folder.is_dir():
        print("usage: python tests/parity.py [DIR], where DIR is a folder of goldens", file=sys.stderr)
        return 2
    rows, over = 0, 0
    for room in ROOMS:
        try:
            for row in room(folder):
                passed = row.error <= row.tolerance  # False for NaN
                print(
                    f"{'ok  ' if passed else 'OVER'} {row.error:9.2e} of {row.tolerance:7.1e}  {row.quantity}"
                )
                rows, over = rows + 1, over + (not passed)
        except FileNotFoundError as missing:
            print(f"error: the folder is not whole: {missing}", file=sys.stderr)
            return 2
    print(f"{rows} quantities, {over} over tolerance")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
