"""The exceptions of the package, and which one an error of the server becomes.

Owns the classes and the one table that maps numbers and SQLSTATEs to them. It knows
nothing of connections: who makes an error says what happened.

    Exception
    ├── Warning                            PEP 249's; this package raises it nowhere
    └── Error
        ├── InterfaceError                 the package was used in a wrong way
        │   ├── Busy                       another operation is at work
        │   └── PoolClosed                 it lends no connections any more
        └── DatabaseError
            ├── DataError                  a value does not fit
            ├── OperationalError           not the programmer's fault
            │   ├── OperationTimeout       (TimeoutError)
            │   │   └── PoolTimeout        no connection was free in time
            │   ├── ConnectionLost         (ConnectionError)
            │   ├── QueryInterrupted       somebody killed it
            │   ├── Deadlock               retryable: the transaction
            │   └── LockTimeout            retryable: the statement
            ├── IntegrityError             a constraint would be violated
            ├── InternalError              the server found itself or its data broken
            ├── ProgrammingError           wrong SQL, missing tables, wrong parameters
            └── NotSupportedError          the server or the library cannot do it
"""

from __future__ import annotations

import os
import re
from errno import EINPROGRESS
from typing import Any, ClassVar, Final

__all__ = [
    "Busy",
    "ConnectionLost",
    "DataError",
    "DatabaseError",
    "Deadlock",
    "Error",
    "IntegrityError",
    "InterfaceError",
    "InternalError",
    "LockTimeout",
    "NotSupportedError",
    "OperationTimeout",
    "OperationalError",
    "PoolClosed",
    "PoolTimeout",
    "ProgrammingError",
    "QueryInterrupted",
    "Warning",
    "from_server",
]


class Warning(Exception):
    """PEP 249 asks for it. The server's warnings are read, not raised."""


class Error(Exception):
    """The base of all errors that this package raises.

    Args:
        message: what went wrong, in words.
        errno: the server's number (1000 to 1999, 3000 and above) or the client
            library's (2000 to 2999, 5000 to 5999); 0 if it comes from neither.
        sqlstate: the five characters that belong to it, or "".

    Attributes:
        rows: of ``executemany``, among which rows the one is that the server refused;
            None for what is not about rows.
        retryable: whether doing the same again, from the place that the class names,
            is the right answer and may well succeed.
    """

    errno: int
    sqlstate: str
    message: str
    rows: range | None = None
    retryable: ClassVar[bool] = False

    def __init__(self, message: str = "", errno: int = 0, sqlstate: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.errno = errno
        self.sqlstate = sqlstate

    @property
    def line(self) -> int | None:
        """The line of the statement, from 1 on, that a syntax error names, or None."""
        found = _LINE.search(self.message) if self.errno == _ER_PARSE_ERROR else None
        return int(found[1]) if found else None

    def __str__(self) -> str:
        if not self.errno:
            return self.message
        state = f" ({self.sqlstate})" if self.sqlstate else ""
        return f"{self.errno}{state}: {self.message}"

    def __repr__(self) -> str:
        more = f", errno={self.errno}, sqlstate={self.sqlstate!r}" if self.errno else ""
        return f"{type(self).__name__}({self.message!r}{more})"

    def __reduce__(self) -> tuple[Any, ...]:
        # Not Exception's: OSError, which is a base of some, has its own idea of it.
        arguments = (self.message, self.errno, self.sqlstate)
        return type(self), arguments, self.__dict__


class InterfaceError(Error):
    """The package or the client library was used in a way that it cannot be."""


class Busy(InterfaceError):
    """Another operation is at work on the connection, and was not disturbed."""


class PoolClosed(InterfaceError):
    """The pool is closed, and lends no connections any more."""


class DatabaseError(Error):
    """Something that has to do with the database."""


class DataError(DatabaseError):
    """A value is out of range, too long or of the wrong form."""


class OperationalError(DatabaseError):
    """The database cannot do it now or for this user; the program may be right."""


class OperationTimeout(OperationalError, TimeoutError):  # type: ignore[misc]
    """The time for the operation was over: ours, or the server's for a statement."""

    # OSError's errno may be None, ours may not: mypy sees a contradiction.


class PoolTimeout(OperationTimeout):
    """No connection of the pool was free in time; its cause is why none was made."""


class ConnectionLost(OperationalError, ConnectionError):  # type: ignore[misc]
    """The connection is gone; whether the server did what was asked is unknown."""


class QueryInterrupted(OperationalError):
    """Somebody ended the statement by KILL QUERY or the like."""


class Deadlock(OperationalError):
    """The transaction collided with another one and was rolled back: begin it anew."""

    retryable = True


class LockTimeout(OperationalError):
    """A lock was not to be had in time. The statement did nothing: try it again.

    The transaction still stands, unless the server has innodb_rollback_on_timeout.
    """

    retryable = True


class IntegrityError(DatabaseError):
    """A key, a foreign key, NOT NULL or a CHECK does not allow it."""


class InternalError(DatabaseError):
    """The server found itself or its data damaged."""


class ProgrammingError(DatabaseError):
    """Wrong SQL, names that do not exist, or parameters that do not fit."""


class NotSupportedError(DatabaseError):
    """The server, the storage engine or the client library has no such thing."""


_ER_PARSE_ERROR: Final = 1064
# English only: with another lc_messages the line stays unknown.
_LINE: Final = re.compile(r" at line (\d+)\Z")

#: What the SQLSTATE alone would get wrong, by number. The server gives HY000 to what
#: has no state of its own, 42000 to refusals of privileges, and so on.
_BY_NUMBER: Final[dict[int, type[Error]]] = {
    # The server: connecting, privileges and limits, not wrong SQL.
    1044: OperationalError,  # ER_DBACCESS_DENIED_ERROR
    1049: OperationalError,  # ER_BAD_DB_ERROR
    1104: OperationalError,  # ER_TOO_BIG_SELECT
    1142: OperationalError,  # ER_TABLEACCESS_DENIED_ERROR
    1143: OperationalError,  # ER_COLUMNACCESS_DENIED_ERROR
    1203: OperationalError,  # ER_TOO_MANY_USER_CONNECTIONS
    1226: OperationalError,  # ER_USER_LIMIT_REACHED
    1227: OperationalError,  # ER_SPECIFIC_ACCESS_DENIED_ERROR
    1370: OperationalError,  # ER_PROCACCESS_DENIED_ERROR
    1410: OperationalError,  # ER_CANT_CREATE_USER_WITH_GRANT
    # The server ends the connection with it.
    1053: ConnectionLost,  # ER_SERVER_SHUTDOWN
    1079: ConnectionLost,  # ER_SHUTDOWN_COMPLETE
    1080: ConnectionLost,  # ER_FORCING_CLOSE
    1152: ConnectionLost,  # ER_ABORTING_CONNECTION
    1154: ConnectionLost,  # ER_NET_READ_ERROR_FROM_PIPE
    1155: ConnectionLost,  # ER_NET_FCNTL_ERROR
    1156: ConnectionLost,  # ER_NET_PACKETS_OUT_OF_ORDER
    1157: ConnectionLost,  # ER_NET_UNCOMPRESS_ERROR
    1158: ConnectionLost,  # ER_NET_READ_ERROR
    1159: ConnectionLost,  # ER_NET_READ_INTERRUPTED
    1160: ConnectionLost,  # ER_NET_ERROR_ON_WRITE
    1161: ConnectionLost,  # ER_NET_WRITE_INTERRUPTED
    1184: ConnectionLost,  # ER_NEW_ABORTING_CONNECTION
    1927: ConnectionLost,  # ER_CONNECTION_KILLED
    # What callers branch on.
    1020: Deadlock,  # ER_CHECKREAD
    1205: LockTimeout,  # ER_LOCK_WAIT_TIMEOUT
    1213: Deadlock,  # ER_LOCK_DEADLOCK
    1317: QueryInterrupted,  # ER_QUERY_INTERRUPTED
    1614: Deadlock,  # ER_XA_RBDEADLOCK
    1969: OperationTimeout,  # ER_STATEMENT_TIMEOUT
    3024: OperationTimeout,  # ER_QUERY_TIMEOUT
    # Values.
    1263: DataError,  # ER_WARN_NULL_TO_NOTNULL
    1265: DataError,  # WARN_DATA_TRUNCATED
    1300: DataError,  # ER_INVALID_CHARACTER_STRING
    1366: DataError,  # ER_TRUNCATED_WRONG_VALUE_FOR_FIELD
    1411: DataError,  # ER_WRONG_VALUE_FOR_TYPE
    1526: DataError,  # ER_NO_PARTITION_FOR_GIVEN_VALUE
    1958: DataError,  # ER_BAD_BASE64_DATA
    1977: DataError,  # ER_CANNOT_CONVERT_CHARACTER
    # Constraints.
    1215: IntegrityError,  # ER_CANNOT_ADD_FOREIGN
    1364: IntegrityError,  # ER_NO_DEFAULT_FOR_FIELD
    1369: IntegrityError,  # ER_VIEW_CHECK_FAILED
    1423: IntegrityError,  # ER_NO_DEFAULT_FOR_VIEW_FIELD
    # Wrong SQL: without a state of its own, or with that of a constraint.
    1007: ProgrammingError,  # ER_DB_CREATE_EXISTS
    1008: ProgrammingError,  # ER_DB_DROP_EXISTS
    1052: ProgrammingError,  # ER_NON_UNIQ_ERROR
    1093: ProgrammingError,  # ER_UPDATE_TABLE_USED
    1099: ProgrammingError,  # ER_TABLE_NOT_LOCKED_FOR_WRITE
    1100: ProgrammingError,  # ER_TABLE_NOT_LOCKED
    1111: ProgrammingError,  # ER_INVALID_GROUP_FUNC_USE
    1128: ProgrammingError,  # ER_FUNCTION_NOT_DEFINED
    1175: ProgrammingError,  # ER_UPDATE_WITHOUT_KEY_IN_SAFE_MODE
    1193: ProgrammingError,  # ER_UNKNOWN_SYSTEM_VARIABLE
    1210: ProgrammingError,  # ER_WRONG_ARGUMENTS
    1221: ProgrammingError,  # ER_WRONG_USAGE
    1228: ProgrammingError,  # ER_LOCAL_VARIABLE
    1229: ProgrammingError,  # ER_GLOBAL_VARIABLE
    1238: ProgrammingError,  # ER_INCORRECT_GLOBAL_LOCAL_VAR
    1243: ProgrammingError,  # ER_UNKNOWN_STMT_HANDLER
    1267: ProgrammingError,  # ER_CANT_AGGREGATE_2COLLATIONS
    1270: ProgrammingError,  # ER_CANT_AGGREGATE_3COLLATIONS
    1271: ProgrammingError,  # ER_CANT_AGGREGATE_NCOLLATIONS
    1273: ProgrammingError,  # ER_UNKNOWN_COLLATION
    1288: ProgrammingError,  # ER_NON_UPDATABLE_TABLE
    1298: ProgrammingError,  # ER_UNKNOWN_TIME_ZONE
    1347: ProgrammingError,  # ER_WRONG_OBJECT
    1348: ProgrammingError,  # ER_NONUPDATEABLE_COLUMN
    1356: ProgrammingError,  # ER_VIEW_INVALID
    1359: ProgrammingError,  # ER_TRG_ALREADY_EXISTS
    1360: ProgrammingError,  # ER_TRG_DOES_NOT_EXIST
    1390: ProgrammingError,  # ER_PS_MANY_PARAM
    1396: ProgrammingError,  # ER_CANNOT_USER
    1397: ProgrammingError,  # ER_XAER_NOTA
    1398: ProgrammingError,  # ER_XAER_INVAL
    1399: ProgrammingError,  # ER_XAER_RMFAIL
    1400: ProgrammingError,  # ER_XAER_OUTSIDE
    1440: ProgrammingError,  # ER_XAER_DUPID
    4078: ProgrammingError,  # ER_ILLEGAL_PARAMETER_DATA_TYPES2_FOR_OPERATION
    4079: ProgrammingError,  # ER_ILLEGAL_PARAMETER_DATA_TYPE_FOR_OPERATION
    # Not there.
    1031: NotSupportedError,  # ER_ILLEGAL_HA
    1112: NotSupportedError,  # ER_UNSUPPORTED_EXTENSION
    1148: NotSupportedError,  # ER_NOT_ALLOWED_COMMAND
    1163: NotSupportedError,  # ER_TABLE_CANT_HANDLE_BLOB
    1164: NotSupportedError,  # ER_TABLE_CANT_HANDLE_AUTO_INCREMENT
    1178: NotSupportedError,  # ER_CHECK_NOT_IMPLEMENTED
    1214: NotSupportedError,  # ER_TABLE_CANT_HANDLE_FT
    1235: NotSupportedError,  # ER_NOT_SUPPORTED_YET
    1286: NotSupportedError,  # ER_UNKNOWN_STORAGE_ENGINE
    1289: NotSupportedError,  # ER_FEATURE_DISABLED
    1295: NotSupportedError,  # ER_UNSUPPORTED_PS
    1970: NotSupportedError,  # ER_SUBQUERIES_NOT_SUPPORTED
    1971: NotSupportedError,  # ER_SET_STATEMENT_NOT_SUPPORTED
    4166: NotSupportedError,  # ER_LOAD_INFILE_CAPABILITY_DISABLED
    # Damage.
    1032: InternalError,  # ER_KEY_NOT_FOUND
    1034: InternalError,  # ER_NOT_KEYFILE
    1194: InternalError,  # ER_CRASHED_ON_USAGE
    1195: InternalError,  # ER_CRASHED_ON_REPAIR
    1712: InternalError,  # ER_INDEX_CORRUPT
    1815: InternalError,  # ER_INTERNAL_ERROR
    1817: InternalError,  # ER_INNODB_INDEX_CORRUPT
    1835: InternalError,  # ER_MALFORMED_PACKET
    1877: InternalError,  # ER_TABLE_CORRUPT
    3000: InternalError,  # ER_FILE_CORRUPT
    # The client library. What is not listed means that it was used wrongly.
    2000: OperationalError,  # CR_UNKNOWN_ERROR
    2001: OperationalError,  # CR_SOCKET_CREATE_ERROR
    2002: OperationalError,  # CR_CONNECTION_ERROR
    2003: OperationalError,  # CR_CONN_HOST_ERROR
    2004: OperationalError,  # CR_IPSOCK_ERROR
    2005: OperationalError,  # CR_UNKNOWN_HOST
    2006: ConnectionLost,  # CR_SERVER_GONE_ERROR
    2007: OperationalError,  # CR_VERSION_ERROR
    2008: OperationalError,  # CR_OUT_OF_MEMORY
    2012: OperationalError,  # CR_SERVER_HANDSHAKE_ERR
    2013: ConnectionLost,  # CR_SERVER_LOST
    2019: OperationalError,  # CR_CANT_READ_CHARSET
    2020: OperationalError,  # CR_NET_PACKET_TOO_LARGE
    2026: OperationalError,  # CR_SSL_CONNECTION_ERROR
    2027: OperationalError,  # CR_MALFORMED_PACKET
    2036: NotSupportedError,  # CR_UNSUPPORTED_PARAM_TYPE
    2049: OperationalError,  # CR_SECURE_AUTH
    2054: NotSupportedError,  # CR_NOT_IMPLEMENTED
    2055: ConnectionLost,  # CR_SERVER_LOST_EXTENDED
    2059: OperationalError,  # CR_AUTH_PLUGIN_CANNOT_LOAD
    2061: OperationalError,  # CR_AUTH_PLUGIN_ERR
    5000: OperationalError,  # CR_EVENT_CREATE_FAILED
    5001: OperationalError,  # CR_BIND_ADDR_FAILED
    5002: NotSupportedError,  # CR_ASYNC_NOT_SUPPORTED
    5003: NotSupportedError,  # CR_FUNCTION_NOT_SUPPORTED
    5004: OperationalError,  # CR_FILE_NOT_FOUND
    5005: OperationalError,  # CR_FILE_READ
    5008: NotSupportedError,  # CR_VERSION_MISMATCH
    5010: OperationalError,  # CR_PLUGIN_NOT_ALLOWED
    5012: OperationalError,  # CR_ERR_LOAD_PLUGIN
    5013: ConnectionLost,  # CR_ERR_NET_READ
    5014: ConnectionLost,  # CR_ERR_NET_WRITE
    5015: OperationalError,  # CR_ERR_NET_UNCOMPRESS
}

#: The rest of the server's errors, by the first two characters of the SQLSTATE. A
#: SIGNAL of the user's own finds its place here too.
_BY_STATE: Final[dict[str, type[Error]]] = {
    "02": DataError,  # no data
    "07": ProgrammingError,  # dynamic SQL
    "08": OperationalError,  # connection
    "0A": NotSupportedError,
    "0K": ProgrammingError,  # RESIGNAL without a handler
    "0Z": ProgrammingError,  # GET STACKED DIAGNOSTICS without a handler
    "20": ProgrammingError,  # CASE without a match
    "21": ProgrammingError,  # number of columns or rows
    "22": DataError,
    "23": IntegrityError,
    "24": ProgrammingError,  # cursor state
    "25": ProgrammingError,  # transaction state
    "28": OperationalError,  # who are you
    "2F": ProgrammingError,  # in a stored function
    "34": ProgrammingError,  # cursor name
    "3D": ProgrammingError,  # no database chosen
    "40": Deadlock,  # the transaction was rolled back
    "42": ProgrammingError,
    "44": IntegrityError,  # WITH CHECK OPTION
    "45": OperationalError,  # SIGNAL's own class: a condition that the user made
    "70": QueryInterrupted,
    # The server's state for most of what is left: files, limits, replication, options.
    "HY": OperationalError,
    "XA": OperationalError,
}


#: Instead of what the library says: 3.3 quotes what lies where the name once was, which
#: may be a piece of the login.
_OWN_MESSAGES: Final = {
    5010: "The server asks for an authentication plug-in that is not allowed: see "
    "auth_plugins=; those that send the password itself need tls='require' or stronger",
}

#: What the library says when it has no such plug-in. It goes on with the login all the
#: same, and what comes of that takes the place of the number: 2059 is the right one.
_NO_PLUGIN: Final = re.compile(r"Plugin (\S{0,64}) could not be loaded: ")
_AFTER_NO_PLUGIN: Final = frozenset({1045, 1698, 2012, 2013, 2059})


#: How the library ends what it says of a connect that failed: with errno's number.
_SYSTEM_NUMBER: Final = re.compile(r"\((\d+)\)\Z")


def _in_words(found: re.Match[str]) -> str:
    """A number of the system's with its text."""
    number = int(found[1])
    if number == EINPROGRESS:  # that it was waited for; why it failed, it has forgotten
        return "(refused, or nobody is there)"
    return f"({number}: {os.strerror(number)})"


def is_of_library(errno: int) -> bool:
    """Return whether an error is the client library's own, not the server's answer."""
    return 2000 <= errno < 3000 or 5000 <= errno < 6000


def from_server(errno: int, sqlstate: str, message: str) -> Error:
    """Make the error for what the server or the client library reported.

    Args:
        errno: what ``mysql_errno`` said.
        sqlstate: what ``mysql_sqlstate`` said.
        message: what ``mysql_error`` said.

    Returns:
        An error of the class that fits: by the number, else by the SQLSTATE's first
        two characters, else DatabaseError.
    """
    if errno in _AFTER_NO_PLUGIN and (found := _NO_PLUGIN.match(message)):
        errno, sqlstate = 2059, "HY000"
        message = (
            f"The server asks for the authentication plug-in {found[1]!r}, which is no "
            "part of this libmariadb and not in its folder of plug-ins, or that "
            "belongs to another user than root and this one, or everybody can write "
            "there"
        )
    kind = _BY_NUMBER.get(errno)
    if kind is None:
        kind = (
            InterfaceError
            if is_of_library(errno)
            else _BY_STATE.get(sqlstate[:2], DatabaseError)
        )
    if errno in (2002, 2003):
        message = _SYSTEM_NUMBER.sub(_in_words, message)
    return kind(_OWN_MESSAGES.get(errno, message), errno, sqlstate)
