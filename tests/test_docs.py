"""The documentation is true: its code runs, and what it or the code cites is there."""

import re
from pathlib import Path

import pytest

PACK = Path(__file__).resolve().parent.parent
DOCS = PACK / "docs"
PAGES = [PACK / "README.md", PACK / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]


@pytest.mark.parametrize("page", sorted(DOCS.glob("add-a-*.md")), ids=lambda page: page.stem)
def test_the_code_of_a_page_runs(page, tmp_path, monkeypatch):
    """Its blocks one after the other, as a reader would type them."""
    monkeypatch.chdir(tmp_path)
    text = page.read_text(encoding="utf-8")
    blocks = list(re.finditer(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE))
    assert blocks
    names: dict[str, object] = {"__name__": page.stem}
    for block in blocks:
        lines_before = "\n" * text[: block.start(1)].count("\n")
        exec(compile(lines_before + block[1], str(page), "exec"), names)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_and_paths_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
    missing = [link for link in links if not (page.parent / link).exists()]
    named = [
        name
        for name in re.findall(r"`([\w./-]+/(?:[\w-]+\.(?:py|md|json))?)`", text)
        if "ComfyUI" not in name
    ]
    places = (PACK, PACK / "xdub_core", page.parent)
    missing += [name for name in named if not any((place / name).exists() for place in places)]
    assert not missing


def test_cited_sections_of_the_released_models_page_exist():
    headings = set(re.findall(r"^## (\d+)\.", (DOCS / "released-model.md").read_text(encoding="utf-8"), re.M))
    cited = set()
    for folder in ("xdub_core", "nodes", "tests", "benchmarks"):
        for file in (PACK / folder).rglob("*.py"):
            cited |= set(re.findall(r"released model §(\d+)", file.read_text(encoding="utf-8")))
    assert cited
    assert cited <= headings
