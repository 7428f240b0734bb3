"""What the pages in docs/ show happens, and what their tables list is there.

The code of a page runs from top to bottom, as a reader would try it: in one process,
with any warning an error. Blocks with prompts are compared with what they print. Run as
a program (``python test_docs.py PAGE``), this file is that process.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import doctest
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, get_args, get_type_hints

import pytest

import mariadb_nb

if TYPE_CHECKING:
    from mariadb_nb.server import TemporaryServer

ROOT: Final = Path(__file__).resolve().parent.parent
DOCS: Final = ROOT / "docs"
#: Written by a program, and without code to run.
GENERATED: Final = {"reference.md"}
PAGES: Final = sorted(path for path in DOCS.glob("*.md") if path.name not in GENERATED)
BLOCK: Final = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FLAGS: Final = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def blocks(page: Path) -> list[tuple[str, str, int]]:
    """A page's blocks of code: language, text, and the line before it."""
    text = page.read_text(encoding="utf-8")
    return [
        (found[1], found[2], text.count("\n", 0, found.start(2)))
        for found in BLOCK.finditer(text)
    ]


def perform(page: Path) -> int:
    """Run the code of a page; return how much of it failed."""
    names: dict[str, Any] = {"__name__": "__main__"}
    parser = doctest.DocTestParser()
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    for language, code, line in blocks(page):
        if language == "python":
            exec(compile("\n" * line + code, str(page), "exec"), names)
        elif language == "pycon":
            test = parser.get_doctest(code, names, page.name, str(page), line)
            runner.run(test, clear_globs=False)
            names |= test.globs
    return runner.summarize(verbose=False).failed


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page(page: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", __file__, str(page)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_of_a_page_is_of_a_kind_that_is_known(page: Path) -> None:
    kinds = {language for language, _, _ in blocks(page)}
    # Text is diagrams; ini and console are somebody else's.
    assert kinds <= {"python", "pycon", "text", "ini", "console"}


def table(page: str, heading: str) -> list[list[str]]:
    """The cells of the first table under a heading, without its head."""
    text = (DOCS / page).read_text(encoding="utf-8")
    section = re.split(r"^#+ ", text.split(f"# {heading}\n", 1)[1], flags=re.M)[0]
    rows = re.findall(r"^\|(.*)\|$", section, flags=re.MULTILINE)
    return [[cell.strip() for cell in row.split(" | ")] for row in rows[2:]]


def test_the_options_are_all_there_with_their_defaults() -> None:
    from mariadb_nb import Options

    listed = {
        name.strip("`"): default for name, default, _ in table("driver.md", "Options")
    }
    defaults = {}
    for field in dataclasses.fields(Options):
        if field.default is not dataclasses.MISSING:
            defaults[field.name] = f"`{field.default!r}`"
        else:
            assert field.default_factory is not dataclasses.MISSING
            defaults[field.name] = f"`{field.default_factory()!r}`"
    # What the others are taken from, told in words.
    for name in ("host", "user", "tls"):
        defaults[name] = listed[name]
    assert listed == defaults


def test_the_settings_of_pools_are_all_there_with_their_defaults() -> None:
    from mariadb_nb.pool.settings import Settings

    listed = {
        name.strip("`"): default for name, default, _ in table("pool.md", "Settings")
    }
    assert listed == {
        field.name: f"`{field.default!r}`" for field in dataclasses.fields(Settings)
    }


def test_the_reasons_why_a_pool_closes_connections_are_all_there() -> None:
    from mariadb_nb.pool.decisions import Why

    listed = [name.strip("`") for name, _ in table("pool.md", "Statistics")]
    assert listed == list(get_args(Why))


def test_the_ends_of_idle_connections_are_all_there() -> None:
    from mariadb_nb.probe import End

    listed = [
        name.strip("`") for name, _ in table("pool.md", "What the network allows")
    ]
    assert listed == list(get_args(End))


def test_the_events_of_pools_are_all_there() -> None:
    from mariadb_nb.pool.decisions import Note

    listed = [name.strip("`") for name, *_ in table("pool.md", "Events")]
    assert listed == list(get_args(get_type_hints(Note)["event"]))


def test_the_errors_are_all_there_with_their_bases() -> None:
    from mariadb_nb import errors

    listed = {
        name.strip("`"): base.strip("`")
        for name, base, *_ in table("driver.md", "Errors")
    }
    expected = {
        name: getattr(errors, name).__bases__[0].__name__
        for name in errors.__all__
        if isinstance(getattr(errors, name), type)
    }
    assert listed == expected


def test_a_web_application_has_a_pool(mariadb_server: TemporaryServer) -> None:
    """As Starlette and FastAPI run what the page of pools has for them."""
    from mariadb_nb import aio

    (code,) = [
        text for _, text, _ in blocks(DOCS / "pool.md") if "def lifespan" in text
    ]
    login = {"unix_socket": mariadb_server.socket, "user": "root"}
    names: dict[str, Any] = {"login": login, "aio": aio}
    exec(code, names)

    async def serve() -> Any:
        async with names["lifespan"](None) as state:
            request = SimpleNamespace(state=SimpleNamespace(**state))
            borrowed = contextlib.asynccontextmanager(names["connection"])
            async with borrowed(request) as conn:
                assert conn.in_transaction
                cur = await conn.execute("SELECT 'answered'")
                return await cur.fetchone()

    assert asyncio.run(serve()) == ("answered",)


def test_only_pools_log() -> None:
    package = Path(mariadb_nb.__file__).parent
    logging = [
        path.parent.name
        for path in package.rglob("*.py")
        if re.search("^import logging", path.read_text("utf-8"), re.MULTILINE)
    ]
    assert set(logging) == {"pool"}


def test_the_diagram_of_states_is_that_of_the_code() -> None:
    from mariadb_nb import state

    assert state.__doc__ is not None
    arrows = re.findall(r"^ +(\S.*──.*)$", state.__doc__, flags=re.MULTILINE)
    page = (DOCS / "loops.md").read_text(encoding="utf-8")
    assert re.findall(r"^(\S.*──.*)$", page, flags=re.MULTILINE) == arrows


def slug(heading: str) -> str:
    """What a heading is called in a link."""
    return re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-")


def test_links_to_headings_lead_there() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for target, anchor in re.findall(r"\]\(([\w.]*)#([^)]+)\)", text):
            aim = (page.parent / target).read_text("utf-8") if target else text
            headings = re.findall(r"^#+ (.*)$", aim, flags=re.MULTILINE)
            assert anchor in map(slug, headings), f"{page.name}: {target}#{anchor}"


def test_names_that_the_pages_give_the_package_are_there() -> None:
    for page in [*PAGES, ROOT / "README.md"]:
        text = page.read_text(encoding="utf-8")
        for path in re.findall(r"`mariadb_nb\.([A-Za-z_.]+)[`(]", text):
            place: Any = mariadb_nb
            module = "mariadb_nb"
            for name in path.split("."):
                module += f".{name}"
                if not hasattr(place, name):
                    __import__(module)
                place = getattr(place, name)


if __name__ == "__main__":
    sys.exit(perform(Path(sys.argv[1])))


def test_every_public_name_is_in_the_guide() -> None:
    import mariadb_nb

    guide = (DOCS / "driver.md").read_text(encoding="utf-8")
    words = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`\n]+)`", guide))))
    public = set(mariadb_nb.__all__)
    for facade in (
        mariadb_nb.Connection,
        mariadb_nb.Cursor,
        mariadb_nb.aio.Connection,
        mariadb_nb.aio.Cursor,
    ):
        public |= {name for name in dir(facade) if not name.startswith("_")}
    assert sorted(public - words) == []


def test_every_public_name_of_a_pipeline_is_in_its_guide() -> None:
    import mariadb_nb

    guide = (DOCS / "pipeline.md").read_text(encoding="utf-8")
    words = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`\n]+)`", guide))))
    for facade in (mariadb_nb.Pipeline, mariadb_nb.aio.Pipeline, mariadb_nb.Result):
        public = {name for name in dir(facade) if not name.startswith("_")}
        assert sorted(public - words) == []


def test_every_public_name_of_a_session_is_in_the_guide_to_loops() -> None:
    import mariadb_nb

    guide = (DOCS / "loops.md").read_text(encoding="utf-8")
    calls = {
        name
        for name in dir(mariadb_nb.Session)
        if not name.startswith("_") and callable(getattr(mariadb_nb.Session, name))
    }
    # What drive() and load() ask of it is no one else's business.
    calls -= {"abort", "check_charset", "enter", "leave", "notice_end", "recover"}
    calls -= {"clear", "hold", "keep", "let_go"}
    assert sorted(name for name in calls if not re.search(rf"`{name}\b", guide)) == []
