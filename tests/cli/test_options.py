"""Options are fields of dataclasses: what typer makes of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer
from typer.testing import CliRunner

from xdub_core.cli.options import grouped
from xdub_core.cli.options.sampling import SamplingOptions
from xdub_core.dub.settings import DubSettings


@dataclass(frozen=True)
class Cup:
    size: Annotated[int, typer.Option(help="In millilitres.")]
    sugar: Annotated[bool, typer.Option("--sweet", help="With sugar.")] = False


@dataclass(frozen=True)
class Tea:
    kind: Annotated[str, typer.Option(help="Of the leaves.")] = "green"


def called(*arguments):
    """How the command was called, and typer's result."""
    calls = []
    app = typer.Typer()

    @app.command()
    @grouped
    def brew(cup: Cup, tea: Tea, minutes: Annotated[float, typer.Option()] = 3.0) -> None:
        """Brew."""
        calls.append((cup, tea, minutes))

    return calls, CliRunner().invoke(app, arguments)


def test_each_group_is_built_from_its_own_options():
    calls, _ = called("--size", "200", "--kind", "black", "--sweet", "--minutes", "4")
    assert calls == [(Cup(200, sugar=True), Tea("black"), 4.0)]


def test_defaults_are_the_dataclasses_own():
    calls, _ = called("--size", "90")
    assert calls == [(Cup(90), Tea(), 3.0)]


def test_a_field_without_a_default_is_required():
    calls, result = called("--sweet")
    assert result.exit_code == 2
    assert calls == []


def test_help_shows_the_fields_in_their_order():
    text = called("--help")[1].output
    places = [text.index(name) for name in ("Brew.", "--size", "--sweet", "--kind", "--minutes")]
    assert places == sorted(places)


def test_the_former_name_of_as_released_works_and_is_not_shown(run):
    assert SamplingOptions(reference=True).settings(DubSettings()).as_released
    text = run("dub", "--help").out
    assert "--as-released" in text
    assert "--reference" not in text
    assert "No such option" not in run("dub", "--reference").err


def test_a_wrong_choice_is_told_without_the_words_of_what_checks_it(run):
    told = run("dub", "--length", "forever").err
    assert "'forever' is not one of" in told
    assert "Value error" not in told
