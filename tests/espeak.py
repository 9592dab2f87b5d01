"""Marks tests that need espeak-ng, and skips them where it is not installed."""

import pytest

from xdub_core.errors import MissingModelError
from xdub_core.heads.speech import Voice, synthesise


def _is_here() -> bool:
    try:
        synthesise("a", Voice("en-us", "m1"))
    except MissingModelError:
        return False
    return True


needs_espeak = pytest.mark.skipif(
    not _is_here(), reason="espeak-ng is not installed: `apt-get install espeak-ng` to run this test"
)
