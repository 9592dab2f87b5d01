"""An output file that is there whole or not at all."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable
from pathlib import Path

from xdub_core.errors import MediaError
from xdub_core.media.containers import reason
from xdub_core.media.encode_settings import container_for


def check_output(path: str | Path, inputs: Iterable[str | Path] = ()) -> None:
    """Find out before hours of work whether an output can be written. It may exist: that is for the caller to judge.

    Raises:
        MediaError: the suffix names no container, the folder is missing or not writable, the path is a folder, or
            it is one of the inputs.
    """
    path = Path(path)
    container_for(path)
    if path.is_dir():
        raise MediaError(f"{path}: this is a folder; name a file in it")
    for other in map(Path, inputs):
        if path.exists() and other.exists() and path.samefile(other):
            raise MediaError(f"{path}: the output would replace its own input; choose another name")
    HiddenFile(path).discard()


class HiddenFile:
    """A temporary file beside an output, hidden by a leading dot; it becomes the output at the end.

    Raises:
        MediaError: no file can be made in that folder.
    """

    def __init__(self, output: str | Path) -> None:
        # A link's target is replaced, not the link.
        self.output = Path(output).resolve()
        self.path = self.output.with_name(
            f".{self.output.stem[:40]}.{uuid.uuid4().hex[:8]}{self.output.suffix}"
        )
        if not self.output.parent.is_dir():
            raise MediaError(f"{self.output}: its folder does not exist; make it first")
        try:
            # Not tempfile: it would make a file that only its owner may read.
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        except OSError as error:
            raise MediaError(f"{self.output}: cannot write into this folder ({reason(error)})") from error

    def keep(self) -> None:
        """Make it the output, replacing an older one."""
        try:
            self.path.replace(self.output)
        except OSError as error:
            self.discard()
            raise MediaError(f"{self.output}: cannot be replaced ({reason(error)})") from error

    def discard(self) -> None:
        """Remove it."""
        self.path.unlink(missing_ok=True)
