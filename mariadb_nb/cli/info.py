"""What is here of all that mariadb_nb can use, in which version, and what is missing.

It owns looking for it, and must not fail whatever is not there: every other module,
our own extension included, is imported or asked only inside of a try.
"""

from __future__ import annotations

import importlib.metadata
import platform
import re
import subprocess
from dataclasses import asdict, dataclass
from typing import Final

_EXTENSION_HELP: Final = """\
pip install --force-reinstall mariadb-nb
If it is a library that cannot be found, install that:
apt-get install libmariadb3 (Debian, Ubuntu), dnf install mariadb-connector-c (Fedora)
or brew install mariadb-connector-c (macOS)"""
_NEWER_HELP: Final = """\
MARIADB_NB_PREFIX=<folder of one> pip install --no-binary mariadb-nb mariadb-nb"""


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that is not here: what it would be good for, and how to get it."""

    what: str
    use: str
    install: str


@dataclass(frozen=True, slots=True)
class Info:
    """The versions of what is here, None for what is not, and what is missing."""

    versions: dict[str, str | None]
    missing: list[Missing]

    def as_dict(self) -> dict[str, object]:
        """Return all of it as JSON can have it."""
        return {**self.versions, "missing": [asdict(each) for each in self.missing]}


def package_version() -> str:
    """Return the version of this package."""
    return installed("mariadb-nb") or "not installed"


def collect() -> Info:
    """Look for everything."""
    info = Info({}, [])
    info.versions["mariadb_nb"] = package_version()
    info.versions["python"] = (
        f"{platform.python_implementation()} {platform.python_version()}"
    )
    info.versions["platform"] = platform.platform()
    for look in (_add_library, _add_extras, _add_server):
        look(info)
    return info


def _add_library(info: Info) -> None:
    """Add the C extension with the library that it is linked to."""
    versions = info.versions
    versions["cffi"] = installed("cffi")
    names = ("connector_c", "connector_c_built_with", "tls_library")
    versions.update(dict.fromkeys(names))
    try:
        from mariadb_nb.capi import ffi, lib, missing
    except Exception as error:
        use = f"everything; it cannot be loaded: {error}"
        info.missing.append(Missing("the C extension", use, _EXTENSION_HELP))
        return
    tls = ffi.new("char **")
    lib.mariadb_get_infov(ffi.NULL, lib.MARIADB_TLS_LIBRARY, tls)
    texts = (lib.mysql_get_client_info(), lib.MARIADB_PACKAGE_VERSION, tls[0])
    for name, text in zip(names, texts, strict=True):
        versions[name] = ffi.string(text).decode(errors="replace") if text else None
    if missing:
        what = f"{len(missing)} names of newer versions of Connector/C"
        use = f"nothing in this package itself: {', '.join(sorted(missing))}"
        info.missing.append(Missing(what, use, _NEWER_HELP))


def _add_extras(info: Info) -> None:
    """Add the packages that the extras of this one bring."""
    for package, extra, use in (
        ("rich", "cli", "colours and live progress on a terminal"),
        ("trustme", "server", "TLS on throwaway servers"),
    ):
        version = info.versions[package] = installed(package)
        if version is None:
            command = f"pip install 'mariadb-nb[{extra}]'"
            info.missing.append(Missing(package, use, command))


def _add_server(info: Info) -> None:
    """Add the mariadbd that throwaway servers would run."""
    info.versions["mariadbd"] = None
    try:
        from mariadb_nb.server import find_mariadbd

        path = find_mariadbd()
        done = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=10, check=True
        )
    except Exception as error:
        use = "throwaway servers, and so the demo"
        info.missing.append(Missing("mariadbd", use, str(error)))
        return
    found = re.search(r"Ver (\S+)", done.stdout)
    version = found[1] if found else "of an unknown version"
    info.versions["mariadbd"] = f"{version} ({path})"


def installed(distribution: str) -> str | None:
    """Return the version of an installed package, None if it is not installed."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
