"""All the small networks at tiny size: they go through, stop and go on, and judge a dub between floor and ceiling."""

import pytest
import torch

from tests.espeak import needs_espeak
from xdub_core.evaluation.measure import measure, through_vae
from xdub_core.evaluation.mini_cases import dub_cases
from xdub_core.evaluation.mini_judges import mini_judges
from xdub_core.evaluation.report import CEILING, FLOOR, VAE_CEILING, make_report
from xdub_core.heads.dataset import HeadsConfig, TalkingHeads
from xdub_core.mini.network_files import load_networks
from xdub_core.mini.vae import MiniVAE
from xdub_core.training.mini.network_examples import clip_features, landmark_example, vae_example
from xdub_core.training.mini.network_training import STATES, tiny_trainings, train_networks

pytestmark = needs_espeak

SMALL = HeadsConfig(size=48, frames=24, train_identities=6, held_out_identities=2)


class KilledError(Exception):
    pass


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("heads")


@pytest.fixture(scope="module")
def heads(cache):
    heads = TalkingHeads("train", length=12, config=SMALL, cache=cache)
    heads.fill_cache()
    return heads


@pytest.fixture(scope="module")
def bundle(heads, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle")
    train_networks(heads, folder, tiny_trainings())
    return folder


def test_a_killed_training_goes_on_to_the_same_networks(heads, bundle, tmp_path):
    def kill(progress):
        if progress.stage == "codec" and progress.done == 3:
            raise KilledError

    with pytest.raises(KilledError):
        train_networks(heads, tmp_path, tiny_trainings(), kill)
    resumed = []
    train_networks(heads, tmp_path, tiny_trainings(), lambda p: resumed.append((p.stage, p.done)))
    assert resumed[0] == ("codec", 4)
    assert not {"phonemes", "sync"} & {name for name, _ in resumed}
    for path in bundle.glob("*.safetensors"):
        assert path.read_bytes() == (tmp_path / path.name).read_bytes()


def test_what_is_done_is_not_done_again(heads, bundle):
    steps = []
    train_networks(heads, bundle, tiny_trainings(), steps.append)
    assert steps == []
    assert (bundle / STATES).is_dir()


def test_features_of_a_clip_are_those_of_its_frames(heads, bundle):
    networks = load_networks(bundle)
    features = clip_features(heads[0], networks.phonemes)
    assert features.shape == (48, 16)


def test_examples_mark_the_mouth_and_the_face(heads):
    clip = heads[0]
    lips = clip.landmarks[0, :8].mean(0).astype(int)
    assert vae_example(clip).mouth[0, lips[1], lips[0]] == 1
    assert vae_example(clip).mouth.mean() < 0.2
    points = landmark_example(clip).points
    assert points.shape == (24, 18, 2)
    assert (points[:, 16] < points[:, 17]).all()


def test_held_out_dubs_are_judged_between_floor_and_ceiling(cache, bundle):
    networks = load_networks(bundle)
    cases = dub_cases(
        TalkingHeads("held-out", length=2, config=SMALL, cache=cache), networks.phonemes, range(2)
    )
    judges = mini_judges(networks)
    vae = MiniVAE(networks.vae)
    videos = {
        FLOOR: [case.source for case in cases],
        CEILING: [case.truth for case in cases],
        VAE_CEILING: [through_vae(vae, case.truth) for case in cases],
    }
    measured = {
        name: [measure(case, video, judges) for case, video in zip(cases, dubs, strict=True)]
        for name, dubs in videos.items()
    }
    rows = make_report(cases, measured).rows
    assert rows[CEILING].mouth_psnr == 100 > rows[VAE_CEILING].mouth_psnr > 15
    assert rows[CEILING].lmd == 0 < rows[FLOOR].lmd
    assert rows[CEILING].outside_psnr > 99
    assert rows[FLOOR].identity == pytest.approx(1, abs=1e-3)
    assert not torch.equal(cases[0].source, cases[0].truth)
