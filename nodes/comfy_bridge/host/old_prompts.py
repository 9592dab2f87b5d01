"""Prompts in the API format from before some choices had inputs of their own: those stood beside the choice.

What may be missing the nodes take beside it, too. But a prompt without an input that is required core refuses before it
asks a node, so those are renamed before that.
"""

from __future__ import annotations

from typing import Any

REQUIRED = {("XDubFaceCrop", "face"): {"find it": "face_detector", "mask": "mask"}}
"""Of a class and its choice: the input that an option requires, which stood beside it."""


def register() -> None:
    """See to old prompts that come to the server, where there is one."""
    from server import PromptServer  # what else imports it needs the whole server

    if getattr(PromptServer, "instance", None) is not None:
        PromptServer.instance.add_on_prompt_handler(renewed)


def renewed(request: dict[str, Any]) -> dict[str, Any]:
    """A request to run a prompt, in which required inputs of choices are the choices' own."""
    prompt = request.get("prompt")
    for node in prompt.values() if isinstance(prompt, dict) else ():
        inputs = node.get("inputs") if isinstance(node, dict) else None
        for (kind, choice), required in REQUIRED.items():
            if isinstance(inputs, dict) and node.get("class_type") == kind:
                chosen = inputs.get(choice)
                name = required.get(chosen) if isinstance(chosen, str) else None
                if name in inputs:
                    inputs.setdefault(f"{choice}.{name}", inputs.pop(name))
    return request
