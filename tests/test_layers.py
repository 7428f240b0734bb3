"""Who may import whom, one way only; and that each file is on the map of them all."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import mariadb_nb

PACKAGE = Path(__file__).resolve().parent.parent / "mariadb_nb"

#: What each module or folder may import of the package; everything else is refused.
ALLOWED = {
    # Layer 1
    "capi": {"_ffi"},
    # Values and errors
    "errors": set[str](),
    "_unique": set[str](),
    "columns": set[str](),
    "constructors": set[str](),
    "converters": {"columns", "errors"},
    "rows": {"_wire", "converters", "errors"},
    "parameters": {"_wire", "errors"},
    "names": {"errors"},
    "procedures": {"errors", "names"},
    "load_sql": {"_wire", "errors", "names"},
    "transactions": {"errors"},
    # Options
    "option_checks": {"errors"},
    "option_files": {"errors"},
    "option_sources": {"errors", "option_files"},
    "tcp": {"errors"},
    "plugins": {"_wire"},
    "login": {"_wire", "errors", "plugins"},
    "options": {"errors", "login", "option_checks", "option_sources", "tcp"},
    # Layer 2
    "wait": set[str](),
    "state": {"errors"},
    "_attached": {"_wire", "capi"},
    "calling": {"errors", "wait"},
    "connecting": {"_attached", "calling", "capi", "errors", "wait"},
    "operations": {"_wire", "capi", "errors", "wait"},
    "rescue": {"errors", "wait"},
    "ahead": {"wait"},
    "turns": {"_wire", "errors", "state"},
    "facts": {"_wire", "state"},
    "statements": {"_wire", "errors", "parameters"},
    "preparing": {
        "_wire",
        "errors",
        "operations",
        "state",
        "statements",
        "turns",
        "wait",
    },
    "renewing": {
        "_wire",
        "errors",
        "operations",
        "preparing",
        "state",
        "statements",
        "wait",
    },
    "session": {
        "_attached",
        "capi",
        "connecting",
        "errors",
        "facts",
        "operations",
        "preparing",
        "renewing",
        "rescue",
        "state",
        "statements",
        "tcp",
        "wait",
    },
    # Layer 3
    "runners": {"_wire", "runners", "wait"},
    "_results": {"_unique", "_wire", "columns", "errors"},
    "many": {"ahead", "errors", "parameters", "state"},
    "_cursor": {
        "_wire",
        "_results",
        "errors",
        "many",
        "parameters",
        "procedures",
        "rows",
        "session",
        "state",
    },
    "_pipeline": {
        "_cursor",
        "_results",
        "_unique",
        "errors",
        "parameters",
        "state",
    },
    "_connection": {
        "_cursor",
        "_unique",
        "errors",
        "load_files",
        "load_sql",
        "loading",
        "option_checks",
        "options",
        "parameters",
        "rows",
        "session",
        "state",
        "transactions",
    },
    "load_files": {"load_sql", "loading", "wait"},
    "loading": {
        "_wire",
        "errors",
        "load_sql",
        "operations",
        "session",
        "state",
        "transactions",
        "wait",
    },
    "pipeline": {"_cursor", "_pipeline"},
    "arrow": {"_wire"},
    "_cursor_arrow": {"_cursor", "arrow", "errors", "parameters", "state"},
    "cursor": {"_cursor", "_cursor_arrow", "_results", "arrow"},
    "connection": {
        "_connection",
        "_cursor",
        "cursor",
        "errors",
        "load_sql",
        "options",
        "pipeline",
        "rows",
        "runners",
        "session",
        "transactions",
        "wait",
    },
    "aio": {
        "_connection",
        "_cursor",
        "_pipeline",
        "_cursor_arrow",
        "_results",
        "arrow",
        "errors",
        "load_sql",
        "loading",
        "options",
        "rows",
        "runners",
        "session",
        "transactions",
        "wait",
    },
    "__init__": {
        "_pipeline",
        "aio",
        "columns",
        "connection",
        "constructors",
        "converters",
        "cursor",
        "errors",
        "options",
        "rows",
        "runners",
        "session",
        "wait",
    },
    # Layer 4
    "pool": {
        "_connection",
        "_cursor",
        "_unique",
        "aio",
        "connection",
        "errors",
        "option_checks",
        "options",
        "pipeline",
        "pool",
        "runners",
        "session",
        "state",
        "wait",
    },
    "probe": {
        "calling",
        "errors",
        "options",
        "pool",
        "probe",
        "runners",
        "session",
        "wait",
    },
    # Beside them
    "__main__": {"cli"},
    "pytest_plugin": {"server"},
    "server": {"_server_keeper", "_server_process", "_server_template"},
    "_server_keeper": {"_server_process"},
    "_server_process": set[str](),
    "_server_template": {"_server_process"},
    "cli": {"cli", "capi", "errors", "options", "plugins", "pool", "probe", "server"},
}

#: Whoever imports these waits or knows a loop: what is below the runners does neither.
LOOPS = {"asyncio", "trio", "gevent", "select", "selectors", "socket", "threading"}
WITHOUT_LOOP = set(ALLOWED) - {"pool", "probe", "runners", "server", "_server_keeper"}
WITHOUT_LOOP -= {"_server_process", "_server_template", "cli"}
WITHOUT_LOOP |= {
    f"pool/{name}"
    for name in ("alarms", "backoff", "core", "decisions", "settings", "slots", "stats")
} | {"probe/evidence"}


def room(path: Path) -> str:
    """The name under which a file stands in ``ALLOWED``."""
    relative = path.relative_to(PACKAGE)
    return relative.parts[0].removesuffix(".py")


class RunTime(ast.NodeTransformer):
    """Takes out what only type checkers see."""

    def visit_If(self, node: ast.If) -> ast.AST | None:
        return None if ast.unparse(node.test) == "TYPE_CHECKING" else node


def imports(path: Path) -> set[str]:
    """The dotted names that a file imports, relative ones made absolute."""
    package = ("mariadb_nb", *path.relative_to(PACKAGE).parent.parts)
    found: set[str] = set()
    tree = RunTime().visit(ast.parse(path.read_text(encoding="utf-8")))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*base, *([node.module] if node.module else ())))
            found.update(f"{module}.{alias.name}" for alias in node.names)
    return found


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_imports_go_one_way(path: Path) -> None:
    allowed = ALLOWED[room(path)]
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "mariadb_nb" and len(parts) > 1 and parts[1] != "__version__":
            assert parts[1] in allowed, f"{path.name} imports {name}"


@pytest.mark.parametrize("name", sorted(WITHOUT_LOOP))
def test_what_is_below_the_runners_knows_no_loop(name: str) -> None:
    names = {found.split(".")[0] for found in imports(PACKAGE / f"{name}.py")}
    if name == "capi":
        names -= {
            "select",
            "selectors",
        }  # of wait_for_mysql(), which is for a first script
    assert not names & LOOPS
    assert "time.sleep" not in (PACKAGE / f"{name}.py").read_text(encoding="utf-8")


def test_every_file_has_a_room_that_can_be_found() -> None:
    root = PACKAGE.parent
    words = set(
        re.findall(r"\w+", (root / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    )
    files = [
        *PACKAGE.glob("*.py"),
        *(root / "csrc").glob("*.c"),
        *(root / "csrc" / "wire").glob("*.c"),
    ]
    assert len(files) > 60
    unnamed = {file.stem for file in files} - words
    assert {
        name for name in unnamed if not name.startswith(("_server_", "__main__"))
    } == set()


def test_what_c_imports_stands_in_python_too() -> None:
    """PyInstaller and its like look at the code of modules in Python."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text("utf-8"))
    found = set[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level:
            names = [node.module] if node.module else [one.name for one in node.names]
            found |= {f"mariadb_nb.{name}" for name in names}
    source = PACKAGE.parent / "csrc" / "wire" / "module.c"
    table = source.read_text("utf-8").split("imports[] = {", 1)[1].split("};", 1)[0]
    imported = set(re.findall(r'\{"([\w.]+)"', table))
    assert "uuid" in imported
    assert {*imported, "_cffi_backend"} <= found
    homes = {f"mariadb_nb.{home}" for home in mariadb_nb._HOMES.values()}
    assert homes <= found
