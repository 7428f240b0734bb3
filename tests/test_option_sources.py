"""Where options come from, and which source wins."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_type_hints

import pytest
from option_support import ENCODED, SECRET, refused

from mariadb_nb.errors import InterfaceError
from mariadb_nb.option_sources import _SAME
from mariadb_nb.options import Keywords, Options


def test_url() -> None:
    options = Options.of(
        f"mariadb://m%40e:{ENCODED}@db.example:3307/my%20app?tls=require&timeout=2.5"
        "&autocommit=none&compress=yes&prepare_threshold=none&connect_timeout=3"
        "&auth_plugins=client_ed25519,mysql_native_password&init_command=SET%20@a=1"
        "&sql_mode=ANSI".replace("@a", "%40a")
    )
    assert (options.user, options.password) == ("m@e", SECRET)
    assert options.address == "db.example:3307"
    assert options.database == "my app"
    assert (options.tls, options.timeout, options.connect_timeout) == (
        "require",
        2.5,
        3,
    )
    assert options.autocommit is options.prepare_threshold is None
    assert options.compress is True
    assert options.auth_plugins == ("client_ed25519", "mysql_native_password")
    assert options.init_command == ("SET @a=1",)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("mysql://h", "h:3306"),
        ("MARIADB://H/", "h:3306"),
        ("mariadb://[::1]:3307/x", "[::1]:3307"),
        ("mariadb:///x?unix_socket=/run/x.sock", "/run/x.sock"),
        ("mariadb://localhost/x?unix_socket=%2Frun%2Fx.sock", "/run/x.sock"),
        ("mariadb://", "localhost:3306"),
    ],
)
def test_address_of_url(url: str, address: str) -> None:
    assert Options.of(url).address == address


@pytest.mark.parametrize(
    "url",
    [
        "h",
        "http://h",
        "mariadb:h",
        "mariadb://u:Zebra/p@h/d",
        "mariadb://u:1/Zebra@h/d",
        "mariadb://u:Zebra?p@h/d",
        "mariadb://u:1?Zebra=p@h/d",
        "mariadb://u:Zebra#p@h/d",
        "mariadb://u:Zebra@p@h/d",
        "mariadb://u:Zebra%ff@h/d",
        "mariadb://h:0/d",
        "mariadb://h:99999/d",
        "mariadb://h:Zebra/d",
        "mariadb://[h/d",
        "mariadb://h/d?x",
        "mariadb://h/d?x=1",
        "mariadb://h/d?timeout=1&timeout=2",
        "mariadb://u@h/d?user=v",
        "mariadb://h/d?timeout=soon",
        "mariadb://h/d?compress=2",
        "mariadb://h/d?converters=x",
        "mariadb://h/d?database=e",
        "mariadb://h?unix_socket=/x",
        "mariadb://h?sql_mode=%ff",
        "mariadb://h,Zebra/d",
    ],
)
def test_wrong_url(url: str) -> None:
    if url == "mariadb://h,Zebra/d":
        with pytest.raises(InterfaceError, match="one name or address"):
            Options.of(url)
        return
    refused(url)


def test_url_of_wrong_type() -> None:
    assert "must be a str" in refused(b"mariadb://h")  # type: ignore[arg-type]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "my.cnf"
    path.write_text(
        "[client]\nuser=f\npassword=filed\nsocket=/run/f.sock\ndatabase=f\n", "utf-8"
    )
    return path


def test_keywords_win_over_url_over_file(file: Path) -> None:
    url = f"mariadb://u@h/u?read_default_file={file}"
    options = Options.of(url, user="k")
    assert (options.user, options.database, options.password) == ("k", "u", "filed")
    assert options.address == "h:3306"  # and not the file's socket
    assert Options.of(url, unix_socket="/k.sock").address == "/k.sock"
    assert Options.of(read_default_file=str(file)).address == "/run/f.sock"
    assert Options.of(read_default_file=str(file), port=1).address == "localhost:1"


@pytest.mark.parametrize(
    ("url", "keywords", "mode"),
    [
        ("tls=verify-ca", {"tls_ca": __file__}, "verify-ca"),
        ("tls=disable", {"tls_ca": __file__}, "verify-full"),
        ("tls=require", {"tls_ca": __file__}, "verify-full"),
        ("tls=verify-full", {"tls_fingerprint": "a" * 40}, "require"),
        (f"tls_ca={__file__}", {"tls": "disable"}, "disable"),
        (f"tls_ca={__file__}", {"tls": "require"}, "require"),
        (f"tls_ca={__file__}", {}, "verify-full"),
    ],
)
def test_sources_that_differ_on_tls(
    url: str, keywords: dict[str, Any], mode: str
) -> None:
    assert Options.of(f"mariadb://h?{url}", **keywords).tls == mode


#: What PyMySQL, mysqlclient, aiomysql, asyncmy and mariadb take, and their pools.
OPTIONS_OF_OTHERS = """
    auth_plugin auth_plugin_map autocommit binary_prefix bind_address charset
    client_flag collation compress connect_timeout conv converter cursor_cls
    cursorclass database db default_file default_group defer_connect dictionary echo
    host init_command local_infile loop max_allowed_packet maxsize minsize
    named_pipe named_tuple passwd password password_creator plugin_dir pool_name
    pool_recycle pool_reset_connection pool_size pool_validation_interval port
    prepared program_name query_callback read_default_file read_default_group
    read_timeout reconnect server_public_key server_public_key_path sock sql_mode
    ssl ssl_ca ssl_capath ssl_cert ssl_cipher ssl_crl ssl_crlpath ssl_disabled
    ssl_key ssl_key_password ssl_mode ssl_verify_cert ssl_verify_identity
    status_callback stmt_cache_size tls_fp tls_peer_fp tls_version unix_socket
    use_unicode user username write_timeout
"""


@pytest.mark.parametrize("name", OPTIONS_OF_OTHERS.split())
def test_option_of_another_driver_is_taken_or_told_what_to_write(name: str) -> None:
    if name in {*get_type_hints(Keywords), *_SAME} - {"charset"}:
        return
    keywords: Any = {name: 1}
    with pytest.raises(
        InterfaceError, match=f"no option {name}=: (?!did you|all names)"
    ):
        Options.of(**keywords)
