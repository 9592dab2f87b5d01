"""How a MODEL is best used, which its loader attaches to it."""

from __future__ import annotations

from typing import Any

from xdub_core.dub.settings import DubSettings

SETTINGS = "xdub_settings"
"""Attachment of a MODEL that says how it is best used: `DubSettings`."""


def own_settings(model: Any) -> DubSettings:
    """How a MODEL is best used: as its loader says, or as the release is."""
    return model.get_attachment(SETTINGS) or DubSettings()
