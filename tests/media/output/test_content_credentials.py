"""Signed outputs, read back with the package that signs them; the certificates are made for these tests."""

import json
from pathlib import Path

import pytest

from tests.media.output.test_origin import OWN, source_with, streams_of, tags_of, write
from xdub_core.errors import MediaError, SettingsError
from xdub_core.media.output.content_credentials import (
    EditSignature,
    SigningIdentity,
    check_signable,
    read_credentials,
)
from xdub_core.media.output.origin import EDITED_WITH_AI, Origin, stated_source_type

CERTIFICATES = Path(__file__).resolve().parents[2] / "assets" / "c2pa"


@pytest.fixture
def c2pa():
    return pytest.importorskip(
        "c2pa", reason="CONTENT CREDENTIALS WERE NOT TESTED: c2pa-python is not installed"
    )


@pytest.fixture
def identity(c2pa):
    return SigningIdentity(CERTIFICATES / "signer.pem", CERTIFICATES / "signer.key")


@pytest.fixture
def source(tmp_path):
    return source_with(tmp_path / "in.mp4", OWN)


def signed(identity, source, path):
    return write(path, Origin(signature=EditSignature(identity, source)), source)


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_the_manifest_says_what_was_done_to_what(c2pa, identity, source, tmp_path, suffix):
    out = signed(identity, source, tmp_path / f"out{suffix}")
    store = json.loads(c2pa.Reader(str(out)).json())
    assert store["validation_state"] == "Valid"
    manifest = store["manifests"][store["active_manifest"]]
    assert manifest["title"] == out.name
    assert [(i["title"], i["relationship"]) for i in manifest["ingredients"]] == [("in.mp4", "parentOf")]
    actions = next(a for a in manifest["assertions"] if a["label"].startswith("c2pa.actions"))
    opened, edited = actions["data"]["actions"]
    assert (opened["action"], edited["action"]) == ("c2pa.opened", "c2pa.edited")
    assert edited["digitalSourceType"] == EDITED_WITH_AI
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_a_signature_leaves_everything_else_as_it_is(identity, source, tmp_path, suffix):
    with_one = signed(identity, source, tmp_path / f"signed{suffix}")
    without = write(tmp_path / f"plain{suffix}", Origin(), source)
    assert streams_of(with_one) == streams_of(without)
    assert tags_of(with_one) == tags_of(without)
    assert stated_source_type(with_one) == EDITED_WITH_AI


def test_a_changed_byte_of_the_picture_is_told(identity, source, tmp_path):
    out = signed(identity, source, tmp_path / "out.mp4")
    assert read_credentials(out).intact and read_credentials(out).signer == "Test Signer"
    data = bytearray(out.read_bytes())
    data[data.index(b"mdat") + 200] ^= 1
    out.write_bytes(data)
    assert not read_credentials(out).intact


def test_a_changed_mark_is_told(identity, source, tmp_path):
    out = signed(identity, source, tmp_path / "out.mp4")
    out.write_bytes(out.read_bytes().replace(b"Edited with AI", b"Filmed as seen"))
    assert not read_credentials(out).intact


def test_a_dub_of_a_dub_carries_both_manifests(c2pa, identity, source, tmp_path):
    once = signed(identity, source, tmp_path / "once.mp4")
    twice = signed(identity, once, tmp_path / "twice.mov")
    assert len(json.loads(c2pa.Reader(str(twice)).json())["manifests"]) == 2
    assert read_credentials(twice).intact


@pytest.mark.parametrize("name", ["in.mkv", "really_matroska.mp4", "frames/%04d.png"])
def test_any_source_can_be_named(c2pa, identity, source, tmp_path, name):
    film = tmp_path / name
    if name == "in.mkv":
        source_with(film, {})
    elif name.endswith(".mp4"):
        film.write_bytes(source_with(tmp_path / "a.mkv", {}).read_bytes())
    out = write(tmp_path / "out.mp4", Origin(signature=EditSignature(identity, film)))
    manifest = c2pa.Reader(str(out)).get_active_manifest()
    assert [i["title"] for i in manifest["ingredients"]] == [film.name]


def test_what_is_not_signed_has_none(c2pa, source, tmp_path):
    assert read_credentials(source) is None
    assert read_credentials(source_with(tmp_path / "in.mkv", {})) is None
    (tmp_path / "a.mp4").write_text("no video")
    assert read_credentials(tmp_path / "a.mp4") is None


@pytest.mark.parametrize(
    ("certificate", "key", "told"),
    [
        ("none.pem", "signer.key", "none.pem: there is no such file"),
        ("signer.pem", "none.key", "none.key: there is no such file"),
        ("signer.pem", "signer.pem", "signer.pem: there is no private key"),
        ("signer.key", "signer.key", "signer.key: C2PA does not sign"),
        ("signer.pem", "other.key", "does not match"),
        ("expired.pem", "signer.key", "not expired"),
        ("web_server.pem", "signer.key", "document signing or e-mail protection"),
        ("signer.pem", "old_format.key", "openssl pkcs8 -topk8"),
        ("signer.pem", "with_password.key", "openssl pkcs8 -topk8"),
        (".", "signer.key", "cannot be read"),
    ],
)
def test_what_cannot_sign_is_told_at_once_in_one_line(c2pa, certificate, key, told):
    with pytest.raises(SettingsError) as error:
        SigningIdentity(CERTIFICATES / certificate, CERTIFICATES / key)
    assert told in str(error.value) and "\n" not in str(error.value)


def test_a_key_that_is_no_text_is_told(c2pa, tmp_path):
    (tmp_path / "der.key").write_bytes(bytes(range(256)))
    with pytest.raises(SettingsError, match="not in PEM"):
        SigningIdentity(CERTIFICATES / "signer.pem", tmp_path / "der.key")


def test_a_time_stamp_server_that_does_not_answer_is_told_at_once(c2pa):
    nowhere = "http://127.0.0.1:9/"
    with pytest.raises(SettingsError, match="must answer"):
        SigningIdentity(CERTIFICATES / "signer.pem", CERTIFICATES / "signer.key", nowhere)


def test_a_dub_that_cannot_be_signed_in_the_end_is_kept(identity, source, tmp_path):
    out = tmp_path / "out.mp4"
    key = tmp_path / "signer.key"
    key.write_bytes((CERTIFICATES / "signer.key").read_bytes())
    signature = EditSignature(SigningIdentity(CERTIFICATES / "signer.pem", key), source)
    key.unlink()
    with pytest.raises(MediaError, match=r"out.mp4 was not signed .*whole but for that"):
        write(out, Origin(signature=signature), source)
    assert stated_source_type(out) == EDITED_WITH_AI and read_credentials(out) is None
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("suffix", [".mkv", ".webm"])
def test_what_c2pa_has_no_place_in_is_refused(tmp_path, suffix):
    with pytest.raises(SettingsError, match=r"choose \.mp4 or \.mov"):
        check_signable(tmp_path / f"out{suffix}")
