"""Parts of the training data's pipeline that need no ComfyUI."""

import http.server
import json
import socket
import threading

import numpy as np
import pytest

from xdub_core.errors import JobError, SettingsError
from xdub_core.evaluation.dub_it.judges import DubItJudges, FoundMouths, found_mouths
from xdub_core.training.dub_it.data.comfy_client import PATIENCE, AwayError, ComfyClient, prompt_id_of
from xdub_core.training.dub_it.data.lips import face_cells, lip_boxes
from xdub_core.training.dub_it.data.models import of_checkpoint, read_nodes
from xdub_core.training.dub_it.data.pipeline import DataMaker
from xdub_core.training.dub_it.data.settings import DataSettings
from xdub_core.training.dub_it.data.steps import done_once
from xdub_core.training.dub_it.data.workflows import ClipSettings, SamplingSettings, needed_nodes


def test_a_step_is_done_once_until_its_key_changes(tmp_path):
    done = []

    def make():
        done.append(1)
        return {"count": len(done)}

    assert done_once(tmp_path, "step", "a", make) == done_once(tmp_path, "step", "a", make) == {"count": 1}
    assert done_once(tmp_path, "step", "b", make) == {"count": 2}


@pytest.mark.parametrize("note", ["", "{", "[]", '{"key": "a"}', '{"key": "a", "facts": 3}'])
def test_a_damaged_note_is_made_anew(tmp_path, note):
    (tmp_path / "step.json").write_text(note)
    assert done_once(tmp_path, "step", "a", lambda: {"made": True}) == {"made": True}


def test_a_step_that_fails_leaves_no_note(tmp_path):
    with pytest.raises(ZeroDivisionError):
        done_once(tmp_path, "step", "a", lambda: {"x": 1 / 0})
    assert list(tmp_path.iterdir()) == []


def closed_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


def test_a_server_that_is_away_is_told_in_a_line():
    with pytest.raises(JobError) as told:
        ComfyClient(closed_port()).check_nodes({"SaveVideo"})
    assert "no ComfyUI answers at" in str(told.value) and "\n" not in str(told.value)


@pytest.fixture
def web_page():
    """A server that is no ComfyUI."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>hello</html>")

        def log_message(self, *args):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_another_server_is_told_in_a_line(web_page):
    with pytest.raises(JobError, match="is no ComfyUI"):
        ComfyClient(f"http://{web_page}/").check_nodes({"SaveVideo"})


@pytest.mark.parametrize("address", ["", "https://example.org", "ftp://x"])
def test_an_address_that_is_none_is_refused(address):
    with pytest.raises(SettingsError, match="no address of a ComfyUI"):
        ComfyClient(address)


def test_models_of_one_s_own_keep_their_links(tmp_path):
    told = {
        "nodes": {
            "1": {"class_type": "UnetLoaderGGUF", "inputs": {"unet_name": "ltx.gguf"}},
            "2": {"class_type": "LoraLoaderModelOnly", "inputs": {"model": ["1", 0], "strength_model": 1.0}},
        },
        "model": ["2", 0], "clip": ["1", 1], "vae": ["1", 2], "audio_vae": ["1", 3],
    }  # fmt: skip
    path = tmp_path / "models.json"
    path.write_text(json.dumps(told))
    nodes = read_nodes(path)
    assert nodes.nodes["own-2"]["inputs"] == {"model": ["own-1", 0], "strength_model": 1.0}
    assert nodes.model == ["own-2", 0] and nodes.audio_vae == ["own-1", 3]
    assert {"UnetLoaderGGUF", "LoraLoaderModelOnly", "XDubItSavePrompt", "SaveLatent"} <= needed_nodes(nodes)
    path.write_text(json.dumps(told | {"vae": ["7", 0]}))
    with pytest.raises(SettingsError, match="vae names a node that is not among"):
        read_nodes(path)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"nodes": {"1": {}}}', '{"nodes": [], "model": 1}'])
def test_models_that_are_none_are_told_in_a_line(tmp_path, content):
    path = tmp_path / "models.json"
    path.write_text(content)
    with pytest.raises(SettingsError, match="tells no models") as told:
        read_nodes(path)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda: ClipSettings(frames=250), "8 k . 1"),
        (lambda: ClipSettings(size=(960, 540)), "multiples of 32"),
        (lambda: SamplingSettings(steps=0), "0 steps"),
        (lambda: DataSettings(version="2.5"), "choose 2.0 or 2.3"),
        (lambda: DataSettings(seed=-1), "below 0"),
    ],
)
def test_settings_that_cannot_be_are_refused(wrong, told):
    with pytest.raises(SettingsError, match=told):
        wrong()


def test_without_a_finder_of_mouths_nothing_begins(tmp_path):
    with pytest.raises(SettingsError, match="finder of mouths"):
        DataMaker(tmp_path, ComfyClient(closed_port()), of_checkpoint("a", "b"), DubItJudges())


class Middle:
    """A shut mouth of 20 pixels in the middle of every frame; shown a few frames at a time."""

    def find(self, frames):
        assert len(frames) <= 32
        x = np.linspace(-10, 10, 20)
        points = np.stack([np.stack([32 + x, np.full(20, 40.0)], axis=1) for _ in frames])
        return FoundMouths(points, np.tile([8.0, 8.0, 56.0, 56.0], (len(frames), 1)))


def test_lips_are_masked_with_a_margin_and_faces_as_cells():
    mouths = found_mouths(Middle(), [np.zeros((64, 64, 3), np.uint8)] * 41)
    assert len(mouths.points) == 41
    np.testing.assert_allclose(lip_boxes(mouths, margin=0.5)[7], [12, 25, 52, 55])
    cells = face_cells(mouths, range(8, 17), (64, 64))
    assert cells.shape == (2, 2, 2) and cells.min() == 1


@pytest.fixture
def stub():
    """A server of ComfyUI's answers by path; those that are numbers are errors. `asked`: all paths."""
    answers, asked = {}, []

    class Stub(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            answer = answers.get(self.path.split("?")[0], {})
            self.send_response(answer if isinstance(answer, int) else 200)
            self.end_headers()
            self.wfile.write(b"" if isinstance(answer, int) else json.dumps(answer).encode())

        do_POST = do_GET  # noqa: N815

        def log_message(self, *args):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Stub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield ComfyClient(f"127.0.0.1:{server.server_port}"), answers, asked
    server.shutdown()
    server.server_close()


def test_a_file_that_is_too_large_is_told_with_what_to_do(stub):
    client, answers, _ = stub
    answers["/upload/image"] = 413
    with pytest.raises(
        JobError, match=r"refuses the file a/clip.mp4: start it with a larger --max-upload-size"
    ):
        client.upload("a/clip.mp4", b"much")


def test_a_server_that_was_restarted_has_forgotten_its_prompt(stub):
    client, answers, _ = stub
    answers["/queue"] = {"queue_running": [], "queue_pending": []}
    with pytest.raises(JobError, match="forgot the prompt"):
        client.run({}, "key")


def test_a_server_that_is_silent_for_a_moment_is_waited_for_and_one_that_is_away_is_not(monkeypatch):
    client, prompt = ComfyClient("127.0.0.1:8188"), prompt_id_of("key")
    queue = {"queue_running": [[0, prompt]]}
    done = {prompt: {"status": {"status_str": "success"}, "outputs": {"1": {}}}}
    answers = [queue, {}, AwayError("away"), AwayError("away"), queue, done]

    def read(request):
        answer = answers.pop(0)
        if isinstance(answer, AwayError):
            raise answer
        return json.dumps(answer).encode()

    monkeypatch.setattr("time.sleep", lambda seconds: None)
    monkeypatch.setattr(client, "_read", read)
    assert client.run({}, "key") == {"1": {}}
    answers[:] = [queue, {}, *[AwayError("away")] * (PATIENCE + 1)]
    with pytest.raises(AwayError):
        client.run({}, "key")


def test_a_prompt_that_is_known_is_not_sent_again(stub):
    client, answers, asked = stub
    answers["/queue"] = {}
    told = {
        "status": {"status_str": "success", "messages": []},
        "outputs": {"7": {"images": [{"filename": "a"}]}},
    }
    for path in ("/history/" + prompt_id_of("key", attempt) for attempt in (0, 1)):
        answers[path] = {path.rsplit("/")[-1]: told}
    failed = "/history/" + prompt_id_of("key", 0)
    answers[failed] = {failed.rsplit("/")[-1]: {"status": {"status_str": "error"}, "outputs": {}}}
    assert client.run({}, "key") == told["outputs"]
    assert "/prompt" not in asked
    assert [each.filename for each in client.files(told["outputs"], "7")] == ["a"]
    with pytest.raises(JobError, match="node 8 of the prompt saved no file"):
        client.files(told["outputs"], "8")
