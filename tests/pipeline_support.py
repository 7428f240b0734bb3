"""What the tests of pipelines share."""

from __future__ import annotations

from typing import Any, Final

from mariadb_nb import Result

KEYED: Final = "id INT PRIMARY KEY, x VARCHAR(99)"


def error_of(result: Result) -> Any:
    """What reading a result raises."""
    try:
        result.fetchone()
    except Exception as error:
        return error
    raise AssertionError("it has rows")
