"""What People and Face Crop tell the People panel: of what the engine found, without looking again."""

import json
from pathlib import Path

import folder_paths
import pytest
from comfy_api.latest import InputImpl
from crowd import TwoFaces
from minis import write_footage
from PIL import Image

pytestmark = pytest.mark.usefixtures("inference")


@pytest.fixture
def source(tmp_path):
    return InputImpl.VideoFromFile(str(write_footage(tmp_path / "two.mp4", 30)))


def told(output):
    (record,) = output.ui["xdub_people"]
    return json.loads(json.dumps(record))


def picture(file):
    assert file["type"] == "temp"
    return Image.open(Path(folder_paths.get_temp_directory()) / file["subfolder"] / file["filename"])


def test_everybody_is_told_with_pictures_boxes_and_times(pack, source):
    record = told(pack("people").ShowPeople.execute(source, TwoFaces(), 25.0))
    assert [(each["number"], each["first"], each["seconds"]) for each in record["people"]] == [
        (1, 0, 1.2),
        (2, 0, 1.2),
    ]
    assert record["seen"] == [[[0, 30]], [[0, 30]]]
    assert record["frames"] == list(range(30)) and len(record["boxes"]) == 30
    assert [box[0] for box in record["boxes"][7]] == [0, 1]
    assert record["boxes"][7][0][1:] == pytest.approx([4 / 80, 8 / 64, 36 / 80, 40 / 64], abs=0.02)
    assert picture(record["strip"]).size == (8 * 80, 4 * 64)
    assert picture(record["portraits"]).size == (2 * 96, 96)
    assert record["chosen"] is None


def test_face_crop_tells_whom_it_chose_and_looks_once(pack, crop, source):
    faces = TwoFaces()
    finder = {"face": "find it", "face_detector": faces}
    options = {"crop_size": 32, "box": "", "detect_every": 1, "as_released": False, "image_fps": 25.0}
    run = pack("face_crop").FaceCrop.execute
    assert told(run(source, **finder, **options, person="right"))["chosen"] == 2
    assert told(run(source, **finder, **options, person="1"))["chosen"] == 1
    assert faces.asked == 30


def test_a_face_that_is_given_is_shown_without_a_choice(pack, source):
    options = {"crop_size": 32, "detect_every": 1, "as_released": False, "image_fps": 25.0}
    record = told(pack("face_crop").FaceCrop.execute(source, face="box", box="8,4,56,52", **options))
    assert record["people"] == [] and record["portraits"] is None
    assert record["boxes"][0] == [[0, 0.1, 0.0625, 0.7, 0.8125]]


def test_without_room_for_pictures_there_are_none(pack, source, monkeypatch):
    def full(self, content):
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    record = told(pack("people").ShowPeople.execute(source, TwoFaces(), 25.0))
    assert record["strip"] is None and record["portraits"] is None and len(record["people"]) == 2
