"""Who takes part: one entry for each driver, API and protocol of it.

A driver's own code is in the module beside this one that the entry names; only the
worker that runs it imports that, in a process of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from typing import Final

OURS: Final = "mariadb_nb"
LIMIT: Final = "C"
LOOPS: Final = ("asyncio", "uvloop")
WORLDS: Final = (*LOOPS, "blocking")

_REQUIREMENTS: Final = Path(__file__).parent.parent / "requirements.txt"


@dataclass(frozen=True, slots=True)
class Contestant:
    """A driver in one of its modes.

    Attributes:
        name: the distribution's, as it is printed.
        module: the module here that connects with it; "" for the limit.
        imports: what has to be importable.
        worlds: where it runs.
        text: whether it asks without a parameter, and with one, over the text protocol.
        binary: the same of the binary protocol.
        every: 2 if it runs in every second round, and so on, because it would take
            most of the time.
        streams: whether it can hand out rows without holding the whole result.
        pipelines: whether it can send statements ahead of their replies.
        columns: whether it makes columns of Arrow.
        rows: whether it makes rows.
    """

    name: str
    module: str
    imports: str
    worlds: tuple[str, ...]
    text: tuple[bool, bool] = (True, True)
    binary: tuple[bool, bool] = (False, False)
    streams: bool = True
    pipelines: bool = False
    columns: bool = False
    rows: bool = True
    every: int = 1


CONTESTANTS: Final = (
    Contestant(
        OURS,
        "ours",
        "mariadb_nb",
        WORLDS,
        binary=(True, True),
        pipelines=True,
        columns=True,
    ),
    Contestant("asyncmy", "peer_asyncmy", "asyncmy", LOOPS, binary=(False, True)),
    Contestant("aiomysql", "peer_aiomysql", "aiomysql", LOOPS, every=2),
    Contestant(
        "mariadb", "peer_mariadb", "mariadb_binary", WORLDS, binary=(False, True)
    ),
    Contestant(
        "pyro-mysql",
        "peer_pyro_mysql",
        "pyro_mysql",
        WORLDS,
        text=(True, False),
        binary=(True, True),
        streams=False,
    ),
    Contestant("mysqlclient", "peer_mysqlclient", "MySQLdb", ("blocking",)),
    Contestant(
        "connectorx",
        "peer_connectorx",
        "connectorx",
        ("blocking",),
        binary=(True, False),
        columns=True,
        rows=False,
    ),
    Contestant("PyMySQL", "peer_pymysql", "pymysql", ("blocking",), every=2),
    Contestant(
        LIMIT, "", "", WORLDS, binary=(True, True), streams=False, pipelines=True
    ),
)

BY_NAME: Final = {contestant.name: contestant for contestant in CONTESTANTS}


def is_installed(contestant: Contestant) -> bool:
    """Whether what it imports is there."""
    name = contestant.imports
    return not name or util.find_spec(name) is not None


def pins() -> Iterator[tuple[str, str]]:
    """Yield the name and the requirement of each pinned peer."""
    for line in _REQUIREMENTS.read_text("utf-8").splitlines():
        if found := re.fullmatch(r"([\w-]+)==\S+", line):
            yield found[1], line


def versions() -> dict[str, str]:
    """Return the installed version of each peer that is installed."""
    found = {}
    for name, _ in pins():
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
