"""The whole chain that makes xdub-mini, at a scale that proves the plumbing: it resumes, and what it ships loads."""

import json
import shutil
import sys
from dataclasses import replace

import pytest
import torch

from tests.espeak import needs_espeak
from xdub_core.cli import main
from xdub_core.errors import CheckpointError, MissingModelError, SettingsError
from xdub_core.evaluation.pictures import BEST_PSNR
from xdub_core.evaluation.report import CEILING, FLOOR, VAE_CEILING
from xdub_core.experts.expert import load_expert
from xdub_core.heads.dataset import TalkingHeads
from xdub_core.heads.drawn_head import SAMPLE_BOX, write_sample
from xdub_core.media.video.reader import VideoReader
from xdub_core.mini.card import CARD, is_mini
from xdub_core.mini.loading import EXPERT_FILES, load_mini
from xdub_core.mini.network_files import DIT, save_network
from xdub_core.model.config import DiTConfig
from xdub_core.model.dit import XDubDiT
from xdub_core.model.dit_file import load_dit
from xdub_core.sampling.clip_sampling import ClipInputs, SamplerSettings, sample_clip
from xdub_core.training.example_files import ExampleFolder
from xdub_core.training.mini.ablations import BASELINE, CHANNELS, UNIFORM_T
from xdub_core.training.mini.make import RECIPE_FILE, MiniMaker
from xdub_core.training.mini.recipe import GEOMETRY, NOISE_SHIFT, pairs_of_takes, recipe

STAGES = ("speaking", "phonemes", "sync", "codec", "identity", "generator", "editor", "lip", "texture")


class StoppedError(Exception):
    """What ends a run in the middle."""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A tiny mini, made in one go, and the names of the steps in order."""
    folder, seen = tmp_path_factory.mktemp("mini"), []
    maker = MiniMaker(recipe("tiny"), folder, on_progress=lambda progress: seen.append(progress.stage))
    maker.make()
    return maker, list(dict.fromkeys(seen))


def clips_of(maker, folder):
    """The clips that `maker` has drawn, not the dubs of them, in another work folder; drawing takes longest."""
    for path in maker.folder.glob("clips/*/*-0.npz"):
        copy = folder / path.relative_to(maker.folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    return folder


@needs_espeak
def test_every_stage_of_the_paper_comes_in_its_order(made):
    _, seen = made
    assert [name for name in seen if name in STAGES] == list(STAGES)
    assert seen.index("generator") < seen.index("making pairs") < seen.index("editor")


@needs_espeak
def test_what_is_shipped_samples(made):
    maker, _ = made
    mini = load_mini(maker.shipped)
    size, vae = mini.card.crop, mini.model.vae
    assert (size, mini.card.geometry) == (maker.recipe.heads.size, GEOMETRY)
    audio = torch.zeros(1, GEOMETRY.latents, 8, mini.phonemes.config.width)
    inputs = ClipInputs(vae.encode(torch.rand(GEOMETRY.frames, size, size, 3)), audio)
    denoiser = mini.model.denoiser
    frames = vae.decode(sample_clip(denoiser, inputs, SamplerSettings(steps=4)))
    assert frames.shape == (13, size, size, 3)
    assert torch.isfinite(frames).all()


@needs_espeak
def test_the_command_line_dubs_with_it(made, tmp_path, monkeypatch, capfd):
    """The folder is given as the model; crops and clips take the sizes that its card tells."""
    maker, _ = made
    video, audio = write_sample(tmp_path, seconds=1.0)
    arguments = ["dub", "--video", video, "--audio", audio, "--out", tmp_path / "out.mp4"]
    arguments += ["--model", maker.shipped, "--box", ",".join(map(str, SAMPLE_BOX)), "--steps", "2"]
    monkeypatch.setattr(sys, "argv", ["xdub_core", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code, capfd.readouterr().err
    with VideoReader(tmp_path / "out.mp4") as reader:
        assert reader.info.frames == 25


def test_a_folder_that_is_no_mini_is_refused(tmp_path):
    assert not is_mini(tmp_path)
    with pytest.raises(MissingModelError, match=r"mini\.json"):
        load_mini(tmp_path)
    (tmp_path / CARD).write_text("{")
    with pytest.raises(CheckpointError, match="damaged"):
        load_mini(tmp_path)


@needs_espeak
def test_nothing_is_made_twice(made):
    maker, _ = made
    again = []
    MiniMaker(maker.recipe, maker.folder, on_progress=lambda progress: again.append(progress.stage)).make()
    assert set(again) <= {"drawing heads"}


@needs_espeak
def test_a_stopped_run_goes_on_where_it_stopped(tmp_path):
    def stop_in_the_vae(progress):
        if progress.stage == "codec":
            raise StoppedError

    with pytest.raises(StoppedError):
        MiniMaker(recipe("tiny"), tmp_path, on_progress=stop_in_the_vae).make()
    drawn = sorted(tmp_path.glob("clips/*/*.npz"))
    assert len(drawn) == recipe("tiny").clips
    before = [path.stat().st_mtime_ns for path in drawn]
    with pytest.raises(StoppedError):
        MiniMaker(recipe("tiny"), tmp_path, on_progress=stop_in_the_vae).make()
    assert [path.stat().st_mtime_ns for path in drawn] == before


@needs_espeak
def test_training_goes_on_from_a_mini(made, tmp_path):
    """Its networks are taken over; generator and editor start from its DiT."""
    maker, _ = made
    seen, fine_tuning = [], replace(maker.recipe.fine_tuning(), learning_rate=1e-6)
    more = MiniMaker(
        fine_tuning,
        clips_of(maker, tmp_path),
        on_progress=lambda progress: seen.append(progress.stage),
        start=maker.shipped,
    )
    more.make()
    assert not {"phonemes", "sync", "codec", "identity"} & set(seen)
    for name in ("codec", "phonemes", "sync", "landmarks_far", "identity"):
        assert (more.shipped / f"{name}.safetensors").read_bytes() == (
            maker.shipped / f"{name}.safetensors"
        ).read_bytes()
    old, editor = (load_dit(folder / DIT).state_dict() for folder in (maker.shipped, more.shipped))
    generator = load_dit(tmp_path / "generator" / "model.safetensors").state_dict()
    for name in ("blocks.0.self_attn.q.weight", "head.head.weight"):
        for new in (editor, generator):
            torch.testing.assert_close(new[name].float(), old[name].float(), atol=1e-3, rtol=0)


@needs_espeak
def test_a_network_that_the_folder_has_is_kept(made, tmp_path):
    """So a network made anew is what training goes on with."""
    maker, _ = made
    own = maker.examples.networks.phonemes
    own.to_phonemes.bias.data += 1
    more = MiniMaker(maker.recipe.fine_tuning(), clips_of(maker, tmp_path), start=maker.shipped)
    more.shipped.mkdir()
    path = save_network("phonemes", own, more.shipped)
    kept = path.read_bytes()
    more.make()
    assert path.read_bytes() == kept != (maker.shipped / path.name).read_bytes()


@needs_espeak
def test_a_phase_is_trained_in_several_processes(made, tmp_path):
    """The texture expert, with its pixel losses; two processes of a sample each."""
    maker, _ = made
    folder = shutil.copytree(maker.folder, tmp_path / "work")
    expert = folder / "shipped" / EXPERT_FILES["texture"]
    alone = expert.read_bytes()
    expert.unlink()
    shutil.rmtree(folder / "texture")
    seen = []
    MiniMaker(maker.recipe, folder, workers=2, on_progress=lambda p: seen.append((p.stage, p.done))).make()
    assert [step for name, step in seen if name == "texture"] == [1, 2]
    assert load_expert(expert).info == load_expert(maker.shipped / expert.name).info
    assert expert.read_bytes() != alone  # other random draws


@needs_espeak
def test_pairs_are_dubbed_with_the_takes_asked_for(made, tmp_path):
    maker, _ = made
    takes = pairs_of_takes([2, 3])
    folder = clips_of(maker, tmp_path)

    def stop_after_the_pairs(progress):
        if progress.stage == "editor":
            raise StoppedError

    with pytest.raises(StoppedError):
        MiniMaker(
            replace(maker.recipe, pair_takes=takes),
            folder,
            on_progress=stop_after_the_pairs,
            start=maker.shipped,
        ).make()
    drawn = {path.stem.split("-")[1] for path in tmp_path.glob("clips/*/*.npz")}
    assert drawn == {"0", "2", "3"}


@pytest.mark.parametrize("scale", ["full", "tiny"])
def test_some_people_come_twice_as_the_network_of_looks_needs(scale):
    chosen = recipe(scale)
    heads = TalkingHeads("train", length=chosen.clips, config=chosen.heads)
    aside = [person for number in range(len(heads)) if not (person := heads.speaker(number)[0]) % 5]
    assert 2 <= len(set(aside)) < len(aside)


def test_takes_are_paired_two_by_two():
    assert pairs_of_takes([4]) == ((0, 4),)
    assert pairs_of_takes([5, 6]) == ((5, 6),)
    assert pairs_of_takes([5, 6, 7]) == ((5, 6), (0, 7))
    for unfit in ([], [0], [3, 3]):
        with pytest.raises(SettingsError, match="takes"):
            pairs_of_takes(unfit)


@needs_espeak
def test_pairs_are_the_same_however_many_processes_make_them(made, tmp_path):
    maker, _ = made
    folder = shutil.copytree(maker.folder, tmp_path / "work")
    alone = ExampleFolder(folder / "pairs").load().tensors
    shutil.rmtree(folder / "pairs")
    MiniMaker(maker.recipe, folder, workers=2).make()
    together = ExampleFolder(folder / "pairs").load().tensors
    assert alone.keys() == together.keys()
    for name, tensor in alone.items():
        torch.testing.assert_close(together[name], tensor)


@needs_espeak
def test_a_folder_that_another_recipe_began_is_refused(made, tmp_path):
    """Or else pairs of other takes would be passed over without a word, or mixed."""
    maker, _ = made
    other = replace(maker, recipe=replace(maker.recipe, pair_takes=pairs_of_takes([2])))
    with pytest.raises(SettingsError, match="begun with pair_takes"):
        other.make()
    with pytest.raises(SettingsError, match="begun with start"):
        replace(maker, start=shutil.copytree(maker.shipped, tmp_path / "mini")).make()


def test_a_folder_that_an_older_version_began_is_gone_on_with(tmp_path):
    """What it called otherwise is not compared; what it called the same is."""

    def stop(progress):
        raise StoppedError

    maker = MiniMaker(recipe("tiny"), tmp_path, on_progress=stop)
    with pytest.raises(StoppedError):
        maker.make()
    begun = json.loads((tmp_path / RECIPE_FILE).read_text())
    begun["networks"]["codec"] = begun["networks"].pop("vae")
    begun["networks"]["sync"]["fit"] = {"steps": 4, "batch": 2}
    (tmp_path / RECIPE_FILE).write_text(json.dumps(begun))
    with pytest.raises(StoppedError):
        maker.make()
    begun["networks"]["sync"]["frames"] += 1
    (tmp_path / RECIPE_FILE).write_text(json.dumps(begun))
    with pytest.raises(SettingsError, match="begun with networks"):
        maker.make()


@needs_espeak
def test_a_mini_of_other_sizes_is_nothing_to_go_on_from(made, tmp_path):
    maker, _ = made
    other = replace(maker.recipe, dit=replace(maker.recipe.dit, layers=2))
    with pytest.raises(SettingsError, match="other sizes"):
        MiniMaker(other, tmp_path, start=maker.shipped).make()
    with pytest.raises(SettingsError, match="another work folder"):
        MiniMaker(maker.recipe, maker.folder, start=maker.shipped).make()
    with pytest.raises(MissingModelError, match="holds no xdub-mini"):
        MiniMaker(maker.recipe, tmp_path, start=tmp_path).make()


@needs_espeak
def test_the_bundle_stays_small(made):
    maker, _ = made
    assert sum(path.stat().st_size for path in maker.shipped.glob("*.safetensors")) < 20_000_000


def test_the_full_recipe_fits_the_shipped_size():
    """In half precision the DiT, by far the largest part, leaves room for the rest."""
    with torch.device("meta"):
        dit = XDubDiT(recipe("full").dit)
    assert 2 * sum(p.numel() for p in dit.parameters()) < 12_000_000


def test_the_generator_alone_sees_a_background():
    assert recipe("full").stage("generator").model.background
    assert not recipe("full").stage("editor").model.background
    assert isinstance(recipe("full").stage("editor").model, DiTConfig)


def test_the_experts_noise_levels_are_the_papers_shifted_by_one_factor():
    """Table 7's shifts and table 8's ranges, both moved up by `NOISE_SHIFT` (Eq. 2)."""
    stages = {stage: recipe("full").stage(stage) for stage in ("lip", "texture")}
    alphas = {stage: config.flow.timesteps.alpha / NOISE_SHIFT for stage, config in stages.items()}
    assert alphas == pytest.approx({"lip": 1.5, "texture": 0.2})
    ranges = {"lip": (0.4, 0.8), "texture": (0.0, 0.3)}
    for stage, config in stages.items():
        shifted = [NOISE_SHIFT * t / (1 + (NOISE_SHIFT - 1) * t) for t in ranges[stage]]
        assert (config.expert.lowest, config.expert.highest) == pytest.approx(shifted, abs=1e-3)


def test_the_editor_sees_noise_of_all_levels_and_most_of_it_high():
    t = recipe("full").stage("editor").flow.timesteps.sample(10_000, torch.Generator().manual_seed(0))
    assert (t > 0.95).float().mean() > 0.25
    assert (t < 0.5).float().mean() > 0.03


def test_unknown_recipes_are_refused():
    with pytest.raises(SettingsError, match="full or tiny"):
        recipe("huge")


@needs_espeak
def test_the_command_line_evaluates_it(made, tmp_path, monkeypatch, capfd):
    """Every row stands beside its floor and ceiling, and the trials say what they found."""
    maker, _ = made
    arguments = [
        "evaluate",
        "mini",
        "--model",
        maker.shipped,
        "--cases",
        "2",
        "--steps",
        "2",
        "--seconds",
        "20",
    ]
    arguments += ["--out", tmp_path]
    monkeypatch.setattr(sys, "argv", ["xdub_core", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        main()
    printed = capfd.readouterr()
    assert not end.value.code, printed.err
    rows = json.loads((tmp_path / "report.json").read_text())
    assert list(rows) == [FLOOR, CEILING, VAE_CEILING, "xdub-mini"]
    assert rows[FLOOR]["outside_psnr"] == BEST_PSNR
    assert rows[CEILING]["mouth_psnr"] == BEST_PSNR
    assert "same seed, same dub: yes" in printed.out


@needs_espeak
def test_the_ablations_come_in_one_table(made, tmp_path, monkeypatch, capfd):
    maker, _ = made
    arguments = ["evaluate", "ablations", "--folder", maker.folder, "--scale", "tiny"]
    arguments += ["--steps", "2", "--cases", "1"]
    monkeypatch.setattr(sys, "argv", ["xdub_core", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code, capfd.readouterr().err
    rows = json.loads((maker.folder / "evaluation" / "ablations.json").read_text())
    assert {BASELINE, UNIFORM_T, CHANNELS, "mask-based generator", "editor without experts"} <= rows.keys()
