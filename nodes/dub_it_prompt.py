"""Dub It Prompt: who speaks which words, in the form that LTX-2's LoRA for dubbing knows."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from . import inputs, sockets
from .dub_it_conditioning import LAYOUTS, layout


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
                io.String.Input(
                    "dialogue",
                    default="",
                    multiline=True,
                    tooltip="The new words, in the new language and its own script. About as long to speak as the old "
                    "ones.",
                ),
                io.String.Input(
                    "language",
                    default="Spanish",
                    tooltip="The English name of the dialogue's language, maybe with an accent. The paper's data has "
                    "English, Spanish, French, German, Italian, Russian and Greek; others are not tried.",
                ),
                io.String.Input(
                    "speaker",
                    default="The person",
                    tooltip="Who speaks, in a few words: The old man with the hat.",
                ),
                layout(),
                io.String.Input(
                    "scene",
                    default="",
                    optional=True,
                    multiline=True,
                    tooltip="What is seen, in English. Only the layout ltx 2.3 has it in its prompt.",
                ),
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
        if dialogue is not None and not dialogue.strip():
            return "dialogue is empty: write the new words, in the new language"
        if language is not None and not language.strip():
            return "language is empty: name that of the dialogue, such as Spanish"
        return inputs.check_choice("layout", layout, LAYOUTS)

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
