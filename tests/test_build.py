"""Building with a library that is missing, old or another's; see also test_sdist.py."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

#: Enough to find the compiler, but no mariadb_config and no pkg-config.
NOTHING = {"PATH": "/nonexistent", "PKG_CONFIG": "/nonexistent/pkg-config"}


def build(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Build the extension with another idea of where the library is."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MARIADB_", "PKG_CONFIG"))
    }
    command = [sys.executable, "setup.py", "-q", "build", "--build-base", str(folder)]
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def assert_readable(done: subprocess.CompletedProcess[str], *said: str) -> None:
    """The build has ended with one message: what is wrong and what to do."""
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    for text in (*said, "apt-get install libmariadb-dev", "MARIADB_NB_PREFIX"):
        assert text in done.stderr


def test_no_library(tmp_path: Path) -> None:
    done = build(tmp_path, **NOTHING)
    assert_readable(done, "Neither mariadb_config nor pkg-config knows of it")
    for system in ("Debian", "Fedora", "Alpine", "macOS"):
        assert system in done.stderr


def test_prefix_without_a_library(tmp_path: Path) -> None:
    done = build(tmp_path, **NOTHING, MARIADB_NB_PREFIX=str(tmp_path))
    assert_readable(done, "there is no include/mariadb/mysql.h in it")


def test_config_program_that_does_not_answer(tmp_path: Path) -> None:
    done = build(tmp_path, **NOTHING, MARIADB_CONFIG="/nonexistent/mariadb_config")
    assert_readable(done, "does not answer --include and --libs")


def fake_prefix(folder: Path, version: str | None) -> str:
    """A folder that looks like an installed library of a version."""
    include = folder / "include" / "mariadb"
    include.mkdir(parents=True)
    (include / "mysql.h").touch()
    (folder / "lib").mkdir()
    (folder / "lib" / "libmariadb.so").touch()
    (folder / "lib" / "libmariadb.dylib").touch()
    if version is not None:
        line = f'#define MARIADB_PACKAGE_VERSION "{version}"\n'
        (include / "mariadb_version.h").write_text(line)
    return str(folder)


@pytest.mark.parametrize("version", ["3.2.7", "3.1.27", "2.3.7"])
def test_library_that_is_too_old(tmp_path: Path, version: str) -> None:
    prefix = fake_prefix(tmp_path / "prefix", version)
    done = build(tmp_path, MARIADB_NB_PREFIX=prefix)
    assert_readable(done, f"Version {version} was found", "too old", "3.3 or newer")


def test_another_client_library(tmp_path: Path) -> None:
    prefix = fake_prefix(tmp_path / "prefix", None)
    done = build(tmp_path, MARIADB_NB_PREFIX=prefix)
    assert_readable(done, "has no mariadb_version.h", "another client library")
