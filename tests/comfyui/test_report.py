"""Report: Dub Video's own, shown and saved by its node; a mini of random weights."""

import json
from pathlib import Path

import folder_paths
import pytest
from minis import speech

pytestmark = pytest.mark.usefixtures("inference")


@pytest.fixture(scope="module")
def report(pack, mini_folder, video):
    """Of a dub of 40 frames, longer than its source's 30."""
    import torch

    with torch.inference_mode():
        parts = pack("comfy_bridge.mini").load_mini_parts(mini_folder)
        track = pack("face_crop").FaceCrop.execute(video, "box", 32, "8,4,56,52", 1, False, 25.0).args[0]
        given = {"steps": 0, "quality": 0, "as_released": False, "image_fps": 25.0, "retries": 0}
        models = {
            "model": parts.model,
            "vae": parts.vae,
            "audio_encoders": parts.encoders,
            "face_track": track,
        }
        return (
            pack("dub_video")
            .DubVideo.execute(video, speech(1.6), length="audio", seed=7, **models, **given)
            .args[1]
        )


@pytest.fixture
def shown(pack, report):
    return lambda prefix="told/report": pack("report").ShowReport.execute(report, prefix)


def saved(result):
    entry = result.ui["xdub_report"][0]
    folder = Path(folder_paths.get_output_directory())
    return [folder / entry[kind]["subfolder"] / entry[kind]["filename"] for kind in ("page", "data")]


def test_it_tells_of_the_whole_dub(shown):
    told = json.loads(saved(shown())[1].read_text(encoding="utf-8"))
    assert told["name"] == "Dub of in.mp4"
    assert [file["role"] for file in told["files"]] == ["video", "output"]
    assert told["files"][1]["facts"]["frames"] == told["cost"]["frames_shown"] == 40
    assert told["chosen"] == {"seed": 7, "crop_size": 32, "retries": 0}
    assert told["settings"]["as_used"]["sampler.seed"] == 7
    assert [person["name"] for person in told["people"]] == ["person 1"]
    assert sum(clip["passed"] is None for clip in told["clips"]) == len(told["clips"]) > 1
    assert all(clip["before"].startswith("data:image/jpeg") for clip in told["clips"])
    assert {stage["name"] for stage in told["stages"]} >= {"Dubbing", "Writing frames"}


def test_guidance_is_told_as_the_sampler_used_it(shown):
    page, data = saved(shown())
    told = json.loads(data.read_text(encoding="utf-8"))
    guidance, clips = told["guidance"], len(told["clips"])
    assert guidance["used"]
    assert guidance["predictions"] == clips * sum(step["predictions"] for step in guidance["steps"]) > 0
    assert guidance["predictions_exact"] == guidance["predictions"]
    assert page.read_text(encoding="utf-8").count('class="tick"') == len(guidance["steps"])


def test_its_files_take_the_place_of_none(shown):
    first, second = saved(shown()), saved(shown())
    assert all(path.is_file() for path in (*first, *second))
    assert not set(first) & set(second)
    assert "<!doctype html>" in second[0].read_text(encoding="utf-8")


def test_a_path_that_leaves_the_output_folder_is_refused(shown):
    with pytest.raises(Exception, match="outside the output folder"):
        shown("../elsewhere/report")


def test_the_few_lines_have_the_verdict_first_and_warnings_last(shown):
    first, _, predictions, warning = shown().args[0].splitlines()
    assert first == "Every clip was made; none was checked. 1 warning, below."
    assert predictions.endswith("predictions of the model")
    assert "looks like no rendered head" in warning
