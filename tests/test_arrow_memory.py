"""The memory of batches: that it grows to what comes, and goes when nobody has it."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from arrow_support import TEXT, columns_of, read
from hypothesis import given
from hypothesis import strategies as st
from wire_support import BINARY, field

import mariadb_nb
from mariadb_nb import _wire
from mariadb_nb.columns import FieldType

if TYPE_CHECKING:
    from mariadb_nb.server import TemporaryServer


@pytest.fixture(autouse=True)
def _no_garbage() -> None:
    """Nobody else's batches go while one counts."""
    gc.collect()


NUMBER = field(FieldType.LONG, "n", charset=BINARY)
Texts = Sequence[bytes | None]


def connect(server: TemporaryServer) -> mariadb_nb.Connection:
    return mariadb_nb.connect(unix_socket=server.socket, user="root", database="test")


def check(texts: Texts, others: Texts) -> None:
    """Two columns of text and one of numbers; each eleventh row fails in the middle."""
    rows: list[tuple[bytes | None, ...]] = []
    for number, (text, other) in enumerate(zip(texts, others, strict=True)):
        if number % 11 == 5:
            rows.append((text, b"wrong size", other))
        rows.append((text, number.to_bytes(4, "little"), other))
    batch = columns_of([TEXT, NUMBER, TEXT], rows, keep=True)
    found = read(batch)
    assert found.column(0).cast(pa.binary()).to_pylist() == [*texts]
    assert found.column(1).to_pylist() == [*range(len(texts))]
    assert found.column(2).cast(pa.binary()).to_pylist() == [*others]


@given(st.lists(st.tuples(*[st.none() | st.integers(0, 3000)] * 2), max_size=200))
def test_text_of_any_length(lengths: list[tuple[int | None, int | None]]) -> None:
    texts, others = (
        [None if size is None else b"x" * size for size in column]
        for column in (zip(*lengths, strict=True) if lengths else ((), ()))
    )
    check(texts, others)


@pytest.mark.parametrize("count", [1, 64, 65, 1000, 70_000])
def test_text_that_becomes_longer_and_shorter(count: int) -> None:
    """Small blocks and large ones; each column is the one that has no more room."""
    growing = [b"a" * (300 * n // count) for n in range(count)]
    late = [None if n < count * 3 // 4 else b"b" * 40 for n in range(count)]
    check(growing, growing[::-1])
    check(growing[::-1], late)
    check(late, growing)


def test_one_value_larger_than_all_others() -> None:
    texts: list[bytes | None] = [b"x"] * 500
    for place in (0, 100, 499):
        large = [*texts]
        large[place] = b"y" * (9 << 20)
        check(large, texts)
        check(texts, large)


def test_large_batches_of_several_threads() -> None:
    """What one gives back another takes: nobody's values are written over."""

    def work(number: int) -> bool:
        text = b"%d" % number * 100
        kept = []
        for round_ in range(12):
            rows = [(text, (round_ + n).to_bytes(4, "little")) for n in range(50_000)]
            kept.append(read(columns_of([TEXT, NUMBER], rows)))
            if round_ % 3 == 2:
                del kept[::2]
        return all(
            set(batch.column(0).to_pylist()) == {text.decode()}
            and pc.count_distinct(batch.column(1)).as_py() == 50_000
            for batch in kept
        )

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(4)))


@pytest.mark.parametrize("count", [10, 100_000])
def test_memory_is_what_the_values_need(count: int) -> None:
    before = _wire.arrow_memory()
    rows = [(b"x" * 30, b"\0" * 4)] * count
    batch = columns_of([TEXT, NUMBER], rows)
    after = _wire.arrow_memory()
    _wire.arrow_stream((batch, batch))
    exported = read(batch)
    assert after[0] - before[0] == 1
    del batch
    gc.collect()
    assert _wire.arrow_memory() == after
    assert exported.num_rows == count
    del exported
    gc.collect()
    assert _wire.arrow_memory() == before


def test_a_stream_has_the_memory_of_one_batch(mariadb_server: TemporaryServer) -> None:
    """However many there are, and none when it is over."""
    before, most = _wire.arrow_memory(), 0
    sql = "SELECT seq, REPEAT('x', seq % 100) AS x, seq / 3 AS y FROM seq_1_to_100000"
    with (
        connect(mariadb_server) as conn,
        conn.cursor().stream_arrow(sql, batch_rows=1000) as stream,
    ):
        rows = 0
        for batch in stream:
            rows += len(batch)
            count, size = _wire.arrow_memory()
            assert count - before[0] <= 2  # it, and the one before it
            most = max(most, size - before[1])
        assert rows == 100_000
        assert most < 2 * 1.25 * 1000 * (8 + 4 + 50 + 16 + 1)
        del batch
    gc.collect()
    assert _wire.arrow_memory() == before


def test_a_table_has_no_more_than_it_tells(mariadb_server: TemporaryServer) -> None:
    """The last of its batches, which is a small one, too."""
    before = _wire.arrow_memory()
    sql = "SELECT seq, REPEAT('x', seq % 100) AS x FROM seq_1_to_140000"
    with connect(mariadb_server) as conn:
        table = conn.cursor().arrow(sql)
    assert [len(batch) for batch in table.batches] == [65536, 65536, 8928]
    count, size = _wire.arrow_memory()
    assert count - before[0] == 3
    assert table.nbytes <= size - before[1] <= 1.4 * table.nbytes
