"""Option files are read as MariaDB's own programs read them.

``my_print_defaults``, which comes with the server, says what that is.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mariadb_nb import option_files
from mariadb_nb.errors import InterfaceError
from mariadb_nb.option_files import GROUPS, Setting, keywords, read
from mariadb_nb.options import Options

GROUP = ("client",)


def reference(path: Path | None, groups: tuple[str, ...] = GROUPS) -> str:
    """What my_print_defaults makes of it."""
    file = [] if path is None else [f"--defaults-file={path}"]
    done = subprocess.run(
        ["my_print_defaults", *file, *groups],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return done.stdout


def printed(found: list[Setting]) -> str:
    """The same as my_print_defaults prints it."""
    return "".join(
        f"--{setting.name}"
        + ("" if setting.value is None else f"={setting.value}")
        # A newline in a value is one there too.
        + "\n"
        for setting in found
    )


def check(path: Path, text: str, groups: tuple[str, ...] = GROUPS) -> str:
    """Read a text as both do, and return what they agree on."""
    path.write_bytes(text.encode())
    ours = printed(read(str(path), groups))
    assert ours == reference(path, groups)
    return ours


EXAMPLE = r"""
# a comment
; another
!include {folder}/absent.cnf
[mysqld]
user = nobody
  [client]  and what follows
user = me
password = "p#w \"q\" \\ \n"
plain = a # comment
single = 'it # is'
unclosed = "abc
inner = a"b # c"d
two = 'a' 'b'
empty =
quoted-empty = ""
one-quote = "
escapes = a\sb\tc\xd\
switch
under_score = 1
equals = a = b
[client-server]
umlaut = ä
!include {folder}/more.cnf
after = include
[CLIENT-MariaDB]
upper = 1
[ client]
no = 1
[client ]
space-behind = 1
!includedir {folder}/folder
[mine]
own = 1
[other]
other = 1
"""


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """A file that has everything."""
    (tmp_path / "more.cnf").write_text("[client]\nmore = 1\n[other]\nno = 1\n")
    folder = tmp_path / "folder"
    folder.mkdir()
    names = ("b.cnf", "a.cnf", ".cnf", "x.bak.cnf", "y.ini", "z.cnf.old", "open.cnf")
    for name in names:
        (folder / name).write_text(f"[client]\nname = {name}\n")
    (folder / "open.cnf").chmod(0o666)
    path = tmp_path / "my.cnf"
    path.write_text(EXAMPLE.replace("{folder}", str(tmp_path)))
    return path


def test_example(example: Path) -> None:
    groups = (*GROUPS, "mine")
    found = check(example, example.read_text(), groups)
    assert "--more=1\n--after=include\n" in found
    assert "--name=.cnf\n--name=a.cnf\n--name=b.cnf\n--name=x.bak.cnf\n" in found
    assert "--own=1\n" in found
    assert "--no=1" not in found
    assert "--other=1" not in found
    assert "open.cnf" not in found
    assert "y.ini" not in found


def test_lines_end_as_on_other_systems(tmp_path: Path) -> None:
    check(tmp_path / "f", "[client]\r\na = b\r\nc\r\n")


def test_file_that_includes_itself(tmp_path: Path) -> None:
    path = tmp_path / "f"
    check(path, f"[client]\na\n!include {path}\n")


TOKENS = ["a", "b", "=", " ", '"', "'", "\\", "#", "n", "s", ";", "-", "_", "\t", "é"]
LINE = st.tuples(
    st.sampled_from(["a", "b=", "c = ", 'd="', "e='", "[x]", "[client]"]),
    st.lists(st.sampled_from(TOKENS), max_size=8).map("".join),
    st.sampled_from(["", '"', "'", "\\"]),
).map("".join)


@settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(lines=st.lists(LINE, max_size=12))
def test_any_lines(tmp_path: Path, lines: list[str]) -> None:
    check(tmp_path / "f", "\n".join(["[client]", *lines]))


def test_files_that_all_clients_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".my.cnf").write_text("[client]\nuser = at-home\n")
    assert printed(read(None, GROUPS)) == reference(None)
    assert printed(read(None, GROUPS)).endswith("--user=at-home\n")
    (tmp_path / ".my.cnf").chmod(0o666)
    assert "at-home" not in printed(read(None, GROUPS))


def test_folder_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my.cnf").write_text("[client]\nuser = in-folder\n")
    monkeypatch.delenv("MARIADB_HOME", raising=False)
    monkeypatch.setenv("MYSQL_HOME", str(tmp_path))
    assert printed(read(None, GROUPS)) == reference(None)
    assert Setting("user", "in-folder") in read(None, GROUPS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[client\n", "line 1: a group's name ends with ]"),
        ("\nsecret\n[client]\n", "line 2: an option before the first [group]"),
        ("!include\n", "line 1: expected !include"),
        ("!secret x\n", "line 1: expected !include"),
        ("!includedir /there/is/no/such\n", "line 1: cannot read /there/is/no/such"),
        ("[client]\nsecret=\udcff", "is not in UTF-8"),
    ],
)
def test_wrong_file(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "f"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(InterfaceError) as caught:
        read(str(path), GROUP)
    assert expected in str(caught.value)
    assert str(path) in str(caught.value)
    assert "secret" not in str(caught.value).replace(str(path), "")


def test_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InterfaceError, match="cannot be read: No such file"):
        read(str(tmp_path / "f"), GROUP)
    with pytest.raises(InterfaceError, match="cannot be read"):
        Options.of(read_default_file=str(tmp_path / "f"))


def test_file_that_everybody_can_write(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("[client]\n")
    path.chmod(0o666)
    with pytest.raises(InterfaceError, match="chmod o-w it"):
        read(str(path), GROUP)


@pytest.mark.parametrize("name", ["read_default_file", "read_default_group"])
def test_option_of_wrong_type(name: str) -> None:
    keywords: dict[str, Any] = {name: 3}
    with pytest.raises(InterfaceError, match=f"{name}= is wrong"):
        Options.of(**keywords)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("user=a\nUSER=b", {"user": "b"}),
        ("password", {}),
        ("password=", {"password": ""}),
        ("socket=/s", {"unix_socket": "/s"}),
        ("host=h\nsocket=/s", {"host": "h"}),
        ("host=localhost\nsocket=/s", {"host": "localhost", "unix_socket": "/s"}),
        ("socket=/s\nprotocol=TCP", {}),
        ("connect_timeout=3", {"connect_timeout": "3"}),
        ("loose-init_command=DO 1", {"init_command": "DO 1"}),
        ("prompt=x\ndefault-character-set=latin1\nlocal-infile", {}),
        ("compress", {"compress": "true"}),
        ("compress\nskip-compress", {"compress": "false"}),
        ("enable-compress=0", {"compress": "false"}),
        ("disable-compress=0", {"compress": "true"}),
        ("ssl", {"tls": "require"}),
        ("ssl=OFF", {"tls": "disable"}),
        ("skip_ssl\nssl-ca=x", {"tls": "disable"}),
        ("ssl-verify-server-cert", {"tls": "verify-full"}),
        ("disable-ssl-verify-server-cert", {}),
        ("ssl-ca=x", {"tls": "verify-full", "tls_ca": "x"}),
        (
            "ssl-ca=x\nskip-ssl-verify-server-cert",
            {"tls": "verify-ca", "tls_ca": "x"},
        ),
        ("tls-version=TLSv1.3,TLSv1.2", {"tls_min_version": "TLSv1.2"}),
        ("tls-version=TLSv1.1, TLSv1.3", {"tls_min_version": "TLSv1.3"}),
        ("tls_version=TLSv1.1", {"tls_min_version": "TLSv1.1"}),
    ],
)
def test_meaning(tmp_path: Path, text: str, expected: dict[str, str]) -> None:
    path = tmp_path / "f"
    path.write_text(f"[client]\n{text}\n")
    assert keywords(read(str(path), GROUP)) == expected


def test_all_names_are_options() -> None:
    names = set(option_files._TEXTS.values()) | set(option_files._SWITCHES.values())
    assert names - {"protocol", "ssl", "verify"} <= set(Options.__slots__)


def test_options_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text(
        "[client]\nuser=a\nport=3307\nconnect-timeout=3\nskip-ssl\nssl-ca=absent\n"
        "[app]\nuser=b\npassword='x # y'\n[mariadb]\nuser=c\n"
    )
    options = Options.of(read_default_file=str(path), read_default_group="app")
    assert (options.user, options.port, options.password) == ("b", 3307, "x # y")
    assert (options.connect_timeout, options.tls) == (3.0, "disable")
    assert Options.of(read_default_file=str(path)).user == "a"


def test_wrong_number_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("[client]\nport=many\n")
    with pytest.raises(InterfaceError, match="port in an option file is 'many'"):
        Options.of(read_default_file=str(path))
