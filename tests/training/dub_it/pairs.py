"""Training pairs of random latents."""

from fractions import Fraction

import torch

from xdub_core.dub_it.times import latent_frames, sound_latents
from xdub_core.training.dub_it.records import Manifest, Pair, Record, write_manifest, write_pair


def pair(frames=9, fps=Fraction(25), size=(2, 3), width=12, seed=0, face=True, raw_text=False):
    """A pair whose target is its source but for the face, and other sound."""
    random = torch.Generator().manual_seed(seed)
    video = torch.randn(128, latent_frames(frames), *size, generator=random)
    sounds, words = sound_latents(frames, fps), torch.randn(5, width, generator=random)
    mask = torch.zeros(video.shape[1:])
    mask[:, 0, 0] = 1
    other = torch.randn(video.shape, generator=random)
    audio = torch.randn(2, 8, sounds, 16, generator=random)
    target = torch.where(mask.bool(), other, video)
    return Pair(video, audio[0], target, audio[1], words, raw_text, mask if face else None)


def write_records(folder, count=3, version="2.0", frames=9, fps=Fraction(25), **options):
    """A folder of so many pairs."""
    records = []
    for number in range(count):
        record = Record(f"clip-{number}", f"pairs/clip-{number}.safetensors", fps, frames, f"says {number}")
        write_pair(folder / record.file, pair(frames, fps, seed=number, **options))
        records.append(record)
    write_manifest(folder, Manifest(version, tuple(records)))
    return folder
