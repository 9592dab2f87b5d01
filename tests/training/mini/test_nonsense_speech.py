"""Speech without sense in voices that are not held out, the same for the same number."""

import numpy as np

from tests.espeak import needs_espeak
from xdub_core.heads.speech import VOICES
from xdub_core.heads.visemes import VISEMES
from xdub_core.mini.labels import MOUTH_PARAMETERS
from xdub_core.training.mini import nonsense_speech
from xdub_core.training.mini.nonsense_speech import NonsenseSpeech, make_recordings, recording

FEW = NonsenseSpeech(recordings=4, words=(3, 5))


def test_no_held_out_voice_speaks():
    held_out = {voice.variant for voice in VOICES["held-out"]}
    variants = set(nonsense_speech._VARIANTS)
    assert not held_out & variants
    assert len(variants) == len(nonsense_speech._VARIANTS) > 60


def test_words_come_in_no_order_and_from_the_training_lines_alone():
    rng = np.random.default_rng(0)
    voice = VOICES["train"][0]
    texts = {nonsense_speech._text(rng, voice, (3, 5)) for _ in range(20)}
    assert len(texts) == 20
    known = set(nonsense_speech._words(tuple(nonsense_speech.LINES)))
    for text in texts:
        words = text.replace(",", "").split()
        assert 3 <= len(words) <= 5
        assert set(words) <= known


@needs_espeak
def test_a_recording_is_words_between_silences():
    example = recording(FEW, 0)
    assert len(example.phonemes) == round(len(example.waveform) / 320)
    assert np.abs(example.waveform).max() > 0.1
    for edge in (example.phonemes[:4], example.phonemes[-4:]):
        assert (edge == VISEMES.index("silence")).all()
    assert not example.waveform[:1600].any()
    assert len(set(example.phonemes.tolist())) > 5


@needs_espeak
def test_the_mouth_that_says_it_is_known():
    example = recording(FEW, 0)
    assert example.mouth.shape == (len(example.phonemes), len(MOUTH_PARAMETERS))
    silent = example.phonemes == VISEMES.index("silence")
    assert example.mouth[:4, 0].max() < 0.05
    assert example.mouth[~silent, 0].mean() > 0.15


@needs_espeak
def test_recordings_are_the_same_in_any_number_of_processes():
    seen = []
    alone = make_recordings(FEW)
    together = make_recordings(FEW, workers=2, on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one.waveform, other.waveform)
        np.testing.assert_array_equal(one.phonemes, other.phonemes)
        np.testing.assert_array_equal(one.mouth, other.mouth)
    assert not np.array_equal(alone[0].phonemes, recording(NonsenseSpeech(4, (3, 5), seed=1), 0).phonemes)
