"""What the fine mask of JUST-DUB-IT's training data holds, beside the coarse one: cells that other lips change.

    COMFYUI/.venv/bin/python benchmarks/dub_it_fine_mask.py COMFYUI --size 384 320

The encoder is LTX-2's own as ComfyUI has it, with few channels of random weights: how far it spreads is the
architecture's, how strongly not the real weights'. Lips are blacked out for the mask, and noise for what is held.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

PACK = Path(__file__).resolve().parents[1]


def main() -> None:
    """Print a row for each mask."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("comfyui", type=Path, help="ComfyUI's folder")
    parser.add_argument("--size", type=int, nargs=2, default=(384, 320), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--frames", type=int, default=17, help="8 k + 1")
    parser.add_argument("--lips", type=int, nargs=2, default=(24, 16), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--threshold", type=float, default=0.1)
    given = parser.parse_args()
    sys.path[:0] = [str(given.comfyui), str(PACK), str(PACK / "tests" / "comfyui")]
    sys.argv = ["main.py", "--cpu"]
    import comfy.options

    comfy.options.enable_args_parsing()
    print("| mask | cells | of them changed | of the others | of the changed ones held |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name, found in measured(tuple(given.size), given.frames, tuple(given.lips), given.threshold).items():
        print(
            f"| {name} | {found.coverage:.1%} | {found.inside:.1%} | {found.outside:.1%} | {found.held:.1%} |"
        )


def measured(size: tuple[int, int], frames: int, lips: tuple[int, int], threshold: float) -> dict:
    """The `Spread` of each mask, for lips in the middle of the lower face."""
    import ltx
    import torch

    from xdub_core.training.dub_it.fine_mask import FineMaskSettings, coarse_mask, fine_mask, spread

    (width, height), generator = size, torch.Generator().manual_seed(0)
    small = torch.rand(1, 3, 4, 6, 8, generator=generator)
    images = torch.nn.functional.interpolate(small, (frames, height, width), mode="trilinear")[0].movedim(
        0, -1
    )
    top, left = height * 5 // 8 - lips[1] // 2, width // 2 - lips[0] // 2
    where = torch.zeros(frames, height, width, dtype=torch.bool)
    where[:, top : top + lips[1], left : left + lips[0]] = True
    black, other = images.clone(), images.clone()
    black[where], other[where] = 0, torch.rand(int(where.sum()), 3, generator=generator)
    vae = ltx.video_vae()
    with torch.inference_mode():
        plain, masked, spoken = (vae.encode(each)[0].float() for each in (images, black, other))
    fine = fine_mask(plain, masked, FineMaskSettings(threshold))
    return {
        "coarse (the lips' own cells)": spread(coarse_mask(where), plain, spoken, threshold),
        "fine (latents with and without lips)": spread(fine, plain, spoken, threshold),
    }


if __name__ == "__main__":
    main()
