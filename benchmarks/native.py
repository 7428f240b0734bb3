"""Compiles the two C parts: the counter of instructions and the limit.

It finds Connector/C as the package's own build does, so that the limit runs on the
library that the package runs on.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from typing import NamedTuple

import setup as package_setup

_HERE = Path(__file__).resolve().parent


class Native(NamedTuple):
    """The paths of what was compiled."""

    counter: Path  # a shared library
    limit: Path  # a program


def build(folder: Path) -> Native:
    """Compile both into a folder.

    Raises:
        SystemExit: there is no Connector/C, or the compiler refused; it says why.
    """
    library = package_setup.find_library()
    compiler = [*shlex.split(os.environ.get("CC", "cc")), "-O2", "-std=gnu11"]
    compiler += ["-Wall", "-Wextra", *(f"-I{path}" for path in library.include_dirs)]
    link = [f"-L{path}" for path in library.library_dirs]
    link += [f"-l{name}" for name in library.libraries]
    if library.rpath:
        link += [f"-Wl,-rpath,{path}" for path in library.library_dirs]
    native = Native(folder / "counter.so", folder / "limit")
    counter, limit = str(_HERE / "counter.c"), str(_HERE / "limit.c")
    _run(*compiler, "-shared", "-fPIC", counter, "-o", str(native.counter))
    _run(*compiler, counter, limit, "-o", str(native.limit), *link)
    return native


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{shlex.join(command)}\n{done.stderr}")
