"""What the README and docs show runs, and what they name is there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
# Each script by the heading that it stands under.
SCRIPTS = {
    heading: script
    for heading, section in re.findall(
        r"^#+ (.*?)\n(.*?)(?=^#+ |\Z)", README, flags=re.DOTALL | re.MULTILINE
    )
    for script in re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)
}
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def run(script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


PRINTED = {
    "A first script": ["Mars 2"],
    "asyncio, uvloop": ["cancelled, here and on the server", "as good as before"],
    "trio": ["as good as before"],
    "gevent": ["slept slept slept"],
    "Many rows, columns, pipelines": [
        "sun 7 star 7000",
        "<ArrowTable of 100000 rows and 2 columns>",
    ],
    "A loop of your own": ["[('slept', 0)]"] * 3,
    "Pools": ["lent"],
}


@pytest.mark.parametrize("heading", PRINTED)
def test_script(heading: str) -> None:
    assert run(SCRIPTS[heading]).splitlines() == PRINTED[heading]


def test_script_of_the_c_api() -> None:
    output = run(SCRIPTS["The C API"])
    assert re.search(r"^Threads_connected 1$", output, flags=re.MULTILINE)


def test_every_script_is_tested() -> None:
    assert SCRIPTS.keys() == {*PRINTED, "The C API"}
    assert README.count("```python") == len(SCRIPTS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
        assert (page.parent / target).exists(), target


def test_make_targets_that_are_named_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for target in re.findall(r"(?:`|\$ )make ([\w.-]+)", text):
            rule = rf"^(?:\S+ )*{re.escape(target)}(?: \S+)*:"
            assert re.search(rule, makefile, re.MULTILINE), f"{page.name}: {target}"
