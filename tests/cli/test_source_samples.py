"""Outside the face box a dub has the source's own samples, those too that RGB cannot hold."""

import av
import numpy as np
import pytest

from tests.cli.conftest import write_wav
from xdub_core.audio.decode import SAMPLE_RATE
from xdub_core.heads.drawn_head import make_voice
from xdub_core.media.picture.rgb_conversion import plane_samples

BOX = (96, 40, 224, 168)
DUB = (
    "--model", "untrained", "--box", ",".join(map(str, BOX)), "--crop-size", "64", "--clip-frames", "13",
    "--steps", "1", "--preset", "ultrafast",
)  # fmt: skip


def ramp(path, pixel_format="yuv420p", frames=10, width=320, height=240):
    """A video whose luma goes over every value, and whose chroma too."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "0", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        for number in range(frames):
            frame = av.VideoFrame(width, height, pixel_format)
            for place, plane in enumerate(frame.planes):
                samples = plane_samples(plane, 8)
                across = np.linspace(0, 255, samples.shape[1]).astype(np.uint8)
                samples[:] = across if place != 1 else across[::-1]
                samples[:4] = number
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def samples_of(path):
    with av.open(str(path)) as container:
        return [
            [plane_samples(plane, 8).astype(int) for plane in f.planes] for f in container.decode(video=0)
        ]


def outside(plane, number, width, left=0):
    """The samples of a plane that no pixel of the box, in a picture beginning at column `left`, belongs to."""
    step = width // plane.shape[1]
    step_y = 2 if number and plane.shape[0] < 200 else 1
    mask = np.ones(plane.shape, bool)
    x0, y0, x1, y1 = BOX
    mask[y0 // step_y : -(-y1 // step_y), (left + x0) // step : -(-(left + x1) // step)] = False
    return mask


def assert_kept(run, folder, source, *options, suffix=".mkv", tolerance=0):
    voice = write_wav(folder / "voice.wav", make_voice(0.6), SAMPLE_RATE)
    out = folder / f"out{suffix}"
    outcome = run("dub", "--video", source, "--audio", voice, "--out", out, *DUB, "--preview", *options)
    assert outcome.code == 0, outcome.err
    before, after = samples_of(source), samples_of(out)
    preview = samples_of(out.with_suffix(f".preview{suffix}"))
    shown = [*range(len(before)), *range(len(before) - 2, 0, -1)]
    for number, dubbed in enumerate(after):
        original = before[shown[number % len(shown)]]
        for place, (old, new, both) in enumerate(zip(original, dubbed, preview[number], strict=True)):
            mask = outside(new, place, 320)
            assert np.abs(new - old)[mask].max() <= tolerance
            mask[len(mask) * 7 // 8 :] = False  # where the preview writes its captions
            assert np.abs(both[:, old.shape[1] :] - old)[mask].max() <= tolerance
        assert (dubbed[0] != original[0])[BOX[1] : BOX[3], BOX[0] : BOX[2]].mean() > 0.1


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv444p"])
def test_lossless_outputs_have_the_very_same_samples_around_the_face(run, tmp_path, pixel_format):
    source = ramp(tmp_path / "in.mp4", pixel_format)
    assert_kept(run, tmp_path, source, "--quality", "0", suffix=".mp4")


@pytest.mark.media
def test_super_blacks_and_super_whites_stay(run, media, tmp_path):
    source = media / "odd" / "sw.mp4"
    assert {int(value) for plane in samples_of(source)[0][:1] for value in np.unique(plane)} >= {
        1,
        8,
        245,
        254,
    }
    assert_kept(run, tmp_path, source, "--codec", "ffv1")
    assert_kept(
        run, tmp_path, source, "--overwrite", suffix=".mp4", tolerance=4
    )  # H.264, as it is by default
