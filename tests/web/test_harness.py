"""The harness itself: what it does to the editor is what an artist would see."""

import pytest


@pytest.fixture
def node(editor):
    number = editor.add("XDubDub")
    editor.set(number, "steps", 7)
    return number


def test_a_value_is_saved_and_copied(editor, node):
    assert editor.values(node)["steps"] == 7
    (saved,) = editor.save()["nodes"]
    assert saved["type"] == "XDubDub" and 7 in saved["widgets_values"]
    (copy,) = editor.copy_paste([node])
    assert editor.values(copy)["steps"] == 7


def test_a_change_is_undone(editor, node):
    editor.set(node, "steps", 9)
    editor.undo()
    assert editor.values(node)["steps"] == 7


def test_a_node_becomes_a_subgraph(editor, node):
    assert editor.to_subgraph([node]) in editor.ids()
    assert editor.ids("XDubDub") == []


def test_a_workflow_runs(editor):
    sample, shown = editor.add("XDubLoadSample"), editor.add("PreviewAny", 500)
    editor.connect(sample, 1, shown, "source")
    result = editor.run()
    assert result["outcome"] == "execution_success", result


def test_a_workflow_without_an_output_is_refused(editor, node):
    assert editor.run()["outcome"] == "refused"


def test_an_error_of_the_pack_is_seen(editor):
    with editor.page.expect_console_message():
        editor.js("() => console.error('at /extensions/comfyui-x-dub/xdub.js')")
    assert len(editor.pack_errors) == 1
    editor.pack_errors.clear()
