"""Read ``csrc/cdef/*.h``: the one source of what the package binds.

Owns the reading of the headers: their prototypes with the tags of the comment
above each, their constants, and what of them a given library has. Everything
else in this folder takes what is read here. Knows nothing of cffi, of the
compiler or of what the declarations are used for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

CDEF = Path(__file__).resolve().parent.parent / "cdef"

#: In this order: a topic uses the types of those before it.
TOPICS = (
    "types",
    "library",
    "options",
    "connect",
    "query",
    "results",
    "statements",
    "errors",
    "nonblocking",
)

#: The headers of the library that are searched for names.
LIBRARY_HEADERS = (
    "mysql.h",
    "mariadb_com.h",
    "mariadb_stmt.h",
    "mariadb_ctype.h",
    "mariadb_version.h",
    "errmsg.h",
    "mysqld_error.h",
    "mysql/client_plugin.h",
)

_PROTOTYPE = re.compile(
    r"^(?P<result>[A-Za-z_][\w ]*?[ *]+)(?P<name>m\w+)\((?P<parameters>.*)\);$"
)
_CONSTANT = re.compile(r"^#define (?P<name>\w+) \.\.\.$")
_TEXT = re.compile(r"^static char \*const (?P<name>\w+);$")
_VARIABLE = re.compile(r"^extern (?P<type>[a-z][\w ]*?[ *]+)(?P<name>m\w+);$")
_ENUM = re.compile(r"^(?:typedef )?enum (?P<name>\w+) \{$")
_ENUMERATOR = re.compile(r"^    (?P<name>\w+),$")
_TAG = re.compile(r"^(?P<tag>waits|returns|owner|keeps|manual|guard|null|fails): ?")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a C function; ``type`` is as C writes it."""

    type: str
    name: str

    @property
    def declaration(self) -> str:
        """The parameter as C declares it."""
        if "(*)" in self.type:
            return self.type.replace("(*)", f"(*{self.name})", 1)
        if not self.name:
            return self.type
        space = "" if self.type.endswith("*") else " "
        return f"{self.type}{space}{self.name}"

    @property
    def is_pointer(self) -> bool:
        """Whether NULL can be passed for it."""
        return self.type.endswith("*") or "(*)" in self.type


@dataclass(frozen=True, slots=True)
class Function:
    """A prototype and what the comment above it says."""

    name: str
    result: str
    parameters: tuple[Parameter, ...]
    topic: str
    summary: str = ""
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def variadic(self) -> bool:
        """Whether the parameters end in ``...``."""
        return bool(self.parameters) and self.parameters[-1].type == "..."

    @property
    def signature(self) -> str:
        """The prototype in C, without the semicolon."""
        return self.signature_as(self.name)

    def signature_as(self, name: str) -> str:
        """The prototype in C of a function of another name."""
        parameters = ", ".join(p.declaration for p in self.parameters) or "void"
        space = "" if self.result.endswith("*") else " "
        return f"{self.result}{space}{name}({parameters})"


@dataclass(frozen=True, slots=True)
class Declarations:
    """Everything the headers declare."""

    functions: dict[str, Function]
    constants: tuple[str, ...]
    texts: tuple[str, ...]
    variables: tuple[Parameter, ...]
    enums: dict[str, tuple[str, ...]]

    @property
    def pairs(self) -> dict[str, tuple[Function, Function, Function]]:
        """For every non-blocking call: the blocking one, its start and cont."""
        found = {}
        for name, cont in self.functions.items():
            base = name.removesuffix("_cont")
            if base != name:
                functions = self.functions
                found[base] = (functions[base], functions[f"{base}_start"], cont)
        return found

    @property
    def names(self) -> Iterable[str]:
        """Every name that ``lib`` may have."""
        yield from self.functions
        yield from self.constants
        yield from self.texts
        yield from (variable.name for variable in self.variables)
        for members in self.enums.values():
            yield from members


def read_topic(topic: str) -> str:
    """The text of one header of ``csrc/cdef``."""
    return (CDEF / f"{topic}.h").read_text(encoding="utf-8")


def read() -> Declarations:
    """Read all headers of ``csrc/cdef``."""
    functions: dict[str, Function] = {}
    constants: list[str] = []
    texts: list[str] = []
    variables: list[Parameter] = []
    enums: dict[str, tuple[str, ...]] = {}
    for topic in TOPICS:
        comment: list[str] = []
        enum, members = "", list[str]()
        for line in read_topic(topic).splitlines():
            if line.startswith(("/*", " *")):
                if line.startswith("/*"):
                    comment = []
                comment.append(line.removeprefix("/*").removeprefix(" *"))
            elif match := _PROTOTYPE.match(line):
                function = _function(match, comment, topic)
                functions[function.name] = function
                comment = []
            elif match := _CONSTANT.match(line):
                constants.append(match["name"])
            elif match := _TEXT.match(line):
                texts.append(match["name"])
            elif match := _ENUM.match(line):
                enum, members = match["name"], []
            elif enum and (match := _ENUMERATOR.match(line)):
                members.append(match["name"])
            elif enum and line.startswith("}"):
                enums[enum] = tuple(members)
                enum = ""
            elif match := _VARIABLE.match(line):
                variables.append(Parameter(match["type"].strip(), match["name"]))
    return Declarations(
        functions, tuple(constants), tuple(texts), tuple(variables), enums
    )


def without(text: str, absent: frozenset[str]) -> str:
    """The text of a header without the lines that declare an absent name."""
    kept = []
    for line in text.splitlines(keepends=True):
        bare = line.rstrip("\n")
        match = (
            _PROTOTYPE.match(bare)
            or _CONSTANT.match(bare)
            or _TEXT.match(bare)
            or _ENUMERATOR.match(bare)
            or _VARIABLE.match(bare)
        )
        if match is None or match["name"] not in absent:
            kept.append(line)
    return "".join(kept)


def library_names(include_dirs: Iterable[Path]) -> frozenset[str]:
    """Every word of the library's own headers, comments left out."""
    words: set[str] = set()
    for folder in include_dirs:
        for header in LIBRARY_HEADERS:
            path = folder / header
            if path.is_file():
                text = path.read_text(encoding="utf-8", errors="replace")
                text = re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.DOTALL)
                words.update(re.findall(r"\w+", text))
    return frozenset(words)


def _function(match: re.Match[str], comment: list[str], topic: str) -> Function:
    summary: list[str] = []
    tags: dict[str, str] = {}
    tag = ""
    for raw in comment:
        line = raw.strip().removesuffix("/").strip()
        found = _TAG.match(line)
        if found:
            tag = found["tag"]
            tags[tag] = line[found.end() :].strip()
        elif tag and line:
            tags[tag] = f"{tags[tag]} {line}".strip()
        elif line:
            summary.append(line)
    return Function(
        name=match["name"],
        result=_tidy(match["result"]),
        parameters=tuple(_parameters(match["parameters"])),
        topic=topic,
        summary=" ".join(summary),
        tags=tags,
    )


def _parameters(text: str) -> Iterable[Parameter]:
    if text.strip() in {"", "void"}:
        return
    for part in _split(text):
        function = re.fullmatch(r"(.*)\(\*(\w+)\)(\(.*\))", part)
        if part == "...":
            yield Parameter("...", "")
        elif function:
            yield Parameter(f"{function[1].strip()} (*){function[3]}", function[2])
        else:
            type_, name = re.fullmatch(r"(.*?[ *]+)(\w+)", part).groups()  # type: ignore[union-attr]
            yield Parameter(_tidy(type_), name)


def _split(text: str) -> Iterable[str]:
    """Split at the commas that are not inside parentheses."""
    depth = start = 0
    for index, character in enumerate(text):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 0:
            yield text[start:index].strip()
            start = index + 1
    yield text[start:].strip()


def _tidy(type_: str) -> str:
    return re.sub(r"\s+\*", " *", type_.strip())
