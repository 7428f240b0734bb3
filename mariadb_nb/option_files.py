"""Option files: what my.cnf and its like say to a client.

Owns the files' syntax, where they lie, and which of their options mean something here.
It knows nothing of connections: it returns keywords, as texts, which others check.

Read in Python rather than by the library, which would do it in the middle of a connect
and would take options that mariadb_nb sets itself. Options that mean nothing here are
skipped, as every program does with the groups that it shares with others.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from .errors import InterfaceError

__all__ = ["GROUPS", "Setting", "keywords", "read"]

#: The groups that every client reads.
GROUPS: Final = ("client", "client-server", "client-mariadb")

_MAX_DEPTH: Final = 10
_SPACE: Final = " \t\n\v\f\r"
_ESCAPES: Final = {
    "n": "\n",
    "t": "\t",
    "r": "\r",
    "b": "\b",
    "s": " ",
    '"': '"',
    "'": "'",
    "\\": "\\",
}


#: What the files' texts and switches are called here. All other names are skipped.
_TEXTS: Final = {
    "host": "host",
    "port": "port",
    "user": "user",
    "password": "password",
    "database": "database",
    "socket": "unix_socket",
    "connect-timeout": "connect_timeout",
    "init-command": "init_command",
    "ssl-ca": "tls_ca",
    "ssl-capath": "tls_ca_path",
    "ssl-cert": "tls_cert",
    "ssl-key": "tls_key",
    "ssl-passphrase": "tls_key_password",
    "ssl-cipher": "tls_ciphers",
    "ssl-crl": "tls_crl",
    "ssl-fp": "tls_fingerprint",
    "tls-fp": "tls_fingerprint",
    "tls-version": "tls_min_version",
    "protocol": "protocol",
}
_SWITCHES: Final = {
    "compress": "compress",
    "multi-statements": "multi_statements",
    "ssl": "ssl",
    "ssl-verify-server-cert": "verify",
}
_NO: Final = frozenset({"0", "off", "false", "no"})


class Setting(NamedTuple):
    """One option in a file; the value is None if there is no equals sign."""

    name: str
    value: str | None


def read(file: str | None, groups: tuple[str, ...]) -> list[Setting]:
    """Read what the files say in some groups, in their order.

    Args:
        file: the only file to read; None for those that every client reads.
        groups: the names of the groups.

    Raises:
        InterfaceError: the file cannot be read, or is not an option file.
    """
    wanted = frozenset(group.casefold() for group in groups)
    if file is not None:
        return list(_read_file(Path(file), wanted, 0))
    settings: list[Setting] = []
    for path in _default_files():
        if _is_trustworthy(path):
            settings += _read_file(path, wanted, 0)
    return settings


def _default_files() -> Iterator[Path]:
    """Yield where option files lie if nobody says otherwise; later ones win."""
    yield Path("/etc/my.cnf")
    yield Path("/etc/mysql/my.cnf")
    for variable in ("MARIADB_HOME", "MYSQL_HOME"):
        if folder := os.environ.get(variable):
            yield Path(folder, "my.cnf")
            break
    if home := os.environ.get("HOME"):
        yield Path(home, ".my.cnf")


def _is_trustworthy(path: Path) -> bool:
    """Return whether a file is there and only its owner and group can write it."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) and mode & stat.S_IWOTH)


def _read_file(path: Path, wanted: frozenset[str], depth: int) -> Iterator[Setting]:
    try:
        lines = path.read_bytes().decode("utf-8").split("\n")
    except UnicodeDecodeError:
        raise InterfaceError(
            f"the option file {path} is not in UTF-8: convert it"
        ) from None
    except OSError as problem:
        raise InterfaceError(
            f"the option file {path} cannot be read: {problem.strerror}"
        ) from None
    if not _is_trustworthy(path):
        raise InterfaceError(
            f"everybody can write the option file {path}, so it is not read: "
            "chmod o-w it"
        )
    group: str | None = None
    for number, text in enumerate(lines, 1):
        line = text.strip(_SPACE)
        if not line or line[0] in "#;":
            continue
        if line[0] == "!":
            for included in _included(line, path, number, depth):
                yield from _read_file(included, wanted, depth + 1)
        elif line[0] == "[":
            name, bracket, _ = line[1:].partition("]")
            if not bracket:
                raise _wrong(path, number, "a group's name ends with ]")
            group = name.rstrip(_SPACE).casefold()
        elif group is None:
            raise _wrong(path, number, "an option before the first [group]")
        elif group in wanted:
            yield _setting(line)


def _included(line: str, path: Path, number: int, depth: int) -> list[Path]:
    """Return the files that a line with ! brings in; one that is not there does not."""
    directive, _, target = line[1:].replace("\t", " ").partition(" ")
    included = Path(target.strip(_SPACE))
    if directive not in ("include", "includedir") or not target:
        raise _wrong(path, number, "expected !include FILE or !includedir FOLDER")
    if depth >= _MAX_DEPTH:
        return []
    files = [included]
    if directive == "includedir":
        try:
            files = sorted(included.iterdir())
        except OSError as problem:
            what = f"cannot read {included}: {problem.strerror}"
            raise _wrong(path, number, what) from None
        files = [file for file in files if file.name.endswith(".cnf")]
    return [file for file in files if _is_trustworthy(file)]


def _wrong(path: Path, number: int, what: str) -> InterfaceError:
    # Never the line itself: it may hold a password.
    return InterfaceError(f"option file {path}, line {number}: {what}")


def _setting(line: str) -> Setting:
    text = _without_comment(line)
    name, equals, value = text.partition("=")
    name = name.rstrip(_SPACE)
    return Setting(name, _unquoted(value.strip(_SPACE)) if equals else None)


def _without_comment(line: str) -> str:
    """Cut a line at the first # that is not in quotes."""
    quote = ""
    escaped = False
    for position, character in enumerate(line):
        if character in "'\"" and not escaped:
            if not quote:
                quote = character
            elif quote == character:
                quote = ""
        if not quote and character == "#":
            return line[:position]
        escaped = bool(quote) and character == "\\" and not escaped
    return line


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] in "'\"" and value[0] == value[-1]:
        value = value[1:-1]
    parts: list[str] = []
    position = 0
    while position < len(value):
        character = value[position]
        position += 1
        if character == "\\" and position < len(value):
            following = value[position]
            position += 1
            character = _ESCAPES.get(following, "\\" + following)
        parts.append(character)
    return "".join(parts)


def keywords(settings: Iterable[Setting]) -> dict[str, str]:
    """Return what settings are as keywords of ``connect``, their values as texts."""
    found: dict[str, str] = {}
    for setting in settings:
        name = setting.name.casefold().replace("_", "-").removeprefix("loose-")
        if name in _TEXTS:
            # `password` without a value asks for a prompt: nobody is prompted here.
            if setting.value is not None:
                found[_TEXTS[name]] = setting.value
            continue
        on = (setting.value or "1").casefold() not in _NO
        for prefix, meaning in (
            ("skip-", False),
            ("disable-", False),
            ("enable-", True),
        ):
            if name.startswith(prefix) and name.removeprefix(prefix) in _SWITCHES:
                name, on = name.removeprefix(prefix), on is meaning
        if name in _SWITCHES:
            found[_SWITCHES[name]] = "true" if on else "false"
    _translate(found)
    return found


def _translate(found: dict[str, str]) -> None:
    """Put into our words what the files say in several of theirs."""
    is_local = found.get("host", "localhost") == "localhost"
    if found.pop("protocol", "").casefold() == "tcp" or not is_local:
        found.pop("unix_socket", None)
    if "tls_min_version" in found:
        versions = found["tls_min_version"].replace(" ", "").split(",")
        good = [version for version in versions if version in ("TLSv1.2", "TLSv1.3")]
        found["tls_min_version"] = min(good or versions)
    ssl, verify = found.pop("ssl", None), found.pop("verify", None)
    if ssl == "false":
        for name in [name for name in found if name.startswith("tls_")]:
            del found[name]
        found["tls"] = "disable"
    elif verify == "true":
        found["tls"] = "verify-full"
    elif found.keys() & {"tls_ca", "tls_ca_path"}:
        # Without a word on verification these have always meant the chain at least.
        found["tls"] = "verify-ca" if verify == "false" else "verify-full"
    elif ssl == "true":
        found["tls"] = "require"
