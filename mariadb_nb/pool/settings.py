"""What can be said about a pool.

Owns the settings' names, defaults and limits. Knows no connection and waits for
nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Final, Self, TypedDict, Unpack

from .. import option_checks as checks
from ..errors import InterfaceError

_MOST: Final = 1_000_000
_CHECKS: Final[dict[str, checks.Check]] = {
    "min_size": checks.integer(0, _MOST),
    "max_size": checks.integer(1, _MOST),
    "max_connecting": checks.integer(1, _MOST),
    "acquire_timeout": checks.seconds(unlimited=True),
    "max_lifetime": checks.seconds(unlimited=True),
    "max_idle": checks.seconds(unlimited=True),
    "keepalive_interval": checks.seconds(unlimited=True),
    "check_timeout": checks.seconds(unlimited=False),
    "retry_first": checks.seconds(unlimited=False),
    "retry_longest": checks.seconds(unlimited=False),
    "leak_after": checks.seconds(unlimited=True),
}
#: For these None means that there is no limit.
_NULLABLE: Final = frozenset(
    {
        "acquire_timeout",
        "max_lifetime",
        "max_idle",
        "keepalive_interval",
        "leak_after",
    }
)


class PoolKeywords(TypedDict, total=False):
    """What pools take by keyword."""

    min_size: int
    max_size: int
    max_connecting: int
    acquire_timeout: float | None
    max_lifetime: float | None
    max_idle: float | None
    keepalive_interval: float | None
    check_timeout: float
    retry_first: float
    retry_longest: float
    leak_after: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of a pool, checked. All times are in seconds; None is no limit.

    Attributes:
        min_size: how many connections to keep, also when nobody asks for one.
        max_size: how many there may be, those being made included.
        max_connecting: how many may be made at the same time.
        acquire_timeout: how long to wait for a connection.
        max_lifetime: a connection older than this is not lent again. Each lives up to
            a tenth less, so that those made together do not end together.
        max_idle: a connection that nobody used for so long is closed.
        keepalive_interval: ping a connection that has been silent for so long, or up
            to a tenth less.
        check_timeout: how long a ping or a reset may take.
        retry_first: how long to wait after a failed connect before the next one; it
            doubles with each failure. What is waited is between half of it and all.
        retry_longest: the most that it becomes.
        leak_after: warn of a connection that is lent for longer.

    Raises:
        InterfaceError: a value is wrong, or two contradict each other.
    """

    min_size: int = 0
    max_size: int = 10
    max_connecting: int = 4
    acquire_timeout: float | None = 30.0
    max_lifetime: float | None = 3600.0
    max_idle: float | None = 600.0
    keepalive_interval: float | None = 180.0
    check_timeout: float = 5.0
    retry_first: float = 0.1
    retry_longest: float = 10.0
    leak_after: float | None = None

    def __post_init__(self) -> None:
        for item in fields(self):
            value: Any = getattr(self, item.name)
            if value is not None or item.name not in _NULLABLE:
                value = _CHECKS[item.name](item.name, value)
                object.__setattr__(self, item.name, value)
        if self.min_size > self.max_size:
            raise InterfaceError(
                f"min_size={self.min_size} is more than max_size={self.max_size}"
            )
        if self.retry_first > self.retry_longest:
            raise InterfaceError(
                f"retry_first={self.retry_first} is more than "
                f"retry_longest={self.retry_longest}"
            )

    def changed(self, **changes: Unpack[PoolKeywords]) -> Self:
        """The same settings but for some."""
        return replace(self, **changes)
