"""Dub It Prompt: who speaks which words, in the form that LTX-2's LoRA for dubbing knows."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from . import dub_it_inputs, inputs, sockets


class DubItPrompt(io.ComfyNode):
    """Words to a prompt."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="XDubItPrompt",
            display_name="Dub It Prompt (X-Dub)",
            category=sockets.DUB_IT,
            description="Writes the prompt for a dub by LTX-2, and tells where the new line is much longer or shorter "
            "than the old speech. The model does not translate: the dialogue is what is spoken, word by word.",
            search_aliases=["ltx-2", "just-dub-it", "dialogue", "translate", "台词"],
            inputs=[
                dub_it_inputs.dialogue(),
                dub_it_inputs.language(),
                dub_it_inputs.speaker(),
                dub_it_inputs.layout(),
                dub_it_inputs.scene(),
                io.Audio.Input(
                    "old_audio",
                    optional=True,
                    tooltip="The video's own sound, from Get Video Components, to compare how long the lines are.",
                ),
            ],
            outputs=[
                io.String.Output(display_name="prompt", tooltip="For CLIP Text Encode."),
                io.Float.Output(
                    display_name="seconds",
                    tooltip="About how long the dialogue is to speak: syllables at the language's usual rate.",
                ),
            ],
        )

    @classmethod
    def validate_inputs(
        cls, dialogue: str | None = None, language: str | None = None, layout: str | None = None
    ) -> bool | str:
        return inputs.first_problem(
            dub_it_inputs.check_said(dialogue, language), dub_it_inputs.check_choices(layout)
        )

    @classmethod
    def execute(
        cls,
        dialogue: str,
        language: str,
        speaker: str,
        layout: str,
        scene: str = "",
        old_audio: dict[str, Any] | None = None,
    ) -> io.NodeOutput:
        from xdub_core.dub_it.layouts import layout_named
        from xdub_core.dub_it.prompt import dub_prompt

        from .comfy_bridge.dub_it.old_speech import tell_of_length

        prompt = dub_prompt(layout_named(layout), speaker, language, dialogue, scene)
        return io.NodeOutput(prompt, tell_of_length(dialogue, language, old_audio))
