"""Build a wheel from the source distribution, bundle the library in it, look it over.

Owns the environments that wheels are built in and what a finished wheel has to be. The
library and the compiler are made elsewhere; tests too.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import bundle
import toolchain
from toolchain import Toolchain

#: The most that a wheel may weigh, in bytes.
LARGEST: Final = 2_500_000

_HERE: Final = Path(__file__).parent
REQUIREMENTS: Final = _HERE / "requirements.txt"
# The newest glibc and musl that a wheel may ask for.
_NEWEST: Final = {"manylinux": (2, 28), "musllinux": (1, 2)}
_PLATFORM: Final = re.compile(r"(manylinux|musllinux)_(\d+)_(\d+)_(\w+?)(?:\.|$)")


class WheelError(Exception):
    """A wheel could not be built, or is not as it has to be."""


@dataclass(frozen=True, slots=True)
class Python:
    """An interpreter to build for.

    Attributes:
        tag: as 311, or 314t without the global lock.
    """

    program: str
    tag: str

    @property
    def name(self) -> str:
        """How people call it."""
        return f"CPython {self.tag[0]}.{self.tag[1:]}"


def inspect(program: str) -> Python | None:
    """Return an interpreter if it runs, is CPython and not too old; else None."""
    code = (
        "import sys, sysconfig as s; v = sys.version_info;"
        "print(sys.implementation.name, *v[:2],"
        "'t' if s.get_config_var('Py_GIL_DISABLED') else '')"
    )
    try:
        done = subprocess.run(
            [program, "-I", "-c", code], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    kind, major, minor, *threads = done.stdout.split()
    if kind != "cpython" or (int(major), int(minor)) < (3, 11):
        return None
    return Python(program, f"{major}{minor}{''.join(threads)}")


def build_sdist(project: Path, folder: Path, log: Path) -> Path:
    """Build the source distribution of a project into an empty folder."""
    command = [sys.executable, "-m", "build", "--sdist", "--no-isolation"]
    run([*command, "--outdir", str(folder), str(project)], log)
    (archive,) = folder.glob("*.tar.gz")
    return archive


def environment(python: Python, folder: Path, log: Path) -> Path:
    """Return the interpreter of an environment that has what is built with."""
    program = folder / "bin" / "python"
    stamp, wanted = folder / ".stamp", f"{python} {REQUIREMENTS.read_text()}"
    if not stamp.is_file() or stamp.read_text() != wanted:
        run([python.program, "-m", "venv", "--clear", str(folder)], log)
        pip = [str(program), "-m", "pip", "--quiet", "install"]
        run([*pip, "-c", str(REQUIREMENTS), "setuptools", "cffi"], log)
        stamp.write_text(wanted)
    return program


def build(
    python: Python,
    builder: Path,
    sdist: Path,
    prefix: Path,
    tools: Toolchain,
    work: Path,
) -> Path:
    """Build a wheel that has the library in it.

    Args:
        python: what it is for.
        builder: the interpreter of its environment.
        sdist: what it is built from.
        prefix: where the library is.
        tools: the compiler that made the library.
        work: an empty folder.

    Returns:
        The wheel, in a folder of its own below ``work``.

    Raises:
        WheelError: something failed, or the wheel is not as it has to be.
    """
    raw, repaired, log = work / "raw", work / "repaired", work / "log"
    pip = [str(builder), "-m", "pip", "--quiet", "wheel", "--no-deps"]
    options = ["--no-build-isolation", "--no-cache-dir", "--wheel-dir", str(raw)]
    run([*pip, *options, str(sdist)], log, _variables(python, prefix, tools))
    (plain,) = raw.glob("*.whl")
    auditwheel = [toolchain.program("auditwheel"), "repair", "--plat", "auto"]
    auditwheel += ["--zip-compression-level", "9"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    run([*auditwheel, "--wheel-dir", str(repaired), str(plain)], log, {"PATH": path})
    (wheel,) = repaired.glob("*.whl")
    check(wheel)
    return wheel


def _variables(python: Python, prefix: Path, tools: Toolchain) -> dict[str, str]:
    """What tells setuptools the compiler, and which machine it compiles for."""
    variables = dict(tools.environment)
    variables["MARIADB_NB_PREFIX"] = str(prefix)
    variables["LDFLAGS"] = "-Wl,-s"  # nobody debugs what was installed by symbols alone
    if tools.crosses:
        variables |= {
            "LDSHARED": "cc -shared",
            "_PYTHON_HOST_PLATFORM": f"linux-{tools.machine}",
            "SETUPTOOLS_EXT_SUFFIX": (
                f".cpython-{python.tag}-{tools.machine}-linux-gnu.so"
            ),
        }
    return variables


def check(wheel: Path) -> None:
    """See that a wheel is what it should be.

    Raises:
        WheelError: it asks for too new a system, is too large, or lacks something.
    """
    for family, major, minor, _machine in _PLATFORM.findall(wheel.stem.split("-")[-1]):
        if (int(major), int(minor)) <= _NEWEST[family]:
            break
    else:
        raise WheelError(f"{wheel.name} is for newer systems than {_NEWEST}")
    if (size := wheel.stat().st_size) > LARGEST:
        raise WheelError(f"{wheel.name} has {size} bytes; {LARGEST} is the most")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        libraries = [name for name in names if re.search(r"\.libs/.", name)]
        if len(libraries) != 1 or "libmariadb" not in libraries[0]:
            raise WheelError(f"{wheel.name} bundles {libraries}, not one libmariadb")
        info = next(name for name in names if name.endswith(".dist-info/METADATA"))
        info = info.removesuffix("METADATA")
        bill = f"{info}sboms/libmariadb.cdx.json"
        if bill not in names:
            raise WheelError(f"{wheel.name} has no bill of materials")
    licences = {f"{info}licenses/{name}" for name in ("LICENSE", *bundle.LICENSES)}
    if absent := sorted(licences - set(names)):
        raise WheelError(f"{wheel.name} lacks {', '.join(absent)}")


def run(
    command: list[str],
    log: Path,
    variables: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> None:
    """Run a program with its output in a log; raise its end if it fails."""
    log.parent.mkdir(parents=True, exist_ok=True)
    quiet = {"PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    with log.open("ab") as output:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, **quiet, **(variables or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-30:])
        raise WheelError(
            f"{tail}\n{' '.join(command[:4])} ... failed; the log is {log}"
        )
