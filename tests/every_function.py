"""Call any function of layer 1 by name, with arguments made up for its types.

For the misuse tests: what a function does with a bad handle must not depend on
anybody having thought of that function.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mariadb_nb.capi import ffi, lib

if TYPE_CHECKING:
    from mariadb_nb._ffi import CData

HANDLES = ("MYSQL *", "MYSQL_RES *", "MYSQL_STMT *")

#: They end the library or a thread, and have no handle that could be wrong.
NOT_CALLED = ("mysql_server_end", "mysql_library_end", "mysql_thread_end")

#: Written to by their caller's rules: the made-up arguments would be too small.
LENGTHS = {"length": 1, "from_length": 1, "len": 1}


def functions() -> list[str]:
    """The names of all functions that are called, in order."""
    names = (name for name in dir(lib) if name.startswith(("mysql_", "mariadb_")))
    return [
        name
        for name in names
        if name not in NOT_CALLED and callable(getattr(lib, name))
    ]


def with_handle(kind: str) -> list[str]:
    """The functions whose handle is of this kind, as in ``"MYSQL *"``."""
    return [name for name in functions() if handle_kind(name) == kind]


def handle_kind(name: str) -> str | None:
    """The type of a function's handle, or None if it has none."""
    for argument in ffi.typeof(getattr(lib, name)).args:
        if plain(argument) in HANDLES:
            return plain(argument)
    return None


def plain(ctype: Any) -> str:
    """The name of a C type as ``mysql.h`` has it."""
    names = {
        "struct st_mysql *": "MYSQL *",
        "struct st_mysql_res *": "MYSQL_RES *",
        "struct st_mysql_stmt *": "MYSQL_STMT *",
    }
    name: str = ctype.cname
    return names.get(name, name)


def call(name: str, handle: CData, keep: list[CData]) -> tuple[Any, CData | None]:
    """Call a function of ``lib`` with a handle and made-up arguments.

    Args:
        name: of the function.
        handle: what is passed for its handle.
        keep: gets what must stay alive while the call may still use it.

    Returns:
        What the function returned, and its ``ret`` argument or None.
    """
    function = getattr(lib, name)
    ctype = ffi.typeof(function)
    arguments: list[Any] = []
    ret = None
    for position, argument in enumerate(ctype.args):
        if plain(argument) in HANDLES:
            arguments.append(handle)
        elif position == 0 and name.endswith(("_start", "_cont")):
            ret = ffi.new(argument)
            keep.append(ret)
            arguments.append(ret)
        else:
            arguments.append(made_up(argument, keep))
    if ctype.ellipsis:
        arguments.append(ffi.NULL)
    return function(*arguments), ret


def made_up(ctype: Any, keep: list[CData]) -> Any:
    """An argument that any function can read, and most can write."""
    if ctype.kind == "enum":
        return 0
    if ctype.kind == "primitive":
        return 1
    if ctype.cname in {"char *", "void *", "unsigned char * *"}:
        box = ffi.new("char[]", 4096)
    elif ctype.cname == "struct st_mysql_rows *" or is_callback(ctype):
        return ffi.NULL
    else:
        try:
            box = ffi.new(ctype)
        except TypeError:  # a pointer to an incomplete type
            return ffi.NULL
    keep.append(box)
    return ffi.cast(ctype, box)


def is_callback(ctype: Any) -> bool:
    """Whether a C type is a pointer to a function."""
    return bool(ctype.kind == "pointer" and ctype.item.kind == "function")


def failure(name: str, result: Any, ret: CData | None) -> bool:
    """Whether a call returned the C function's own error value.

    Functions that return nothing, or a number that may as well be right, are
    taken to have failed: their ``mysql_errno`` tells.
    """
    ctype = ffi.typeof(getattr(lib, name))
    if name.endswith(("_start", "_cont")):
        if result != 0:
            return False
        if ret is None:
            return True
        result = ret[0]
        ctype_result = ffi.typeof(ret).item
    else:
        ctype_result = ctype.result
    if ctype_result.kind == "pointer":
        return bool(result == ffi.NULL)
    if ctype_result.cname == "int" and name.removesuffix("_cont") != name:
        return bool(result != 0)
    return True
