"""The clip plan covers every frame, once."""

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.golden import golden_metadata
from xdub_core.dub.clip_plan import ClipGeometry, padded_frames, plan_clips
from xdub_core.dub.length import frames_of_audio
from xdub_core.errors import SettingsError
from xdub_core.vae.grid import LatentGrid

GEOMETRIES = st.builds(
    lambda motion, extra, held: ClipGeometry(
        held * (motion + extra) + 1, held * motion + 1, LatentGrid(1, held, 1)
    ),
    st.integers(0, 3),
    st.integers(1, 19),
    st.sampled_from([1, 2, 4, 8]),
)


@given(frames=st.integers(1, 5000), start=st.integers(0, 1000), geometry=GEOMETRIES, fitted=st.booleans())
def test_new_frames_of_the_clips_follow_one_another_without_gap(frames, start, geometry, fitted):
    clips = plan_clips(frames, start, geometry, fitted=fitted)
    covered = start
    for clip in clips:
        assert clip.new_start == covered
        covered = clip.stop
    assert covered - start >= frames
    assert len(clips) == 1 or clips[-1].new_start < start + frames


@given(frames=st.integers(1, 5000), geometry=GEOMETRIES, fitted=st.booleans())
def test_stitched_latents_decode_to_the_frames_that_clips_cover(frames, geometry, fitted):
    clips, grid = plan_clips(frames, geometry=geometry, fitted=fitted), geometry.grid
    latents = grid.latents(clips[0].frames)
    latents += sum(grid.latents(clip.frames) - geometry.motion_latents for clip in clips[1:])
    assert grid.frames(latents) == clips[-1].stop


@given(frames=st.integers(1, 5000), geometry=GEOMETRIES)
def test_as_released_every_clip_has_full_length(frames, geometry):
    clips = plan_clips(frames, geometry=geometry, fitted=False)
    assert {clip.frames for clip in clips} == {geometry.frames}
    assert clips[-1].stop == padded_frames(frames, geometry)


@given(frames=st.integers(1, 5000), geometry=GEOMETRIES)
def test_fitted_clips_are_as_few_all_of_one_length_and_no_latent_too_long(frames, geometry):
    clips, whole = (plan_clips(frames, geometry=geometry, fitted=fitted) for fitted in (True, False))
    (length,) = {clip.frames for clip in clips}
    assert len(clips) == len(whole)
    assert length <= geometry.frames and (length - 1) % geometry.grid.temporal == 0
    assert clips[-1].stop - frames < len(clips) * geometry.grid.temporal


@pytest.mark.parametrize(
    ("frames", "lengths"),
    [
        (1, [1]),
        (2, [5]),
        (5, [5]),
        (6, [9]),
        (25, [25]),
        (77, [77]),
        (78, [45, 45]),
        (149, [77, 77]),
        (150, [57, 57, 57]),
        (250, [69, 69, 69, 69]),
    ],
)
def test_lengths_of_fitted_clips(frames, lengths):
    assert [clip.frames for clip in plan_clips(frames)] == lengths


def test_clips_of_later_chains_are_numbered_on():
    clips = plan_clips(30, 100, ClipGeometry(13, 5), first_number=4)
    assert [(clip.number, clip.motion_frames) for clip in clips] == [(4, 0), (5, 5), (6, 5), (7, 5)]


def test_lengths_that_a_vae_does_not_divide_are_refused_with_both_numbers():
    assert ClipGeometry(73, 9).on_grid(LatentGrid(1, 8, 1)).latents == 10
    assert ClipGeometry().on_grid(LatentGrid(1, 2, 1)).motion_latents == 3
    with pytest.raises(SettingsError, match=r"clip of 77 frames, where a latent holds 8"):
        ClipGeometry().on_grid(LatentGrid(1, 8, 1))


def test_total_frames_equal_the_release(goldens):
    sizes = golden_metadata(goldens / "audio_features.safetensors")
    with av.open(str(goldens / "speech_like.wav")) as file:
        samples = sum(frame.samples for frame in file.decode(audio=0))
        assert file.streams.audio[0].rate == 16000
    frames = frames_of_audio(samples)
    assert padded_frames(frames) == int(sizes["total_frames"])
    assert padded_frames(frames, ClipGeometry(25, 5)) == int(sizes["total_frames_25_5"])


@pytest.mark.parametrize(("frames", "motion"), [(76, 5), (77, 4), (5, 5), (0, 1), (77, -3)])
def test_impossible_geometry_is_refused(frames, motion):
    with pytest.raises(SettingsError):
        ClipGeometry(frames, motion)


def test_nothing_to_dub_is_refused():
    with pytest.raises(SettingsError, match="at least 1"):
        plan_clips(0)
