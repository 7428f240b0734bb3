"""Results as columns of Apache Arrow, for whatever takes its PyCapsule interface.

Owns what a cursor's ``arrow()`` and ``stream_arrow()`` hand out. The columns are made
in C (csrc/wire/arrow_*.c), and nothing of Arrow's is imported. Knows no cursor: a
stream is told how to get its next batch.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from functools import lru_cache
from typing import Any, Final, Self

from . import _wire
from ._wire import ArrowBatch

__all__ = ["ArrowBatch", "ArrowStream", "ArrowTable", "AsyncArrowStream"]

#: Rows of a batch, unless another number is asked for.
BATCH_ROWS: Final = 1 << 16


class ArrowTable:
    """All rows of a result, as columns; what ``Cursor.arrow`` returns.

    pyarrow, polars, pandas, DuckDB and others take it as it is, without a copy and as
    often as they are asked to.
    """

    __slots__ = ("_batches",)

    def __init__(self, batches: tuple[ArrowBatch, ...]) -> None:
        self._batches = batches

    @property
    def batches(self) -> tuple[ArrowBatch, ...]:
        """The parts that it is made of: one at least, which may have no rows."""
        return self._batches

    @property
    def num_rows(self) -> int:
        """How many rows there are; ``len()`` says the same."""
        return sum(batch.num_rows for batch in self._batches)

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return self._batches[0].column_names

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the columns take."""
        return sum(batch.nbytes for batch in self._batches)

    def __len__(self) -> int:
        return self.num_rows

    def __repr__(self) -> str:
        columns = len(self.column_names)
        return f"<{type(self).__name__} of {self.num_rows} rows and {columns} columns>"

    def __arrow_c_schema__(self) -> object:
        """The columns' types, in a PyCapsule."""
        return self._batches[0].__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """A stream of the batches, in a PyCapsule; other types are not made of them."""
        return _wire.arrow_stream(self._batches)


class _Stream:
    """What is known of a stream before its first batch."""

    __slots__ = ("_like",)

    def __init__(self, like: ArrowBatch) -> None:
        self._like = like

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return self._like.column_names

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self.column_names)} columns>"

    def __arrow_c_schema__(self) -> object:
        """The columns' types, in a PyCapsule."""
        return self._like.__arrow_c_schema__()


class ArrowStream(_Stream):
    """The rows of a result in batches of columns; what ``Cursor.stream_arrow`` returns.

    An iterator of :class:`ArrowBatch`, and a stream for whatever takes one, which then
    reads from the server as it goes on. Either comes to its end once.

    Args:
        like: a batch of the same columns.
        fetch: returns the next batch, or None at the end.
        close: gives up what was not read.
    """

    __slots__ = ("_close", "_fetch")

    def __init__(
        self,
        like: ArrowBatch,
        fetch: Callable[[], ArrowBatch | None],
        close: Callable[[], None],
    ) -> None:
        super().__init__(like)
        self._fetch = fetch
        self._close = close

    def __iter__(self) -> Iterator[ArrowBatch]:
        return self

    def __next__(self) -> ArrowBatch:
        batch = self._fetch()
        if batch is None:
            raise StopIteration
        return batch

    def close(self) -> None:
        """Give up what was not read; the statement is killed on the server."""
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """A stream of what is left, in a PyCapsule; its errors are the reader's."""
        return _wire.arrow_reader(self._like, self)


class AsyncArrowStream(_Stream):
    """The same to be awaited; what ``aio.Cursor.stream_arrow`` returns.

    An asynchronous iterator of :class:`ArrowBatch`. It is no stream for others, as they
    would have to block the loop.

    Args:
        like: a batch of the same columns.
        fetch: returns the next batch, or None at the end.
        close: gives up what was not read.
    """

    __slots__ = ("_close", "_fetch")

    def __init__(
        self,
        like: ArrowBatch,
        fetch: Callable[[], Awaitable[ArrowBatch | None]],
        close: Callable[[], Awaitable[None]],
    ) -> None:
        super().__init__(like)
        self._fetch = fetch
        self._close = close

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ArrowBatch:
        batch = await self._fetch()
        if batch is None:
            raise StopAsyncIteration
        return batch

    async def close(self) -> None:
        """Give up what was not read; the statement is killed on the server."""
        await self._close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()


def reading(dictionary: Any, invalid_dates: str) -> _wire.Reading:
    """Say how a result is to be read into columns.

    Args:
        dictionary: which columns of text keep each of their values once: True for all
            ENUMs, False for none, or the columns' names.
        invalid_dates: as in ``mariadb_nb.rows.make_reading``.

    Raises:
        TypeError: ``dictionary`` is neither.
    """
    if not isinstance(dictionary, bool):
        if isinstance(dictionary, str):
            dictionary = (dictionary,)
        dictionary = frozenset(dictionary)
        for name in dictionary:
            if not isinstance(name, str):
                raise TypeError(
                    f"dictionary= takes a bool or names of columns, not {name!r}"
                )
    return _kept_reading(dictionary, invalid_dates == "error")


@lru_cache(64)
def _kept_reading(dictionary: bool | frozenset[str], error: bool) -> _wire.Reading:
    """The same one again, so that what was planned for a statement serves once more."""
    return _wire.Reading(_wire.SHAPE_ARROW, dictionary, None, error)
