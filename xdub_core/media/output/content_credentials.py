"""Content Credentials (C2PA, https://c2pa.org): a signed manifest in the output, of what was done to which source.

By the optional package c2pa-python, with the user's own certificate. Nothing is asked of the network, unless a time
stamp server is named.
"""

from __future__ import annotations

import base64
import binascii
import io
import re
import wave
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xdub_core import __version__
from xdub_core.errors import MediaError, MissingModelError, SettingsError, XDubError
from xdub_core.media.container.opening import is_there, reason
from xdub_core.media.output.encode_settings import container_for

MEDIA_TYPES = {"mp4": "video/mp4", "mov": "video/quicktime"}
"""The containers that C2PA has a place in, by FFmpeg's name."""
PACKAGE = "c2pa-python>=0.38"
_OFFLINE = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}}
_UNKNOWN_TYPE = "application/octet-stream"
_TOOL = {"name": "X-Dub", "version": __version__}
_KEY = re.compile(r"-----BEGIN ([A-Z ]*)PRIVATE KEY-----(.*?)-----END", re.DOTALL)
_ALGORITHMS = {
    bytes.fromhex("2a8648ce3d030107"): "es256",  # the curve prime256v1
    bytes.fromhex("2b81040022"): "es384",  # secp384r1
    bytes.fromhex("2b81040023"): "es512",  # secp521r1
    bytes.fromhex("06032b6570"): "ed25519",
    bytes.fromhex("2a864886f70d010101"): "ps256",  # RSA
    bytes.fromhex("2a864886f70d01010a"): "ps256",  # RSASSA-PSS
}
"""C2PA's signatures by the object identifiers that stand in a PKCS #8 key."""


@dataclass(frozen=True)
class SigningIdentity:
    """Who signs: a certificate chain in PEM, leaf first, and its private key in PEM (PKCS #8, not encrypted).

    `timestamp_url`: an RFC 3161 server that attests the time of a signature, which is then believed beyond the
    certificate's end.

    Raises:
        MissingModelError: c2pa-python is not installed, or too old.
        SettingsError: a file cannot be read, the key is none or does not belong to the certificate, or C2PA takes no
            such certificate (expired, or without an extended key usage of C2PA's list); or the server does
            not answer. All of it is found by a signature made at once, in memory.
    """

    certificate: Path
    key: Path
    timestamp_url: str | None = None

    def __post_init__(self) -> None:
        c2pa = _package()
        try:
            with (
                self.context(c2pa) as context,
                c2pa.Builder(_manifest("a trial", _created()), context) as trial,
            ):
                trial.sign("audio/wav", _short_sound(), io.BytesIO())
        except c2pa.C2paError as error:
            raise SettingsError(
                f"{self.certificate}, {self.key}: C2PA does not sign with this certificate and key "
                f"({_told(error)}); it wants a chain in PEM, the signer's own first, not expired, for "
                "C2PA, document signing or e-mail protection, and that signer's key"
                + ("" if self.timestamp_url is None else f"; and {self.timestamp_url} must answer")
            ) from error

    def context(self, c2pa: Any) -> Any:
        """What signs, and asks nobody."""
        certificate, key = _text(self.certificate), _text(self.key)
        try:
            info = c2pa.C2paSignerInfo(
                _algorithm(key, self.key), certificate.encode(), key.encode(), self.timestamp_url
            )
        except TypeError:  # older ones took no None for the server
            raise MissingModelError(f"this c2pa-python is too old; {_install()}") from None
        return c2pa.Context.from_dict(_OFFLINE, signer=c2pa.Signer.from_info(info))


@dataclass(frozen=True)
class EditSignature:
    """Signs outputs that were made of `source`, whose own manifest goes along; an `origin.Signature`."""

    identity: SigningIdentity
    source: Path

    def sign(self, path: Path, container: str, title: str, source_type: str) -> None:
        """Sign a finished file in its place: the source was opened, and edited by a model.

        `container` is FFmpeg's name, a key of MEDIA_TYPES. Raises MediaError where it cannot be signed; it is then as
        it was.
        """
        c2pa = _package()
        signed = path.with_name(f"{path.stem}.signed{path.suffix}")
        try:
            with (
                self.identity.context(c2pa) as context,
                self._builder(c2pa, context, _manifest(title, _edited(source_type))) as builder,
                path.open("rb") as before,
                signed.open("w+b") as after,
            ):
                builder.sign(MEDIA_TYPES[container], before, after)
            signed.replace(path)
        except (c2pa.C2paError, XDubError, OSError) as error:
            raise MediaError(f"{title} was not signed ({_told(error)}); it is whole but for that") from error
        finally:
            signed.unlink(missing_ok=True)

    def _builder(self, c2pa: Any, context: Any, manifest: dict[str, Any]) -> Any:
        """With the source as its parent: as the video that it is, or, where C2PA cannot read it, as some file."""
        kinds = dict.fromkeys((_media_type(self.source), _UNKNOWN_TYPE))
        for kind in kinds:
            builder = c2pa.Builder(manifest, context)
            builder.set_intent(c2pa.C2paBuilderIntent.EDIT)
            try:
                with self.source.open("rb") if self.source.is_file() else io.BytesIO() as content:
                    ingredient = {"title": self.source.name, "relationship": "parentOf"}
                    builder.add_ingredient(ingredient, kind, content)
                return builder
            except c2pa.C2paError:
                builder.close()
                if kind == _UNKNOWN_TYPE:
                    raise
        raise AssertionError("the last kind returns or raises")


@dataclass(frozen=True)
class Credentials:
    """What a signed video says. `signer`: the certificate's name; `intact`: nothing was changed since it was signed."""

    signer: str
    intact: bool


def read_credentials(video: Path) -> Credentials | None:
    """A video's Content Credentials; None where it has none or c2pa-python is not there to look."""
    with suppress(MissingModelError):
        c2pa = _package()
        with suppress(c2pa.C2paError), c2pa.Context.from_dict(_OFFLINE) as context:
            reader = c2pa.Reader.try_create(video, context=context)
            if reader is not None:
                with reader:
                    signature = (reader.get_active_manifest() or {}).get("signature_info", {})
                    signer = signature.get("common_name") or signature.get("issuer") or "somebody unknown"
                    return Credentials(signer, reader.get_validation_state() in ("Valid", "Trusted"))
    return None


def check_signable(out: Path) -> None:
    """Raises SettingsError for an output that cannot hold Content Credentials."""
    if container_for(out).format not in MEDIA_TYPES:
        raise SettingsError(f"{out}: C2PA has no place in {out.suffix} files; choose .mp4 or .mov")


def _package() -> Any:
    try:
        import c2pa
    except ImportError as error:
        raise MissingModelError(f"Signing needs the package c2pa-python; {_install()}") from error
    if not hasattr(c2pa, "Context"):
        raise MissingModelError(f"this c2pa-python is too old; {_install()}")
    return c2pa


def _install() -> str:
    return f'`pip install "{PACKAGE}"` gets it'


def _text(path: Path) -> str:
    if not is_there(path):
        raise SettingsError(f"{path}: there is no such file")
    try:
        return path.read_text(encoding="ascii")
    except UnicodeDecodeError as error:
        raise SettingsError(
            f"{path}: this is not in PEM; `openssl x509` and `openssl pkcs8` convert it"
        ) from error
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({reason(error)})") from error


def _algorithm(key: str, path: Path) -> str:
    """C2PA's name of the signature that a key makes. Raises SettingsError for what is no plain PKCS #8 key."""
    found = _KEY.search(key)
    if found is None:
        raise SettingsError(f"{path}: there is no private key in PEM in this file")
    if found[1]:
        kind = found[1].strip().lower().replace("ec", "EC").replace("rsa", "RSA")
        raise SettingsError(
            f"{path}: this private key is {kind}, and PKCS #8 without a password is taken; convert it: "
            f"`openssl pkcs8 -topk8 -nocrypt -in {path.name} -out key.pem`"
        )
    try:
        content = base64.b64decode(found[2])
    except binascii.Error as error:
        raise SettingsError(f"{path}: this private key is damaged") from error
    for identifier, algorithm in _ALGORITHMS.items():
        if identifier in content[:40]:
            return algorithm
    raise SettingsError(
        f"{path}: C2PA signs with keys of RSA, Ed25519, P-256, P-384 and P-521; this is another"
    )


def _manifest(title: str, action: dict[str, Any]) -> dict[str, Any]:
    actions = {"label": "c2pa.actions.v2", "data": {"actions": [action]}}
    return {"title": title, "claim_generator_info": [_TOOL], "assertions": [actions]}


def _edited(source_type: str) -> dict[str, Any]:
    what = "The lips follow another recording."
    return {
        "action": "c2pa.edited",
        "softwareAgent": _TOOL,
        "digitalSourceType": source_type,
        "description": what,
    }


def _created() -> dict[str, Any]:
    source_type = "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicMedia"
    return {"action": "c2pa.created", "digitalSourceType": source_type}


def _media_type(source: Path) -> str:
    """The type of a file as far as C2PA may find a manifest in it."""
    if not source.is_file():  # numbered pictures
        return _UNKNOWN_TYPE
    with source.open("rb") as file:
        head = file.read(12)
    if head[4:8] != b"ftyp":
        return _UNKNOWN_TYPE
    return MEDIA_TYPES["mov" if head[8:] == b"qt  " else "mp4"]


def _short_sound() -> io.BytesIO:
    sound = io.BytesIO()
    with wave.open(sound, "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(160))
    sound.seek(0)
    return sound


def _told(error: Exception) -> str:
    """C2PA's own words, in one line and without the name of its class."""
    words = " ".join(reason(error).split())
    return re.sub(r"^(Signature|Other|Io|Verify): ", "", words)
