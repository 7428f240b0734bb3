"""Run programs where no libmariadb, OpenSSL or zstd of the machine can be loaded.

Owns a mount namespace in which the files of those libraries are hidden, and the ways
out of it that are honest: a few programs of the machine, such as the server, see its
libraries again. Knows nothing of wheels.

The interpreter's own module ssl needs an OpenSSL too: it gets a copy under another
name, as interpreters that bring their own have, so that nobody else can find it.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import toolchain

#: What cannot be loaded, under any version.
HIDDEN: Final = ("mariadb", "mysqlclient", "ssl", "crypto", "zstd")

_FOLDERS: Final = ("/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib", "/lib64", "/opt")
_IS_HIDDEN: Final = re.compile(
    rf"lib({'|'.join(HIDDEN)})(client)?(-[\w.]+)?\.so[\d.]*$"
)

# Ends with what could be loaded after all.
_PROBE: Final = """\
import ctypes, sys
for name in sys.argv[1:]:
    try:
        ctypes.CDLL(name)
    except OSError:
        continue
    sys.exit(f"{name} is not hidden")
"""


class HiddenError(Exception):
    """The libraries cannot be hidden on this machine."""


class Hiding:
    """A place without the machine's libraries.

    Args:
        interpreter: the Python that runs in it, or a virtual environment's.
        folder: an empty one, for its files.
        outside: programs that are run outside, with the machine's libraries.

    Raises:
        HiddenError: this needs root and unshare, or hiding failed.
    """

    def __init__(self, interpreter: Path, folder: Path, outside: Sequence[str]) -> None:
        if sys.platform != "linux" or os.geteuid() != 0:
            raise HiddenError("hiding libraries needs Linux and root")
        self._interpreter = interpreter
        self._bin = folder / "bin"
        self._bin.mkdir(parents=True)
        #: What is shown in the place of what.
        self._mounts: list[tuple[Path, Path]] = []
        files = _find_libraries()
        for name in outside:
            self._let_out(name, files)
        self._show_own_ssl(files, folder / "lib")
        self._mounts += [(Path(os.devnull), path) for path in files]
        names = sorted({path.name for path in files})
        self.run([str(interpreter), "-I", "-c", _PROBE, *names, *map(str, files)])

    def run(
        self,
        command: Sequence[str],
        variables: Mapping[str, str] | None = None,
        folder: Path = Path("/"),
    ) -> None:
        """Run a program there, in a folder, with more environment variables.

        Raises:
            HiddenError: it failed.
        """
        script = "".join(
            f"mount --bind {shlex.quote(str(shown))} {shlex.quote(str(target))} &&\n"
            for shown, target in self._mounts
        )
        done = subprocess.run(
            [
                *(toolchain.program("unshare"), "--mount", "sh", "-c"),
                *(f'{script}exec "$@"', "hidden", *command),
            ],
            env={
                **os.environ,
                "PATH": f"{self._bin}{os.pathsep}{os.environ['PATH']}",
                **(variables or {}),
            },
            cwd=folder,
            check=False,
        )
        if done.returncode:
            raise HiddenError(f"{shlex.join(command[:4])} ... failed")

    def program(self, name: str) -> Path:
        """Return what runs a program outside."""
        return self._bin / name

    def _let_out(self, name: str, hidden: Sequence[Path]) -> None:
        """Write a program that runs another one where nothing is hidden.

        It gets a copy of the place of whoever runs it, and uncovers the files there. So
        it keeps its process id, and sees what else that one has mounted.
        """
        path = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/usr/local/sbin"])
        found = shutil.which(name, path=path)
        if found is None:
            raise HiddenError(f"{name} is missing: install it and run this again")
        files = shlex.join(map(str, hidden))
        uncover = shlex.quote(f'umount {files} && exec {shlex.quote(found)} "$@"')
        unshare = toolchain.program("unshare")
        script = f'#!/bin/sh\nexec {unshare} --mount sh -c {uncover} {name} "$@"\n'
        self._bin.joinpath(name).write_text(script)
        self._bin.joinpath(name).chmod(0o755)

    def _show_own_ssl(self, files: Sequence[Path], folder: Path) -> None:
        """Let the interpreter's own modules have copies of what they need."""
        patchelf = toolchain.program("patchelf")
        code = "import sysconfig; print(sysconfig.get_config_var('DESTSHARED'))"
        modules = _ask(str(self._interpreter), "-I", "-c", code)
        by_name = {path.name: path for path in files}
        by_name |= {_ask(patchelf, "--print-soname", str(path)): path for path in files}
        folder.mkdir()

        def copy(original: Path, name: str) -> Path:
            mine = folder / name
            shutil.copy(original, mine)
            for needed in _ask(patchelf, "--print-needed", str(original)).split():
                if needed in by_name:
                    own = f"python-{needed}"
                    if not (folder / own).exists():
                        copied = copy(by_name[needed], own)
                        _ask(patchelf, "--set-soname", own, str(copied))
                    _ask(patchelf, "--replace-needed", needed, own, str(mine))
                    _ask(patchelf, "--set-rpath", str(folder), str(mine))
            return mine

        for module in Path(modules).glob("*.so"):
            needed = _ask(patchelf, "--print-needed", str(module)).split()
            if not by_name.keys().isdisjoint(needed):
                self._mounts.append((copy(module, module.name), module.resolve()))


def _find_libraries() -> list[Path]:
    """The files of the libraries that are to be hidden."""
    found = set()
    for folder in {Path(folder).resolve() for folder in _FOLDERS}:
        for path in folder.rglob("lib*.so*"):
            if _IS_HIDDEN.match(path.name) and path.is_file():
                found.add(path.resolve())
    return sorted(found)


def _ask(*command: str) -> str:
    return subprocess.run(
        command, capture_output=True, text=True, check=True
    ).stdout.strip()
