"""How long the old line is that a new one takes the place of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xdub_core.audio.voice_activity import Span, speech_spans
from xdub_core.dub_it.speaking_time import compared, seconds_of_speech, speaking_seconds

from ..host.warnings import show_text, warn
from ..media.sound import open_sound


def speech_of(audio: Mapping[str, Any]) -> tuple[Span, ...]:
    """Where somebody speaks in an AUDIO."""
    recording = open_sound(audio)
    try:
        return speech_spans(recording)
    finally:
        recording.close()


def tell_of_length(dialogue: str, language: str, audio: Mapping[str, Any] | None) -> float:
    """About how many seconds the new line takes; with the old sound, whether that is unlike it is told."""
    seconds = speaking_seconds(dialogue, language)
    if audio is not None:
        told = compared(seconds, seconds_of_speech(speech_of(audio)))
        warn(told) if told else show_text(f"about {seconds:.1f} s to speak")
    return seconds
