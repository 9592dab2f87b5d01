import pytest


class Server:
    """The part of ComfyUI's server that events need."""

    def __init__(self):
        self.sockets = {"tab": object()}
        self.sent = []

    def send_sync(self, event, content, client):
        self.sent.append((event, content, client))


@pytest.fixture
def events(pack):
    return pack("comfy_bridge.host.events")


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def now():
    return [0.0]


@pytest.fixture
def record(events, server, now):
    listener = events.Listener(server, "tab", "prompt", "1:2", 3)
    return events.LiveRecord("xdub.test", listener, every=1.0, clock=lambda: now[0])


def told(server):
    return [
        {name: each[1].get(name) for name in ("whole", "change") if name in each[1]} for each in server.sent
    ]


def test_an_event_names_node_prompt_and_run_and_goes_to_one_browser(record, server):
    record.change({"a": 1})
    assert server.sent == [
        ("xdub.test", {"node": "1:2", "prompt": "prompt", "run": 3, "whole": {"a": 1}}, "tab")
    ]


def test_only_changes_are_sent_after_the_first(record, server, now):
    record.change({"clips": {"0": {"step": 1}}, "total": 2})
    now[0] = 1.0
    record.change({"clips": {"0": {"step": 2}}})
    assert told(server)[1:] == [{"change": {"clips": {"0": {"step": 2}}}}]
    assert record.whole == {"clips": {"0": {"step": 2}}, "total": 2}


def test_quick_changes_are_sent_together(record, server, now):
    record.change({"clips": {"0": {"step": 0}}})
    for step in range(1, 10):
        now[0] = step / 10
        record.change({"clips": {"0": {"step": step}}})
    assert len(server.sent) == 1
    now[0] = 1.0
    record.change({"clips": {"1": {"step": 1}}})
    assert told(server)[1:] == [{"change": {"clips": {"0": {"step": 9}, "1": {"step": 1}}}}]


def test_what_matters_is_sent_at_once_and_the_rest_at_the_end(record, server):
    record.change({"step": 0})
    record.change({"step": 1})
    record.change({"done": True}, at_once=True)
    record.change({"step": 2})
    record.flush()
    record.flush()
    assert told(server)[1:] == [{"change": {"step": 1, "done": True}}, {"change": {"step": 2}}]


def test_a_browser_that_has_reloaded_is_told_everything_again(record, server, now):
    record.change({"plan": [1, 2], "clips": {"0": {"step": 1}}})
    server.sockets["tab"], now[0] = object(), 5.0
    record.change({"clips": {"0": {"step": 2}}})
    assert told(server)[1:] == [{"whole": {"plan": [1, 2], "clips": {"0": {"step": 2}}}}]


def test_nothing_is_sent_to_a_browser_that_is_gone_until_it_is_there_again(record, server, now):
    del server.sockets["tab"]
    record.change({"a": 1})
    now[0] = 2.0
    record.change({"b": 2})
    assert server.sent == []
    server.sockets["tab"], now[0] = object(), 4.0
    record.change({"c": 3})
    assert told(server) == [{"whole": {"a": 1, "b": 2, "c": 3}}]


def test_what_was_sent_does_not_change_any_more(record, server, now):
    mine = {"clips": {"0": {"step": 1}}}
    record.change(mine)
    mine["clips"]["0"]["step"], now[0] = 7, 1.0
    record.change({"clips": {"0": {"step": 2}}})
    assert told(server)[0] == {"whole": {"clips": {"0": {"step": 1}}}}


def test_without_a_listener_the_record_grows_all_the_same(events):
    record = events.LiveRecord("xdub.test", None)
    record.change({"a": {"b": 1}})
    record.change({"a": {"c": 2}}, at_once=True)
    record.flush()
    assert record.whole == {"a": {"b": 1, "c": 2}}
