"""Rows of features: clamping, chunks that are computed when read, joining, spooling."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from xdub_core.audio.encoded import log_mel_features, spooled_features
from xdub_core.audio.features import ChunkedFeatures, JoinedFeatures, TensorFeatures
from xdub_core.errors import MediaError, SettingsError


def numbered(rows, width=3, first=0.0):
    return first + torch.arange(rows * width, dtype=torch.float32).reshape(rows, width)


def chunked(tensor, chunk_rows, log=None):
    def compute(start, stop):
        if log is not None:
            log.append(start)
        return tensor[start:stop]

    return ChunkedFeatures(len(tensor), tensor.shape[1], chunk_rows, compute)


def test_rows_outside_are_the_first_or_the_last():
    features = TensorFeatures(numbered(4))
    assert torch.equal(features.read(-2, 6), numbered(4)[[0, 0, 0, 1, 2, 3, 3, 3]])
    assert torch.equal(features.read(10, 12), numbered(4)[[3, 3]])


@given(
    rows=st.integers(1, 30),
    chunk_rows=st.integers(1, 12),
    start=st.integers(-20, 40),
    length=st.integers(0, 40),
)
def test_chunked_features_read_like_a_tensor(rows, chunk_rows, start, length):
    whole = numbered(rows)
    read = chunked(whole, chunk_rows).read(start, start + length)
    assert torch.equal(read, TensorFeatures(whole).read(start, start + length))


def test_chunks_are_computed_when_read_and_the_last_few_kept():
    log = []
    features = chunked(numbered(100), 10, log)
    assert log == []
    features.read(12, 25)
    features.read(18, 22)
    assert log == [10, 20]
    for start in range(0, 100, 10):
        features.read(start, start + 10)
    features.read(12, 13)
    assert log == [10, 20, 0, 30, 40, 50, 60, 70, 80, 90, 10]
    assert len(features._kept) == 3


def test_joined_parts_clamp_to_their_own_ends():
    long, short = numbered(5), numbered(4, 2, first=100)
    joined = JoinedFeatures([TensorFeatures(long), TensorFeatures(short)])
    assert (joined.rows, joined.width) == (5, 5)
    last = joined.read(4, 7)
    assert torch.equal(last, torch.cat([long[4], short[3]]).expand(3, 5))


def test_joining_nothing_is_an_error():
    with pytest.raises(SettingsError, match="at least one part"):
        JoinedFeatures([])


@pytest.mark.parametrize("shape", [(0, 4), (4,), (1, 2, 3)])
def test_tensors_of_other_shapes_are_errors(shape):
    with pytest.raises(SettingsError, match=r"\[rows, width\]"):
        TensorFeatures(torch.zeros(shape))


def test_spooled_features_read_like_the_original(tmp_path):
    whole = torch.randn(3100, 4, generator=torch.Generator().manual_seed(0))
    features = JoinedFeatures([chunked(whole, 700), TensorFeatures(numbered(3099, 2))])
    steps = []
    with spooled_features(
        features, tmp_path, progress=lambda done, total: steps.append((done, total))
    ) as spooled:
        assert (spooled.rows, spooled.width) == (3100, 6)
        for start, stop in ((-5, 3), (1490, 1510), (3090, 3120), (7, 7)):
            assert torch.equal(spooled.read(start, stop), features.read(start, stop))
    assert steps == [(1500, 3100), (3000, 3100), (3100, 3100)]


def test_stopping_in_the_progress_stops_spooling(tmp_path):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        spooled_features(TensorFeatures(numbered(10)), tmp_path, stop)
    with pytest.raises(MediaError):
        spooled_features(TensorFeatures(numbered(10)), tmp_path / "none")


def test_features_without_weights_follow_the_sound_and_the_seed(recording):
    features = log_mel_features(recording, 32, seed=1)
    assert (features.rows, features.width) == (recording.samples // 320, 32)
    rows = features.read(0, features.rows)
    assert torch.equal(rows, log_mel_features(recording, 32, seed=1).read(0, features.rows))
    assert not torch.equal(rows, log_mel_features(recording, 32, seed=2).read(0, features.rows))
    assert rows.std(dim=0).min() > 0.01
