"""`python -m xdub_core people VIDEO`: who is in a video, as a table and as a picture."""

from __future__ import annotations

from pathlib import Path

import cv2
from rich.markup import escape
from rich.table import Table

from xdub_core.cli.chosen_model import choose_model
from xdub_core.cli.console import answer, progress_bars
from xdub_core.cli.followed import Footage, find_people, own_loudness
from xdub_core.cli.options.face import DetectorOptions
from xdub_core.cli.options.model import ModelOptions
from xdub_core.errors import MediaError
from xdub_core.face.contact_sheet import contact_sheet
from xdub_core.face.people import People
from xdub_core.face.speaking import speaking_scores
from xdub_core.files import write_whole
from xdub_core.media.container.opening import is_there, reason
from xdub_core.media.video.passes import VideoPasses
from xdub_core.media.video.video_info import scan_video


def show_people(
    video: Path,
    sheet: Path | None,
    model: ModelOptions,
    faces: DetectorOptions,
    video_stream: int | None = None,
    overwrite: bool = False,
) -> None:
    """Print everybody in a video and, where asked for, write the contact sheet, a PNG.

    Raises FaceError where nobody is found, MediaError for a video that cannot be read or a sheet that cannot be
    written, and what `choose_model` raises.
    """
    chosen = choose_model(model, faces.detector)
    if sheet is not None:
        _check_sheet(sheet, video, overwrite)
    scanned = scan_video(video, video_stream)
    chosen = chosen.with_detector()
    footage = Footage(VideoPasses(scanned, nearest=True), scanned.info, video_stream)
    with progress_bars() as on_progress:
        people = find_people(footage, faces, chosen, on_progress)
    loudness = own_loudness(footage)
    answer.print(people_table(people, None if loudness is None else speaking_scores(people, loudness)))
    if sheet is not None:
        _write_sheet(sheet, people)
        answer.print(f"[green]{escape(str(sheet))}[/]: their faces", highlight=False, soft_wrap=True)


def people_table(people: People, speaking: list[float] | None = None) -> Table:
    """A row a person; with `speaking` scores, how much each mouth moves with the sound (the most: 100)."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for title in ("person", "first seen", "on screen", "of the video", "mean size"):
        table.add_column(title, justify="right")
    if speaking is not None:
        table.add_column("speaking", justify="right")
    most = max(speaking or [0.0])
    for index, person in enumerate(people):
        row = [
            str(person.number),
            f"{person.first_second:.2f} s",
            f"{person.seconds:.2f} s",
            f"{person.share:.0%}",
            f"{person.size:.0f} px",
        ]
        if speaking is not None:
            row.append(f"{max(0, round(100 * speaking[index] / most))}" if most > 0 else "0")
        table.add_row(*row)
    return table


def _check_sheet(sheet: Path, video: Path, overwrite: bool) -> None:
    if sheet.suffix.lower() != ".png":
        raise MediaError(f"{sheet}: the contact sheet is a PNG picture; give it a name that ends in .png")
    if not is_there(sheet.parent):
        raise MediaError(f"{sheet}: there is no folder {sheet.parent}; make it first, or choose another")
    if not is_there(sheet):
        return
    if sheet.is_dir():
        raise MediaError(f"{sheet}: this is a folder; name a file in it")
    if is_there(video) and sheet.samefile(video):
        raise MediaError(f"{sheet}: the contact sheet would replace the video; choose another name")
    if not overwrite:
        raise MediaError(f"{sheet} is there already: choose another name, or add --overwrite to replace it")


def _write_sheet(sheet: Path, people: People) -> None:
    _, encoded = cv2.imencode(".png", cv2.cvtColor(contact_sheet(people), cv2.COLOR_RGB2BGR))
    try:
        write_whole(sheet, lambda file: file.write_bytes(encoded.tobytes()))
    except OSError as error:
        raise MediaError(f"{sheet}: the contact sheet cannot be written ({reason(error)})") from error
