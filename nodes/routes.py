"""What the panels in the browser ask the server for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def register() -> None:
    """Answer them, where there is a server."""
    from aiohttp import web
    from server import PromptServer  # what else imports it needs the whole server

    server = getattr(PromptServer, "instance", None)
    if server is None:
        return

    @server.routes.post("/xdub/guidance")
    async def guidance(request: web.Request) -> web.Response:
        try:
            values = await request.json()
        except ValueError:
            raise web.HTTPBadRequest from None
        return web.json_response(guidance_of(values))


def guidance_of(values: Any) -> dict[str, Any]:
    """What the Guidance panel shows for the values of the node's widgets, by name, as a prompt has them.

    {"error": why} where the node would refuse them.
    """
    from xdub_core.errors import XDubError

    from .comfy_bridge.guidance_plot import guidance_record
    from .guidance import DubGuidance

    try:
        given = _nested(values)
        checked = {
            name: given.get(name) for name in ("high_until", "middle_from", "middle_until", "low_from")
        }
        problem = DubGuidance.validate_inputs(
            **checked, start=given.get("start"), end=given.get("end"), curves=given.get("curves")
        )
        if isinstance(problem, str):
            return {"error": problem}
        return guidance_record(DubGuidance.execute(**given).args[0])
    except XDubError as error:
        return {"error": str(error)}
    except (AttributeError, KeyError, TypeError, ValueError):
        return {"error": "these are no values of Guidance (X-Dub)"}


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs of a choice, "curves.window", in the choice, {"curves": {"curves": ..., "window": ...}}, as in core."""
    nested = {name: value for name, value in values.items() if "." not in name}
    for name, value in values.items():
        choice, _, own = name.partition(".")
        if own:
            if not isinstance(nested.get(choice), dict):
                nested[choice] = {choice: nested.get(choice)}
            nested[choice][own] = value
    return nested
