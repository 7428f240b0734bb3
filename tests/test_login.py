"""The library is told what the options say, and logs in so and not otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest
from capi_support import error, query, rows
from option_support import SECRET, ScriptedServer, logged_in, login
from server_packets import OK, switch

from mariadb_nb.capi import lib
from mariadb_nb.errors import Error
from mariadb_nb.options import Options
from mariadb_nb.server import TemporaryServer


def test_library_is_told(mariadb_server: TemporaryServer) -> None:
    options = Options.of(
        **login(mariadb_server),
        connect_attributes={"team": "ä"},
        program_name="the program",
        compress=True,
        collation="utf8mb4_bin",
        sql_mode="ANSI",
        time_zone="+05:00",
        isolation_level="serializable",
        multi_statements=True,
    )
    with logged_in(options) as mysql:
        for statement in options.setup_statements(2):
            assert query(mysql, statement) == 0, error(mysql)
        assert rows(
            mysql,
            "SELECT @@collation_connection, @@time_zone, @@tx_isolation, @@autocommit,"
            " @@sql_mode LIKE '%ANSI_QUOTES%', DATABASE(), @@character_set_client",
        ) == [
            (
                b"utf8mb4_bin",
                b"+05:00",
                b"SERIALIZABLE",
                b"0",
                b"1",
                b"test",
                b"utf8mb4",
            )
        ]
        status = "SHOW SESSION STATUS LIKE 'Compression'"
        assert rows(mysql, status) == [(b"Compression", b"ON")]
        assert query(mysql, "DO 1; DO 2") == 0, error(mysql)
        assert lib.mysql_more_results(mysql)


def test_connection_attributes_reach_the_server() -> None:
    with TemporaryServer(tls=False, options={"performance_schema": "ON"}) as server:
        options = Options.of(
            **login(server, name="root"),
            connect_attributes={"team": "ä"},
            program_name="the program",
        )
        with logged_in(options) as mysql:
            assert rows(
                mysql,
                "SELECT attr_name, attr_value FROM "
                "performance_schema.session_connect_attrs "
                "WHERE attr_name IN ('team', 'program_name') ORDER BY 1",
            ) == [(b"program_name", b"the program"), (b"team", "ä".encode())]


@pytest.mark.parametrize("way", ["unix", "tcp"])
def test_several_statements_only_if_asked_for(
    mariadb_server: TemporaryServer, way: str
) -> None:
    with logged_in(Options.of(**login(mariadb_server, way))) as mysql:
        assert query(mysql, "DO 1; DO 2") != 0
        assert lib.mysql_errno(mysql) == lib.ER_PARSE_ERROR


def test_server_gets_no_local_file(
    mariadb_server: TemporaryServer, tmp_path: Path
) -> None:
    path = tmp_path / "data"
    path.write_text("1\n", "utf-8")
    with logged_in(Options.of(**login(mariadb_server))) as mysql:
        assert query(mysql, "CREATE OR REPLACE TABLE local_file (a INT)") == 0
        sql = f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE local_file"
        assert query(mysql, sql) != 0
    with logged_in(Options.of(**login(mariadb_server))) as mysql:
        assert rows(mysql, "SELECT COUNT(*) FROM local_file") == [(b"0",)]


def test_password_comes_from_nowhere_else(
    mariadb_server: TemporaryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    keywords = login(mariadb_server)
    monkeypatch.setenv("MYSQL_PWD", keywords.pop("password"))
    with pytest.raises(Error, match="1045"), logged_in(Options.of(**keywords)):
        pass


def test_ed25519(mariadb_server: TemporaryServer) -> None:
    keywords = login(mariadb_server, "tcp", "ed25519")
    with logged_in(Options.of(**keywords)) as mysql:
        assert rows(mysql, "SELECT 1") == [(b"1",)]


def test_plugin_that_is_not_on_the_list(mariadb_server: TemporaryServer) -> None:
    keywords = login(mariadb_server, "tcp", "ed25519")
    options = Options.of(**keywords, auth_plugins=["mysql_native_password"])
    with pytest.raises(Error) as caught, logged_in(options):
        pass
    assert caught.value.errno == lib.CR_PLUGIN_NOT_ALLOWED
    assert "see auth_plugins=" in caught.value.message


@pytest.mark.parametrize(
    "plugin", [b"mysql_clear_password", b"dialog", b"caching_sha2_password"]
)
def test_server_does_not_get_the_password_in_the_clear(plugin: bytes) -> None:
    with ScriptedServer(None, [switch(plugin, b"\5Password: "), OK]) as server:
        options = Options.of(
            host="127.0.0.1", port=server.port, user="me", password=SECRET
        )
        assert options.tls == "prefer"
        with pytest.raises(Error) as caught, logged_in(options):
            pass
    assert caught.value.errno == lib.CR_PLUGIN_NOT_ALLOWED
    assert SECRET.encode() not in b"".join(server.packets)
    assert len(server.packets) == 1


def test_clear_password_over_a_unix_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with ScriptedServer(path, [switch(b"mysql_clear_password", b""), OK]) as server:
        options = Options.of(unix_socket=path, user="me", password=SECRET)
        with logged_in(options):
            pass
    assert server.packets[1] == SECRET.encode() + b"\0"
