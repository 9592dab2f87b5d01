"""Who listens to a node, by what ComfyUI knows while it executes one."""

import pytest
from comfy_execution.utils import CurrentNodeContext
from server import PromptServer


class Server:
    def __init__(self, client):
        self.client_id, self.sent = client, []

    def send_sync(self, event, content, client):
        self.sent.append((event, content, client))


@pytest.fixture
def serving(monkeypatch):
    def serve(client="tab"):
        server = Server(client)
        monkeypatch.setattr(PromptServer, "instance", server, raising=False)
        return server

    return serve


def test_a_node_is_named_by_its_execution_and_its_place_in_a_list(pack, serving):
    server = serving()
    with CurrentNodeContext("prompt", "4:7", 2):
        pack("comfy_bridge.host.events").send_event("xdub.test", {"a": 1})
    assert server.sent == [("xdub.test", {"node": "4:7", "prompt": "prompt", "run": 2, "a": 1}, "tab")]


def test_nothing_is_sent_where_nobody_waits_for_the_prompt(pack, serving):
    server = serving(client=None)
    with CurrentNodeContext("prompt", "4:7"):
        pack("comfy_bridge.host.events").send_event("xdub.test", {"a": 1})
    assert server.sent == []


def test_nothing_is_sent_where_no_node_executes_or_no_server_is(pack, serving, monkeypatch):
    server = serving()
    pack("comfy_bridge.host.events").send_event("xdub.test", {"a": 1})
    assert server.sent == []
    monkeypatch.delattr(PromptServer, "instance")
    with CurrentNodeContext("prompt", "4:7"):
        pack("comfy_bridge.host.events").send_event("xdub.test", {"a": 1})
