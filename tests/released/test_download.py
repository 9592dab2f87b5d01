"""Downloading the released files, against a small Hugging Face Hub on this machine."""

import errno
import hashlib
import json
import shutil
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from xdub_core.errors import XDubError
from xdub_core.released import download as released_download
from xdub_core.released.download import DownloadError, download, plan_download
from xdub_core.released.manifest import FILES, FileState, ReleasedFile, find_files

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CONTENT = {
    "a.bin": b"a" * 1000,
    "moved/b.bin": b"b" * 3000,
    "wav/config.json": b"{}",
    "wav/model.safetensors": b"\x02\0\0\0\0\0\0\0{}",
    "wav/pytorch_model.bin": b"not wanted twice",
    "unrelated.bin": b"x" * 5000,
}
A = ReleasedFile("a", "a.bin", 1000, "a test")
B = ReleasedFile("b", "b.bin", 3000, "a test")
WAV = ReleasedFile("wav", "wav", 12, "a test", members=("config.json", "model.safetensors|pytorch_model.bin"))


class Hub(BaseHTTPRequestHandler):
    """Answers as the Hub does for one repository; `broken` is (status, error code) to answer with instead."""

    broken: tuple[int, str] | None = None
    asked: list[str]

    def do_GET(self):
        path = self.path.split("?")[0]
        self.asked.append(path)
        content = CONTENT.get(path.partition(f"/resolve/{COMMIT}/")[2])
        if self.broken:
            self.reply(self.broken[0], b"{}", {"X-Error-Code": self.broken[1]})
        elif path.startswith("/api/models/") and "/tree/" in path:
            tree = [{"type": "file", "path": p, "size": len(c), "oid": digest(c)} for p, c in CONTENT.items()]
            self.reply(200, json.dumps(tree).encode())
        elif path.startswith("/api/models/"):
            files = [{"rfilename": p, "size": len(c)} for p, c in CONTENT.items()]
            self.reply(200, json.dumps({"id": "KlingTeam/X-Dub", "sha": COMMIT, "siblings": files}).encode())
        elif content is not None:
            self.reply_file(content)
        else:
            self.reply(404, b"{}")

    def do_HEAD(self):
        self.do_GET()

    def reply_file(self, content):
        headers = {"ETag": f'"{digest(content)}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
        self.reply(206 if start else 200, content[start:], headers)

    def reply(self, status, body, headers=()):
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *args):
        pass


def digest(content):
    return hashlib.sha1(content).hexdigest()


@pytest.fixture
def hub(monkeypatch):
    pytest.importorskip("huggingface_hub")
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    handler = type("ThisHub", (Hub,), {"asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield SimpleNamespace(endpoint=f"http://127.0.0.1:{server.server_address[1]}", handler=handler)
    server.shutdown()
    server.server_close()
    thread.join()


def fails(folder: Path, endpoint: str, files=(A,)) -> str:
    with pytest.raises(DownloadError) as caught:
        download(folder, files, endpoint=endpoint)
    message = str(caught.value)
    assert "\n" not in message
    return message


def visible(folder: Path) -> set[str]:
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and ".cache" not in path.parts
    }


def test_fetches_what_is_missing_wherever_the_repository_keeps_it(tmp_path, hub):
    statuses = download(tmp_path / "models", [A, B, WAV], endpoint=hub.endpoint)
    assert [status.state for status in statuses] == [FileState.THERE] * 3
    assert visible(tmp_path / "models") == {
        "a.bin",
        "moved/b.bin",
        "wav/config.json",
        "wav/model.safetensors",
    }
    assert (tmp_path / "models/moved/b.bin").read_bytes() == CONTENT["moved/b.bin"]


def test_does_not_fetch_what_is_there(tmp_path, hub):
    (tmp_path / "a.bin").write_bytes(b"k" * 1000)
    download(tmp_path, [A, B], endpoint=hub.endpoint)
    assert (tmp_path / "a.bin").read_bytes() == b"k" * 1000
    assert not any("a.bin" in path for path in hub.handler.asked)


def test_asks_nobody_when_everything_is_there(tmp_path, hub):
    (tmp_path / "a.bin").write_bytes(b"k" * 1000)
    assert download(tmp_path, [A], endpoint=hub.endpoint)[0].usable
    assert hub.handler.asked == []


def test_fetches_a_broken_file_again(tmp_path, hub):
    (tmp_path / "a.bin").write_bytes(b"a" * 10)
    download(tmp_path, [A], endpoint=hub.endpoint)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT["a.bin"]


def test_names_a_file_that_the_repository_does_not_hold(tmp_path, hub):
    missing = ReleasedFile("c", "c.bin", 1, "a test")
    assert "does not hold c.bin" in fails(tmp_path / "models", hub.endpoint, [A, missing])
    assert not (tmp_path / "models").exists()


def test_checks_the_room_on_the_disk_before_it_writes(tmp_path, hub, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=400_000_000))
    message = fails(tmp_path / "models", hub.endpoint)
    assert "400 MB free" in message
    assert "needs 500 MB" in message
    assert not (tmp_path / "models").exists()


def test_without_a_network_says_so(tmp_path):
    pytest.importorskip("huggingface_hub")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}"
    assert "cannot be reached" in fails(tmp_path, endpoint)


@pytest.mark.parametrize(
    ("status", "code", "says"),
    [(404, "RepoNotFound", "not to be found"), (403, "GatedRepo", "asks for consent"), (500, "", "failed")],
)
def test_explains_a_refusal(tmp_path, hub, status, code, says):
    hub.handler.broken = (status, code)
    assert says in fails(tmp_path, hub.endpoint)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "is full"),
        (PermissionError(errno.EACCES, "Permission denied"), "cannot be written to"),
    ],
)
def test_explains_what_the_disk_refuses(tmp_path, hub, monkeypatch, error, says):
    import huggingface_hub

    def refuse(*args, **kwargs):
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    assert says in fails(tmp_path, hub.endpoint)


def test_the_plan_lists_missing_files_their_size_and_the_room(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"a" * 1000)
    plan = plan_download(tmp_path / "not yet there", [A, B])
    assert plan.files == (A, B)
    plan = plan_download(tmp_path, [A, B])
    assert plan.files == (B,)
    assert plan.size_bytes == 3000
    assert plan.free_bytes > 0
    assert not (tmp_path / "not yet there").exists()


def test_the_whole_release_is_about_30_gb(tmp_path):
    assert 28e9 < plan_download(tmp_path, FILES).size_bytes < 32e9


def test_download_errors_are_the_users_errors(tmp_path):
    assert issubclass(released_download.DownloadError, XDubError)
    assert find_files(tmp_path, [A])[0].state is FileState.MISSING
