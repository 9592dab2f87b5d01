"""The generated sample: a head inside its box, a sound that is heard."""

import numpy as np

from xdub_core.audio.recording import open_recording
from xdub_core.heads.drawn_head import HEIGHT, SAMPLE_BOX, WIDTH, draw_head, make_voice, write_sample
from xdub_core.media.timeline import MODEL_FPS
from xdub_core.media.video.reader import VideoReader


def test_sample_is_a_video_and_a_recording_of_the_asked_length(tmp_path):
    video, audio = write_sample(tmp_path, seconds=1.0)
    with VideoReader(video) as reader:
        assert (reader.info.width, reader.info.height, reader.info.frames) == (WIDTH, HEIGHT, MODEL_FPS)
    with open_recording(audio) as recording:
        assert recording.samples == 16000
        assert recording.variance > 1e-3


def test_the_head_stays_in_its_box():
    x0, y0, x1, y1 = SAMPLE_BOX
    still = draw_head(0.0).astype(int)
    for second in np.linspace(0.5, 20, 40):
        moved = np.abs(draw_head(second).astype(int) - still).max(axis=-1) > 8
        moved[y1 - 60 :] = False  # shoulders
        rows, columns = np.nonzero(moved)
        assert columns.min() >= x0
        assert columns.max() < x1
        assert rows.min() >= y0


def test_the_voice_neither_clips_nor_vanishes():
    voice = make_voice(2.0)
    assert np.abs(voice).max() <= 1
    assert np.abs(voice).max() > 0.3
