"""One utterance by the espeak-ng library, as a program of its own: the library keeps state between utterances
(two in one process differ by a few samples), so each gets a fresh process and is always the same.

Standard library only. Reads one JSON object from standard input (text, voice, pitch, speed, data); writes one line
of JSON (sample_rate, samples, events: [seconds, IPA mnemonic]) and then the samples as native int16.
Exit status 3: no library; 4: no such voice.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import json
import os
import sys

NO_LIBRARY, NO_VOICE = 3, 4

_NAMES = (
    "libespeak-ng.so.1",
    "libespeak-ng.so",
    "libespeak-ng.1.dylib",
    "libespeak-ng.dylib",
    "libespeak-ng.dll",
)
_RETRIEVAL, _PHONEMES, _IPA, _DO_NOT_EXIT = 1, 0x1, 0x2, 0x8000
_RATE, _PITCH = 1, 3
_EVENT_END, _EVENT_PHONEME = 0, 7
_CHARS_UTF8 = 1


class _Id(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    )


_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


def load_library() -> ctypes.CDLL | None:
    """The espeak-ng library, or None when this machine has none. XDUB_ESPEAK_LIBRARY names another file."""
    for name in (os.environ.get("XDUB_ESPEAK_LIBRARY"), *_NAMES, ctypes.util.find_library("espeak-ng")):
        if name:
            try:
                return ctypes.CDLL(name)
            except OSError:
                continue
    return None


def main() -> int:
    """Speak the request on standard input."""
    request = json.loads(sys.stdin.buffer.read())
    library = load_library()
    if library is None:
        return NO_LIBRARY
    sample_rate = library.espeak_Initialize(_RETRIEVAL, 0, None, _PHONEMES | _IPA | _DO_NOT_EXIT)
    if sample_rate <= 0:
        return NO_LIBRARY
    if library.espeak_SetVoiceByName(request["voice"].encode()) != 0:
        return NO_VOICE
    library.espeak_SetParameter(_RATE, int(request["speed"]), 0)
    library.espeak_SetParameter(_PITCH, int(request["pitch"]), 0)
    blocks: list[bytes] = []
    events: list[tuple[float, str]] = []

    @_CALLBACK
    def collect(samples: ctypes.Array, count: int, event: ctypes.Array) -> int:
        if samples and count:
            blocks.append(ctypes.string_at(samples, count * 2))
        index = 0
        while event[index].type != _EVENT_END:
            if event[index].type == _EVENT_PHONEME:
                ipa = event[index].id.string.decode("utf-8", "ignore")
                events.append((event[index].sample / sample_rate, ipa))
            index += 1
        return 0

    library.espeak_SetSynthCallback(collect)
    text = request["text"].encode("utf-8")
    library.espeak_Synth(text, len(text) + 1, 0, 1, 0, _CHARS_UTF8, None, None)
    library.espeak_Synchronize()
    sound = b"".join(blocks)
    header = {"sample_rate": sample_rate, "samples": len(sound) // 2, "events": events}
    sys.stdout.buffer.write(json.dumps(header).encode() + b"\n" + sound)
    return 0


if __name__ == "__main__":
    sys.exit(main())
