"""Transactions as statements: which are sent when one begins, ends or is nested.

Owns the SQL of transactions, savepoints and XA, and the rules of nesting. It waits for
nothing: connections of every world run what it says.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from .errors import ProgrammingError

ISOLATION_LEVELS: Final = (
    "READ UNCOMMITTED",
    "READ COMMITTED",
    "REPEATABLE READ",
    "SERIALIZABLE",
)


def isolation(level: str) -> str:
    """A level as SQL has it; any case, and ``_`` or ``-`` for a blank.

    Raises:
        ProgrammingError: there is no such level.
    """
    name = str(level).upper().replace("_", " ").replace("-", " ")
    if name not in ISOLATION_LEVELS:
        raise ProgrammingError(
            f"isolation_level {level!r} is none of {', '.join(ISOLATION_LEVELS)}"
        )
    return name


class Transaction:
    """One ``with`` block: the whole transaction, or a savepoint inside one.

    Args:
        isolation_level: for this transaction only.
        read_only: whether the server shall refuse changes.
        implicit: whether the server begins one by itself, which is left open where the
            block goes well.
    """

    def __init__(
        self,
        isolation_level: str | None = None,
        read_only: bool = False,
        implicit: bool = False,
    ) -> None:
        #: ``Session.rollbacks`` when it began.
        self.rollbacks = 0
        #: Whether autocommit was turned off inside, to be turned on at the end.
        self.autocommit_is_off = False
        self._savepoint: str | None = None
        self._level = isolation(isolation_level) if isolation_level else None
        self._read_only = read_only
        self._implicit = implicit

    @property
    def nested(self) -> bool:
        """Whether it is a savepoint."""
        return self._savepoint is not None

    def begin(self, depth: int, in_transaction: bool) -> list[str]:
        """The statements with which it begins.

        Args:
            depth: how many blocks are open on the connection.
            in_transaction: whether a transaction is open already.

        Raises:
            ProgrammingError: it is, and this one was to be of another kind.
        """
        if in_transaction:
            if self._level or self._read_only:
                raise ProgrammingError(
                    "a transaction is open already: isolation_level and read_only can "
                    "only be given where it begins"
                )
            self._savepoint = f"mariadb_nb_{depth}"
            return [f"SAVEPOINT {self._savepoint}"]
        if self._implicit:
            return []
        mode = "START TRANSACTION READ ONLY" if self._read_only else "START TRANSACTION"
        if self._level:
            return [f"SET TRANSACTION ISOLATION LEVEL {self._level}", mode]
        return [mode]

    def end(self, failed: bool, in_transaction: bool) -> list[str]:
        """The statements with which it ends.

        Args:
            failed: whether the block raised.
            in_transaction: whether the server still has it; a deadlock ends it.
        """
        if self._savepoint is None:
            if self._implicit:
                return ["ROLLBACK"] if failed else []
            restored = ["SET autocommit = 1"] if self.autocommit_is_off else []
            return ["ROLLBACK" if failed else "COMMIT", *restored]
        if failed and not in_transaction:
            return []
        release = [f"RELEASE SAVEPOINT {self._savepoint}"]
        if failed:
            return [f"ROLLBACK TO SAVEPOINT {self._savepoint}", *release]
        return release


class Xid(NamedTuple):
    """The name of a branch of a distributed transaction (PEP 249).

    Attributes:
        format_id: a number of the transaction manager's choice.
        global_transaction_id: up to 64 bytes.
        branch_qualifier: up to 64 bytes.
    """

    format_id: int
    global_transaction_id: str
    branch_qualifier: str

    @classmethod
    def checked(
        cls, format_id: int, global_transaction_id: str, branch_qualifier: str
    ) -> Xid:
        """Make one that the server will take.

        Raises:
            ProgrammingError: a part is too long or the number is negative.
        """
        for name, text in (
            ("global_transaction_id", global_transaction_id),
            ("branch_qualifier", branch_qualifier),
        ):
            if len(text.encode()) > 64:
                raise ProgrammingError(f"{name} has more than 64 bytes")
        if not global_transaction_id:
            raise ProgrammingError("global_transaction_id is empty")
        if not 0 <= format_id < 1 << 31:
            raise ProgrammingError(f"format_id {format_id} is not in 0 to 2147483647")
        return cls(format_id, global_transaction_id, branch_qualifier)

    def sql(self) -> str:
        """As XA statements want it."""
        gtrid = self.global_transaction_id.encode(errors="surrogateescape").hex()
        bqual = self.branch_qualifier.encode(errors="surrogateescape").hex()
        return f"X'{gtrid}',X'{bqual}',{self.format_id}"


class Distributed:
    """The branch that a connection works on: PEP 249's ``tpc_*``."""

    def __init__(self) -> None:
        self._xid: Xid | None = None
        self._prepared = False
        #: Whether XA END was carried out and what follows it was not.
        self.ended = False

    def begin(self, xid: Xid, in_transaction: bool) -> list[str]:
        """``tpc_begin``."""
        if self._xid is not None or in_transaction:
            raise ProgrammingError("a transaction is open already; end it first")
        return [f"XA START {xid.sql()}"]

    def prepare(self) -> list[str]:
        """``tpc_prepare``."""
        xid = self._current("tpc_prepare")
        if self._prepared:
            raise ProgrammingError("the transaction is prepared already")
        return [*self._end(xid), f"XA PREPARE {xid.sql()}"]

    def end(self, verb: str, xid: Xid | None) -> list[str]:
        """``tpc_commit`` and ``tpc_rollback``; verb is COMMIT or ROLLBACK."""
        if xid is not None:
            if self._xid is not None:
                raise ProgrammingError("xid is only for transactions of tpc_recover()")
            return [f"XA {verb} {xid.sql()}"]
        current = self._current(f"tpc_{verb.lower()}")
        if self._prepared:
            return [f"XA {verb} {current.sql()}"]
        one_phase = " ONE PHASE" if verb == "COMMIT" else ""
        return [*self._end(current), f"XA {verb} {current.sql()}{one_phase}"]

    def _end(self, xid: Xid) -> list[str]:
        return [] if self.ended else [f"XA END {xid.sql()}"]

    def note(self, xid: Xid | None, prepared: bool = False) -> None:
        """Remember what the server has carried out: the branch, or None at its end."""
        self._xid, self._prepared, self.ended = xid, prepared, False

    @property
    def xid(self) -> Xid | None:
        """The branch that is open."""
        return self._xid

    def refuse_plain(self, verb: str) -> None:
        """Refuse commit() and rollback() while a branch is open."""
        if self._xid is not None:
            raise ProgrammingError(
                f"{verb}() inside a two-phase transaction; use tpc_{verb}()"
            )

    def _current(self, what: str) -> Xid:
        if self._xid is None:
            raise ProgrammingError(f"{what}() without tpc_begin()")
        return self._xid


def recovered(row: tuple[int, int, int, bytes | str]) -> Xid:
    """The name in a row of ``XA RECOVER``."""
    format_id, length, _, data = row
    raw = data.encode() if isinstance(data, str) else data
    return Xid(
        format_id,
        raw[:length].decode(errors="surrogateescape"),
        raw[length:].decode(errors="surrogateescape"),
    )
