"""Dub It's nodes, one after the other, with core's own between them."""

from fractions import Fraction
from pathlib import Path

import av
import ltx
import pytest
import torch
from minis import speech

from xdub_core.errors import CheckpointError, SettingsError

pytestmark = pytest.mark.usefixtures("inference")


@pytest.fixture(scope="module")
def vaes():
    return ltx.video_vae(), ltx.audio_vae()


@pytest.fixture
def conditioned(pack, vaes):
    def run(video, layout="paper release", size=64, **given):
        model = ltx.transformer("2.3" if layout == "ltx 2.3" else "2.0", layers=1)
        text = ltx.conditioning("2.3" if layout == "ltx 2.3" else "2.0")
        node = pack("dub_it_conditioning").DubItConditioning
        return node.execute(model, text, text, *vaes, video, layout, size, "source", **given).args

    return run


@pytest.fixture
def decode(pack, vaes):
    return lambda latent: pack("dub_it_decode").DubItDecode.execute(latent, *vaes, 16).args


def facts(path):
    """Frames, rate, and seconds of sound of a file, counted by decoding it."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames, rate = (
            [frame.pts * stream.time_base for frame in container.decode(stream)],
            stream.average_rate,
        )
    with av.open(str(path)) as container:
        samples = sum(frame.samples for frame in container.decode(audio=0))
        return frames, rate, Fraction(samples, container.streams.audio[0].rate)


@pytest.mark.parametrize("layout", ["paper release", "paper", "ltx 2.3"])
def test_a_video_is_conditioned_sampled_and_decoded(conditioned, decode, layout):
    video = ltx.source(frames=20, width=100, height=70)
    sampled = ltx.sample(*conditioned(video, layout))
    made, audio = decode(sampled)
    components = made.get_components()
    assert components.images.shape == (20, 70, 100, 3)
    assert audio["sample_rate"] == 24_000 and audio["waveform"].shape == (1, 2, 24_000 * 20 // 25)


@pytest.mark.parametrize(
    ("frames", "fps"),
    [
        *((61, rate) for rate in (Fraction(24000, 1001), Fraction(25), Fraction(30000, 1001))),
        (121, Fraction(25)),
        (250, Fraction(30000, 1001)),
    ],
)
def test_frames_rate_and_sound_are_exactly_the_source_s(conditioned, decode, frames, fps):
    *_, latent = conditioned(ltx.source(frames, fps, width=32, height=32), size=32)
    made, audio = decode(latent)
    times, rate, sound = facts(Path(made.get_stream_source()))
    assert (len(times), rate) == (frames, fps)
    assert all(abs(time - number / fps) < 1e-6 for number, time in enumerate(times))
    assert audio["waveform"].shape[-1] == round(frames / fps * 24_000)
    assert abs(sound - frames / fps) <= Fraction(1024, 24_000)  # AAC has whole packets


def test_its_file_says_that_ai_made_it(conditioned, decode):
    made, _ = decode(conditioned(ltx.source(9))[-1])
    with av.open(made.get_stream_source()) as container:
        assert "Edited with AI: picture and sound are made anew" in container.metadata["comment"]


def test_a_latent_of_other_nodes_is_refused(decode, conditioned, pack, vaes):
    from comfy_extras.nodes_lt import LTXVSeparateAVLatent

    *_, latent = conditioned(ltx.source(9))
    for other in (LTXVSeparateAVLatent.execute(latent).args[0], {"samples": torch.zeros(1, 4, 8, 8)}):
        with pytest.raises(SettingsError, match=r"not one of Dub It Conditioning"):
            decode(other)
    with pytest.raises(CheckpointError, match=r"the vae is LTX-2's for sound"):
        pack("dub_it_decode").DubItDecode.execute(latent, *vaes[::-1], 16)


def test_isolation_is_put_in_and_taken_out(pack, mini):
    node = pack("dub_it_isolation").DubItIsolation
    model, shown = ltx.transformer("2.0", layers=1), ltx.scene(given=1)
    plain = ltx.predict(model, "2.0", shown)[0]
    (isolated,) = node.execute(model, True, True).args
    (taken_out,) = node.execute(isolated, False, True).args
    assert not torch.equal(ltx.predict(isolated, "2.0", shown)[0], plain)
    assert torch.equal(ltx.predict(taken_out, "2.0", shown)[0], plain)
    with pytest.raises(CheckpointError, match=r"Dub It needs LTX-2"):
        node.execute(mini.model, True, True)


def test_a_prompt_and_how_long_it_is(pack, caplog):
    node = pack("dub_it_prompt").DubItPrompt
    prompt, seconds = node.execute("Hola a todos.", "Spanish", "A woman", "paper release").args
    assert prompt == 'A woman is speaking Spanish, saying: "Hola a todos."'
    assert seconds == pytest.approx(5 / 7.82)
    with caplog.at_level("WARNING"):
        node.execute("Hola a todos. " * 12, "Spanish", "A woman", "paper", old_audio=speech(2.0))
    assert "much longer" in caplog.text


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"dialogue": " "}, "dialogue is empty"),
        ({"language": ""}, "language is"),
        ({"layout": "x"}, "layout"),
    ],
)
def test_what_is_lacking_in_a_prompt_is_known_before_anything_runs(pack, given, told):
    good = {"dialogue": "Hola", "language": "Spanish", "layout": "paper"}
    node = pack("dub_it_prompt").DubItPrompt
    assert node.validate_inputs(**good) is True
    assert told in node.validate_inputs(**good | given)


def test_the_node_offers_the_layouts_that_there_are(pack):
    from xdub_core.dub_it.layouts import LAYOUTS

    offered = pack("dub_it_inputs").LAYOUTS
    assert offered == list(LAYOUTS)
