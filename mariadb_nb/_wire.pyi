"""Types of ``mariadb_nb._wire``, the driver's part in C (csrc/wire)."""

import asyncio
from collections.abc import (
    Callable,
    Collection,
    Coroutine,
    Generator,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from types import TracebackType
from typing import (
    Any,
    Final,
    Literal,
    NoReturn,
    TypeAlias,
    TypeVar,
    final,
    overload,
)

from ._connection import ConnectionBase
from ._cursor import CursorBase
from .many import Many
from .operations import Driven
from .session import Session
from .statements import Entry, Statements
from .wait import Wait

_T = TypeVar("_T")

SHAPE_TUPLE: Final[int]
SHAPE_DICT: Final[int]
SHAPE_NAMEDTUPLE: Final[int]
SHAPE_SCALAR: Final[int]
SHAPE_CLASS: Final[int]
SHAPE_CALL: Final[int]
SHAPE_ARROW: Final[int]

#: Whether Decimals are made without a call (csrc/wire/decimal.c).
COPIES_DECIMALS: Final[bool]

MODE_DOUBTFUL: Final[int]

CHECK_BY_LIBRARY: Final[int]
CHECK_NOTHING: Final[int]
CHECK_CHAIN_ONLY: Final[int]
CHECK_ANY_HOST: Final[int]

_Converter: TypeAlias = Callable[[Any], Any]

# name, type, length, max_length, decimals, flags, charset, table, org_table, db,
# org_name, type_name, format
_Field: TypeAlias = tuple[
    str, int, int, int, int, int, int, str, str, str, str, str | None, str | None
]

@final
class Reading:
    def __new__(
        cls,
        shape: int,
        make: Callable[..., Any] | bool | frozenset[str] | None = None,
        converters: tuple[
            dict[int, _Converter], dict[str, _Converter], dict[str, _Converter]
        ]
        | None = None,
        invalid_dates_error: bool = False,
    ) -> Reading: ...

@final
class Reply:
    @property
    def columns(self) -> tuple[_Field, ...] | None: ...
    @property
    def rows(self) -> list[Any]: ...
    @property
    def has_rows(self) -> bool: ...
    @property
    def affected_rows(self) -> int: ...
    @property
    def insert_id(self) -> int: ...
    @property
    def warning_count(self) -> int: ...
    @property
    def server_status(self) -> int: ...
    @property
    def info(self) -> str | None: ...
    @property
    def changes(self) -> list[tuple[int, str]] | None: ...

@final
class Statement:
    @property
    def columns(self) -> tuple[_Field, ...] | None: ...
    @property
    def markers(self) -> int: ...

@final
class Bound:
    @property
    def pieces(self) -> bool: ...

class Channel:
    def __new__(cls, address: int, /) -> Channel: ...
    @overload
    def query(
        self,
        sql: bytes | str,
        reading: Reading,
        stream: Literal[False],
        infile: bytes | tuple[int, int] | None = None,
        /,
    ) -> int | list[Reply]: ...
    @overload
    def query(
        self,
        sql: bytes | str,
        reading: Reading,
        stream: Literal[True],
        infile: bytes | tuple[int, int] | None = None,
        /,
    ) -> int | Reply: ...
    def prepare(self, sql: bytes, /) -> int | Statement: ...
    @overload
    def execute(
        self,
        statement: Statement,
        bound: Bound | bytes | None,
        reading: Reading,
        stream: Literal[False],
        /,
    ) -> int | list[Reply]: ...
    @overload
    def execute(
        self,
        statement: Statement,
        bound: Bound | bytes | None,
        reading: Reading,
        stream: Literal[True],
        prefetch: int = 0,
        /,
    ) -> int | Reply: ...
    def pipeline(
        self,
        statements: list[bytes] | list[bytes | None],
        reading: Reading,
        answers: list[list[Reply] | Exception],
        /,
    ) -> int | None: ...
    def resume(self, ready: int, /) -> Any: ...
    def fetch(self, count: int, /) -> int | list[Any]: ...
    def next(self) -> int | Reply: ...
    def discard(self) -> int | None: ...
    def shutdown(self) -> None: ...
    def close(self) -> None: ...
    def trust_charset(self) -> None: ...
    @property
    def cursor(self) -> bool: ...
    @property
    def streaming(self) -> bool: ...
    @property
    def more(self) -> bool: ...
    @property
    def epoch(self) -> int: ...
    @property
    def doubts_charset(self) -> bool: ...
    @property
    def takes_bulks(self) -> bool: ...
    @property
    def foreign(self) -> bool: ...
    @property
    def busy(self) -> bool: ...
    @property
    def standing(self) -> int: ...
    @property
    def midway(self) -> bool: ...
    @property
    def ahead(self) -> bool: ...
    @property
    def server_status(self) -> int: ...
    @property
    def database(self) -> str | None: ...
    @property
    def mode(self) -> int: ...
    @property
    def fd(self) -> int: ...

@final
class Template:
    def __new__(cls, sql: str, mode: int) -> Template: ...
    @property
    def style(self) -> Literal["none", "qmark", "format", "pyformat"]: ...
    @property
    def count(self) -> int: ...
    @property
    def batch(self) -> bool: ...
    @property
    def equivalent(self) -> bool: ...
    @property
    def preparable(self) -> bytes | None: ...
    def bind(
        self,
        params: tuple[Any, ...] | list[Any] | Mapping[str, Any],
        encoders: Mapping[type, Callable[[Any], object]] | None = None,
        row: int = -1,
        /,
    ) -> Bound | None: ...
    @property
    def bulk(self) -> bool: ...
    def render(
        self,
        params: tuple[Any, ...] | list[Any] | Mapping[str, Any],
        encoders: Mapping[type, Callable[[Any], object]] | None = None,
        row: int = -1,
        /,
    ) -> bytes: ...
    def batches(
        self,
        rows: Iterable[Any],
        max_bytes: int,
        encoders: Mapping[type, Callable[[Any], object]] | None = None,
        first: int = 0,
        /,
    ) -> Iterator[tuple[bytes, int]]: ...
    def bulks(
        self,
        rows: Iterable[Any],
        max_bytes: int,
        encoders: Mapping[type, Callable[[Any], object]] | None = None,
        first: int = 0,
        /,
    ) -> Bulk: ...

@final
class Bulk:
    def build(self) -> tuple[bytes, int] | Literal[0] | None: ...
    def rest(self) -> tuple[tuple[Any, ...], Iterable[Any]]: ...

UNDER_WAY: Final[int]
FULL: Final[int]
DRAINED: Final[int]
FIELD_PLAIN: Final[int]
FIELD_BITS: Final[int]
FIELD_YEAR: Final[int]
FIELD_NAMES: Final[int]
FIELD_INTEGER: Final[int]
FIELD_DATE: Final[int]

@final
class Feeder:
    def __new__(
        cls,
        columns: tuple[str, ...],
        targets: bytes,
        limit: int,
        most: int,
        /,
        exact: bool = False,
        encoders: Mapping[type, Callable[[Any], object]] | None = None,
    ) -> Feeder: ...
    def feed(self, rows: Iterable[Any], /) -> None: ...
    def fill(self) -> int: ...
    def take(self) -> tuple[bytes, int]: ...

@final
class Connector:
    def __new__(
        cls,
        address: int,
        host: bytes | None,
        user: bytes | None,
        password: bytes | None,
        database: bytes | None,
        port: int,
        unix_socket: bytes | None,
        flags: int,
        /,
    ) -> Connector: ...
    @property
    def done(self) -> bool: ...
    def fileno(self) -> int: ...
    def result(self) -> tuple[bool, int, str, str]: ...
    def abandon(self) -> None: ...

class Turn:
    state: str
    reader: Callable[[], object] | None
    queued: Collection[object] | None
    as_new: bool
    waits: dict[int, Wait]
    statements: Statements
    _turn: dict[str, object]
    _ending: str | None
    _status_is_old: bool
    _channel: Any

class CursorFields:
    _session: Session
    _connection: ConnectionBase
    _reading: Reading
    _prepare: bool | None
    _stream: bool
    _closed: bool
    _live: bool  # whether the last statement's rows stream
    _reply: Reply | None
    _rows: list[Any] | None
    _many: Many | None  # what came of executemany()
    _replies: Sequence[Reply]  # all results that are there already
    _place: int  # which of them is the current one
    _index: int  # of the row that comes next
    def _take(self, outcome: Any, /) -> None: ...
    def _take_one(self) -> Any: ...

#: Comes after the last row: a row itself may be None.
END: Final[Any]

class StatementsFields:
    epoch: int
    entries: dict[str, Entry]
    order: int

class EntryFields:
    automatic: bool
    template: Template | None
    statement: Statement | None
    used: int

@final
class Drive(Generator[Wait, int, Any]):
    def send(self, ready: int, /) -> Wait: ...
    def throw(
        self,
        error: BaseException | type[BaseException],
        value: object = None,
        traceback: TracebackType | None = None,
        /,
    ) -> Wait: ...
    def close(self) -> None: ...

def drive(
    session: Driven,
    event: str,
    start: Callable[..., Any],
    arguments: tuple[Any, ...],
    resume: Callable[[int], Any] | Channel,
    deadline: float | None = None,
    otherwise: tuple[Any, ...] | None = None,
    /,
) -> Drive: ...

#: A ``timeout=`` that was not given.
UNSET: Final[Any]

def execution(
    cursor: CursorBase,
    sql: str,
    params: Any,
    timeout: float | None,
    prepare: bool | None,
    /,
) -> Drive | None: ...
def drive_with(
    go_on: Callable[..., Generator[Wait, int, Any]],
    is_late: Callable[[float | None], bool],
    /,
) -> None: ...

class RunnerFields:
    _loop: asyncio.AbstractEventLoop | None
    _current: Run[Any] | None
    _wait: Wait | None
    _usual: Wait | None
    _reads: bool
    _once: int | None
    _error: BaseException | None
    _interruption: asyncio.CancelledError | None
    def run(self, operation: Generator[Wait, int, _T], /) -> Run[_T]: ...
    def _advance(self, what: int | BaseException, /) -> None: ...
    def _readable(self) -> None: ...

@final
class Run(Coroutine[Any, Any, _T]):
    operation: Generator[Wait, int, _T]
    def __await__(self) -> Generator[Any, Any, _T]: ...
    def send(self, value: Any, /) -> Any: ...
    def throw(  # type: ignore[override]  # what others pass behind it is no use
        self, error: BaseException | type[BaseException], /
    ) -> NoReturn: ...
    def close(self) -> None: ...
    def cancel(self, msg: object = None) -> bool: ...
    def result(self) -> None: ...

def run_with(get_running_loop: Callable[[], asyncio.AbstractEventLoop], /) -> None: ...
def poll_run(
    clean_up: Callable[[Generator[Any, int, _T], BaseException], NoReturn],
    operation: Generator[Any, int, _T],
    /,
) -> _T: ...
def poll_wait(wait: tuple[int, int, float | None], /) -> int: ...
def peek(fd: int, /) -> bool | None: ...
def hung_up(fd: int, /) -> bool: ...
def attach(guard: int, library: int, /) -> None: ...
def decode(
    fields: list[_Field] | tuple[int, int],
    rows: list[tuple[bytes | None, ...]],
    reading: Reading,
    binary: bool = False,
    keep: bool = False,
) -> Any: ...

@final
class ArrowBatch:
    @property
    def num_rows(self) -> int: ...
    @property
    def column_names(self) -> tuple[str, ...]: ...
    @property
    def nbytes(self) -> int: ...
    def __len__(self) -> int: ...
    def __arrow_c_schema__(self) -> object: ...
    def __arrow_c_array__(
        self, requested_schema: object = None
    ) -> tuple[object, object]: ...
    def __arrow_c_stream__(self, requested_schema: object = None) -> object: ...

@final
class ArrowRows:
    def __new__(cls, columns: object, /) -> ArrowRows: ...
    @property
    def column_names(self) -> tuple[str, ...]: ...
    def __iter__(self) -> ArrowRows: ...
    def __next__(self) -> tuple[Any, ...]: ...

def arrow_stream(batches: tuple[ArrowBatch, ...], /) -> object: ...
def arrow_reader(like: ArrowBatch, batches: Iterator[ArrowBatch]) -> object: ...
def arrow_memory() -> tuple[int, int]: ...
def decode_fetched(address: int, reading: Reading) -> list[Any]: ...
def decode_packet(
    fields: list[_Field],
    packet: bytes,
    offsets: list[int | None],
    reading: Reading,
    place: int,
) -> list[Any]: ...
def describe(fields: list[_Field] | tuple[int, int]) -> tuple[_Field, ...]: ...
def prepare_login(handle: int, certificate_check: int, /) -> None: ...
def silence_dialog() -> bool: ...
