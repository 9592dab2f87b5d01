"""`train dub-it-prompts`, `train dub-it-data` and `evaluate dub-it`."""

import json
import socket

import pytest
from typer.testing import CliRunner

from xdub_core.cli.app import app
from xdub_core.errors import JobError, MissingModelError, SettingsError
from xdub_core.mini.card import BUILT_IN
from xdub_core.training.dub_it.data.prompts import read_scripts

SAMPLE = BUILT_IN.parent / "sample"


def run(*options):
    """A command's result; what it raises is raised, as the program tells it in a line."""
    return CliRunner().invoke(app, [str(option) for option in options], catch_exceptions=False)


def test_prompts_are_composed_into_a_file(tmp_path):
    assert run("train", "dub-it-prompts", tmp_path / "prompts.json", "--count", 3).exit_code == 0
    assert len(read_scripts(tmp_path / "prompts.json")) == 3


@pytest.fixture
def away():
    """An address at which nobody answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


@pytest.mark.parametrize(
    ("options", "kind", "told"),
    [
        ((), JobError, "no ComfyUI answers at"),
        (("--frames", 250), SettingsError, "8 k"),
        (("--fps", "fast"), SettingsError, "is no rate"),
        (("--count", 0), SettingsError, "make 1 clip or more"),
        (("--mask-channels", "max"), SettingsError, "take any or mean"),
        (("--version", "2.5"), SettingsError, "2.0 or 2.3"),
        (("--layout", "paper 2"), SettingsError, "there is no layout"),
        (("--mouths", "nobody"), SettingsError, "choose one of mini, rtmw"),
        (("--mouths", "rtmw", "--models-dir", "nowhere"), MissingModelError, "files are not in nowhere"),
        (("--mouths", ""), SettingsError, "a finder of mouths is needed"),
        (("--prompts", "nowhere.json"), SettingsError, "nowhere.json cannot be read"),
        (("--nodes", "nowhere.json"), SettingsError, "nowhere.json tells no models"),
    ],
)
def test_what_is_wrong_with_making_data_is_known_before_anything_is_made(away, tmp_path, options, kind, told):
    given = ["--mouths", "mini", "--server", away, "--folder", tmp_path / "data", *options]
    with pytest.raises(kind, match=told) as error:
        run("train", "dub-it-data", *given)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "data").exists()


def test_a_threshold_below_0_is_not_looked_at():
    from xdub_core.cli.options.dub_it_data import WhatIsKept, WhatIsMade, WithWhat, data_settings

    quality = data_settings(WhatIsMade(), WithWhat(), WhatIsKept(least_lmd=-1, most_wer=0.2)).quality
    assert (quality.lmd, quality.wer, quality.seen) == (None, 0.2, 0.5)


def test_dubs_are_measured_in_a_table(tmp_path):
    case = {"source": str(SAMPLE / "source.mp4"), "text": "Hola", "language": "Spanish"}
    cases = tmp_path / "cases.json"
    cases.write_text(json.dumps([{**case, "dubs": {"true dub": str(SAMPLE / "truth.mp4"), "none": None}}]))
    result = run("evaluate", "dub-it", cases, "--mouths", "mini", "--out", tmp_path / "out")
    assert result.exit_code == 0
    assert "| copied source | 100% |" in result.output and "| none | 0% |" in result.output
    assert json.loads((tmp_path / "out" / "dub-it.json").read_text())["true dub"]["lmd"] > 0.01
