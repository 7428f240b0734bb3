"""What is generated from ``csrc/cdef`` is up to date, complete and of use to mypy."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gen.__main__ import COMMAND, ROOT, drifted, generate, main
from gen.declarations import TOPICS, Function, read, read_topic
from mariadb_nb.capi import ffi, lib, missing

STUB = ROOT / "mariadb_nb" / "_ffi.pyi"
REFERENCE = ROOT / "docs" / "reference.md"

DECLARED = read()

#: The functions with a comment of their own: pairs share that of the blocking one.
DESCRIBED = [f for f in DECLARED.functions.values() if f.topic != "nonblocking"]

#: Wrong uses are marked with the code of mypy's error.
SNIPPET = """\
from mariadb_nb.capi import ffi, lib

mysql = lib.mysql_init(ffi.NULL)
lib.mysql_options(mysql, lib.MYSQL_OPT_NONBLOCK, ffi.NULL)
lib.mysql_options(mysql, lib.MYSQL_SET_CHARSET_NAME, b"utf8mb4")
lib.mysql_optionsv(mysql, lib.MYSQL_OPT_PROTOCOL, ffi.new("int *", 1))
ret = ffi.new("int *")
status: int = lib.mysql_real_query_start(ret, mysql, b"SELECT 1", 8)
status = lib.mysql_real_query_cont(ret, mysql, status)
text: str = ffi.string(lib.mysql_error(mysql)).decode()
result = lib.mysql_use_result(mysql)
if result and not lib.mysql_commit(mysql):
    field = lib.mysql_fetch_field(result)
    name: bytes = bytes(ffi.buffer(field.name, field.name_length))
version: bytes = ffi.string(lib.MARIADB_PACKAGE_VERSION)
lib.mariadb_deinitialize_ssl = 0
assert isinstance(result, ffi.CData)

lib.mysql_real_query(mysql, "SELECT 1", 8)  # arg-type
lib.mysql_real_query(mysql, b"SELECT 1")  # call-arg
lib.mysql_ping(mysql=mysql)  # call-arg
lib.mysql_ping(None)  # arg-type
lib.mysql_options(mysql, "MYSQL_OPT_NONBLOCK", ffi.NULL)  # arg-type
lib.mysql_hex_string(bytes(9), b"text", 4)  # arg-type
lib.mysql_optionsv(mysql, lib.MYSQL_OPT_PROTOCOL, 1)  # arg-type
lib.mysql_reel_query(mysql, b"SELECT 1", 8)  # attr-defined
lib.MYSQL_OPT_NONBLOCK = 1  # misc
error: str = lib.mysql_error(mysql)  # assignment
none = lib.mysql_close(mysql)  # func-returns-value
ffi.string(b"bytes")  # arg-type
"""


@pytest.fixture(scope="module")
def stub() -> ast.ClassDef:
    """The class of ``lib`` in the stub."""
    tree = ast.parse(STUB.read_text(encoding="utf-8"))
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    return classes["Lib"]


def names_in(class_: ast.ClassDef) -> list[str]:
    """The names of the attributes and methods of a class."""
    names = []
    for node in class_.body:
        if isinstance(node, ast.FunctionDef):
            names.append(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.append(node.target.id)
    return names


def test_generated_files_are_up_to_date() -> None:
    outdated = [str(path.relative_to(ROOT)) for path in drifted(generate())]
    assert outdated == [], f"run: {COMMAND}"


def test_check_names_the_file_that_differs_and_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([], tmp_path) == 0
    assert main(["--check"], tmp_path) == 0
    page = tmp_path / "docs" / "reference.md"
    page.write_text("edited", encoding="utf-8")
    capsys.readouterr()
    assert main(["--check"], tmp_path) == 1
    message = capsys.readouterr().err
    assert message == f"docs/reference.md is out of date; run: {COMMAND}\n"
    assert page.read_text(encoding="utf-8") == "edited"


@pytest.mark.parametrize("command", [[str(ROOT / "csrc" / "gen")], ["-m", "gen"]])
def test_the_command_runs_in_both_forms(command: list[str]) -> None:
    subprocess.run(
        [sys.executable, *command, "--check"], cwd=ROOT / "csrc", check=True, timeout=60
    )


@pytest.mark.parametrize("function", DESCRIBED, ids=lambda function: function.name)
def test_every_function_is_described(function: Function) -> None:
    assert function.summary.endswith(".")
    assert function.tags.get("waits")
    assert function.result == "void" or function.tags.get("returns")
    gives = function.result.endswith("*") and function.tags["returns"] != "NULL"
    assert not gives or function.tags.get("owner") or function.tags["guard"] == "alias"
    named = function.tags.get("null", "").split()
    assert set(named) <= {parameter.name for parameter in function.parameters}


def test_every_name_is_declared_once() -> None:
    pattern = re.compile(
        r"^(?:#define (\w+) \.\.\.|static char \*const (\w+);|    (\w+),"
        r"|[a-z_A-Z][\w *]*?\b(m\w+)\(.*\);)$",
        re.MULTILINE,
    )
    found = [
        "".join(groups)
        for topic in TOPICS
        for groups in pattern.findall(read_topic(topic))
    ]
    assert len(found) > 1900
    assert sorted(found) == sorted(set(found))


def test_the_stub_has_every_name_of_lib_and_no_other(stub: ast.ClassDef) -> None:
    names = names_in(stub)
    assert sorted(names) == sorted(set(names))
    assert set(names) == set(dir(lib)) | missing


def test_the_stub_has_the_names_of_ffi() -> None:
    tree = ast.parse(STUB.read_text(encoding="utf-8"))
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    for class_ in classes:
        if class_.name in {"FFI", "_Classes"}:
            assert set(names_in(class_)) <= set(dir(ffi))


def test_the_stub_says_int_for_what_is_a_number(stub: ast.ClassDef) -> None:
    for node in stub.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            name = node.target.id
            annotation = ast.unparse(node.annotation)
            if name not in missing:
                kind = "int" if isinstance(getattr(lib, name), int) else "CData"
                assert annotation in {kind, f"Final[{kind}]"}, name


def test_my_bool_is_an_int() -> None:
    assert lib.mysql_embedded() == 0
    box = ffi.new("my_bool *", True)
    assert box[0] == 1


def test_methods_of_the_stub_show_the_c_prototype(stub: ast.ClassDef) -> None:
    methods = {n.name: n for n in stub.body if isinstance(n, ast.FunctionDef)}
    assert set(methods) == set(DECLARED.functions)
    for name, function in DECLARED.functions.items():
        docstring = " ".join((ast.get_docstring(methods[name]) or "").split())
        assert docstring.startswith(f"{function.signature} "), name
    start = methods["mysql_real_query_start"]
    assert ast.unparse(start.args) == (
        "self, ret: CData, mysql: CData, q: CData | bytes, length: int, /"
    )


def test_mypy_takes_right_use_and_refuses_wrong_use(tmp_path: Path) -> None:
    path = tmp_path / "snippet.py"
    path.write_text(SNIPPET, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir=cache", path.name],
        cwd=tmp_path,
        env=os.environ | {"MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    pattern = re.compile(r"^snippet\.py:(\d+): error: .*\[([\w-]+)\]$", re.MULTILINE)
    found = [(int(line), code) for line, code in pattern.findall(done.stdout)]
    wanted = [
        (number, code)
        for number, line in enumerate(SNIPPET.splitlines(), 1)
        if (code := line.partition("  # ")[2])
    ]
    assert found == wanted, done.stdout + done.stderr


def test_the_reference_has_every_function_with_its_pair() -> None:
    page = REFERENCE.read_text(encoding="utf-8")
    prototypes = {
        " ".join(block.split()) for block in re.findall(r"```c\n(.*?)```", page, re.S)
    }
    for function in DESCRIBED:
        forms = DECLARED.pairs.get(function.name, (function,))
        assert " ".join(f"{form.signature};" for form in forms) in prototypes
        assert f"](#{function.name})" in page
        assert f"\n### {function.name}\n" in page


def test_the_reference_has_every_constant() -> None:
    words = set(re.findall(r"\w+", REFERENCE.read_text(encoding="utf-8")))
    assert {name for name in DECLARED.names if name not in words} == set()
