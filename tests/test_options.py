"""What options may be, alone and together."""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Callable
from typing import Any, get_args, get_type_hints

import pytest
from option_support import ENCODED, SECRET, refused

from mariadb_nb import option_sources
from mariadb_nb import options as module
from mariadb_nb.errors import InterfaceError
from mariadb_nb.options import Keywords, Options


def test_defaults() -> None:
    options = Options.of(user="me")
    assert (options.host, options.port, options.tls) == ("localhost", 3306, "prefer")
    assert options.connect_timeout == 10.0
    assert options.timeout is None
    assert options.autocommit is False
    assert options.on_cancel == "kill"
    assert repr(options) == "Options(host='localhost', user='me', tls='prefer')"


def test_user_is_who_runs_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "somebody")
    assert Options.of().user == "somebody"


def test_all_places_know_the_same_names() -> None:
    names = {item.name for item in dataclasses.fields(Options)}
    files = {"read_default_file", "read_default_group"}
    aliases = {"passwd", "db", "charset"}
    assert names == set(module._CHECKS)
    assert names | files | aliases == set(get_type_hints(Keywords))
    for mapping in (option_sources._NUMBERS, option_sources._SWITCHES):
        assert mapping <= names
    assert names >= option_sources._LISTS | option_sources._OBJECTS
    hints = option_sources._HINTS.keys() & get_type_hints(Keywords).keys()
    assert hints == {"charset"}  # of which one value is right
    assert set(get_args(module.TlsMode)) == set(option_sources.USELESS_WITH)
    for useless in option_sources.USELESS_WITH.values():
        assert useless <= names


def test_options_do_not_change() -> None:
    options = Options.of(port=3307)
    with pytest.raises(dataclasses.FrozenInstanceError):
        options.port = 1  # type: ignore[misc]
    assert dataclasses.replace(options, port=3308).port == 3308
    with pytest.raises(InterfaceError):
        dataclasses.replace(options, port=0)
    with pytest.raises(InterfaceError):
        dataclasses.replace(options, port=None)  # type: ignore[arg-type]
    assert pickle.loads(pickle.dumps(options)) == options


# Values


@pytest.mark.parametrize(
    ("keywords", "expected"),
    [
        ({"host": "a,b"}, "one name or address"),
        ({"host": "h:3306"}, "one name or address"),
        ({"host": "a;host=b"}, "one name or address"),
        ({"host": "host=b"}, "one name or address"),
        ({"host": "x://y"}, "one name or address"),
        ({"host": "fe80::1%a;b"}, "one name or address"),
        ({"host": ""}, "one name or address"),
        ({"host": "-h"}, "one name or address"),
        ({"host": "a\0b"}, "one name or address"),
        ({"host": b"h"}, "not bytes"),
        ({"port": 0}, "from 1 to 65535"),
        ({"port": "3306"}, "not str"),
        ({"port": True}, "not bool"),
        ({"user": "x" * 129}, "no more than 128"),
        ({"user": "a\0b"}, "without NUL"),
        ({"database": "x" * 65}, "no more than 64"),
        ({"database": ""}, "not empty"),
        ({"unix_socket": "/" + "x" * 107}, "no more than 107 bytes"),
        ({"unix_socket": ""}, "not empty"),
        ({"unix_socket": 3}, "a path, not int"),
        ({"password": 3}, "not int"),
        ({"password": SECRET + "\0"}, "without NUL"),
        ({"password": SECRET + "\ud800"}, "UTF-8"),
        ({"password": SECRET.encode() + b"\0"}, "NUL"),
        ({"connect_timeout": 0}, "above 0"),
        ({"connect_timeout": float("nan")}, "above 0"),
        ({"connect_timeout": float("inf")}, "None for no limit"),
        ({"timeout": -1}, "above 0"),
        ({"timeout": "1"}, "not str"),
        ({"timeout": True}, "not bool"),
        ({"cancel_timeout": 2e9}, "up to 1e9"),
        ({"on_cancel": "ignore"}, "'kill', 'abort'"),
        ({"tcp_keepalive": 0}, "from 1 to 32767"),
        ({"tcp_keepalive": 0.5}, "not float"),
        ({"tcp_keepalive": 9, "unix_socket": "/s"}, "leave it out"),
        ({"tcp_user_timeout": 2e6}, "up to 1e6"),
        ({"tcp_user_timeout": 1, "unix_socket": "/s"}, "leave it out"),
        ({"autocommit": 1}, "True or False"),
        ({"autocommit": "no"}, "True or False"),
        ({"init_command": 3}, "a statement"),
        ({"init_command": [""]}, "not empty"),
        ({"program_name": "x" * 256}, "no more than 255"),
        ({"connect_attributes": {"_pid": "1"}}, "begins with _"),
        ({"connect_attributes": {"program_name": "x"}}, "as an option"),
        ({"connect_attributes": {"a": ""}}, "not empty"),
        ({"connect_attributes": {str(i): "x" * 900 for i in range(99)}}, "60000 bytes"),
        ({"connect_attributes": ["a"]}, "a mapping"),
        ({"collation": "latin1_swedish_ci"}, "a collation of utf8mb4"),
        ({"collation": "utf8mb4_bin'"}, "a collation of utf8mb4"),
        ({"sql_mode": "ANSI', x='"}, "names of modes"),
        ({"time_zone": "+02:00'"}, "a time zone"),
        ({"isolation_level": "snapshot"}, "'READ COMMITTED'"),
        ({"multi_statements": 1}, "True or False"),
        ({"prepare_threshold": 0}, "from 1 to"),
        ({"invalid_dates": "ignore"}, "'null', 'error'"),
        ({"converters": {3: 4}}, "functions as values"),
        ({"encoders": [int]}, "a mapping"),
        ({"row_factory": "dict"}, "a function"),
        ({"tls": "on"}, "'verify-full'"),
        ({"tls_ca": "/there/is/no/such/file"}, "a file that is there"),
        ({"tls_ca_path": __file__}, "a folder that is there"),
        ({"tls_min_version": "1.1"}, "'1.2' or '1.3'"),
        ({"tls_ciphers": "TLS_AES_256_GCM_SHA384:AES128-SHA"}, "the library ignores"),
        ({"tls_fingerprint": "abc"}, "the SHA-1 or SHA-2 digest"),
        ({"tls_fingerprint": "g" * 40}, "the SHA-1 or SHA-2 digest"),
        ({"auth_plugins": "client_ed25519"}, "a sequence of names"),
        ({"auth_plugins": ["a,b"]}, "the full names"),
    ],
)
def test_wrong_value(keywords: dict[str, Any], expected: str) -> None:
    message = refused(**keywords)
    assert expected in message
    assert next(iter(keywords)) + "=" in message


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("DB-1.example.org.", "DB-1.example.org."),
        ("[::1]", "::1"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("10.0.0.1", "10.0.0.1"),
    ],
)
def test_host(value: str, kept: str) -> None:
    assert Options.of(host=value).host == kept


@pytest.mark.parametrize(
    "value", ["read-committed", "Read Committed", "READ_COMMITTED"]
)
def test_isolation_level(value: str) -> None:
    assert Options.of(isolation_level=value).isolation_level == "READ COMMITTED"


def test_none_stands_for_not_given() -> None:
    options = Options.of(host=None, port=None, tls=None, tls_ca=None, password=None)
    assert options == Options.of()
    assert Options.of(autocommit=None).autocommit is None
    assert Options.of(connect_timeout=None).connect_timeout is None


def test_other_drivers_names() -> None:
    options = Options.of(passwd=SECRET, db="app", charset="utf8mb4")
    assert (options.password, options.database) == (SECRET, "app")
    assert "same option" in refused(db="a", database="b")
    assert "same option" in refused(password="a", passwd="b")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ssl", "use tls="),
        ("cursorclass", "row_factory="),
        ("charset", "always utf8mb4"),
        ("use_unicode", "leave it out"),
        ("conections_timeout", "did you mean connect_timeout="),
        ("pasword", "did you mean password="),
        ("xyzzy", "mariadb_nb.options.Keywords"),
    ],
)
def test_unknown_name(name: str, expected: str) -> None:
    message = refused(**{name: SECRET})
    assert f"no option {name}=" in message
    assert expected in message


# Passwords


@pytest.mark.parametrize(
    ("password", "expected"),
    [
        (None, b""),
        ("ä", b"\xc3\xa4"),
        (b"\xff", b"\xff"),
        (lambda: "new", b"new"),
        (lambda: b"new", b"new"),
        (lambda: None, b""),
    ],
)
def test_password(password: Any, expected: bytes) -> None:
    assert Options.of(password=password).connect_arguments()[2] == expected


def test_password_function_is_asked_at_every_connect() -> None:
    tokens = iter(["one", "two"])
    options = Options.of(password=lambda: next(tokens))
    assert [options.connect_arguments()[2] for _ in range(2)] == [b"one", b"two"]


async def coroutine() -> str:
    return SECRET


@pytest.mark.parametrize(
    "answer", [lambda: 3, lambda: SECRET + "\0", lambda: coroutine(), lambda: print]
)
def test_password_function_with_a_wrong_answer(answer: Callable[[], Any]) -> None:
    with pytest.raises(InterfaceError) as caught:
        Options.of(password=answer).ask_password()
    assert "password" in str(caught.value)
    assert "Zebra" not in str(caught.value)


def test_coroutine_function_as_password() -> None:
    assert "a plain one" in refused(password=coroutine)


def test_no_secret_is_shown() -> None:
    options = Options.of(
        f"mariadb://me:{ENCODED}@h/db",
        init_command=f"SET @x = '{SECRET}'",
        tls_key=__file__,
        tls_cert=__file__,
        tls_key_password=SECRET,
    )
    assert options.password == options.tls_key_password == SECRET
    for text in (repr(options), str(options), options.address):
        assert SECRET not in text
    assert "password='...'" in repr(options)


# What they mean together


@pytest.mark.parametrize(
    ("keywords", "mode"),
    [
        ({}, "prefer"),
        ({"unix_socket": "/x"}, "disable"),
        ({"tls_ca": __file__}, "verify-full"),
        ({"tls_ca": __file__, "unix_socket": "/x"}, "verify-ca"),
        ({"tls_fingerprint": "AB:" * 19 + "CD"}, "require"),
        ({"tls_cert": __file__}, "require"),
        ({"tls_min_version": "1.3"}, "prefer"),
    ],
)
def test_mode_of_tls_that_is_implied(keywords: dict[str, Any], mode: str) -> None:
    assert Options.of(**keywords).tls == mode


@pytest.mark.parametrize(
    ("keywords", "expected"),
    [
        ({"host": "h", "unix_socket": "/x"}, "two places"),
        ({"tls": "verify-full", "unix_socket": "/x"}, "use 'verify-ca'"),
        ({"tls": "disable", "tls_ca": __file__}, "tls_ca= says nothing"),
        ({"tls": "disable", "tls_ciphers": "AES128-SHA"}, "tls_ciphers= says nothing"),
        ({"tls": "prefer", "tls_ca": __file__}, "'verify-full' makes use of it"),
        ({"tls": "prefer", "tls_fingerprint": "a" * 40}, "says nothing"),
        ({"tls": "require", "tls_crl": __file__}, "'verify-full' makes use of it"),
        ({"tls": "verify-full", "tls_fingerprint": "a" * 40}, "pinned"),
        ({"tls": "require", "tls_key": __file__}, "needs tls_cert="),
        ({"tls": "require", "tls_key_password": SECRET}, "needs tls_cert="),
        ({"auth_plugins": ["mysql_clear_password"]}, "tls='require'"),
        ({"auth_plugins": ["dialog"], "tls": "disable"}, "tls='require'"),
    ],
)
def test_contradiction(keywords: dict[str, Any], expected: str) -> None:
    assert expected in refused(**keywords)


@pytest.mark.parametrize(
    ("keywords", "bare"),
    [
        ({}, False),
        ({"tls": "disable"}, False),
        ({"tls": "require"}, True),
        ({"unix_socket": "/x"}, True),
    ],
)
def test_plugins_that_reveal_the_password(keywords: dict[str, Any], bare: bool) -> None:
    allowed = Options.of(**keywords).allowed_plugins
    assert {"mysql_native_password", "client_ed25519"} <= set(allowed)
    revealing = {"dialog", "mysql_clear_password", "caching_sha2_password"}
    assert revealing & set(allowed) == (revealing if bare else set())


def test_statements_after_connecting() -> None:
    everything = Options.of(
        collation="utf8mb4_bin",
        sql_mode="ANSI_QUOTES,STRICT_ALL_TABLES",
        time_zone="+02:00",
        isolation_level="serializable",
        init_command=["DO 1", "DO 2"],
    )
    assert everything.setup_statements(2) == [
        b"SET sql_mode='ANSI_QUOTES,STRICT_ALL_TABLES', "
        b"NAMES utf8mb4 COLLATE utf8mb4_bin, time_zone='+02:00', autocommit=0",
        b"SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        b"DO 1",
        b"DO 2",
    ]
    for autocommit, status, more in (
        (False, 2, b", autocommit=0"),
        (False, 0, b""),
        (True, 2, b""),
        (True, 0, b", autocommit=1"),
        (None, 2, b""),
    ):
        statements = Options.of(autocommit=autocommit).setup_statements(status)
        assert statements == [b"SET sql_mode=@@sql_mode, NAMES utf8mb4" + more]
