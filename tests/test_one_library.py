"""There is one libmariadb for both extension modules, and it is the right one.

Each case runs in a process of its own: what a process has loaded it keeps.
"""

from __future__ import annotations

import ctypes.util
import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mariadb_nb import _wire, capi
from mariadb_nb.capi import ffi, lib
from mariadb_nb.server import TemporaryServer

#: Imports both modules, and says what libraries there are and whose the functions are.
REPORT = """
import ctypes, json, re
from mariadb_nb import _attached, _ffi, _wire
from mariadb_nb.capi import ffi, lib

def mapped(address):
    for line in open("/proc/self/maps"):
        found = re.match(r"(\\w+)-(\\w+) \\S+ \\S+ \\S+ \\S+\\s*(.*)", line)
        if int(found[1], 16) <= address < int(found[2], 16):
            return found[3]

def visible(module):
    return ctypes.cast(ctypes.CDLL(module.__file__).mysql_init, ctypes.c_void_p).value

loaded = {line.split()[-1] for line in open("/proc/self/maps") if "/libmariadb" in line}
loaded = {path for path in loaded if "/libmariadb" not in path.rpartition("/")[0]}
text = lib.mysql_get_client_info()
print(json.dumps({
    "loaded": sorted(loaded),
    "used": mapped(int(ffi.cast("uintptr_t", text))),
    "version": lib.mysql_get_client_version(),
    "built": lib.MARIADB_PACKAGE_VERSION_ID,
    "addresses": [visible(_ffi), visible(_wire)],
}))
"""

GLOBALLY = "import ctypes; ctypes.CDLL({!r}, ctypes.RTLD_GLOBAL)\n"

#: Both drivers log in and ask for something, in turns.
BOTH = """
import json, os, MySQLdb, mariadb_nb
way = json.loads(os.environ["WAY"])
theirs = MySQLdb.connect(**way)
ours = mariadb_nb.connect(**way)
for number in range(3):
    cursor = theirs.cursor()
    cursor.execute("SELECT %s", (number,))
    assert cursor.fetchall() == ((number,),)
    assert ours.execute("SELECT ?", (number,)).fetchall() == [(number,)]
ours.close()
theirs.close()
"""


def run(program: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def report(before: str = "", **variables: str) -> dict[str, Any]:
    done = run(before + REPORT, **variables)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def system_library() -> str:
    """The name by which the machine's own libmariadb is loaded."""
    name = ctypes.util.find_library("mariadb")
    assert name is not None, "install libmariadb3, or mariadb-connector-c"
    return name


def assert_is_ours(found: dict[str, Any]) -> None:
    """Both modules use the library that they were built with, alone in its process."""
    (alone,) = report()["loaded"]
    assert found["used"] == alone
    assert found["version"] == found["built"]
    assert len(set(found["addresses"])) == 1


def test_both_modules_use_one_library() -> None:
    found = report()
    assert len(found["loaded"]) == 1
    assert_is_ours(found)


@pytest.mark.parametrize("how", ["loaded for all", "preloaded"])
def test_the_systems_library_does_not_take_its_place(how: str) -> None:
    name = system_library()
    if how == "preloaded":
        assert_is_ours(report(LD_PRELOAD=name))
    else:
        assert_is_ours(report(GLOBALLY.format(name)))


@pytest.mark.parametrize("order", ["before", "after"])
def test_next_to_mysqlclient(order: str, mariadb_server: TemporaryServer) -> None:
    load = "import MySQLdb\n"
    if order == "after":
        load = "import mariadb_nb._attached\n" + load
    assert_is_ours(report(load))
    user = mariadb_server.users["native"]
    way = {
        "unix_socket": mariadb_server.socket,
        "user": user.name,
        "password": user.password,
        "database": "test",
    }
    done = run(BOTH, WAY=json.dumps(way))
    assert done.returncode == 0, done.stderr


def test_another_copy_is_refused() -> None:
    guard = int(ffi.cast("uintptr_t", lib.nb_guard_claims))
    with pytest.raises(ImportError, match="two copies of libmariadb"):
        _wire.attach(guard, id(object()))


@pytest.mark.parametrize(
    ("loaded", "bundled", "fits"),
    [
        (30409, False, True),
        (30408, False, True),
        (30500, False, True),
        (30320, False, False),
        (30409, True, True),
        (30410, True, False),
        (30408, True, False),
    ],
)
def test_versions_that_fit(loaded: int, bundled: bool, fits: bool) -> None:
    complaint = capi._complaint(30409, loaded, bundled)
    assert (complaint is None) is fits
    if complaint is not None:
        assert "3.4.9 of libmariadb, but the process has loaded 3." in complaint


def test_import_fails_with_an_old_library(tmp_path: Path) -> None:
    """One that says it is old and has no versions, so that it takes the place."""
    source, library = tmp_path / "old.c", tmp_path / "libmariadb.so"
    source.write_text("unsigned long mysql_get_client_version(void) { return 30211; }")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source], check=True)
    done = run("import mariadb_nb.capi", LD_PRELOAD=str(library))
    assert done.returncode != 0
    assert "ImportError: mariadb_nb was built with version" in done.stderr
    assert "has loaded 3.2.11" in done.stderr


def test_only_root_can_make_the_folder_for_plug_ins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A server may name any plug-in, and it would be run."""
    monkeypatch.delenv("MARIADB_PLUGIN_DIR", raising=False)
    with capi.closing(lib.mysql_init(ffi.NULL)) as mysql:
        kind = lib.MYSQL_CLIENT_AUTHENTICATION_PLUGIN
        assert lib.mysql_client_find_plugin(mysql, b"no_such_plugin", kind) == ffi.NULL
        error = ffi.string(lib.mysql_error(mysql)).decode()
    (path,) = [Path(word) for word in error.split() if "no_such_plugin." in word]
    assert path.is_absolute()
    for folder in path.parents:
        if folder.exists():
            found = folder.stat()
            assert found.st_uid == 0, f"{folder} is not root's"
            assert not stat.S_IMODE(found.st_mode) & 0o022, f"others can write {folder}"
