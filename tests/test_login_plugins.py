"""What no server gets a client to do, whichever authentication plug-in it asks for.

Neither at the login nor at any time later. That logins work otherwise is in
test_logins.py.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from login_methods import Account
from login_server import LoginServer
from option_support import SECRET, ScriptedServer, refused
from plugin_cases import CASES, EVIL
from server_packets import OK
from worlds import World, in_every_world

import mariadb_nb
from mariadb_nb import plugins
from mariadb_nb.capi import closing, ffi, lib
from mariadb_nb.cli.handle import connect_arguments, new_handle
from mariadb_nb.cli.target import Target

HERE: Final = Path(__file__).parent

#: What may not be asked for where somebody could read along.
BARE: Final = (
    "mysql_clear_password",
    "dialog",
    "caching_sha2_password",
    "sha256_password",
)
#: What is on no list, and what the library takes for being on it: a part of the list.
UNKNOWN: Final = ("auth_gssapi_client", "mysql_old_password", "../../evil", "evil")
PARTS: Final = ("", "password", "mysql_native_password,client_ed25519")

ACCOUNT: Final = Account("me", SECRET.encode(), "mysql_native_password")


def to(server: LoginServer | ScriptedServer, **options: Any) -> dict[str, Any]:
    """The options that lead to a server."""
    place = {"unix_socket": None, "host": "127.0.0.1", "port": server.port}
    return {**place, "user": ACCOUNT.user, "password": SECRET, **options}


def assert_nothing_was_told(packets: list[bytes]) -> None:
    """Check that a server has not heard the password, nor anything made of it."""
    assert all(not packet for packet in packets), packets


@pytest.mark.parametrize("asks", [*BARE, *UNKNOWN])
@in_every_world
async def test_plugin_that_is_not_allowed(world: World, asks: str) -> None:
    with (
        LoginServer(ACCOUNT, asks=asks) as server,
        pytest.raises(mariadb_nb.OperationalError) as raised,
    ):
        await world.connect(**to(server))
    assert raised.value.errno == lib.CR_PLUGIN_NOT_ALLOWED
    assert "not allowed: see auth_plugins=" in raised.value.message
    assert SECRET not in repr(raised.value)
    login, *answers = server.heard
    assert SECRET.encode() not in login
    assert not answers


@pytest.mark.parametrize("asks", [*BARE, *UNKNOWN])
@in_every_world
async def test_plugin_that_is_not_allowed_later(world: World, asks: str) -> None:
    with LoginServer(ACCOUNT, asks_later=asks) as server:
        conn = await world.connect(**to(server))
        before = len(server.heard)
        with pytest.raises(mariadb_nb.OperationalError) as raised:
            await conn.change_user(ACCOUNT.user, SECRET)
        assert raised.value.errno == lib.CR_PLUGIN_NOT_ALLOWED
        assert SECRET not in repr(raised.value)
        assert conn.broken
    change, *answers = server.heard[before:]
    assert SECRET.encode() not in change
    assert not answers


@pytest.mark.parametrize("asks", PARTS)
def test_plugin_whose_name_is_a_part_of_the_list(asks: str) -> None:
    with (
        LoginServer(ACCOUNT, asks=asks) as server,
        pytest.raises(mariadb_nb.OperationalError, match="which is no part of"),
    ):
        mariadb_nb.connect(**to(server))
    login, *answers = server.heard
    assert SECRET.encode() not in login
    assert_nothing_was_told(answers)


def test_oldest_login_of_all() -> None:
    """A password of before 4.1, which is as good as sent in the clear."""
    with (
        ScriptedServer(None, [b"\xfe", OK]) as server,
        pytest.raises(mariadb_nb.OperationalError, match="not allowed"),
    ):
        mariadb_nb.connect(**to(server))
    assert len(server.packets) == 1


@pytest.mark.parametrize("method", ["caching_sha2_password", "sha256_password"])
def test_no_password_in_the_clear_where_tls_is_only_preferred(method: str) -> None:
    """The library takes TLS that is asked for to be TLS that is there."""
    account = Account("me", SECRET.encode(), method)
    with LoginServer(account) as server:
        options = to(server, auth_plugins=[method])
        del options["unix_socket"]
        message = refused(**options)
        assert "tls='require'" in message
        assert "tls='disable'" in message
        assert not server.heard
        mariadb_nb.connect(**options, tls="disable").close()
    assert not any(SECRET.encode() in packet for packet in server.heard)


def test_server_names_first_what_is_not_allowed() -> None:
    """Its first choice is for accounts that do not say; this one has another."""
    for claims in (*BARE, *UNKNOWN):
        with LoginServer(ACCOUNT, claims=claims) as server:
            mariadb_nb.connect(**to(server)).close()
        assert not any(SECRET.encode() in packet for packet in server.heard)


def test_first_of_the_allowed_plugins_begins() -> None:
    account = Account("me", SECRET.encode(), "sha256_password")
    with LoginServer(account) as server:
        only = {"auth_plugins": ["sha256_password"], "tls": "disable"}
        mariadb_nb.connect(**to(server, **only)).close()
    assert b"\0sha256_password\0" in server.heard[0]


@pytest.mark.parametrize("tls", ["disable", "require"])
def test_command_line_tells_no_password_without_tls(tls: str) -> None:
    account = Account("me", SECRET.encode(), "caching_sha2_password")
    with LoginServer(account) as server:
        target = Target(
            host="127.0.0.1", port=server.port, user="me", password=SECRET, tls=tls
        )
        with closing(new_handle(target)) as mysql:
            _, arguments = connect_arguments(target)
            assert lib.mysql_real_connect(mysql, *arguments) == ffi.NULL
            assert lib.mysql_errno(mysql) == lib.CR_PLUGIN_NOT_ALLOWED
    assert len(server.heard) == 1
    assert SECRET.encode() not in server.heard[0]


# ---- which files are loaded ----------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_server_has_no_file_loaded(case: str, tmp_path: Path) -> None:
    """The folder that the environment names is one in which others can write."""
    (tmp_path / f"{EVIL}.so").write_bytes(b"no plug-in at all")
    done = subprocess.run(
        [sys.executable, str(HERE / "plugin_cases.py"), case, str(tmp_path)],
        env={**os.environ, "MARIADB_PLUGIN_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    expected = [f"{EVIL}.so"] if CASES[case][1] else []
    assert json.loads(done.stdout) == expected


class Status(NamedTuple):
    st_uid: int
    st_mode: int


SAFE, OTHERS_WRITE, STICKY = 0o40755, 0o40757, 0o41777
ROOT, ME, SOMEBODY = 0, 1000, 1001


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ({"/": (ROOT, SAFE), "/a": (ROOT, SAFE), "/a/b": (ROOT, SAFE)}, True),
        ({"/": (ROOT, SAFE), "/a": (ROOT, SAFE), "/a/b": (ME, SAFE)}, True),
        ({"/": (ROOT, SAFE), "/a": (ME, SAFE), "/a/b": (SOMEBODY, SAFE)}, False),
        ({"/": (ROOT, SAFE), "/a": (SOMEBODY, SAFE), "/a/b": (ME, SAFE)}, False),
        ({"/": (ROOT, SAFE), "/a": (ROOT, STICKY), "/a/b": (ME, SAFE)}, False),
        ({"/": (ROOT, SAFE), "/a": (ROOT, SAFE), "/a/b": (ME, OTHERS_WRITE)}, False),
        ({"/": (ROOT, SAFE), "/a": (ROOT, SAFE)}, False),  # or who would make it?
        # In a user namespace nobody has the number 0.
        ({"/": (65534, SAFE), "/a": (65534, SAFE), "/a/b": (65534, SAFE)}, True),
    ],
)
def test_whose_folders_are_trusted(
    folder: dict[str, tuple[int, int]], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stat(path: str) -> Status:
        if path not in folder:
            raise FileNotFoundError(path)
        return Status(*folder[path])

    monkeypatch.setattr(os, "geteuid", lambda: ME)
    monkeypatch.setattr(os, "stat", stat)
    assert plugins._is_ours("/a/b") == expected
