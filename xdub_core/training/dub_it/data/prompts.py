"""Structured prompts for clips that switch language (Sec. 3.2, A.1): looks, times, two lines and a pause between them.

The paper's hundred were written by Gemini, in the form of its example; here they are composed of tables. Lines are
there in all seven languages, so that both halves can be re-made crosswise. A file of prompts that somebody, or some
model, has written takes their place: `read_scripts`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from xdub_core.dub_it.prompt import LANGUAGES
from xdub_core.errors import SettingsError
from xdub_core.files import write_text_whole

STYLE = "Hyper-realistic 8k, sharp focus, neutral lighting."
PAUSE = 0.4, 0.6
"""Shares of the clip between which nobody speaks: seconds 4 to 6 of the paper's ten."""
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

_PLACES = (
    "a rainy alleyway at midnight with atmospheric cinematic lighting",
    "a sunlit kitchen with copper pans on the wall",
    "a quiet library between tall wooden shelves",
    "a harbour at dawn with fishing boats behind",
    "a modern office with large windows over the city",
    "a garden in late summer, soft evening light",
    "a workshop full of tools, warm light from a lamp",
    "a small theatre's dressing room with bulbs round the mirror",
    "a mountain hut with snow outside the window",
    "a busy street market under coloured awnings",
)
_PEOPLE = (
    ("Eleanor, a detective in a grey coat", "She"),
    ("Marek, a baker with flour on his apron", "He"),
    ("Ines, a young scientist with round glasses", "She"),
    ("Tobias, an old sailor with a white beard", "He"),
    ("Amara, a lawyer in a dark suit", "She"),
    ("Kenji, a gardener with a straw hat", "He"),
    ("Sofia, a violinist with long black hair", "She"),
    ("David, a bald teacher in a green pullover", "He"),
    ("Lena, a mechanic with rolled-up sleeves", "She"),
    ("Omar, a chef in a white jacket", "He"),
)
_MANNERS = ("with urgency", "calmly", "with a smile", "in a serious voice", "with excitement", "thoughtfully")
_PAUSES = (
    "takes a deep breath",
    "looks down for a moment",
    "nods slowly",
    "looks out of the picture and back",
    "closes the lips and waits",
)


@dataclass(frozen=True)
class Script:
    """What is seen and said in a clip that switches language.

    `languages`: of the first half and of the second. `lines`: a half's words each, by language, in both of these.
    `scene`: the place; `speaker`: who it is, as a prompt for a dub names them, too; `pronoun`: "She", "He" or another.
    """

    languages: tuple[str, str]
    lines: tuple[Mapping[str, str], Mapping[str, str]]
    scene: str
    speaker: str
    pronoun: str = "The person"
    manner: str = "calmly"
    pause: str = _PAUSES[0]

    def __post_init__(self) -> None:
        if self.languages[0] == self.languages[1]:
            raise SettingsError(f"a clip that switches language needs two, and has {self.languages[0]} twice")
        for half, line in enumerate(self.lines, 1):
            if lost := [each for each in self.languages if not str(line.get(each, "")).strip()]:
                raise SettingsError(f"the line of half {half} is lacking in {' and '.join(lost)}")

    def said(self, half: int, other: bool = False) -> str:
        """The words of a half, 0 or 1, in its own language or in the other half's."""
        return self.lines[half][self.language(half, other)]

    def language(self, half: int, other: bool = False) -> str:
        """The language of a half, 0 or 1; or the other's."""
        return self.languages[half if not other else 1 - half]

    def prompt(self, seconds: float, remade: int | None = None, letters: str | None = None) -> str:
        """The clip's prompt; `remade`: with that half in the other's language, or speaking `letters` instead of words.

        The other half stays as it is: it is the context in which the half is made anew.
        """
        times = [0.0, *(share * seconds for share in PAUSE), seconds]
        spans = [f"[{_clock(start)}\u2013{_clock(stop)}]" for start, stop in pairwise(times)]
        speaks = [self._speaks(half, half == remade, letters if half == remade else None) for half in (0, 1)]
        return (
            f"{STYLE} Shot in {self.scene}. {self.speaker}, whose appearance matches the setting. At {spans[0]}: "
            f"{self.pronoun} looks directly at the camera, speaking {self.manner}. {speaks[0]} At {spans[1]}: SILENT "
            f"PAUSE. {self.pronoun} {self.pause}. At {spans[2]}: {self.pronoun} goes on, speaking {self.manner}. "
            f"{speaks[1]}"
        )

    def _speaks(self, half: int, other: bool, letters: str | None) -> str:
        if letters is not None:
            return f"{self.pronoun} is speaking \u201c{letters}\u201d"
        return f"{self.pronoun} speaks in {self.language(half, other)}, saying: \u201c{self.said(half, other)}\u201d"


def scripts(count: int, seed: int = 0) -> list[Script]:
    """As many scripts as asked for, all of them different; languages come equally often, to within one pair of them."""
    rng = np.random.default_rng(seed)
    lines, pairs = _lines(), [(a, b) for a in LANGUAGES for b in LANGUAGES if a != b]
    made: list[Script] = []
    seen: set[tuple[object, ...]] = set()
    order: list[tuple[str, str]] = []
    while len(made) < count:
        if not order:
            order = [pairs[number] for number in rng.permutation(len(pairs))]
        languages = order.pop()
        first, second = rng.choice(len(lines), 2, replace=False)
        choice = [int(rng.integers(len(table))) for table in (_PLACES, _PEOPLE, _MANNERS, _PAUSES)]
        key = (languages, int(first), int(second), *choice)
        if key in seen:
            order.append(languages)
            continue
        seen.add(key)
        speaker, pronoun = _PEOPLE[choice[1]]
        told = {"pronoun": pronoun, "manner": _MANNERS[choice[2]], "pause": _PAUSES[choice[3]]}
        both = tuple({name: lines[number][name] for name in languages} for number in (first, second))
        made.append(Script(languages, (both[0], both[1]), _PLACES[choice[0]], speaker, **told))
    return made


def letters(rng: np.random.Generator, count: int = 8) -> str:
    """Letters without sense (Sec. 3.2, lip augmentation), such as "K..A..U": every one another mouth."""
    return "..".join(rng.choice(list(LETTERS), count, replace=False))


def write_scripts(path: Path, made: Sequence[Script]) -> None:
    """Write scripts as JSON, whole or not at all."""
    write_text_whole(path, json.dumps([asdict(each) for each in made], indent=1, ensure_ascii=False) + "\n")


def read_scripts(path: Path) -> list[Script]:
    """Scripts from JSON. Raises SettingsError that names the file, and which of them is odd."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} cannot be read ({error!s:.80}): give prompts as JSON") from None
    if not isinstance(told, list) or not told:
        raise SettingsError(f"{path} holds no list of prompts")
    return [_script(row, f"{path}: prompt {number}") for number, row in enumerate(told, 1)]


def _script(row: Any, where: str) -> Script:
    try:
        languages, lines = row["languages"], row["lines"]
        fields = {**row, "languages": (languages[0], languages[1]), "lines": (dict(lines[0]), dict(lines[1]))}
        return Script(**fields)
    except SettingsError as error:
        raise SettingsError(f"{where}: {error}") from None
    except (TypeError, KeyError, IndexError, ValueError) as error:
        raise SettingsError(
            f"{where} cannot be used ({error!r:.80}): it needs languages, lines, scene and speaker"
        ) from None


def _lines() -> list[dict[str, str]]:
    return list(json.loads(Path(__file__).with_name("lines.json").read_text(encoding="utf-8")))


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60:02d}:{round(seconds) % 60:02d}"
