"""The sdist: everything that is in the repository and nothing else; and it installs.

Without a network, and with what it is built with in isolation: make check-dist.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent

#: What the repository has and the sdist has not, and why.
LEFT_OUT = {".gitignore": "only git has a use for it"}

#: What setuptools writes.
ADDED = {
    "PKG-INFO",
    "setup.cfg",
    *(
        f"mariadb_nb.egg-info/{name}"
        for name in (
            "PKG-INFO",
            "SOURCES.txt",
            "dependency_links.txt",
            "entry_points.txt",
            "requires.txt",
            "top_level.txt",
        )
    ),
}

SECRET = re.compile(
    rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\n|\bpypi-[\w-]{16,}|\bgh[pousr]_\w{30,}"
)


def build_sdist(source: Path, folder: Path) -> Path:
    command = [sys.executable, "-m", "build", "--sdist", "--no-isolation", "-o"]
    subprocess.run([*command, folder, source], check=True, capture_output=True)
    (archive,) = folder.glob("*.tar.gz")
    return archive


def files_of(archive: Path) -> dict[str, bytes]:
    """What is in an sdist, by name without the top folder."""
    with tarfile.open(archive) as tar:
        return {
            member.name.partition("/")[2]: file.read()
            for member in tar
            if (file := tar.extractfile(member)) is not None
        }


def listed(*options: str) -> set[str]:
    """What git lists."""
    command = ["git", "ls-files", "-z", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return {name for name in done.stdout.split("\0") if (ROOT / name).is_file()}


class Expected(NamedTuple):
    """What has to be in the sdist, and what may be."""

    needed: set[str]
    allowed: set[str]


@pytest.fixture(scope="module")
def expected() -> Expected:
    """The files that git knows; without git, those that the sdist came with."""
    if (ROOT / ".git").exists():
        needed = listed()
        # Not yet known to git, but not to be ignored either.
        return Expected(needed, needed | listed("--others", "--exclude-standard"))
    sources = ROOT / "mariadb_nb.egg-info" / "SOURCES.txt"
    needed = set(sources.read_text("utf-8").splitlines())
    return Expected(needed, needed)


@pytest.fixture(scope="module")
def sdist(expected: Expected, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution, built from this tree."""
    return build_sdist(ROOT, tmp_path_factory.mktemp("sdist"))


def test_everything_is_in_it(sdist: Path, expected: Expected) -> None:
    assert expected.needed - files_of(sdist).keys() <= LEFT_OUT.keys()


def test_nothing_else_is_in_it(sdist: Path, expected: Expected) -> None:
    assert files_of(sdist).keys() - ADDED <= expected.allowed - LEFT_OUT.keys()


def test_what_is_left_out_is_there(expected: Expected) -> None:
    assert LEFT_OUT.keys() & expected.needed in (set(LEFT_OUT), set())


def test_no_secret_and_nothing_of_the_machine_is_in_it(sdist: Path) -> None:
    for name, text in files_of(sdist).items():
        assert not SECRET.search(text), name
        assert bytes(ROOT) not in text, name


def test_sdist_of_the_sdist_is_the_same(sdist: Path, tmp_path: Path) -> None:
    with tarfile.open(sdist) as tar:
        tar.extractall(tmp_path, filter="data")
    (unpacked,) = tmp_path.iterdir()
    first, again = files_of(sdist), files_of(build_sdist(unpacked, tmp_path / "again"))
    assert again.keys() == first.keys()
    assert {name for name in first if again[name] != first[name]} <= ADDED


def test_wheel_from_the_sdist(sdist: Path, tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
    # What is in it is looked at, not how fast it is: that would take the time.
    quickly = {**os.environ, "CFLAGS": "-O0"}
    subprocess.run(
        [*pip, "-w", tmp_path, sdist], env=quickly, check=True, capture_output=True
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "installed")
    assert "mariadb_nb/py.typed" in names
    assert "mariadb_nb/_ffi.pyi" in names
    assert not [name for name in names if name.startswith(("csrc", "tests"))]
    (metadata,) = (n for n in names if n.endswith(".dist-info/METADATA"))
    text = (tmp_path / "installed" / metadata).read_text()
    assert "License-Expression: MIT" in text
    program = (
        "from mariadb_nb.capi import ffi, lib, missing; import mariadb_nb.capi as m;"
        "print(m.__file__, lib.mysql_get_client_version() // 100)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "installed")},
        capture_output=True,
        text=True,
        check=True,
    )
    place, version = done.stdout.split()
    assert Path(place).is_relative_to(tmp_path)
    assert version in {"303", "304"}
