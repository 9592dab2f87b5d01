"""Where an artist who has got an error reads on."""

import inspect
import re

import pytest

from xdub_core.errors import SettingsError, XDubError


def test_an_error_of_a_node_names_its_help_page_once_and_stays_one_line(pack):
    with pytest.raises(SettingsError) as told:
        pack("stitch_clips").StitchClips.execute(latents=[{}], reference=["one video", "another"])
    assert re.fullmatch(r"2 videos come in [^\n]+ \(Help: Node Info, above the node\.\)", str(told.value))
    assert str(told.value).count("Help:") == 1


def test_what_a_node_checks_before_it_runs_names_its_help_page_too(pack):
    node = pack("dub_video").DubVideo
    told = node.validate_inputs(length="audio")
    assert re.fullmatch(r"connect a face detector [^\n]+ \(Help: Node Info, above the node\.\)", told)
    assert node.validate_inputs(face_detector="XDUB_FACE_DETECTOR") is True


def test_core_still_finds_the_inputs_that_a_check_asks_for(pack):
    """As its execution.py looks for them."""
    asked = inspect.getfullargspec(pack("dub_video").DubVideo.validate_inputs)
    assert {"length", "person", "speed", "face_detector"} <= set(asked.args)
    assert asked.varkw is None
    assert inspect.getfullargspec(pack("face_crop").FaceCrop.validate_inputs).varkw == "given"


def test_other_exceptions_pass_as_they_are(pack):
    node = pack("stitch_clips").StitchClips
    with pytest.raises(TypeError) as told:
        node.execute(latents=None)
    assert "Help" not in str(told.value)


def test_the_engine_says_nothing_of_nodes():
    from xdub_core.face.boxes import parse_box

    with pytest.raises(XDubError) as told:
        parse_box("nowhere")
    assert "Node Info" not in str(told.value)
