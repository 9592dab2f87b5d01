"""From an empty ComfyUI with the pack installed to the first dubbed video, in three clicks at most."""

import pytest
from newcomer import Newcomer, first_dub, first_dub_in_app_mode


@pytest.mark.parametrize("way", [first_dub, first_dub_in_app_mode])
def test_the_first_dub_takes_three_clicks_at_most(chromium, comfyui, way):
    newcomer = Newcomer(chromium, comfyui.address)
    try:
        way(newcomer)
        assert newcomer.clicks <= 3
    finally:
        newcomer.leave()
