"""What one seed of fuzz_capi.py does: a model, and random calls against it.

It owns a model of one connection with a few results and statements. Every query
selects a secret of its own; any row that a handle delivers must carry the secret
of what that handle was made or executed for. What the calls return otherwise is the
library's business. Each call is told before it is made.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Final

from capi_support import connect, connect_arguments, query, rows
from server_place import place

from mariadb_nb.capi import ffi, lib, wait_for_mysql

if TYPE_CHECKING:
    from mariadb_nb._ffi import CData

MULTI_STATEMENTS: Final = 1 << 16
REFUSED: Final = (lib.CR_COMMANDS_OUT_OF_SYNC, lib.CR_ASYNC_NOT_SUPPORTED)


def handle_name(handle: CData) -> str:
    """Its kind and address, to tell handles apart."""
    kind = ffi.typeof(handle).cname.removeprefix("struct st_mysql").strip(" *_")
    return f"{kind or 'mysql'}@{int(ffi.cast('uintptr_t', handle)) & 0xFFFFFF:x}"


class Statement:
    """A ``MYSQL_STMT *``, its buffers, and the secret that its rows must have."""

    def __init__(self, handle: CData) -> None:
        self.handle = handle
        self.text = ffi.new("char[64]")
        self.length = ffi.new("unsigned long *")
        self.bind = ffi.new("MYSQL_BIND[4]")
        for one in self.bind:
            one.buffer_type = lib.MYSQL_TYPE_STRING
            one.buffer = self.text
            one.buffer_length = 64
            one.length = self.length
        self.secret = ""
        self.bound = False


class Fuzzer:
    """One connection, and the random calls on it and on what belongs to it."""

    def __init__(self, seed: int, transport: str) -> None:
        self.random = random.Random(seed)
        self.intruding = random.Random(seed)  # of its own: waits are not repeatable
        self.transport = transport
        self.steps = 0  # that are over
        self.asked = 0
        self.results: list[tuple[CData, str]] = []
        self.statements: list[Statement] = []
        self.sent: list[str] = []
        self.current = ""
        self.box = ffi.new("char[64]")
        self.other = connect(place(), transport)
        self.mysql = self.connected()

    def connected(self) -> CData:
        nonblock = self.random.random() < 0.8
        flags = MULTI_STATEMENTS
        return connect(place(), self.transport, nonblock=nonblock, flags=flags)

    def note(self, text: str) -> None:
        """Told at once: whoever hangs cannot tell afterwards."""
        print(text, flush=True)

    # What is asked for

    def new_secret(self) -> str:
        self.asked += 1
        return f"secret-{self.asked}-"

    def query(self, secret: str) -> bytes:
        """A query, or several, whose every value begins with the secret."""
        rows = self.random.choice((0, 1, 2, 3, 300))
        width = self.random.choice((0, 20))
        select = f"SELECT CONCAT('{secret}', REPEAT('x', {width})) FROM seq_1_to_{rows}"
        if rows == 0:
            select = self.random.choice(("DO 1", "SELECT 1 FROM nosuch", "SELECT"))
        return select.encode()

    def several(self, secret: str) -> bytes:
        count = self.random.choice((1, 1, 1, 2, 3))
        return b"; ".join(self.query(secret) for _ in range(count))

    # Calling

    def call(self, name: str, handle: CData, *arguments: Any) -> Any:
        """A function, or its pair to the end; both the call and its end are told."""
        pairwise = hasattr(lib, f"{name}_start") and self.random.random() >= 0.5
        how = "_start" if pairwise else ""
        self.note(f"{name}{how} {handle_name(handle)} {arguments!r}"[:160])
        if pairwise:
            result = self.call_pair(name, handle, *arguments)
        else:
            result = getattr(lib, name)(handle, *arguments)
        self.note(f"    = {result!r} {lib.mysql_errno(self.mysql)}")
        return result

    def call_pair(self, name: str, handle: CData, *arguments: Any) -> Any:
        """The pair of a function to its end, with calls in between."""
        start, cont = getattr(lib, f"{name}_start"), getattr(lib, f"{name}_cont")
        boxes: list[CData] = []
        if len(ffi.typeof(cont).args) == 3:
            boxes.append(ffi.new(ffi.typeof(cont).args[0].item.cname + " *"))
        status = start(*boxes, handle, *arguments)
        while status:
            if self.intruding.random() < 0.1:
                self.note("  meanwhile")
                self.intrude()
            status = cont(*boxes, handle, wait_for_mysql(self.mysql, status))
        return boxes[0][0] if boxes else None

    # Steps on the connection

    def ask(self) -> None:
        secret = self.new_secret()
        text = self.several(secret)
        if self.call("mysql_real_query", self.mysql, text, len(text)) == 0:
            self.current = secret

    def send(self) -> None:
        secret = self.new_secret()
        text = self.query(secret)
        if self.call("mysql_send_query", self.mysql, text, len(text)) == 0:
            self.sent.append(secret)

    def receive(self) -> None:
        before = len(self.sent)
        if self.call("mysql_read_query_result", self.mysql) == 0:
            assert before, "a reply to nothing"
            self.current = self.sent.pop(0)
        elif lib.mysql_errno(self.mysql) not in REFUSED and before:
            self.sent.pop(0)

    def next_result(self) -> None:
        self.call("mysql_next_result", self.mysql)

    def take(self) -> None:
        name = self.random.choice(("mysql_store_result", "mysql_use_result"))
        result = self.call(name, self.mysql)
        if result is not None and result != ffi.NULL:
            self.results.append((result, self.current))

    def command(self) -> None:
        name, arguments = self.random.choice(
            (
                ("mysql_ping", ()),
                ("mysql_commit", ()),
                ("mysql_rollback", ()),
                ("mysql_autocommit", (1,)),
                ("mysql_select_db", (b"test",)),
                ("mysql_set_character_set", (b"utf8mb4",)),
                ("mysql_stat", ()),
                ("mysql_list_dbs", (ffi.NULL,)),
                ("mysql_list_processes", ()),
                ("mysql_list_fields", (b"nosuch", ffi.NULL)),
                ("mysql_set_server_option", (lib.MYSQL_OPTION_MULTI_STATEMENTS_ON,)),
            )
        )
        result = self.call(name, self.mysql, *arguments)
        if name in ("mysql_list_dbs", "mysql_list_processes") and result:
            lib.mysql_free_result(result)

    def renew(self) -> None:
        login = place().users["native"]
        if self.random.random() < 0.5:
            self.call("mysql_reset_connection", self.mysql)
        else:
            arguments = (login.name.encode(), login.password.encode(), b"test")
            self.call("mysql_change_user", self.mysql, *arguments)

    def lose(self) -> None:
        """The server ends the connection, or we do; perhaps it is made again."""
        if self.random.random() < 0.5:
            self.kill()
        else:
            self.note("cancel")
            lib.mariadb_cancel(self.mysql)
        if self.random.random() < 0.7:
            while lib.mysql_ping(self.mysql) == 0:
                pass
            arguments = connect_arguments(place(), self.transport)
            if lib.mysql_real_connect(self.mysql, *arguments) != ffi.NULL:
                self.sent.clear()

    def kill(self) -> None:
        """End the connection from the server's side; what follows finds it ended."""
        number = lib.mysql_thread_id(self.mysql)
        self.note(f"KILL {number}")
        query(self.other, f"KILL {number}")
        alive = f"SELECT 1 FROM information_schema.PROCESSLIST WHERE ID = {number}"
        while rows(self.other, alive):
            pass

    def close(self) -> None:
        self.note("close")
        lib.mysql_close(self.mysql)
        self.mysql = self.connected()
        self.sent.clear()

    # Steps on results

    def fetch(self) -> None:
        if self.results:
            result, secret = self.random.choice(self.results)
            for _ in range(self.random.choice((1, 2, 400))):
                row = self.call("mysql_fetch_row", result)
                if not row:
                    break
                assert lib.mysql_num_fields(result) == 1
                self.check(secret, ffi.string(row[0]))

    def free(self) -> None:
        if self.results:
            index = self.random.randrange(len(self.results))
            result = self.results[index][0]
            self.call("mysql_free_result", result)
            if lib.mysql_num_fields(result) == 0:
                del self.results[index]

    def seek(self) -> None:
        for result, _ in self.results:
            lib.mysql_data_seek(result, self.random.randrange(3))
        for statement in self.statements:
            lib.mysql_stmt_data_seek(statement.handle, self.random.randrange(3))

    # Steps on statements

    def prepare(self) -> None:
        if len(self.statements) < 4 and self.random.random() < 0.7:
            handle = lib.mysql_stmt_init(self.mysql)
            if handle == ffi.NULL:
                return
            self.statements.append(Statement(handle))
        statement = self.random.choice(self.statements or [None])
        if statement is None:
            return
        cursor = ffi.new("unsigned long *", self.random.choice((0, 0, 1)))
        lib.mysql_stmt_attr_set(statement.handle, lib.STMT_ATTR_CURSOR_TYPE, cursor)
        secret = self.new_secret()
        text = self.query(secret)
        name = self.random.choice(("mysql_stmt_prepare", "mariadb_stmt_execute_direct"))
        if self.call(name, statement.handle, text, len(text)) == 0:
            statement.secret, statement.bound = secret, False

    def on_statement(self) -> None:
        if not self.statements:
            return
        statement = self.random.choice(self.statements)
        name = self.random.choice(
            (
                "mysql_stmt_execute",
                "mysql_stmt_execute",
                "mysql_stmt_store_result",
                "mysql_stmt_next_result",
                "mysql_stmt_free_result",
                "mysql_stmt_reset",
                "mysql_stmt_close",
            )
        )
        self.call(name, statement.handle)
        if name == "mysql_stmt_execute":
            statement.bound = False
        if lib.mysql_stmt_errno(statement.handle) == lib.CR_INVALID_PARAMETER:
            self.statements.remove(statement)

    def fetch_statement(self) -> None:
        if not self.statements:
            return
        statement = self.random.choice(self.statements)
        if not statement.bound and self.random.random() < 0.9:
            failed = lib.mysql_stmt_bind_result(statement.handle, statement.bind)
            statement.bound = not failed
        for _ in range(self.random.choice((1, 2, 400))):
            if self.call("mysql_stmt_fetch", statement.handle) not in (0, 101):
                break
            if statement.bound:
                length = min(statement.length[0], 64)
                self.check(statement.secret, bytes(ffi.buffer(statement.text, length)))

    def check(self, secret: str, value: bytes) -> None:
        assert value.startswith(secret.encode()), f"{value!r} is not of {secret}"

    def intrude(self) -> None:
        """Calls that come while an operation waits: each must be refused."""
        text = b"SELECT 'intruder'"
        assert lib.mysql_real_query(self.mysql, text, len(text)) != 0
        assert lib.mysql_errno(self.mysql) == lib.CR_COMMANDS_OUT_OF_SYNC
        assert lib.mysql_use_result(self.mysql) == ffi.NULL
        for statement in self.statements:
            assert lib.mysql_stmt_execute(statement.handle) != 0


WEIGHTS: Final = {
    Fuzzer.ask: 6,
    Fuzzer.send: 2,
    Fuzzer.receive: 3,
    Fuzzer.next_result: 4,
    Fuzzer.take: 6,
    Fuzzer.command: 3,
    Fuzzer.renew: 1,
    Fuzzer.lose: 0.3,
    Fuzzer.close: 0.4,
    Fuzzer.fetch: 8,
    Fuzzer.free: 4,
    Fuzzer.seek: 1,
    Fuzzer.prepare: 4,
    Fuzzer.on_statement: 8,
    Fuzzer.fetch_statement: 8,
}
