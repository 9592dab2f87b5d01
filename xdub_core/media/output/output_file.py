"""An output file that is there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import sys
import uuid
from collections.abc import Iterable
from glob import escape
from pathlib import Path

from xdub_core.errors import MediaError
from xdub_core.media.container.opening import is_there, reason
from xdub_core.media.output.encode_settings import container_for


def check_output(path: str | Path, inputs: Iterable[str | Path] = (), overwrite: bool = True) -> None:
    """Find out before hours of work whether a video can be written. `overwrite`: whether it may exist already.

    Raises:
        MediaError: the suffix names no container, or what `check_new_file` raises.
    """
    container_for(Path(path))
    check_new_file(path, inputs, overwrite)


def check_new_file(path: str | Path, inputs: Iterable[str | Path] = (), overwrite: bool = True) -> None:
    """The same of a file of any kind.

    Raises:
        MediaError: the folder is missing or not writable, the path is a folder or cannot be one of a file, it is one of
            the inputs, or it is there and shall not be replaced.
    """
    path = Path(path)
    there = is_there(path)
    if there and path.is_dir():
        raise MediaError(f"{path}: this is a folder; name a file in it")
    for other in map(Path, inputs):
        if there and is_there(other) and path.samefile(other):
            raise MediaError(f"{path}: the output would replace its own input; choose another name")
    if there and not overwrite:
        raise MediaError(f"{path} is there already: choose another name, or add --overwrite to replace it")
    HiddenFile(path).discard()


_HERE = f"{uuid.getnode() & 0xFFFFFF:06x}"
"""This computer, in the names of its hidden files."""


class HiddenFile:
    """A temporary file beside an output, hidden by a leading dot; it becomes the output at the end.

    `overwrite`: whether it may replace a file that is there by then. What a process that was killed left of the same
    output goes.

    Raises:
        MediaError: no file can be made in that folder.
    """

    def __init__(self, output: str | Path, overwrite: bool = True) -> None:
        is_there(Path(output))  # raises for a path that can be none
        # A link's target is replaced, not the link.
        self.output = Path(output).resolve()
        self.overwrite = overwrite
        self.path = self._hidden_path(f"{_HERE}-{os.getpid()}-")
        if not self.output.parent.is_dir():
            raise MediaError(f"{self.output}: its folder does not exist; make it first")
        self._remove_abandoned()
        try:
            # Not tempfile: it would make a file that only its owner may read.
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        except OSError as error:
            raise MediaError(f"{self.output}: cannot write into this folder ({reason(error)})") from error

    def keep(self) -> None:
        """Make it the output. Where that fails it stays under its hidden name, which the error tells: the work is done.

        Raises:
            MediaError: a file is there that shall not be replaced, or the system refuses.
        """
        whole = self._hidden_path("finished-")  # no later run takes it for abandoned
        with contextlib.suppress(OSError):
            self.path = self.path.rename(whole)
        try:
            if self.overwrite:
                self.path.replace(self.output)
            else:
                self._take_a_free_name()
        except FileExistsError as error:
            raise MediaError(
                f"{self.output}: another file has appeared there meanwhile and was not replaced; the finished file "
                f"is {self.path}: give it a name that is free"
            ) from error
        except OSError as error:
            raise MediaError(
                f"{self.output}: cannot be written ({reason(error)}); the finished file is {self.path}: move it "
                "to where it shall be"
            ) from error

    def discard(self) -> None:
        """Remove it."""
        self.path.unlink(missing_ok=True)

    def _hidden_path(self, owner: str) -> Path:
        name = f".{self.output.stem[:40]}.{owner}{uuid.uuid4().hex[:8]}{self.output.suffix}"
        return self.output.with_name(name)

    def _remove_abandoned(self) -> None:
        mine = f".{self.output.stem[:40]}.{_HERE}-"
        for left in self.output.parent.glob(f"{escape(mine)}*{escape(self.output.suffix)}"):
            process = left.name.removeprefix(mine).partition("-")[0]
            if process.isdecimal() and not _is_alive(int(process)):
                with contextlib.suppress(OSError):
                    left.unlink()

    def _take_a_free_name(self) -> None:
        """Rename without replacing anything: FileExistsError where the name is taken."""
        try:
            os.link(self.path, self.output)
        except FileExistsError:
            raise
        except OSError:  # a file system without links
            if self.output.exists():
                raise FileExistsError from None
            self.path.rename(self.output)
            return
        with contextlib.suppress(OSError):
            self.path.unlink()


def _is_alive(process: int) -> bool:
    """Whether a process of this computer still runs. Windows does not let go of a file that one has open anyway."""
    if sys.platform == "win32":
        return process == os.getpid()
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        pass  # somebody else's
    return True
