"""Build the extension modules: finds Connector/C, everything else is in pyproject.toml.

Owns the search for libmariadb and the compiler's flags. What the extension
``mariadb_nb._ffi`` is made of is said in ``build_ffi.py``; ``mariadb_nb._wire`` is
what lies in ``csrc/wire``. Both link the same libmariadb: two copies of it would be
two sets of plug-ins and options.

The library is looked for, in this order, in ``MARIADB_NB_PREFIX`` (a folder
with include/ and lib/), by the program that ``MARIADB_CONFIG`` names, by
``mariadb_config`` and by ``pkg-config``.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import NamedTuple, NoReturn

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

OLDEST = (3, 3)

HELP = """\
MariaDB Connector/C {oldest} or newer, with its headers, is needed to build mariadb_nb.
{problem}
To install it together with a compiler:
    Debian, Ubuntu   apt-get install libmariadb-dev gcc python3-dev
    Fedora, RHEL     dnf install mariadb-connector-c-devel gcc python3-devel
    openSUSE         zypper install libmariadb-devel gcc python3-devel
    Arch             pacman -S mariadb-libs gcc
    Alpine           apk add mariadb-connector-c-dev gcc musl-dev python3-dev
    macOS            brew install mariadb-connector-c
Elsewhere, or for another copy: set MARIADB_NB_PREFIX to the folder that has its
include/ and lib/, or MARIADB_CONFIG to its mariadb_config program.
"""

#: Warnings are errors only on request: a newer compiler must not break an install.
STRICT = ["-Wall", "-Wextra", "-Wshadow", "-Werror"]

#: For MARIADB_NB_SANITIZE=1: finds memory errors and undefined behaviour.
SANITIZE = ["-fsanitize=address,undefined", "-fno-omit-frame-pointer", "-g", "-O1"]


#: The sources of ``mariadb_nb._wire``.
WIRE = Path("csrc") / "wire"


class Library(NamedTuple):
    """Where a Connector/C is and how to link it."""

    include_dirs: list[str]
    library_dirs: list[str]
    libraries: list[str]
    origin: str
    rpath: bool = False
    #: What a wheel has to have beside the library if it bundles it: see wheels/.
    bundle: Path | None = None


def give_up(problem: str) -> NoReturn:
    """End the build with one message and no traceback."""
    oldest = ".".join(map(str, OLDEST))
    sys.stdout.flush()
    raise SystemExit("\n" + HELP.format(oldest=oldest, problem=problem))


def ask(*command: str) -> list[str] | None:
    """What a program prints, split as a shell would; None if it cannot be run."""
    try:
        output = subprocess.run(
            command, capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return shlex.split(output)


def from_flags(cflags: list[str], ldflags: list[str], origin: str) -> Library:
    """Take the folders and names out of compiler and linker flags."""
    return Library(
        [flag[2:] for flag in cflags if flag.startswith("-I")],
        [flag[2:].rstrip("/") for flag in ldflags if flag.startswith("-L")],
        [flag[2:] for flag in ldflags if flag.startswith("-l")],
        origin,
    )


def from_prefix(prefix: Path) -> Library:
    """Take the library in a folder of its own, found again by its run path."""
    includes = [prefix / "include" / "mariadb", prefix / "include"]
    include = next((path for path in includes if (path / "mysql.h").is_file()), None)
    names = ("libmariadb.so", "libmariadb.dylib", "libmariadb.lib")
    libraries = [prefix / "lib" / "mariadb", prefix / "lib", prefix / "lib64"]
    folder = next(
        (path for path in libraries if any((path / name).exists() for name in names)),
        None,
    )
    if include is None or folder is None:
        absent = "include/mariadb/mysql.h" if include is None else "lib/libmariadb"
        give_up(f"MARIADB_NB_PREFIX is {prefix}, but there is no {absent} in it.")
    name = "libmariadb" if sys.platform == "win32" else "mariadb"
    bundle = prefix / "share" / "mariadb_nb"
    return Library(
        [str(include)],
        [str(folder)],
        [name],
        f"MARIADB_NB_PREFIX={prefix}",
        rpath=True,
        bundle=bundle if bundle.is_dir() else None,
    )


def find_library() -> Library:
    """Find Connector/C, or end the build with a message that says what to do."""
    if prefix := os.environ.get("MARIADB_NB_PREFIX"):
        return from_prefix(Path(prefix).resolve())
    named = os.environ.get("MARIADB_CONFIG")
    for program in [named] if named else ["mariadb_config"]:
        cflags, ldflags = ask(program, "--include"), ask(program, "--libs")
        if cflags and ldflags:
            return from_flags(cflags, ldflags, shutil.which(program) or program)
    if named:
        give_up(
            f"MARIADB_CONFIG is {named}, which does not answer --include and --libs."
        )
    pkg_config = os.environ.get("PKG_CONFIG", "pkg-config")
    for name in ("libmariadb", "mariadb"):
        cflags = ask(pkg_config, "--cflags", name)
        ldflags = ask(pkg_config, "--libs", name)
        if cflags is not None and ldflags:
            return from_flags(cflags, ldflags, f"{pkg_config} {name}")
    give_up("Neither mariadb_config nor pkg-config knows of it on this machine.")


def check_version(library: Library) -> str:
    """Refuse headers that are too old or another product's; return the version."""
    for folder in library.include_dirs:
        header = Path(folder) / "mariadb_version.h"
        if header.is_file():
            text = header.read_text(encoding="utf-8", errors="replace")
            found = re.search(r'MARIADB_PACKAGE_VERSION\s+"([\d.]+)', text)
            if found is None:
                continue
            version = tuple(int(part) for part in found[1].split("."))
            if version[:2] < OLDEST:
                give_up(f"Version {found[1]} was found ({library.origin}): too old.")
            return found[1]
    give_up(
        f"What was found ({library.origin}) has no mariadb_version.h in "
        f"{', '.join(library.include_dirs) or 'the folders it names'}: "
        "another client library, or its headers are missing."
    )


class BuildExtensions(build_ext):
    """Look for the library only when something is compiled: not for an sdist."""

    def build_extensions(self) -> None:
        library = find_library()
        version = check_version(library)
        print(f"MariaDB Connector/C {version}: {library.origin}")
        # Imported late: cffi is there only when something is built. A build in
        # isolation does not look for modules beside this file.
        sys.path.insert(0, str(Path(__file__).resolve().parent))
        import build_ffi

        generated = Path(self.build_temp) / "_ffi.c"
        include_dirs = [Path(folder) for folder in library.include_dirs]
        build_ffi.emit(generated, include_dirs, library.bundle is not None)
        sources = {
            "mariadb_nb._ffi": [str(generated), *build_ffi.SOURCES],
            "mariadb_nb._wire": [str(path) for path in sorted(WIRE.glob("*.c"))],
        }
        for extension in self.extensions:
            extension.sources = sources[extension.name]
            extension.depends = [str(path) for path in sorted(WIRE.parent.rglob("*.h"))]
            extension.include_dirs += ["csrc", *library.include_dirs]
            extension.library_dirs += library.library_dirs
            extension.libraries += library.libraries
            self.add_flags(extension, library)
        super().build_extensions()

    def add_flags(self, extension: Extension, library: Library) -> None:
        """Add the compiler's and linker's flags."""
        if self.compiler.compiler_type == "msvc":
            flags = ["/std:c11", "/experimental:c11atomics"]
        else:
            flags = ["-std=c11", "-D_GNU_SOURCE", "-fvisibility=hidden"]
            if os.environ.get("MARIADB_NB_STRICT"):
                flags += STRICT
            if os.environ.get("MARIADB_NB_SANITIZE"):
                flags += SANITIZE
                extension.extra_link_args += SANITIZE
            if library.rpath:
                extension.runtime_library_dirs += library.library_dirs
        extension.extra_compile_args += flags


class BuildWheel(bdist_wheel):
    """Put in the licences and the bill of materials of a library to be bundled."""

    def write_wheelfile(self, wheelfile_base: str, *rest: str) -> None:
        super().write_wheelfile(wheelfile_base, *rest)
        if (bundle := find_library().bundle) is not None:
            shutil.copytree(bundle, wheelfile_base, dirs_exist_ok=True)


# cffi writes code for the limited API; not for debug and free-threaded builds.
LIMITED = not sysconfig.get_config_var("Py_DEBUG") and not sysconfig.get_config_var(
    "Py_GIL_DISABLED"
)

if __name__ == "__main__":
    setup(
        ext_modules=[
            Extension("mariadb_nb._ffi", [], py_limited_api=LIMITED),
            Extension("mariadb_nb._wire", []),
        ],
        cmdclass={"build_ext": BuildExtensions, "bdist_wheel": BuildWheel},
    )
