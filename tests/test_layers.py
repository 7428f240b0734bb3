"""Who may import whom: one way only, from the outside in."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "mariadb_nb"

#: What each module or folder may import of the package; everything else is refused.
ALLOWED = {
    "__init__": set[str](),
    "__main__": {"cli"},
    "capi": {"_ffi"},
    "pytest_plugin": {"server"},
    "server": {"_server_keeper", "_server_process", "_server_template"},
    "_server_keeper": {"_server_process"},
    "_server_process": set[str](),
    "_server_template": {"_server_process"},
    "cli": {"cli", "capi", "server"},
}

#: Whoever imports these waits or knows a loop: the C API must do neither.
LOOPS = {"asyncio", "trio", "gevent", "threading", "socket"}


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


def test_the_c_api_knows_no_loop() -> None:
    names = {name.split(".")[0] for name in imports(PACKAGE / "capi.py")}
    assert not names & LOOPS
