"""Inputs that several nodes have: the same name, range and words in each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from comfy_api.latest import io

from . import sockets

Value = TypeVar("Value")

UNCONNECTED = "not connected"
"""What `validate_inputs` takes for an optional input that has no link."""

LENGTHS = ["audio", "source", "shortest", "longest"]

EXTENSIONS = ["bounce", "loop", "hold", "slow"]
SILENCES = ["closed", "source", "model"]
SPEEDS = ["exact", "balanced", "fast"]


class Choice(io.DynamicCombo.Input):
    """A choice that shows only its own inputs, which `options` has for each; the first is the default."""

    def __init__(
        self, name: str, options: Mapping[str, list[io.Input]], tooltip: str, optional: bool = False
    ) -> None:
        made = [io.DynamicCombo.Option(key, own) for key, own in options.items()]
        super().__init__(name, made, optional=optional, tooltip=tooltip)
        self.default = next(iter(options))

    def as_dict(self) -> dict[str, Any]:
        return super().as_dict() | {"default": self.default}


def check_length(length: str | None) -> bool | str:
    """What `validate_inputs` says of a `length`, which is None where it comes by a link."""
    return check_choice("length", length, LENGTHS)


def check_choice(name: str, value: str | None, options: Sequence[str]) -> bool | str:
    """What `validate_inputs` says of a choice, which core leaves unchecked there; None where it comes by a link."""
    if value is None or value in options:
        return True
    return f"{name} {value!r} is not in the list: choose one of {', '.join(options)}"


def chosen(name: str, value: Any) -> tuple[Any, dict[str, Any]]:
    """A choice that has inputs of its own (DynamicCombo): what is chosen, and those of its inputs that are given.

    Where they come beside it, as in workflows from before it had any, `value` is the choice alone.
    """
    if not isinstance(value, Mapping):
        return value, {}
    own = {key: each for key, each in value.items() if key != name and each is not None}
    return value.get(name), own


def check_numbers(node: type[io.ComfyNode], given: Mapping[str, Any]) -> bool | str:
    """What `validate_inputs` says of numbers out of range, which core leaves unchecked where it takes all inputs."""
    for each in (each for named in node.define_schema().inputs for each in named.get_all()):
        value = given.get(each.id)
        if isinstance(each, io.Int.Input | io.Float.Input) and isinstance(value, int | float):
            low, high = each.min, each.max
            if (low is not None and value < low) or (high is not None and value > high):
                return f"{each.id} is {value}: choose {low} to {high}"
    return True


def check_person(person: str | None) -> bool | str:
    """What `validate_inputs` says of a `person`, which is None where it comes by a link."""
    from xdub_core.errors import FaceError
    from xdub_core.face.choice import parse_person

    if person is None or not person.strip():
        return True
    try:
        parse_person(person)
    except FaceError as error:
        return str(error)
    return True


def first_problem(*checked: bool | str) -> bool | str:
    """The first of several answers of `validate_inputs` that is not True."""
    return next((answer for answer in checked if answer is not True), True)


def only(values: Sequence[Value], what: str) -> Value:
    """The one value of an input of a node that gets lists. Raises SettingsError where several videos come in."""
    from xdub_core.errors import SettingsError

    if len(values) != 1:
        raise SettingsError(
            f"{len(values)} videos come in ({what}), but the step-by-step nodes take one at a time: choose one pair in "
            "Load Folder (X-Dub), or use Dub Video (X-Dub)"
        )
    return values[0]


def footage(name: str) -> io.Input:
    """The video, or its images."""
    return io.MultiType.Input(
        name, [io.Video, io.Image], tooltip="The video to dub, of any frame rate; or its frames."
    )


def image_fps(optional: bool = False) -> io.Input:
    """Frames a second of a source that comes as images."""
    return io.Float.Input(
        "image_fps",
        default=25.0,
        min=1.0,
        max=240.0,
        step=0.001,
        optional=optional,
        advanced=True,
        tooltip="Frames a second of a source that comes as images; a video knows its own.",
    )


def speech() -> io.Input:
    """The new speech."""
    return io.Audio.Input("audio", tooltip="The new speech, clean and without music where possible.")


def audio_encoders() -> io.Input:
    """What turns it into features."""
    return sockets.AudioEncoders.Input("audio_encoders", tooltip="What the model was trained to hear with.")


_LENGTH = (
    "How long the result is: as the audio, as the source video, or the shorter or longer of both. A video that is too "
    "short is made longer; speech that is too short is followed by silence."
)


def length() -> io.Input:
    """One of `LENGTHS`."""
    return io.Combo.Input("length", options=LENGTHS, default=LENGTHS[0], tooltip=_LENGTH)


def length_and_extend() -> io.Input:
    """One of `LENGTHS`, with `extend` where the video may be too short for it."""
    longer = {"audio", "longest"}
    return Choice("length", {each: [extend()] if each in longer else [] for each in LENGTHS}, _LENGTH, True)


def extend() -> io.Input:
    """One of `EXTENSIONS`, as the engine's `Extend`."""
    return io.Combo.Input(
        "extend",
        options=EXTENSIONS,
        default=EXTENSIONS[0],
        optional=True,
        tooltip="How a video is made longer that is too short: played to and fro, from its start again, or with its "
        "last frame standing; slow: slowed to the length, up to 1.25 times, and beyond that to and fro.",
    )


def silence() -> io.Input:
    """One of `SILENCES`, as the engine's `Silence`."""
    return io.Combo.Input(
        "silence",
        options=SILENCES,
        default=SILENCES[0],
        optional=True,
        tooltip="What lips do while their speaker is silent. closed: the model hears nothing there, whatever noise the "
        "recording has, and closes them. source: the video's own lips are faded in. model: what the model makes of the "
        "recording, as the release does.",
    )


def person(default: str = "") -> io.Input:
    """Whose lips shall move, as the command line's `--person`."""
    return io.String.Input(
        "person",
        default=default,
        optional=True,
        placeholder="the main person",
        tooltip="Whom of several people: a number as People (X-Dub) shows them, left, right, largest, speaking (whose "
        "mouth moves with the video's sound), or X,Y@SECONDS, a point in the face and when. Empty: who is seen the "
        "largest for the longest.",
    )


def model() -> io.Input:
    """X-Dub."""
    return io.Model.Input("model", tooltip="X-Dub, from Load Diffusion Model or the built-in model's loader.")


def seed(optional: bool = False) -> io.Input:
    """Of the noise."""
    return io.Int.Input(
        "seed",
        default=42,
        min=0,
        max=0xFFFFFFFFFFFFFFFF,
        optional=optional,
        control_after_generate=True,
        tooltip="The noise that every clip begins with.",
    )


def reference(tooltip: str = "From Reference Latents (X-Dub).") -> io.Input:
    """Reference latents."""
    return sockets.Reference.Input("reference", tooltip=tooltip)


def audio_features() -> io.Input:
    """The speech as features."""
    return sockets.AudioFeatures.Input("audio_features", tooltip="From Audio Features (X-Dub).")


def conditioning() -> tuple[io.Input, io.Input]:
    """Guidance and the empty prompt, both optional."""
    return (
        sockets.Guidance.Input(
            "guidance", optional=True, tooltip="From Guidance (X-Dub); without it, what suits the model."
        ),
        io.Conditioning.Input(
            "empty_prompt",
            optional=True,
            tooltip="From Empty Prompt (X-Dub). Without it, the kept one is used; the built-in model needs none.",
        ),
    )


def speed() -> io.Input:
    """One of `SPEEDS`, as the command line's `--speed`."""
    return io.Combo.Input(
        "speed",
        options=SPEEDS,
        default=SPEEDS[0],
        optional=True,
        tooltip="exact: every prediction of the model is made. balanced: about half of them, fast: about a quarter; "
        "earlier ones stand in for the rest, which changes the picture a little. With 8 steps or fewer there is little "
        "to save.",
    )


def border() -> io.Input:
    """Latent positions that are locked to the source."""
    return io.Int.Input(
        "border",
        default=1,
        min=0,
        max=8,
        advanced=True,
        tooltip="How far the crop's rim is held to the source, in steps of 16 pixels, so that it fits its "
        "surroundings. 1 as released.",
    )


def quality(optional: bool = False) -> io.Input:
    """Of the encoded video, 0 to 51."""
    return io.Int.Input(
        "quality",
        default=16,
        min=0,
        max=51,
        optional=optional,
        advanced=True,
        tooltip="Of the encoded video: lower is better and larger; 16 looks like the original, 0 is nearly lossless.",
    )


def redo() -> io.Input:
    """Numbers of clips, as the command line's `--redo`."""
    return io.String.Input(
        "redo",
        default="",
        optional=True,
        advanced=True,
        placeholder="clips, as 12,40-44",
        tooltip="Clips to sample from other noise, by their numbers: 12,40-44. Those that continue one of them in its "
        "shot follow it; all others stay. A number that stands twice gets the noise after that. Take it out, and the "
        "clip is as before.",
    )


def check_redo(redo: str | None) -> bool | str:
    """What `validate_inputs` says of a `redo`, which is None where it comes by a link."""
    from xdub_core.errors import SettingsError

    try:
        clips_to_redo(redo or "")
    except SettingsError as error:
        return str(error)
    return True


def clips_to_redo(redo: str) -> tuple[range, ...]:
    """The numbers of clips in a `redo`, from 1 on; an empty one names none. Raises SettingsError."""
    from xdub_core.dub.redo import parse_clips

    return parse_clips(redo) if redo.strip() else ()


def noise_level(name: str, default: float, tooltip: str, optional: bool = False) -> io.Input:
    """From 1, where sampling begins, to 0, where it ends. An optional one is shown only where it is asked for."""
    return io.Float.Input(
        name,
        default=default,
        min=0.0,
        max=1.0,
        step=0.01,
        optional=optional,
        advanced=not optional,
        tooltip=tooltip,
    )


def switch(name: str, default: bool, tooltip: str, optional: bool = False) -> io.Input:
    """A choice that few need to make."""
    return io.Boolean.Input(name, default=default, advanced=True, tooltip=tooltip, optional=optional)
