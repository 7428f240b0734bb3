"""The program: its commands, its output and how it ends."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
from capi_support import Connect, query, rows
from cli_support import (
    PROGRAM,
    TIMEOUT,
    WITHOUT_RICH,
    environment,
    run,
    server_arguments,
    terminal,
)

from mariadb_nb.cli import main
from mariadb_nb.server import TemporaryServer

ESCAPE = "\x1b"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of queries, two of which fail."""
    path = tmp_path / "some queries.sql"
    path.write_text(
        "-- three that work, and two that don't\n"
        "SELECT 1; SELECT 'Łódź; 東京' AS city;\n"
        "SELECT nothing;\n"
        "SELECT seq FROM seq_1_to_1234; SELEC 'x\ny'\n",
        encoding="utf-8",
    )
    return path


@pytest.fixture
def server(mariadb_server: TemporaryServer) -> list[str]:
    """The options that name the server of the tests."""
    return server_arguments(mariadb_server)


# queries


def test_queries_prints_a_table(server: list[str], file: Path) -> None:
    done = run("queries", file, *server, "--connections=2")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["#", "Rows", "Time,", "ms", "Query"]
    cells = [line.split(maxsplit=3) for line in lines[1:6]]
    assert [cell[1] for cell in cells] == ["1", "1", "failed", "1,234", "failed"]
    assert cells[1][3] == "SELECT 'Łódź; 東京' AS city"
    assert cells[4][3] == "SELEC 'x y'"
    assert re.search(r"Queries +5 over 2 connections, 2 failed", done.stdout)
    assert re.search(r"Rows +1,236\n", done.stdout)
    assert re.search(r"Wall time +\d+\.\d\d s\n", done.stdout)
    assert re.search(r"Sum of own times +[\d.]+ s, so [\d.]+ ran at", done.stdout)
    assert re.search(r"Throughput +[\d,]+ queries/s\n", done.stdout)
    assert re.search(r"Loop not served +for [\d.]+ ms at most\n", done.stdout)


def test_failed_queries_are_told_on_standard_error(
    server: list[str], file: Path
) -> None:
    for form in ("table", "csv", "json"):
        done = run("queries", file, *server, f"--format={form}")
        assert done.returncode == 1
        first, second = done.stderr.splitlines()
        assert re.match(
            r"mariadb-nb: query 3 \(line 3\): .*'nothing'.*\(1054, 42S22\)", first
        )
        assert re.match(r"mariadb-nb: query 5 \(line 4\): .*\(1064, 42000\)", second)


def test_queries_prints_json(server: list[str], file: Path) -> None:
    done = run("queries", file, *server, "--format=json")
    found = json.loads(done.stdout)
    queries, totals = found["queries"], found["totals"]
    assert [each["index"] for each in queries] == [1, 2, 3, 4, 5]
    assert [each["line"] for each in queries] == [2, 2, 3, 4, 4]
    assert [each["rows"] for each in queries] == [1, 1, 0, 1234, 0]
    assert queries[1]["sql"] == "SELECT 'Łódź; 東京' AS city"
    assert queries[0]["error"] is None
    error = queries[2]["error"]
    assert (error["number"], error["sqlstate"]) == (1054, "42S22")
    assert all(each["seconds"] > 0 for each in queries)
    assert totals["queries"] == 5
    assert totals["failed"] == 2
    assert totals["rows"] == 1236
    assert totals["connections"] == 5
    assert totals["lost_connections"] == []
    total = sum(each["seconds"] for each in queries)
    assert totals["sum_of_seconds"] == pytest.approx(total, abs=1e-4)
    assert totals["wall_seconds"] >= max(each["seconds"] for each in queries)


def test_queries_prints_csv(server: list[str], file: Path) -> None:
    done = run("queries", file, *server, "--format=csv")
    found = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["index"] for row in found] == ["1", "2", "3", "4", "5"]
    assert [row["rows"] for row in found] == ["1", "1", "0", "1234", "0"]
    assert [row["error"] for row in found] == ["", "", "1054", "", "1064"]
    assert found[4]["sql"] == "SELEC 'x\ny'"
    assert all(float(row["seconds"]) > 0 for row in found)


def test_all_well_is_status_0_and_nothing_on_standard_error(server: list[str]) -> None:
    for form in ("table", "csv", "json"):
        done = run("queries", "-", *server, f"--format={form}", stdin="SELECT 1; DO 2")
        assert (done.returncode, done.stderr) == (0, "")


def test_without_a_server_named_a_throwaway_one_is_used(tmp_path: Path) -> None:
    sql = "CREATE TABLE t AS SELECT 1 AS a; INSERT INTO t VALUES (2), (3)"
    done = run("queries", "-", "--connections=1", "--format=json", stdin=sql)
    assert done.returncode == 0
    assert [each["rows"] for each in json.loads(done.stdout)["queries"]] == [1, 2]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("tls", [True, False])
def test_a_url_names_the_server(
    mariadb_server: TemporaryServer, host: str, tls: bool
) -> None:
    login = mariadb_server.users["tls" if tls else "native"]
    more = f"tls_ca={mariadb_server.ca_file}" if tls else "tls=disable"
    url = (
        f"mariadb://{login.name}:{login.password}@{host}:{mariadb_server.port}"
        f"/test?{more}"
    )
    done = run("queries", "-", "--url", url, stdin="SELECT 1; SELECT 2")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_password_may_come_from_the_environment(
    mariadb_server: TemporaryServer, server: list[str]
) -> None:
    rest = [each for each in server if not each.startswith("--password")]
    password = mariadb_server.users["native"].password
    done = run("queries", "-", *rest, stdin="DO 1", MARIADB_NB_PASSWORD=password)
    assert done.returncode == 0
    done = run("queries", "-", *rest, stdin="DO 1", MARIADB_NB_PASSWORD="geheim")
    assert done.returncode == 2
    assert "Access denied" in done.stderr
    assert "geheim" not in done.stderr


def test_the_password_is_asked_for(
    mariadb_server: TemporaryServer, server: list[str], file: Path
) -> None:
    rest = [each for each in server if not each.startswith("--password")]
    password = mariadb_server.users["native"].password
    with terminal("queries", file, *rest, "--password") as running:
        running.read_until("Password: ")
        running.write(f"{password}\n")
        shown = running.read_to_end()
    assert running.status == 1
    assert "1,234" in shown
    assert password not in shown


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ([], "COMMAND"),
        (["nothing"], "invalid choice: 'nothing'"),
        (["queries"], "FILE"),
        (["queries", "/nowhere.sql"], "cannot read /nowhere.sql: No such file"),
        (["queries", "/"], "cannot read /: Is a directory"),
        (["queries", "-", "--connections=0"], "'0' is no whole number from 1 to 500"),
        (["queries", "-", "--connections=many"], "'many' is no whole number"),
        (["queries", "-", "--format=xml"], "invalid choice: 'xml'"),
        (["queries", "-", "--port=0"], "'0' is no whole number from 1 to 65535"),
        (["queries", "-", "--url=mariadb://ann:geheim@h:x/"], "the URL is malformed"),
        (["queries", "-", "--pasword=geheim"], "unrecognized arguments: --pasword="),
        (["queries", "-", "--user=ann"], "no server is named"),
        (["queries", "-", "--socket=/nowhere"], "cannot connect to /nowhere as "),
        (["queries", "-", "--host=127.0.0.1", "--port=1"], "cannot connect to 127."),
        (["demo", "--scale=0"], "'0' is no number above 0"),
        (["demo", "--scale=big"], "'big' is no number above 0"),
        (["demo", "--queries=/nowhere.sql"], "cannot read /nowhere.sql"),
        (["server", "--", "nothing"], "'nothing' is no option of mariadbd"),
        (["server", "--", "--datadir=/"], "the option 'datadir' is not yours to set"),
        (["server", "--port=80000"], "'80000' is no whole number from 1 to 65535"),
    ],
)
def test_what_cannot_be_done_is_status_2_and_a_message(
    arguments: list[str], what: str
) -> None:
    done = run(*arguments, stdin="SELECT 1")
    assert done.returncode == 2
    assert what in done.stderr
    assert done.stdout == ""
    assert "geheim" not in done.stderr


def test_a_file_that_cannot_be_split_is_status_2(tmp_path: Path) -> None:
    (tmp_path / "bad.sql").write_text("SELECT 1;\nSELECT 'abc;\n")
    done = run("queries", tmp_path / "bad.sql")
    assert done.returncode == 2
    assert "bad.sql, line 2: a string literal begins here" in done.stderr


def test_without_mariadbd_it_is_said_what_to_install(tmp_path: Path) -> None:
    missing = str(tmp_path / "mariadbd")
    done = run("demo", MARIADB_NB_MARIADBD=missing)
    assert done.returncode == 2
    assert "MARIADB_NB_MARIADBD" in done.stderr


def test_without_the_extension_it_is_said_what_to_do(server: list[str]) -> None:
    program = (
        *PROGRAM[:1],
        "-c",
        "import sys; sys.modules['mariadb_nb._ffi'] = None\n"
        "from mariadb_nb.cli import main; sys.exit(main())",
    )
    done = run("queries", "-", *server, stdin="DO 1", program=program)
    assert done.returncode == 2
    assert "mariadb-nb info says what is missing" in done.stderr
    done = run("info", program=program)
    assert done.returncode == 0
    assert "Missing: the C extension" in done.stdout
    assert "pip install --force-reinstall mariadb-nb" in done.stdout


@pytest.mark.parametrize("name", ["connect", "Pool", "aio", "Session"])
def test_an_import_without_the_extension_says_who_knows_more(name: str) -> None:
    done = subprocess.run(
        [
            *PROGRAM[:1],
            "-c",
            "import sys; sys.modules['mariadb_nb._wire'] = None\n"
            f"from mariadb_nb import {name}",
        ],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
        env=environment(),
    )
    assert "ModuleNotFoundError" in done.stderr
    assert done.stderr.endswith("python -m mariadb_nb info tells what is missing\n")


def test_a_reader_that_goes_away_is_no_error(server: list[str]) -> None:
    with subprocess.Popen(
        [*PROGRAM, "queries", "-", *server, "--format=csv"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    ) as running:
        assert running.stdout is not None
        running.stdout.close()
        _, error = running.communicate(b"SELECT 1", timeout=TIMEOUT)
    assert running.returncode == 128 + signal.SIGPIPE
    assert error == b""


# Terminals


def test_a_terminal_gets_a_live_bar_and_colours(
    server: list[str], file: Path, connector: Connect
) -> None:
    holder = connector()
    assert rows(holder, "SELECT GET_LOCK('live bar', 60)") == [(b"1",)]
    with file.open("a") as more:
        more.write("; SELECT GET_LOCK('live bar', 60)")
    with terminal("queries", file, *server) as running:
        running.read_until("5/6")
        running.read_until(" 1 running")
        assert "#" not in running.output
        query(holder, "DO RELEASE_LOCK('live bar')")
        shown = running.read_to_end()
    assert running.status == 1
    assert "━" in shown
    assert "6/6" in shown
    assert ESCAPE in shown
    assert "2 failed" in shown


@pytest.mark.parametrize("columns", [60, 80, 120, 200])
def test_the_output_fits_into_the_terminal(
    server: list[str], tmp_path: Path, columns: int
) -> None:
    file = tmp_path / "wide.sql"
    file.write_text(f"SELECT 1; SELECT '{'東京' * 80}'; SELECT '{'x' * 300}'")
    for program in (PROGRAM, WITHOUT_RICH):
        with terminal(
            "queries", file, *server, columns=columns, program=program
        ) as running:
            shown = running.read_to_end()
        assert running.status == 0
        plain = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", shown)
        lines = [line for part in plain.split("\r\n") for line in part.split("\r")]
        assert max(map(_width, lines)) <= columns
        assert ("When" in plain) == (columns >= 100 and program == PROGRAM)
        assert plain.count("…") == 2


def _width(line: str) -> int:
    return sum(2 if character in "東京" else 1 for character in line)


def test_without_rich_a_terminal_gets_plain_text(server: list[str], file: Path) -> None:
    with terminal("queries", file, *server, program=WITHOUT_RICH) as running:
        shown = running.read_to_end()
    assert running.status == 1
    assert ESCAPE not in shown
    assert "Running queries: 5/5" in shown
    assert "1,234" in shown


def test_without_rich_the_output_into_a_pipe_is_the_same(
    server: list[str], file: Path
) -> None:
    done = [
        run("queries", file, *server, program=program)
        for program in (PROGRAM, WITHOUT_RICH)
    ]
    for each in done:
        assert each.returncode == 1
        assert ESCAPE not in each.stdout + each.stderr
        assert "Running" not in each.stderr
    first, second = (re.sub(r"[\d., ]+", " ", each.stdout) for each in done)
    assert first == second


def test_a_dumb_terminal_gets_plain_text(server: list[str], file: Path) -> None:
    dumb = ("env", "TERM=dumb", *PROGRAM)
    with terminal("queries", file, *server, program=dumb) as running:
        assert ESCAPE not in running.read_to_end()


def test_what_comes_from_a_server_cannot_upset_the_terminal(
    server: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "bad.sql"
    file.write_text("SELECT `\x1b[2J\x07` AS '[bold]x[/nothing]'")
    for program in (PROGRAM, WITHOUT_RICH):
        with terminal("queries", file, *server, program=program) as running:
            shown = running.read_to_end()
        assert running.status == 1
        assert "\x1b[2J" not in shown
        assert "\x07" not in shown
        assert "[bold]x[/nothing]" in shown


# Ctrl-C


@pytest.mark.parametrize("way", ["pipe", "terminal"])
def test_ctrl_c_ends_the_queries_on_the_server(
    server: list[str], connector: Connect, tmp_path: Path, way: str
) -> None:
    file = tmp_path / "slow.sql"
    file.write_text("SELECT SLEEP(60) AS interrupted; " * 4)
    root = connector("unix", login="root")
    if way == "terminal":
        with terminal("queries", file, *server) as running:
            wait_for_queries(root, 4)
            running.write("\x03")
            shown = running.read_to_end()
            status = running.status
    else:
        with subprocess.Popen(
            [*PROGRAM, "queries", file, *server],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
        ) as process:
            wait_for_queries(root, 4)
            process.send_signal(signal.SIGINT)
            out, shown = process.communicate(timeout=TIMEOUT)
            status = process.returncode
        assert out == ""
    assert status == 130
    assert "mariadb-nb: interrupted" in shown
    assert "Traceback" not in shown
    wait_for_queries(root, 0)


def wait_for_queries(root: object, number: int) -> None:
    """Wait until so many of the slow queries run."""
    sql = (
        "SELECT COUNT(*) FROM information_schema.processlist "
        "WHERE info LIKE '%AS interrupted%' AND id <> CONNECTION_ID()"
    )
    for _ in range(TIMEOUT * 50):
        if rows(root, sql) == [(str(number).encode(),)]:  # type: ignore[arg-type]
            return
        query(root, "DO SLEEP(0.02)")  # type: ignore[arg-type]
    pytest.fail(f"not {number} queries")


# info


def test_info_shows_versions() -> None:
    done = run("info")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"Connector/C +\d+\.\d+\.\d+\n", done.stdout)
    assert re.search(r"TLS library +\S", done.stdout)
    assert re.search(r"mariadbd +\d+\.\d+", done.stdout)


def test_info_is_available_as_json() -> None:
    found = json.loads(run("info", "--json").stdout)
    assert re.match(r"\d+\.\d+\.\d+$", found["connector_c"])
    assert re.match(r"\d+\.\d+\.\d+$", found["connector_c_built_with"])
    assert found["tls_library"]
    assert found["cffi"]
    assert found["rich"]
    assert found["platform"]
    assert all(each["install"] for each in found["missing"])


def test_info_says_what_is_missing_and_how_to_get_it(tmp_path: Path) -> None:
    program = (
        *PROGRAM[:1],
        "-c",
        "import sys\n"
        "from importlib import metadata\n"
        "installed = metadata.version\n"
        "def version(name):\n"
        "    if name in ('rich', 'trustme', 'mariadb-nb'):\n"
        "        raise metadata.PackageNotFoundError\n"
        "    return installed(name)\n"
        "metadata.version = version\n"
        "from mariadb_nb.cli import main; sys.exit(main())",
    )
    missing = str(tmp_path / "mariadbd")
    done = run("info", program=program, MARIADB_NB_MARIADBD=missing)
    assert (done.returncode, done.stderr) == (0, "")
    for text in (
        "Missing: rich",
        "pip install 'mariadb-nb[cli]'",
        "Missing: trustme",
        "pip install 'mariadb-nb[server]'",
        "Missing: mariadbd",
        "give the path of mariadbd",
    ):
        assert text in done.stdout


def test_the_version_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert re.match(r"mariadb-nb \S", capsys.readouterr().out)


def test_a_bug_is_one_message_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from mariadb_nb.cli import info

    monkeypatch.setattr(info, "collect", lambda: 1 / 0)
    assert main(["info"]) == 2
    error = capsys.readouterr().err
    assert "unexpected ZeroDivisionError" in error
    assert "Traceback" not in error
    assert os.linesep.join(error.splitlines()) == error.rstrip()
