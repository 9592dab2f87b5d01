"""Inputs that several of Dub It's nodes have: the same name, range and words in each."""

from __future__ import annotations

from comfy_api.latest import io

from . import inputs, sockets

LAYOUTS = ["paper release", "paper", "ltx 2.3"]
VOICES = ["source", "free"]


def dialogue() -> io.Input:
    """What is spoken."""
    return io.String.Input(
        "dialogue",
        default="",
        multiline=True,
        tooltip="The new words, in the new language and its own script. About as long to speak as the old ones.",
    )


def language() -> io.Input:
    """Of the dialogue."""
    return io.String.Input(
        "language",
        default="Spanish",
        tooltip="The English name of the dialogue's language, maybe with an accent. The paper's data has English, "
        "Spanish, French, German, Italian, Russian and Greek; others are not tried.",
    )


def speaker() -> io.Input:
    """Who speaks."""
    return io.String.Input(
        "speaker",
        default="The person",
        tooltip="Who speaks, in a few words: The old man with the hat.",
    )


def scene(advanced: bool = False) -> io.Input:
    """What is seen."""
    return io.String.Input(
        "scene",
        default="",
        optional=True,
        multiline=True,
        advanced=advanced,
        tooltip="What is seen, in English. Only the layout ltx 2.3 has it in its prompt.",
    )


def check_said(dialogue: str | None, language: str | None) -> bool | str:
    """What `validate_inputs` says of them, which are None where they come by a link."""
    if dialogue is not None and not dialogue.strip():
        return "dialogue is empty: write the new words, in the new language"
    if language is not None and not language.strip():
        return "language is empty: name that of the dialogue, such as Spanish"
    return True


def model() -> io.Input:
    """LTX-2."""
    return io.Model.Input(
        "model",
        tooltip="LTX-2 with the LoRA for dubbing, which Load LoRA (Model) puts on last, so that what its file says "
        "is checked.",
    )


def vaes() -> tuple[io.Input, io.Input]:
    """LTX-2's for pictures and for sound."""
    return (
        io.Vae.Input("vae", tooltip="LTX-2's for pictures, from its checkpoint."),
        io.Vae.Input("audio_vae", tooltip="LTX-2's for sound, from Load LTXV Audio VAE."),
    )


def layout() -> io.Input:
    """One of `LAYOUTS`."""
    return io.Combo.Input(
        "layout",
        options=LAYOUTS,
        default=LAYOUTS[0],
        tooltip="How the context stands beside what is made: as the LoRA was trained, which its file does not say. "
        "paper release: the published LoRA for LTX-2 19B. paper: the same without a given first frame, as the paper "
        "describes it. ltx 2.3: the DubIt (LipDub) LoRA for LTX-2.3 22B.",
    )


def size(tooltip: str) -> io.Input:
    """Pixels of the longer side."""
    return io.Int.Input("size", default=960, min=64, max=4096, step=32, tooltip=tooltip)


def voice() -> io.Input:
    """One of `VOICES`."""
    return io.Combo.Input(
        "voice",
        options=VOICES,
        default=VOICES[0],
        tooltip="Who speaks. source: the voice of the video, or of voice_audio. free: whatever voice the model finds "
        "fitting.",
    )


def voice_audio() -> io.Input:
    """A recording of the voice."""
    return io.Audio.Input(
        "voice_audio",
        optional=True,
        tooltip="A recording of the voice, in place of the video's own sound: for videos without sound, or with "
        "somebody else's.",
    )


def check_choices(layout: str | None, voice: str | None = None) -> bool | str:
    """What `validate_inputs` says of them, which are None where they come by a link."""
    return inputs.first_problem(
        inputs.check_choice("layout", layout, LAYOUTS), inputs.check_choice("voice", voice, VOICES)
    )


def face_track() -> io.Input:
    """Where the new picture goes."""
    return sockets.FaceTrack.Input(
        "face_track",
        optional=True,
        tooltip="From Face Crop (X-Dub), of the same video. With it, only what is new in that face goes into the "
        "source's frames; everything else, and frames without the face, stay the source's own pixels.",
    )


def keep_sound() -> io.Input:
    """Whether the source's sound stays where nobody speaks."""
    return io.Boolean.Input(
        "keep_sound",
        default=True,
        optional=True,
        tooltip="Where nobody speaks, before or now, the source's own sound stays, at its own rate. Off: all of it is "
        "the model's.",
    )


def audio_output() -> io.Output:
    """The sound of a dub."""
    return io.Audio.Output(
        display_name="audio",
        tooltip="The new sound alone: for Dub Video (X-Dub), for instance, where the source's own picture with new "
        "lips is wanted.",
    )
