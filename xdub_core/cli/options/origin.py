"""What the output says about where it comes from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from xdub_core.errors import SettingsError
from xdub_core.media.output.content_credentials import EditSignature, SigningIdentity, check_signable
from xdub_core.media.output.origin import Origin, origin_of_edit

_option = partial(typer.Option, rich_help_panel="Origin")


@dataclass(frozen=True)
class OriginOptions:
    """The mark of a video that was edited with AI."""

    mark: Annotated[
        bool,
        _option(
            help="Say in the output's metadata (comment, IPTC's digital source type) that it was edited with AI. Many "
            "countries and platforms ask for it; leave it out only where you put such a mark there yourself."
        ),
    ] = True

    c2pa_cert: Annotated[
        Path | None,
        _option(
            help="Also sign the output (C2PA Content Credentials, .mp4 and .mov): your certificate, with its chain, in "
            "PEM. Needs c2pa-python. What is signed is another file every time."
        ),
    ] = None
    c2pa_key: Annotated[
        Path | None, _option(help="The private key of --c2pa-cert, in PEM (PKCS #8, without a password).")
    ] = None
    c2pa_timestamp: Annotated[
        str | None,
        _option(
            metavar="URL",
            help="A time stamp server (RFC 3161), asked at each signature, so that it is believed when the certificate "
            "has ended. Without, nothing is asked of the network.",
        ),
    ] = None

    def of_edit(self, source: Path, out: Path) -> Origin | None:
        """What a dub of a file says; None: nothing. Raises what `check` raises."""
        identity = self.check(out)
        if not self.mark:
            return None
        origin = origin_of_edit(source)
        return origin if identity is None else replace(origin, signature=EditSignature(identity, source))

    def check(self, out: Path) -> SigningIdentity | None:
        """Who signs, if somebody does.

        Raises SettingsError for options that contradict each other, a file that does not serve for signing, and an
        output that cannot be signed, and MissingModelError where c2pa-python is missing.
        """
        if self.c2pa_cert is None and self.c2pa_key is None:
            if self.c2pa_timestamp is not None:
                raise SettingsError(
                    "--c2pa-timestamp is for outputs that are signed; add --c2pa-cert and --c2pa-key"
                )
            return None
        if self.c2pa_cert is None or self.c2pa_key is None:
            raise SettingsError("--c2pa-cert and --c2pa-key go together: a certificate, and its private key")
        if not self.mark:
            raise SettingsError(
                "--no-mark contradicts --c2pa-cert: what is signed is the mark; leave one of them out"
            )
        check_signable(out)
        return SigningIdentity(self.c2pa_cert, self.c2pa_key, self.c2pa_timestamp)
