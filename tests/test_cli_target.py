"""Naming a server by a URL and by options."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mariadb_nb.cli.target import Choice, Target, TargetError, choose, parse_url

SECRET = "geheim"


def target(url: str | None = None, *, user: str = "me", **options: object) -> Target:
    chosen = choose(Choice(url=url, **options), {}, user)  # type: ignore[arg-type]
    assert chosen is not None
    return chosen


def test_a_url_names_everything() -> None:
    assert target("mariadb://ann:s3cret@db.example.org:3307/shop") == Target(
        host="db.example.org",
        port=3307,
        user="ann",
        password="s3cret",
        database="shop",
        tls="prefer",
    )


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mysql://h", Target(host="h", user="me", tls="prefer")),
        ("mariadb://[::1]:1/", Target(host="::1", port=1, user="me", tls="prefer")),
        ("mariadb://:pw@h", Target(host="h", user="", password="pw", tls="prefer")),
        (
            "mariadb://a%40b:p%2F%3A%23@h/d%20b?tls=disable",
            Target(host="h", user="a@b", password="p/:#", database="d b"),
        ),
        (
            "mariadb:///shop?unix_socket=/run/my%20sql.sock",
            Target(socket="/run/my sql.sock", user="me", database="shop"),
        ),
        (
            "mariadb://h?tls_ca=/etc/ca.pem",
            Target(host="h", user="me", tls="verify-full", ca="/etc/ca.pem"),
        ),
        (
            "mariadb:///?unix_socket=/s&tls=require",
            Target(socket="/s", user="me", tls="require"),
        ),
    ],
)
def test_parts_of_a_url(url: str, expected: Target) -> None:
    assert target(url) == expected


def test_nothing_named_is_no_target() -> None:
    assert choose(Choice(), {}, "me") is None


def test_a_port_alone_is_one_of_this_machine() -> None:
    assert target(port=3307).host == "127.0.0.1"


def test_options_win_over_the_url() -> None:
    url = "mariadb://ann:pw@h:3307/shop?tls=require"
    named = target(url, user="bob")
    assert named.user == "ann"
    changed = target(
        url, host="h2", port=1, password="other", database="d", tls="prefer"
    )
    assert changed == replace(
        named, host="h2", port=1, password="other", database="d", tls="prefer"
    )
    assert target(url, socket="/s").host is None
    assert target("mariadb:///?unix_socket=/s", host="h").socket is None


def test_the_password_may_come_from_the_environment() -> None:
    environment = {"MARIADB_NB_PASSWORD": SECRET}
    for choice, password in (
        (Choice(host="h"), SECRET),
        (Choice(host="h", password="given"), "given"),
        (Choice(url="mariadb://u:given@h"), "given"),
        (Choice(url="mariadb://u:@h"), ""),
    ):
        chosen = choose(choice, environment, "me")
        assert chosen is not None
        assert chosen.password == password


@pytest.mark.parametrize(
    ("choice", "what"),
    [
        (Choice(user="ann"), "no server is named"),
        (Choice(url="mariadb:///shop"), "no server is named"),
        (Choice(host="h", socket="/s"), "both a host and a unix socket"),
        (Choice(url="mariadb://h?unix_socket=/s"), "both a host and a unix socket"),
        (Choice(url=f"mariadb://u:{SECRET}@h:no"), "malformed"),
        (Choice(url=f"mariadb://u:{SECRET}@h:99999"), "malformed"),
        (Choice(url="mariadb://h:0"), "port is out of range"),
        (Choice(url=f"postgres://u:{SECRET}@h"), "does not begin with mariadb://"),
        (Choice(url=f"mariadb:u:{SECRET}@h"), "does not begin with mariadb://"),
        (Choice(url=f"u:{SECRET}@h"), "does not begin with mariadb://"),
        (
            Choice(url=f"mariadb://u:a/{SECRET}@h/d"),
            "malformed|no character|where none",
        ),
        (Choice(url=f"mariadb://u:1/{SECRET}@h/d"), "where none can be"),
        (Choice(url=f"mariadb://u:a#{SECRET}@h/d"), "malformed|where none can be"),
        (Choice(url=f"mariadb://u:1?{SECRET}@h/d"), "malformed|parameters"),
        (Choice(url=f"mariadb://h?passwd={SECRET}"), "parameters"),
        (Choice(url="mariadb://h?tls=require&tls=disable"), "parameters"),
        (Choice(url=f"mariadb://h?tls={SECRET}"), "unknown kind of tls"),
        (Choice(host="h", ca="/c", tls="require"), "a CA is named"),
        (Choice(host="h1,h2"), "neither a name nor an address"),
        (Choice(host="host=h;password=x"), "neither a name nor an address"),
        (Choice(url="mariadb://h%00"), "neither a name nor an address"),
        (Choice(host="h", user="a\0b"), "NUL"),
    ],
)
def test_a_wrong_description_is_refused(choice: Choice, what: str) -> None:
    with pytest.raises(TargetError, match=what) as caught:
        choose(choice, {}, "me")
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


PASSWORDS = st.text(
    alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]),
    min_size=6,
).map(lambda text: "Zz" + text)


@given(PASSWORDS)
def test_no_password_is_ever_shown(password: str) -> None:
    """Whatever an unescaped password makes of the URL."""
    try:
        choice = parse_url(f"mariadb://ann:{password}@db/shop")
        chosen = choose(choice, {}, "me")
        shown = f"{choice!r} {chosen} {chosen!r}"
    except TargetError as error:
        shown = str(error)
    assert password not in shown


@pytest.mark.parametrize(
    ("target", "blocks"),
    [
        (Target(socket="/s"), False),
        (Target(host="192.0.2.7"), False),
        (Target(host="2001:db8::7"), False),
        (Target(host="localhost"), True),
        (Target(host="192.0.2.7", tls="prefer"), True),
        (Target(socket="/s", tls="require"), True),
    ],
)
def test_names_and_tls_block_while_connecting(target: Target, blocks: bool) -> None:
    assert target.blocks == blocks


def test_a_target_is_shown_without_its_password() -> None:
    shown = Target(host="::1", port=1, user="ann", password=SECRET)
    assert str(shown) == "[::1]:1 as ann"
    assert SECRET not in repr(shown)
