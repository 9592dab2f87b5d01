"""A transformer of LTX-2's names and no depth: one block, whose layers are looked at in turn, each by itself."""

import torch
from torch import nn

from xdub_core.training.dub_it.run import Trained

WIDTHS = {"video": 12, "audio": 8}


def _attention(queries, keys, out):
    return nn.ModuleDict(
        {
            "to_q": nn.Linear(queries, 6),
            "to_k": nn.Linear(keys, 6),
            "to_v": nn.Linear(keys, 6),
            "to_out": nn.Sequential(nn.Linear(6, out)),
        }
    )


def _feed_forward(width):
    inner = nn.Module()
    inner.proj = nn.Linear(width, 4 * width)
    feed_forward = nn.Module()
    feed_forward.net = nn.ModuleList([inner, nn.Identity(), nn.Linear(4 * width, width)])
    return feed_forward


class Toy(nn.Module):
    """The layers that a LoRA is for, and some that it is not for."""

    def __init__(self, blocks=1):
        super().__init__()
        torch.manual_seed(0)
        video, audio = WIDTHS.values()
        self.patchify_proj = nn.Linear(128, video)
        self.audio_patchify_proj = nn.Linear(128, audio)
        self.transformer_blocks = nn.ModuleList()
        for _ in range(blocks):
            block = nn.Module()
            block.attn1, block.attn2 = _attention(video, video, video), _attention(video, video, video)
            block.audio_attn1, block.audio_attn2 = (
                _attention(audio, audio, audio),
                _attention(audio, audio, audio),
            )
            block.audio_to_video_attn = _attention(video, audio, video)
            block.video_to_audio_attn = _attention(audio, video, audio)
            block.ff, block.audio_ff = _feed_forward(video), _feed_forward(audio)
            block.norm = nn.Linear(video, video)
            self.transformer_blocks.append(block)
        self.proj_out, self.audio_proj_out = nn.Linear(video, 128), nn.Linear(audio, 128)
        self.requires_grad_(False)

    def velocity(self, pair):
        """A stand-in for the velocity, to which feed-forward layers and both cross-modal outputs contribute."""
        block = self.transformer_blocks[0]
        video = self.patchify_proj((pair.video + pair.source_video).movedim(1, -1))
        tokens = (pair.audio + pair.source_audio).movedim(2, 1).flatten(2)
        audio = self.audio_patchify_proj(tokens)
        heard = block.audio_to_video_attn["to_out"](block.audio_to_video_attn["to_v"](audio.mean(1)))
        seen = block.video_to_audio_attn["to_out"](block.video_to_audio_attn["to_v"](video.mean((1, 2, 3))))
        video = video + block.ff.net[2](block.ff.net[0].proj(video).tanh()) + heard
        audio = audio + block.audio_ff.net[2](block.audio_ff.net[0].proj(audio).tanh()) + seen
        sound = self.audio_proj_out(audio).unflatten(2, (8, 16)).movedim(1, 2)
        return self.proj_out(video).movedim(-1, 1), sound


def toy_model(version="2.0"):
    """It as what `train_lora` takes."""
    toy = Toy()
    return Trained(toy, toy.velocity, version, {True: (12,), False: (24,)}, torch.device("cpu"))
