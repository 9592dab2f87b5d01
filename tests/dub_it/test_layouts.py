"""Which layout goes with which model and which LoRA."""

import pytest

from xdub_core.dub_it.layouts import (
    DOWNSCALE_KEY,
    LAYOUT_KEY,
    LAYOUTS,
    LTX_2_3,
    PAPER,
    PAPER_RELEASE,
    VERSION_KEY,
    Stated,
    check_layout,
    layout_named,
    stated_by,
)
from xdub_core.errors import SettingsError


@pytest.mark.parametrize("layout", LAYOUTS.values())
def test_a_layout_goes_with_its_version_where_the_lora_says_nothing(layout):
    check_layout(layout, layout.version, Stated())


@pytest.mark.parametrize("layout", LAYOUTS.values())
@pytest.mark.parametrize("version", ["2.0", "2.3", "2.5"])
def test_no_layout_goes_with_another_version(layout, version):
    if version != layout.version:
        with pytest.raises(
            SettingsError, match=f"is of LTX-{layout.version}, and the model is LTX-{version}: "
        ):
            check_layout(layout, version, Stated())


def test_the_error_names_the_layout_that_fits_the_model():
    with pytest.raises(SettingsError, match=r"choose 'ltx 2\.3' with its own LoRA"):
        check_layout(PAPER, "2.3", Stated())


def test_a_lora_that_was_trained_in_this_layout_for_this_version_may_be_of_any():
    check_layout(PAPER, "2.3", Stated("paper", "2.3"))


WRONG = {
    "another layout": ({LAYOUT_KEY: "paper", VERSION_KEY: "2.0"}, "trained in the layout 'paper'"),
    "another version": ({VERSION_KEY: "2.3"}, r"trained for LTX-2\.3, and the model is LTX-2\.0"),
    "another base model": (
        {"base_model": "Lightricks/LTX-2.3"},
        r"trained for LTX-2\.3, and the model is LTX-2\.0",
    ),
    "a newer base model": ({"ss_base_model_version": "ltx2.5"}, r"trained for LTX-2\.5"),
    "a smaller reference": ({DOWNSCALE_KEY: "2.0"}, "2 times smaller"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_lora_that_says_otherwise_is_refused_in_one_line(case):
    metadata, message = WRONG[case]
    with pytest.raises(SettingsError, match=message) as told:
        check_layout(PAPER_RELEASE, "2.0", stated_by(metadata))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    "metadata",
    [None, {}, {DOWNSCALE_KEY: "1"}, {DOWNSCALE_KEY: "?"}, {"format": "pt"}, {"a": "LTX-2.3, LTX-2.5"}],
)
def test_files_that_say_nothing_state_nothing(metadata):
    assert stated_by(metadata) == Stated()


def test_layouts_are_called_by_their_names():
    assert layout_named("ltx 2.3") is LTX_2_3
    with pytest.raises(SettingsError, match="choose one of paper release, paper, ltx"):
        layout_named("automatic")


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("ltx-2-19b-dev", "2.0"),
        ("LTX-2.3-22b", "2.3"),
        ("ltx2.3", "2.3"),
        ("LTX-2", None),
        ("ltxv-13b", None),
    ],
)
def test_a_base_model_s_name_tells_the_version(name, version):
    assert stated_by({"modelspec.title": name}).version == version
