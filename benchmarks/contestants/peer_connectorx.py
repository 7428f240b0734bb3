"""connectorx, which makes columns of Arrow; each query of it connects anew."""

from __future__ import annotations

from typing import Any

import connectorx

from benchmarks.contestants.session import Place


class _Session:
    placeholder = "?"

    def __init__(self, place: Place, binary: bool) -> None:
        login = f"{place.user}:{place.password}@localhost/{place.database}"
        self._url = f"mysql://{login}?socket={place.socket}"
        self._protocol = "binary" if binary else "text"

    def columns(self, sql: str) -> Any:
        return connectorx.read_sql(
            self._url, sql, return_type="arrow", protocol=self._protocol
        )

    def stream_columns(self, sql: str, batch_rows: int) -> int:
        reader = connectorx.read_sql(
            self._url,
            sql,
            return_type="arrow_stream",
            protocol=self._protocol,
            batch_size=batch_rows,
        )
        return sum(batch.num_rows for batch in reader)

    def close(self) -> None:
        """There is nothing to close."""

    def _no_rows(self, *_: object) -> Any:
        raise NotImplementedError("it has no rows: no scenario asks it for some")

    fetch_all = repeat = lookup = stream = _no_rows
    change = change_many = load = _no_rows


def connect_blocking(place: Place, binary: bool) -> _Session:
    """Remember where to connect to."""
    return _Session(place, binary)
