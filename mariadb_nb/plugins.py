"""The authentication plug-ins: loaded beforehand, and never because a server asks.

A server names the plug-in to log in with, and the library loads the file of that name
from its plug-in folder before it looks whether the name is allowed. The folder's path
is compiled into the library, or in the environment. So each handle of ours is told of a
folder in which nothing can be, and what may be used is loaded here: from the library's
own folder, if no user but the administrator and this one can put something there.

Owns the loading and the choice of the folder. It knows nothing of options, and does not
connect. What is loaded stays so until the process ends, for all handles.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from . import _wire

if TYPE_CHECKING:
    from ._ffi import FFI, CData, Lib

#: The plug-in folder of every handle that connects: a file, in which no file can be.
NOWHERE: Final = os.devnull

#: No plug-in can have this name: with its suffix it is longer than a file's may be.
_NO_PLUGIN: Final = "x" * 253

#: Whether the library has a plug-in, by name; for those that were looked for.
_known: dict[str, bool] = {}


def load(names: Iterable[str], lib: Lib, ffi: FFI) -> None:
    """Load those of the plug-ins that the library has; waits for no network.

    Raises:
        MemoryError: the library found no memory.
    """
    wanted = [name for name in names if name not in _known]
    if not wanted:
        return
    found = _find(wanted, NOWHERE, lib, ffi)  # what is part of the library itself
    missing = [name for name in wanted if name not in found]
    if missing and (folder := _own_folder(lib, ffi)) is not None:
        found |= _find(missing, folder, lib, ffi)
    if "dialog" in found and not _wire.silence_dialog():
        found.remove("dialog")
    _known.update((name, name in found) for name in wanted)


def is_known(name: str) -> bool:
    """Return whether a plug-in was found when it was to be loaded."""
    return _known.get(name, False)


def _find(names: Iterable[str], folder: str, lib: Lib, ffi: FFI) -> set[str]:
    """Return which plug-ins are there, loading those that are in the folder."""
    kind = lib.MYSQL_CLIENT_AUTHENTICATION_PLUGIN
    mysql = _new_handle(folder, lib, ffi)
    try:
        return {
            name
            for name in names
            for _ in range(2)  # while another thread loads it, the first call fails
            if lib.mysql_client_find_plugin(mysql, name.encode(), kind) != ffi.NULL
        }
    finally:
        lib.mysql_close(mysql)


def _own_folder(lib: Lib, ffi: FFI) -> str | None:
    """Return the library's plug-in folder; None if it is not to be trusted.

    Only the error of a plug-in that is not there tells where it was looked for.
    """
    mysql = _new_handle(None, lib, ffi)
    try:
        kind = lib.MYSQL_CLIENT_AUTHENTICATION_PLUGIN
        lib.mysql_client_find_plugin(mysql, _NO_PLUGIN.encode(), kind)
        message = os.fsdecode(ffi.string(lib.mysql_error(mysql)))
    finally:
        lib.mysql_close(mysql)
    told = re.search(f"{_NO_PLUGIN}.*?(/.*)/{_NO_PLUGIN[:20]}", message, re.DOTALL)
    if told is None:
        return None
    # As it is now: a link on the way might be another one when the plug-in is loaded.
    folder = os.path.realpath(told[1])
    return folder if _is_ours(folder) else None


def _is_ours(folder: str) -> bool:
    """Return whether only the administrator and this user decide what is in a folder.

    Or a group, to which the administrator has given it. The administrator is whom the
    root folder belongs to; in a user namespace that is not the user 0.
    """
    trusted = {0, os.geteuid(), os.stat("/").st_uid}
    path = folder
    while True:
        try:
            found = os.stat(path)
        except OSError:
            return False
        if found.st_uid not in trusted or found.st_mode & stat.S_IWOTH:
            return False
        if path == "/":
            return True
        path = os.path.dirname(path)


def _new_handle(folder: str | None, lib: Lib, ffi: FFI) -> CData:
    mysql = lib.mysql_init(ffi.NULL)
    if mysql == ffi.NULL:
        raise MemoryError("mysql_init() found no memory")
    if folder is not None:
        lib.mysql_options(mysql, lib.MYSQL_PLUGIN_DIR, os.fsencode(folder))
    return mysql
