"""A picture of everybody in a video: the best view of each face, the number to call them by, when and how large."""

from __future__ import annotations

import cv2
import numpy as np

from xdub_core.face.people import People, Person
from xdub_core.face.sighting import PORTRAIT

COLUMNS = 5
MARGIN, LINE = 16, 20
_PAPER, _INK, _FAINT, _BADGE = (250, 250, 248), (30, 30, 34), (110, 110, 118), (35, 90, 200)
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def contact_sheet(people: People) -> np.ndarray:
    """The sheet, uint8 [height, width, 3] RGB."""
    cards = [_card(person) for person in people]
    columns = min(COLUMNS, len(cards))
    blank = np.full_like(cards[0], _PAPER)
    rows = [
        np.hstack([*row, *[blank] * (columns - len(row))])
        for row in (cards[start : start + columns] for start in range(0, len(cards), columns))
    ]
    return np.pad(
        np.vstack(rows),
        [(MARGIN, 0), (MARGIN, 0), (0, 0)],
        constant_values=_PAPER[0],
    )


def _card(person: Person) -> np.ndarray:
    lines = (
        f"from {person.first_second:.2f} s",
        f"{person.seconds:.2f} s on screen ({person.share:.0%})",
        f"face of {person.size:.0f} pixels",
    )
    card = np.full((PORTRAIT + (len(lines) + 1) * LINE + MARGIN, PORTRAIT + 40, 3), _PAPER, np.uint8)
    card[:PORTRAIT, :PORTRAIT] = person.portrait
    _badge(card, str(person.number))
    for row, line in enumerate(lines, 1):
        place = (0, PORTRAIT + row * LINE)
        cv2.putText(card, line, place, _FONT, 0.42, _INK if row == 1 else _FAINT, 1, cv2.LINE_AA)
    return card


def _badge(card: np.ndarray, number: str) -> None:
    (width, height), _ = cv2.getTextSize(number, _FONT, 0.8, 2)
    cv2.rectangle(card, (0, 0), (width + 16, height + 16), _BADGE, cv2.FILLED)
    cv2.putText(card, number, (8, height + 8), _FONT, 0.8, (255, 255, 255), 2, cv2.LINE_AA)
