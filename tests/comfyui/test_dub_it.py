"""Dub It in one node: long videos, two stages, what stays as it is. By core's samplers on small models."""

from fractions import Fraction
from pathlib import Path

import av
import ltx
import numpy as np
import pytest
import torch
from comfy import model_management
from comfy_api.latest import InputImpl, Types

from xdub_core.errors import CheckpointError, MediaError, SettingsError

pytestmark = pytest.mark.usefixtures("inference")

GIVEN = {"language": "Spanish", "speaker": "The woman", "size": 64, "voice": "source", "seed": 1, "steps": 1}
GIVEN["keep_sound"] = False  # test_dub_it_kept.py has it on
RATES = (Fraction(24000, 1001), Fraction(25), Fraction(30000, 1001))


@pytest.fixture(scope="module")
def vaes():
    return ltx.video_vae(), ltx.audio_vae()


@pytest.fixture
def dub(pack, vaes):
    """Dub It's results, and the prompts that were encoded."""

    def run(video, dialogue="Hola a todos.", layout="paper release", **given):
        version = "2.3" if layout == "ltx 2.3" else "2.0"
        words = ltx.Words(version)
        own = {"model": ltx.transformer(version, layers=1), "vae": vaes[0], "audio_vae": vaes[1]}
        whole = GIVEN | own | {"clip": words, "layout": layout} | given
        video, audio = pack("dub_it").DubIt.execute(video, dialogue, **whole).args
        return video, audio, words.heard

    return run


def spoken(seconds, pause, fps=Fraction(25), rate=16_000, size=64):
    """A VIDEO of a buzz in syllables, silent from pause[0] to pause[1] seconds; its picture grows lighter."""
    frames, time = int(seconds * fps), torch.arange(int(seconds * rate)) / rate
    turn = 2 * torch.pi * torch.cumsum(130 + 15 * torch.sin(4.4 * time), 0) / rate
    buzz = sum(torch.sin(n * turn) / n for n in range(1, 20)) * (0.1 + torch.sin(25 * time).clamp(min=0))
    buzz = torch.where((time < pause[0]) | (time >= pause[1]), 0.2 * buzz, 0.0)
    level = torch.linspace(0.2, 0.8, frames)[:, None, None, None].expand(-1, size, size, 3)
    audio = {"waveform": buzz[None, None], "sample_rate": rate}
    return InputImpl.VideoFromComponents(Types.VideoComponents(images=level, audio=audio, frame_rate=fps))


def written(video):
    """Times of frames, rate and sound's seconds of a VIDEO's file, by decoding it."""
    with av.open(str(Path(video.get_stream_source()))) as container:
        stream = container.streams.video[0]
        times = [frame.pts * stream.time_base for frame in container.decode(stream)]
        return times, stream.average_rate


@pytest.mark.parametrize("layout", ["paper release", "ltx 2.3"])
def test_two_stages_make_a_video_like_the_source(dub, layout):
    refiner = ltx.transformer("2.0", layers=1, seed=9) if layout == "paper release" else None
    small = {"upscale_model": ltx.upscaler(), "refiner": refiner, "layout": layout}
    video, audio, heard = dub(ltx.source(20, width=140, height=100), **small)
    assert video.get_components().images.shape == (20, 100, 140, 3)
    assert audio["waveform"].shape == (1, 2, 24_000 * 20 // 25)
    assert len(heard) == 2 and heard[0] == ""
    assert "Hola a todos." in heard[1]


def test_the_second_stage_keeps_the_sound_and_changes_the_picture(dub):
    source = ltx.source(9, width=64, height=64)
    one, sound, _ = dub(source)
    two, same, _ = dub(source, upscale_model=ltx.upscaler(), refiner=ltx.transformer("2.0", layers=1, seed=9))
    assert torch.equal(sound["waveform"], same["waveform"])
    assert (one.get_components().images - two.get_components().images).abs().max() > 0.05


def check_exact(made, audio, frames, fps):
    """A dub has the source's frames, each at its time and once, and sound as long."""
    times, rate = written(made)
    assert (len(times), rate) == (frames, fps)
    assert max(abs(time - number / fps) for number, time in enumerate(times)) < 1e-6
    assert audio["waveform"].shape[-1] == round(frames / fps * 24_000)


LENGTHS = [*((frames, rate) for frames in (61, 121, 250) for rate in RATES), (1000, RATES[2])]


@pytest.mark.parametrize(("frames", "fps"), LENGTHS, ids=str)
def test_frames_rate_and_sound_are_exactly_the_source_s(dub, frames, fps):
    """All of the node, in one segment, in three, and in nine."""
    source = spoken(frames / fps + Fraction(1, 100), (1.0, 1.4), fps)
    video, audio, heard = dub(source, "Hola a todos. " * 12)
    check_exact(video, audio, frames, fps)
    prompts = [text for text in heard if text]
    assert len(prompts) >= frames / 121
    assert sum(text.count("Hola") for text in prompts) == 12


def test_where_nobody_speaks_the_source_stays_as_it_is(dub):
    """Ten seconds, of which the first two are spoken: the last of three segments is the source's."""
    source = spoken(10, (2.0, 10.0))
    video, audio, heard = dub(source)
    assert len([text for text in heard if text]) == 1
    made, own = video.get_components().images, source.get_components().images
    assert (made[150:] - own[150:]).abs().max() < 0.03
    assert (made[10:40] - own[10:40]).abs().max() > 0.05
    assert audio["waveform"][..., -24_000:].abs().max() < 1e-3


def test_a_video_without_sound_speaks_with_a_given_voice_or_a_free_one(dub):
    silent, voice = ltx.source(9, rate=0, width=64, height=64), ltx.source(30).get_components().audio
    given, free = dub(silent, voice_audio=voice)[1], dub(silent, voice="free")[1]
    assert given["waveform"].shape == free["waveform"].shape
    assert not np.allclose(given["waveform"], free["waveform"], atol=1e-4)


def test_what_is_wrong_is_told_before_anything_is_sampled(dub, monkeypatch, pack, vaes, mini):
    monkeypatch.setattr(pack("comfy_bridge.dub_it.whole"), "sampled", None)
    source, refiner = ltx.source(9), ltx.transformer("2.3", layers=1)
    old = ltx.transformer("2.0", layers=1)
    for_another = old.clone()
    for_another.set_attachments("lora_metadata", {"base_model": "Lightricks/LTX-2.3"})
    wrong = [
        (MediaError, "3 frames", lambda: dub(ltx.source(3))),
        (MediaError, "no sound", lambda: dub(ltx.source(9, rate=0))),
        (SettingsError, "no text to speak", lambda: dub(source, " ")),
        (CheckpointError, "Dub It needs LTX-2", lambda: dub(source, model=mini.model)),
        (CheckpointError, "the vae is not", lambda: dub(source, vae=mini.vae)),
        (CheckpointError, "for sound", lambda: dub(source, vae=vaes[1], audio_vae=vaes[0])),
        (SettingsError, "choose 'ltx 2.3'", lambda: dub(source, model=ltx.transformer("2.3", layers=1))),
        (SettingsError, "is of LTX-2.3", lambda: dub(source, layout="ltx 2.3", model=old)),
        (SettingsError, "trained for LTX-2.3", lambda: dub(source, model=for_another)),
        (SettingsError, "too short to say something in each", lambda: dub(spoken(12, (6.0, 6.5)), "Hola")),
        (SettingsError, "needs a refiner", lambda: dub(source, upscale_model=ltx.upscaler())),
        (SettingsError, "upscale_model is not", lambda: dub(source, refiner=refiner)),
        (SettingsError, "of one version", lambda: dub(source, upscale_model=ltx.upscaler(), refiner=refiner)),
    ]
    for kind, message, run in wrong:
        with pytest.raises(kind) as told:
            run()
        assert message in str(told.value) and "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("memory", "told"),
    [("get_total_memory", "9 frames of 128 x 128 at once"), ("get_free_memory", "the pictures of 9 frames")],
)
def test_a_clip_over_the_memory_is_refused_before_anything_is_sampled(dub, monkeypatch, pack, memory, told):
    monkeypatch.setattr(pack("comfy_bridge.dub_it.whole"), "sampled", None)
    monkeypatch.setattr(model_management, memory, lambda _device: 1000)
    with pytest.raises(
        SettingsError, match=f"{told}.* GB at the least, and there are 0.0 GB: take a smaller size"
    ):
        dub(
            ltx.source(9, width=64, height=64),
            upscale_model=ltx.upscaler(),
            refiner=ltx.transformer("2.0", layers=1, seed=9),
        )


def test_a_model_without_a_lora_is_told(dub, caplog):
    with caplog.at_level("WARNING"):
        dub(ltx.source(9, width=64, height=64))
    assert "there is no LoRA on the model" in caplog.text


def test_lengths_that_cannot_be_are_known_before_anything_runs(pack):
    node = pack("dub_it").DubIt
    assert node.validate_inputs(dialogue="Hola", language="Spanish", longest=121) is True
    assert "multiple of 8 plus 1" in node.validate_inputs(longest=120)
