"""Nothing of the C API is forgotten: what the library has is what ``lib`` has.

The truth comes from the library that is loaded (its dynamic symbols) and from
the headers that the package was built with, read by the C compiler. What is
absent on purpose is listed in ``csrc/cdef/absent.md``, with the reason.
"""

from __future__ import annotations

import os
import re
import runpy
import shlex
import subprocess
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TypeAlias

import psutil
import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from gen.declarations import Parameter, read
from mariadb_nb.capi import ffi, lib, missing

ROOT = Path(__file__).resolve().parent.parent

#: These include the library's other headers.
INCLUDES = """\
#include <stdio.h>
#include <mysql.h>
#include <errmsg.h>
#include <mysqld_error.h>
"""

STRUCTURES = {
    "MYSQL_FIELD": "st_mysql_field",
    "MYSQL_BIND": "st_mysql_bind",
    "MYSQL_TIME": "st_mysql_time",
}

BOUND = frozenset(dir(lib))

Values: TypeAlias = dict[str, int | bytes]


@dataclass(frozen=True)
class Headers:
    """The library's headers after the preprocessor, without those of the system."""

    folders: list[Path]
    macros: list[str]
    text: str

    @property
    def options(self) -> list[str]:
        """The compiler's options to find them."""
        return [f"-I{folder}" for folder in self.folders]

    @property
    def enumerators(self) -> list[str]:
        """The names in all enumerations."""
        bodies = re.findall(r"\benum\s*\w*\s*\{(.*?)\}", self.text, re.DOTALL)
        return re.findall(r"(?:^|,)\s*(\w+)", "\n,".join(bodies), re.MULTILINE)

    def members(self, tag: str) -> list[str]:
        """The names of the members of a structure."""
        match = re.search(rf"\bstruct\s+{tag}\s*\{{", self.text)
        assert match, f"the headers have no struct {tag}"
        names = []
        for declaration in _split(_braced(self.text[match.end() - 1 :]), ";"):
            if function := re.search(r"\(\s*\*\s*(\w+)\s*\)\s*\(", declaration):
                names.append(function[1])
            else:
                names += [
                    part.split()[-1].lstrip("*") for part in declaration.split(",")
                ]
        return names

    def words(self) -> frozenset[str]:
        """Every word of every header, comments left out."""
        found: set[str] = set()
        for path in {path for folder in self.folders for path in folder.rglob("*.h")}:
            text = path.read_text(encoding="utf-8", errors="replace")
            text = re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.DOTALL)
            found.update(re.findall(r"\w+", text))
        return frozenset(found)


@pytest.fixture(scope="module")
def headers() -> Headers:
    """The headers that a build of the package would find now."""
    library = runpy.run_path(str(ROOT / "setup.py"))["find_library"]()
    folders = [Path(folder).resolve() for folder in library.include_dirs]
    options = [f"-I{folder}" for folder in folders]
    macros: dict[str, str] = {}
    lines = []
    ours = False
    for line in compile_c(INCLUDES, "-E", "-dD", *options).splitlines():
        if marker := re.match(r'# \d+ "(.*?)"', line):
            path = Path(marker[1]).resolve()
            ours = any(path.is_relative_to(folder) for folder in folders)
        elif not ours:
            continue
        elif macro := re.match(r"#(define|undef) (\w+)(\(?)(.*)", line):
            macros.pop(macro[2], None)
            if macro[1] == "define" and not macro[3]:
                macros[macro[2]] = macro[4].strip()
        else:
            lines.append(line)
    # A constant is an expression: not empty, and not a list of declarations.
    expressions = [name for name, text in macros.items() if text and ";" not in text]
    return Headers(folders, expressions, "\n".join(lines))


@pytest.fixture(scope="module")
def constants(headers: Headers, tmp_path_factory: pytest.TempPathFactory) -> Values:
    """The value of every constant of the headers, printed by a C program."""
    names = [*headers.macros, *headers.enumerators]
    numbers = accepted("enum {{ probe_{0} = ({0}) }};", names, headers)
    others = [name for name in names if name not in numbers]
    texts = accepted('const char probe_{0}[] = "" {0};', others, headers)
    source = [INCLUDES, "int main(void) {"]
    for name in numbers:
        source += [
            f'if (({name}) < 0) printf("{name} %lld\\n", (long long)({name}));',
            f'else printf("{name} %llu\\n", (unsigned long long)({name}));',
        ]
    source += [f'printf("{name} \\"%s\\n", {name});' for name in texts]
    program = str(tmp_path_factory.mktemp("constants") / "program")
    compile_c("\n".join([*source, "return 0; }"]), "-o", program, *headers.options)
    values: Values = {}
    for line in subprocess.check_output([program], text=True).splitlines():
        name, _, value = line.partition(" ")
        values[name] = value[1:].encode() if value[0] == '"' else int(value)
    return values


@pytest.fixture(scope="module")
def exported() -> frozenset[str]:
    """The dynamic symbols of the libmariadb that this process has loaded."""
    maps = {Path(area.path) for area in psutil.Process().memory_maps()}
    loaded = [path for path in maps if path.name.startswith("libmariadb")]
    assert len(loaded) == 1, f"expected one loaded libmariadb, not {loaded}"
    with loaded[0].open("rb") as file:
        symbols = ELFFile(file).get_section_by_name(".dynsym")
        assert isinstance(symbols, SymbolTableSection)
        return frozenset(
            symbol.name
            for symbol in symbols.iter_symbols()
            if symbol.name
            and symbol["st_shndx"] != "SHN_UNDEF"
            # What wheels/ adds to a library of its own.
            and not symbol.name.startswith("mariadb_nb_")
        )


@pytest.fixture(scope="module")
def absent() -> dict[str, str]:
    """The list of what is absent: names, or patterns of names, and reasons."""
    text = (ROOT / "csrc" / "cdef" / "absent.md").read_text(encoding="utf-8")
    found = dict(re.findall(r"^\| `([^`]+)` \| (.+) \|$", text, re.MULTILINE))
    assert len(found) == text.count("\n| `"), "a line is twice there or cannot be read"
    return found


def run_compiler(source: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the C compiler that makes extensions of this Python on a source."""
    compiler = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    return subprocess.run(
        [*shlex.split(compiler), "-x", "c", "-", *options],
        input=source,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"LC_ALL": "C"},
    )


def compile_c(source: str, *options: str) -> str:
    """Compile a source that has no errors; return what the compiler prints."""
    done = run_compiler(source, *options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def accepted(template: str, names: Iterable[str], headers: Headers) -> list[str]:
    """The names for which a declaration that has them in it compiles."""
    left = list(names)
    while left:
        lines = [f'#line 1 "{name}"\n{template.format(name)}' for name in left]
        # Macros are expanded first: errors in them would be told of the headers.
        expanded = compile_c("\n".join([INCLUDES, *lines]), "-E", *headers.options)
        done = run_compiler(expanded, "-fsyntax-only")
        if done.returncode == 0:
            break
        refused = set(re.findall(r"^(\w+):1:.*\berror:", done.stderr, re.MULTILINE))
        assert refused & set(left), done.stderr
        left = [name for name in left if name not in refused]
    return left


def _braced(text: str) -> str:
    """What is between the brace that a text begins with and its counterpart."""
    depth = 0
    for index, character in enumerate(text):
        depth += {"{": 1, "}": -1}.get(character, 0)
        if depth == 0:
            return text[1:index]
    raise AssertionError("a brace is not closed")


def _split(text: str, separator: str) -> list[str]:
    """The parts of a text, those in inner braces left out."""
    while (inner := re.sub(r"\{[^{}]*\}", " ", text)) != text:
        text = inner
    return [part.strip() for part in text.split(separator) if part.strip()]


def unlisted(names: Iterable[str], absent: dict[str, str]) -> list[str]:
    """The names that are neither bound nor listed as absent."""
    return sorted(
        name
        for name in set(names) - BOUND
        if not any(fnmatchcase(name, pattern) for pattern in absent)
    )


def test_the_headers_found_are_those_of_the_build(constants: Values) -> None:
    assert constants["MARIADB_PACKAGE_VERSION_ID"] == lib.MARIADB_PACKAGE_VERSION_ID, (
        "the headers are of another version than those that mariadb_nb was built "
        "with; set MARIADB_NB_PREFIX or MARIADB_CONFIG as for the build"
    )


def test_every_exported_symbol_is_bound_or_listed(
    exported: frozenset[str], absent: dict[str, str]
) -> None:
    assert len(exported) > 200
    assert unlisted(exported, absent) == []


def test_every_constant_is_bound_or_listed(
    constants: Values, absent: dict[str, str]
) -> None:
    assert len(constants) > 1700
    assert unlisted(constants, absent) == []


def test_constants_have_the_values_of_the_c_compiler(constants: Values) -> None:
    bound: Values = {}
    for name in constants.keys() & BOUND:
        value = getattr(lib, name)
        bound[name] = value if isinstance(value, int) else ffi.string(value)
    assert bound == {name: constants[name] for name in bound}


def test_plugin_types_have_the_values_of_their_header(headers: Headers) -> None:
    # The header does not compile by itself, so build_ffi.py knows the numbers.
    paths = [folder / "mysql" / "client_plugin.h" for folder in headers.folders]
    text = next(path.read_text() for path in paths if path.is_file())
    found = dict(re.findall(r"#define (M\w+_CLIENT_\w+_PLUGIN)\s+(\d+)", text))
    assert len(found) == 6
    assert found == {name: str(getattr(lib, name)) for name in found}


@pytest.mark.parametrize("structure", STRUCTURES)
def test_every_member_is_there_or_listed(
    structure: str, headers: Headers, absent: dict[str, str]
) -> None:
    members = headers.members(STRUCTURES[structure])
    assert len(members) > 5
    fields = {name for name, _ in ffi.typeof(structure).fields}
    assert (
        unlisted((f"{structure}.{name}" for name in set(members) - fields), absent)
        == []
    )
    assert fields <= set(members)


def test_the_list_of_absent_names_has_no_stale_line(
    headers: Headers, exported: frozenset[str], absent: dict[str, str]
) -> None:
    known = set(headers.words() | exported)
    there = set(BOUND)
    for structure, tag in STRUCTURES.items():
        known.update(f"{structure}.{name}" for name in headers.members(tag))
        there.update(f"{structure}.{name}" for name, _ in ffi.typeof(structure).fields)
    for pattern in absent:
        assert not [name for name in there if fnmatchcase(name, pattern)], pattern
        # Names of the library itself, which what wheels/ builds does not export.
        if not pattern.startswith("lib"):
            assert [name for name in known if fnmatchcase(name, pattern)], pattern


def test_every_exported_pair_is_bound_in_its_form(exported: frozenset[str]) -> None:
    pairs = read().pairs
    names = {name.removesuffix("_cont") for name in exported if name.endswith("_cont")}
    assert set(pairs) == names
    assert len(pairs) == 34
    for name, (function, start, cont) in pairs.items():
        assert {name, start.name, cont.name} <= BOUND
        assert start.result == cont.result == "int"
        parameters = list(function.parameters)
        ret = []
        if function.result != "void":
            # mysql_stat() returns char *, and its pair a const char *.
            result = function.result.replace("char *", "const char *")
            ret = [Parameter(f"{result}*" if "*" in result else f"{result} *", "ret")]
        assert start.parameters == (*ret, *parameters)
        assert cont.parameters == (*ret, parameters[0], Parameter("int", "status"))


def test_missing_lists_exactly_what_the_library_does_not_have(
    headers: Headers, exported: frozenset[str]
) -> None:
    declared = set(read().names)
    assert declared - BOUND == missing
    assert BOUND - declared == {"nb_bundled", "nb_guard_claims", "nb_missing"}
    assert not missing & (headers.words() | exported)
