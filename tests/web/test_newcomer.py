"""From an empty ComfyUI with the pack installed to a dubbed video, in three clicks at most."""

import pytest
from newcomer import AGAIN, FIRST, go


@pytest.mark.timeout(360)  # a whole dub of five seconds; the ways after the first find its clips kept
@pytest.mark.parametrize("way", [*FIRST, *AGAIN], ids=lambda way: way.__name__)
def test_a_dub_takes_three_clicks_at_most(chromium, comfyui, way):
    assert go(way, chromium, comfyui.address).clicks <= 3
