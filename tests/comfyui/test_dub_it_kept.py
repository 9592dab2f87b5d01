"""What is not dubbed by Dub It stays the source's own: by real samplers and VAEs on small models."""

from dataclasses import replace
from fractions import Fraction

import av
import ltx
import numpy as np
import pytest
import torch
from comfy_api.latest import InputImpl, Types

from xdub_core.dub_it.layouts import PAPER
from xdub_core.dub_it.segments import Segment
from xdub_core.errors import FaceError

pytestmark = pytest.mark.usefixtures("inference")

BOX = (8, 4, 56, 52)


@pytest.fixture(scope="module")
def vaes():
    return ltx.video_vae(), ltx.audio_vae()


@pytest.fixture
def sampled(pack, vaes):
    """A video's source, and its whole latent, sampled."""

    def run(video):
        source = pack("comfy_bridge.dub_it.source").source_of(video)
        text = ltx.conditioning("2.0")
        made = pack("comfy_bridge.dub_it.conditioning").video_context(
            ltx.transformer("2.0", layers=1), (text, text), vaes, video, PAPER, 96
        )
        return source, ltx.sample(made.model, made.positive, made.negative, made.latent, steps=1)

    return run


@pytest.fixture
def finished(pack, vaes):
    """The frames of a dub in which the face's surroundings are kept."""

    def run(source, segments, latents, face):
        kept = pack("comfy_bridge.dub_it.kept")
        return [each.rgb for each in kept.with_own_picture(source, segments, latents, vaes[0], face)]

    return run


def outside(frame):
    rows, columns = np.mgrid[: frame.shape[0], : frame.shape[1]]
    return ~((columns >= BOX[0]) & (columns < BOX[2]) & (rows >= BOX[1]) & (rows < BOX[3]))


@pytest.mark.parametrize("fps", [Fraction(25), Fraction(30000, 1001)], ids=str)
def test_outside_of_the_face_every_pixel_is_the_source_s(sampled, finished, crop, fps):
    video = ltx.source(17, fps)
    source, latent = sampled(video)
    own = list(source.footage.source.frames(range(17)))
    made = finished(source, [source.whole], [latent], crop(video)[0])
    assert len(made) == 17
    for ours, theirs in zip(made, own, strict=True):
        assert np.array_equal(ours[outside(ours)], theirs[outside(ours)])
    changed = [np.abs(ours.astype(int) - theirs).max() for ours, theirs in zip(made, own, strict=True)]
    assert min(changed) > 20


def test_frames_without_the_face_and_segments_without_speech_stay_as_they_are(pack, sampled, finished, crop):
    video = ltx.source(41)
    _, latent = sampled(ltx.source(25))
    source = pack("comfy_bridge.dub_it.source").source_of(video)
    found = crop(video)[0]
    face = replace(found, track=replace(found.track, present=np.arange(41) >= 8))
    own = list(source.footage.source.frames(range(41)))
    made = finished(source, [Segment(0, 25), Segment(16, 41)], [latent, None], face)
    same = [np.array_equal(ours, theirs) for ours, theirs in zip(made, own, strict=True)]
    assert all(same[:8]) and all(same[30:])
    assert not any(same[10:16])


def spoken(seconds, pause, fps, beeps, rate=48_000):
    """A VIDEO of a buzz with a pause; at the frames `beeps` a corner is white and there is a beep of 20 ms."""
    frames, time = int(seconds * fps), torch.arange(int(seconds * rate)) / rate
    turn = 2 * torch.pi * torch.cumsum(130 + 15 * torch.sin(4.4 * time), 0) / rate
    buzz = sum(torch.sin(n * turn) / n for n in range(1, 20)) * (0.1 + torch.sin(25 * time).clamp(min=0))
    sound = torch.where((time < pause[0]) | (time >= pause[1]), 0.2 * buzz, 0.001 * torch.sin(900 * time))
    images = torch.full((frames, 64, 96, 3), 0.25)
    for beep in beeps:
        start = round(beep / fps * rate)
        sound[start : start + rate // 50] = 0.5 * torch.sin(6000 * time[: rate // 50])
        images[beep, 56:, 80:] = 1.0
    audio = {"waveform": sound[None, None].repeat(1, 2, 1), "sample_rate": rate}
    return InputImpl.VideoFromComponents(Types.VideoComponents(images=images, audio=audio, frame_rate=fps))


def test_a_dub_keeps_sound_and_picture_where_they_are_and_together(pack, vaes, crop):
    """Sound is the source's own outside of speech; flashes and beeps of the written file are within 20 ms."""
    fps = Fraction(30000, 1001)
    beeps = (62, 100, 118)
    video = spoken(6.0, (1.5, 5.0), fps, beeps)
    frames = video.get_components().images.shape[0]
    models = ltx.transformer("2.0", layers=1), ltx.Words("2.0"), *vaes
    said, face = ("Hola a todos. Buenas noches.", "Spanish", "The woman"), crop(video)[0]
    made, audio = (
        pack("dub_it")
        .DubIt.execute(
            video, *said, *models, "paper release", 64, "source", 1, face_track=face, steps=1, quality=4
        )
        .args
    )
    own = video.get_components().audio["waveform"]
    assert audio["sample_rate"] == 48_000 and audio["waveform"].shape[-1] == round(frames / fps * 48_000)
    quiet = slice(round(1.5 * 48_000) + 12_000, 5 * 48_000 - 12_000)
    assert torch.equal(audio["waveform"][..., quiet], own[..., quiet])
    assert not torch.equal(audio["waveform"][..., :24_000], own[..., :24_000])
    flashes, heard = seen_and_heard(made.get_stream_source())
    assert [round(flash * fps) for flash in flashes] == list(beeps)
    assert np.abs(np.subtract(flashes, heard)).max() < 0.02


def seen_and_heard(path):
    """Seconds at which the corner turns white, and at which a beep begins in the silence from 1.7 to 4.8 s."""
    with av.open(path) as container:
        stream = container.streams.video[0]
        frames = [
            (float(f.pts * stream.time_base), f.to_ndarray(format="rgb24")) for f in container.decode(stream)
        ]
    flashes = [time for time, picture in frames if picture[60:, 88:].mean() > 180]
    with av.open(path) as container:
        stream = container.streams.audio[0]
        parts = [(float(f.pts * stream.time_base), f.to_ndarray()[0]) for f in container.decode(stream)]
    start, sound = parts[0][0], np.concatenate([part for _, part in parts])
    loud = np.flatnonzero(np.abs(sound) > 0.1) / 48_000 + start
    loud = loud[(loud > 1.7) & (loud < 4.8)]
    return flashes, loud[np.diff(loud, prepend=0) > 0.1]


def test_another_video_s_face_is_refused_before_anything_is_sampled(pack, vaes, crop, monkeypatch):
    monkeypatch.setattr(pack("comfy_bridge.dub_it.whole"), "sampled", None)
    face, video = crop(ltx.source(40))[0], ltx.source(17)
    with pytest.raises(FaceError, match="connect the video that Face Crop has"):
        pack("dub_it").DubIt.execute(
            video, "Hola.", "Spanish", "She", ltx.transformer("2.0", layers=1), ltx.Words("2.0"), *vaes,
            "paper release", 64, "source", 1, face_track=face,
        )  # fmt: skip
