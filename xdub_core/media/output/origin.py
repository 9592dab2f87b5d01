"""What an output says about its origin: that it was edited with AI, by what, in words that programs and people read.

The words are IPTC's Digital Source Type (https://cv.iptc.org/newscodes/digitalsourcetype/), which search engines,
social networks and newsrooms look for. Where they stand:

- in the comment, in every container; a comment is what survives most often when others rewrite a file;
- as the property Iptc4xmpExt:DigitalSourceType of an XMP packet, where XMP's specification (part 3) wants it: .mp4 in a
  `uuid` box of its own, .mov in moov/udta/XMP_;
- as the tag DIGITAL_SOURCE_TYPE in Matroska and WebM, which have no place for XMP.

Nothing of it depends on chance or the clock.
"""

from __future__ import annotations

import json
import logging
import re
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from xdub_core import __version__
from xdub_core.errors import MediaError
from xdub_core.media.container.opening import open_input

log = logging.getLogger(__name__)

SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
"""The vocabulary; its terms are these addresses with a name at the end."""
EDITED_WITH_AI = f"{SOURCE_TYPES}compositeWithTrainedAlgorithmicMedia"
"""IPTC's "edited using generative AI": what a model painted, composed with some other picture."""
MADE_BY_AI = f"{SOURCE_TYPES}trainedAlgorithmicMedia"
"""IPTC's "created using generative AI": no other picture was there."""
TOOL, VERSION = "X-Dub", __version__

_XMP_BOX = uuid.UUID("be7acfcb-97a9-42e8-9c71-999491e3afac")
"""XMP's own, of XMP's specification part 3, 1.1.4."""
_LONGEST_IN_QUICKTIME = 65535  # bytes
_TERM = re.compile(re.escape(SOURCE_TYPES).replace("http:", "https?:") + r"(\w+)")
_OUR_REMARK = re.compile(r"\n*Edited with AI: [^\n]*" + re.escape(SOURCE_TYPES) + r"\w+\)")
_XMP = """\
<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">
   <Iptc4xmpExt:DigitalSourceType>{source_type}</Iptc4xmpExt:DigitalSourceType>
   <Iptc4xmpExt:AISystemUsed>{tool}</Iptc4xmpExt:AISystemUsed>
   <Iptc4xmpExt:AISystemVersionUsed>{version}</Iptc4xmpExt:AISystemVersionUsed>
   <xmp:CreatorTool>{tool} {version}</xmp:CreatorTool>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"""


class Signature(Protocol):
    """Signs finished files."""

    def sign(self, path: Path, container: str, title: str, source_type: str) -> None:
        """Sign a file in its place, or leave it as it was and raise MediaError.

        `container`: FFmpeg's name; `title`: the name that the file will have.
        """
        ...


@dataclass(frozen=True)
class Origin:
    """What an output says of itself.

    Attributes:
        source_type: one of IPTC's terms, EDITED_WITH_AI or MADE_BY_AI.
        signature: puts it into a signed manifest as well; for .mp4 and .mov.
        done: what AI did, for people.
    """

    source_type: str = EDITED_WITH_AI
    signature: Signature | None = None
    done: str = "the lips follow another recording"

    @property
    def remark(self) -> str:
        """One line for people, with the term for programs."""
        return f"Edited with AI: {self.done} ({TOOL} {VERSION}; {self.source_type})"

    @property
    def xmp(self) -> str:
        """The XMP packet, read-only."""
        return _XMP.format(source_type=self.source_type, tool=TOOL, version=VERSION)

    def tags(self, own: Mapping[str, str], container: str) -> dict[str, str]:
        """The tags to set in a file that has `own` already, in FFmpeg's names; `container` is FFmpeg's too.

        A comment that is there stays, and the remark follows it, or joins it where it is a JSON object, as ComfyUI's
        packs write their workflows there; the remark of an earlier dub is replaced. What QuickTime's 16 bits cannot
        count goes, with a warning.
        """
        comment = _with_remark(own.get(_spelled("comment", own), ""), self.remark)
        if container == "mov" and len(comment.encode()) > _LONGEST_IN_QUICKTIME:
            log.warning(
                "the source's comment is too long for .mov files and is left out; .mp4 and .mkv hold it"
            )
            comment = self.remark
        # FFmpeg writes "encoder" only where it may name itself there; QuickTime's place for it is in the XMP packet.
        tags = {"comment": comment, "encoding_tool": f"{TOOL} {VERSION}"}
        if container == "mov":
            tags["xmp"] = self.xmp
        elif container != "mp4":
            tags["digital_source_type"] = self.source_type
        return {_spelled(name, own): value for name, value in tags.items()}

    def seal(self, path: Path, container: str) -> None:
        """Add to a finished file what FFmpeg does not write. Raises OSError where the disk is full."""
        if container == "mp4":  # a box at the end moves none of the others
            content = _XMP_BOX.bytes + self.xmp.encode()
            with path.open("ab") as file:
                file.write((8 + len(content)).to_bytes(4, "big") + b"uuid" + content)


def stated_source_type(path: Path) -> str | None:
    """The Digital Source Type that a video states, in XMP or in a tag; None for none.

    Raises MediaError where it cannot be opened.
    """
    with open_input(path, options={"export_xmp": "1"}) as container:
        found = next((term for value in container.metadata.values() if (term := _TERM.search(value))), None)
    return None if found is None else f"{SOURCE_TYPES}{found[1]}"


def origin_of_edit(source: Path) -> Origin:
    """What a dub of a file says: that AI edited it, or, where the file says that AI made it altogether, still that."""
    with suppress(MediaError):  # pictures, among others, are opened by other means, and state nothing
        if stated_source_type(source) == MADE_BY_AI:
            return Origin(MADE_BY_AI)
    return Origin()


def _with_remark(comment: str, remark: str) -> str:
    try:
        told = json.loads(comment)
    except (ValueError, RecursionError):
        told = None
    if isinstance(told, dict):
        return json.dumps({**told, "digital_source_type": remark}, ensure_ascii=False)
    return f"{_OUR_REMARK.sub('', comment).rstrip()}\n{remark}".lstrip()


def _spelled(name: str, tags: Mapping[str, Any]) -> str:
    """A tag's name as it is spelled in `tags`, where it is there: Matroska's are upper-case."""
    return next((spelled for spelled in tags if spelled.lower() == name), name)
