"""The demo: its data, its queries, and all of it together."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from capi_support import Connect, query, rows
from cli_support import run, terminal

from mariadb_nb.cli import commands
from mariadb_nb.cli.dataset import TABLES, Shop
from mariadb_nb.cli.engine import Engine
from mariadb_nb.cli.sqlfile import read_statements
from mariadb_nb.cli.target import of_server
from mariadb_nb.server import TemporaryServer

SCALE = 0.05


@pytest.fixture(scope="module")
def shop(mariadb_server: TemporaryServer) -> Iterator[Engine]:
    """Connections to a small shop in a database of its own."""
    root = of_server(mariadb_server, "root")
    with Engine(root, 1) as engine:
        engine.run(["CREATE OR REPLACE DATABASE shop"])
    with Engine(replace(root, database="shop"), 8) as engine:
        for table in TABLES:
            assert engine.run([table]).failed == 0
        report = engine.run(Shop(SCALE).inserts())
        assert [each.error for each in report.outcomes if each.error] == []
        assert len(report.outcomes) == Shop(SCALE).insert_count
        yield engine
        engine.run(["DROP DATABASE shop"])


def value(connector: Connect, sql: str) -> str | None:
    mysql = connector("unix", login="root")
    assert query(mysql, "USE shop") == 0
    ((found,),) = rows(mysql, sql)
    return None if found is None else found.decode()


def test_the_data_is_the_same_every_time() -> None:
    assert list(Shop(0.01).inserts()) == list(Shop(0.01).inserts())


@pytest.mark.parametrize("scale", [0.0001, 0.01, 0.05])
def test_the_number_of_inserts_is_known(scale: float) -> None:
    shop = Shop(scale)
    assert len(list(shop.inserts())) == shop.insert_count


def test_inserts_fit_into_a_packet() -> None:
    assert max(len(sql.encode()) for sql in Shop(0.1).inserts()) < 1_000_000


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize(
    ("child", "column", "parent"),
    [
        ("categories", "parent_id", "categories"),
        ("products", "category_id", "categories"),
        ("orders", "customer_id", "customers"),
        ("order_items", "order_id", "orders"),
        ("order_items", "product_id", "products"),
        ("payments", "order_id", "orders"),
        ("reviews", "product_id", "products"),
        ("reviews", "customer_id", "customers"),
    ],
)
def test_every_key_leads_somewhere(
    connector: Connect, child: str, column: str, parent: str
) -> None:
    orphans = (
        f"SELECT COUNT(*) FROM {child} c LEFT JOIN {parent} p ON p.id = c.{column} "
        f"WHERE c.{column} IS NOT NULL AND p.id IS NULL"
    )
    assert value(connector, orphans) == "0"
    assert value(connector, f"SELECT COUNT({column}) > 0 FROM {child}") == "1"


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT COUNT(*) = 0 FROM orders o JOIN customers c ON c.id = o.customer_id "
        "WHERE o.ordered_at < c.registered",
        "SELECT MAX(ABS(amount - total)) <= 0.01 FROM payments JOIN (SELECT order_id, "
        "SUM(quantity * price * (1 - COALESCE(discount, 0))) AS total "
        "FROM order_items GROUP BY order_id) sums USING (order_id)",
        "SELECT COUNT(*) = COUNT(DISTINCT i.order_id) FROM orders o "
        "LEFT JOIN (SELECT DISTINCT order_id FROM order_items) i ON i.order_id = o.id",
        "SELECT SUM(name <> CONVERT(name USING ascii)) > 100 FROM customers",
        "SELECT COUNT(*) > 0 FROM reviews WHERE body LIKE '%👍%'",
        "SELECT COUNT(*) BETWEEN 1 AND 599 FROM customers WHERE born IS NULL",
        "SELECT COUNT(DISTINCT status) = 5 FROM orders",
    ],
)
def test_the_data_makes_sense(connector: Connect, sql: str) -> None:
    assert value(connector, sql) == "1"


def test_all_demo_queries_succeed(shop: Engine) -> None:
    content = Path(commands.__file__).with_name("demo_queries.sql").read_bytes()
    statements = read_statements(content, "demo_queries.sql")
    assert len({statement.sql for statement in statements}) == 200
    report = shop.run(statement.sql for statement in statements)
    assert [each for each in report.outcomes if each.error] == []


def test_the_demo_runs_its_queries_on_its_data() -> None:
    done = run("demo", f"--scale={SCALE}", "--format=json", "--connections=4")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert len(found["queries"]) == 200
    totals = found["totals"]
    assert (totals["failed"], totals["connections"]) == (0, 4)
    assert totals["sum_of_seconds"] > totals["wall_seconds"]
    empty = sum(each["rows"] == 0 for each in found["queries"])
    assert empty < 60


def test_the_demo_as_it_is_prints_its_table_in_a_terminal() -> None:
    with terminal("demo", columns=120) as running:
        shown = running.read_to_end()
    assert running.status == 0
    plain = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", shown)
    # The bars have moved.
    for title, total in (("Loading a shop", "398"), ("Running queries", "200")):
        steps = [int(n) for n in re.findall(rf"{title}\D+(\d+)/{total}", plain)]
        assert len(set(steps)) > 3
        assert all(a <= b for a, b in pairwise(steps))
        assert steps[-1] == int(total)
    numbers = re.findall(r"^ *(\d+) +[\d,]+ +[\d,.]+ +\S", plain, re.MULTILINE)
    assert [int(number) for number in numbers] == list(range(1, 201))
    assert re.search(r"Queries +200 over 8 connections, none failed", plain)
    (loaded,) = set(re.findall(r"398/398 +0 running +([\d,]+) rows", plain))
    assert int(loaded.replace(",", "")) > 200_000


def test_the_demo_takes_other_queries(tmp_path: Path) -> None:
    file = tmp_path / "own.sql"
    file.write_text("SELECT COUNT(*) FROM customers; SELECT nothing FROM orders")
    done = run("demo", "--scale=0.01", "--queries", file)
    assert done.returncode == 1
    assert "query 2 (line 1)" in done.stderr
