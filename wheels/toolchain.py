"""The compilers that libraries and wheels are made with, for this machine and others.

Owns the names of targets and how each is compiled for: with the machine's own compiler,
or with zig, which has every libc's headers and so makes, on any machine, what runs on
old distributions. Knows nothing of what is compiled.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shlex
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

#: The machine's own compiler, as in the containers that wheels are made in elsewhere.
NATIVE: Final = "native"

#: What zig is asked for. The number is the oldest glibc that will do.
ZIG_TARGETS: Final = {
    "manylinux_2_28_x86_64": "x86_64-linux-gnu.2.28",
    "manylinux_2_28_aarch64": "aarch64-linux-gnu.2.28",
    "musllinux_1_2_x86_64": "x86_64-linux-musl",
    "musllinux_1_2_aarch64": "aarch64-linux-musl",
}

TARGETS: Final = (NATIVE, *ZIG_TARGETS)


class ToolchainError(Exception):
    """A program that is needed is missing."""


@dataclass(frozen=True, slots=True)
class Toolchain:
    """A compiler with its tools, each a path of one program.

    Attributes:
        system: as ``platform.system()`` says it.
        machine: as ``platform.machine()`` says it.
        identity: changes when what it makes may change.
    """

    target: str
    system: str
    machine: str
    cc: str
    ar: str
    ranlib: str
    identity: str

    @property
    def crosses(self) -> bool:
        """Whether this machine's own headers and libraries have to be kept out."""
        return self.target != NATIVE

    @property
    def environment(self) -> dict[str, str]:
        """This process's environment, with the compiler named in it."""
        folder = Path(self.cc).parent
        return {
            **os.environ,
            # By their bare names: OpenSSL has them in its text on how it was compiled.
            "PATH": f"{folder}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            **{"CC": "cc", "AR": "ar", "RANLIB": "ranlib"},
            # 1980: no archive and no library says when it was made.
            "SOURCE_DATE_EPOCH": "315532800",
        }


def default_target() -> str:
    """The target that makes wheels for this machine, here and without a container."""
    target = f"manylinux_2_28_{platform.machine()}"
    return target if target in ZIG_TARGETS and platform.system() == "Linux" else NATIVE


def find(target: str, folder: Path) -> Toolchain:
    """Return the compiler for a target.

    Args:
        target: one of ``TARGETS``.
        folder: where wrappers may be written; they have to outlive the toolchain.

    Raises:
        ToolchainError: there is no such compiler on this machine.
    """
    if target == NATIVE:
        cc, ar, ranlib = (
            shlex.split(os.environ.get(name.upper()) or name)
            for name in ("cc", "ar", "ranlib")
        )
        system, machine = platform.system(), platform.machine()
    else:
        zig = _zig()
        # Without an -O, when it links too, it puts its own checks into the program.
        cc = [zig, "cc", "-target", ZIG_TARGETS[target], "-O2"]
        ar, ranlib = [zig, "ar"], [zig, "ranlib"]
        system, machine = "Linux", ZIG_TARGETS[target].partition("-")[0]
    try:
        said = subprocess.run(
            [*cc, "--version"], capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise ToolchainError(f"{shlex.join(cc)} does not run: {error}") from None
    # No folder of this machine gets into what is compiled.
    cc.append(f"-ffile-prefix-map={folder.parent}=.")
    wrappers = {
        name: _write_wrapper(folder / name, [program(command[0]), *command[1:]])
        for name, command in (("cc", cc), ("ar", ar), ("ranlib", ranlib))
    }
    return Toolchain(target, system, machine, identity=f"{target} {said}", **wrappers)


def program(name: str) -> str:
    """Return the path of a program.

    Raises:
        ToolchainError: it is not installed.
    """
    beside = Path(sys.executable).parent / name  # as pip installs it
    path = str(beside) if beside.is_file() else shutil.which(name)
    if path is None:
        raise ToolchainError(f"{name} is missing: install it and run this again")
    return path


def _zig() -> str:
    found = importlib.util.find_spec("ziglang")
    if found is None or not found.submodule_search_locations:
        raise ToolchainError(
            "zig is missing: pip install -r wheels/requirements.txt, or build for "
            f"this machine alone with --target {NATIVE}"
        )
    return str(Path(found.submodule_search_locations[0], "zig"))


def _write_wrapper(path: Path, command: list[str]) -> str:
    """Write a program that runs a command with more arguments."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return str(path)
