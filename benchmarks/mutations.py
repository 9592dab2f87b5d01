"""Damage to a file's bytes, as broken disks, cut downloads and careless programs do it. Seeded: a seed names a case.

    mutate(data, random.Random(7))    # the same damage every time

Each way of damage is a function of (bytes, random.Random) -> bytes; `WAYS` names them all. None changes what it is
given, and all take any bytes, the empty ones too.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

HEADER_BYTES = 512
"""How much of a file's start counts as its header: most formats keep sizes, counts and offsets there."""
_EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1)
_WIDTHS = (1, 2, 4, 8)

Way = Callable[[bytes, random.Random], bytes]


def truncate(data: bytes, rng: random.Random) -> bytes:
    """The end is missing: a broken download. Now and then all but a few bytes."""
    return data[: rng.randrange(min(64, len(data)) + 1) if rng.random() < 0.2 else _place(data, rng)]


def cut_start(data: bytes, rng: random.Random) -> bytes:
    """The start is missing."""
    return data[_place(data, rng) :]


def flip_bits(data: bytes, rng: random.Random) -> bytes:
    """1 to 64 single bits are turned over, anywhere."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 64) if data else 0):
        changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def zero_range(data: bytes, rng: random.Random) -> bytes:
    """A stretch reads as zeros, as a hole in a sparse file does."""
    start, stop = _range(data, rng)
    return data[:start] + bytes(stop - start) + data[stop:]


def scramble_range(data: bytes, rng: random.Random) -> bytes:
    """A stretch holds other bytes."""
    start, stop = _range(data, rng)
    return data[:start] + rng.randbytes(stop - start) + data[stop:]


def remove_range(data: bytes, rng: random.Random) -> bytes:
    """A stretch is missing, and what follows moves up."""
    start, stop = _range(data, rng)
    return data[:start] + data[stop:]


def insert_junk(data: bytes, rng: random.Random) -> bytes:
    """Up to 4 kB of noise (or of zeros) stand where nothing belongs."""
    place, length = _place(data, rng), rng.randint(1, 4096)
    return data[:place] + (bytes(length) if rng.random() < 0.3 else rng.randbytes(length)) + data[place:]


def duplicate_block(data: bytes, rng: random.Random) -> bytes:
    """A stretch stands there twice."""
    start, stop = _range(data, rng)
    return data[:stop] + data[start:]


def swap_blocks(data: bytes, rng: random.Random) -> bytes:
    """Two stretches of one length have changed places."""
    if len(data) < 2:
        return data
    length = rng.randint(1, max(1, min(len(data) // 2, 65536)))
    first = rng.randrange(len(data) - 2 * length + 1)
    second = rng.randrange(first + length, len(data) - length + 1)
    middle = data[first + length : second]
    return (
        data[:first]
        + data[second : second + length]
        + middle
        + data[first : first + length]
        + data[second + length :]
    )


def edit_header(data: bytes, rng: random.Random) -> bytes:
    """Numbers near the file's start become extreme: sizes, counts, offsets, versions."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        width = rng.choice(_WIDTHS)
        last = min(HEADER_BYTES, len(changed)) - width
        if last >= 0:
            place, value = rng.randint(0, last), rng.choice(_EXTREMES) % 256**width
            changed[place : place + width] = value.to_bytes(width, rng.choice(("little", "big")))
    return bytes(changed)


def join_parts(data: bytes, rng: random.Random) -> bytes:
    """The file's start, and then a whole one: a download that was begun again and appended."""
    return data[: _place(data, rng)] + data


WAYS: Mapping[str, Way] = {
    way.__name__: way
    for way in (
        truncate,
        cut_start,
        flip_bits,
        zero_range,
        scramble_range,
        remove_range,
        insert_junk,
        duplicate_block,
        swap_blocks,
        edit_header,
        join_parts,
    )
}


def mutate(data: bytes, rng: random.Random) -> bytes:
    """`data` damaged in one to three ways of `WAYS`, as `rng` has it; equal seeds damage equally."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        data = rng.choice(tuple(WAYS.values()))(data, rng)
    return data


def _place(data: bytes, rng: random.Random) -> int:
    """Anywhere in the file, near its start as often as in all the rest."""
    return rng.randint(0, min(HEADER_BYTES, len(data)) if rng.random() < 0.5 else len(data))


def _range(data: bytes, rng: random.Random) -> tuple[int, int]:
    """A stretch of 1 byte to 64 kB, within the file."""
    start = _place(data, rng)
    return start, min(len(data), start + 2 ** rng.randint(0, 16))
