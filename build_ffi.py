"""Build ``mariadb_nb._ffi``: the C API of MariaDB Connector/C through cffi.

Owns the way from ``csrc/cdef/*.h`` to the C source of the extension: what the
library at hand does not have is left out, the guard's wrappers take the place
of what they wrap, and cffi writes the rest. ``setup.py`` finds the library and
compiles. To see the source: ``python build_ffi.py OUTPUT INCLUDE_DIR...``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from cffi import FFI

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "csrc"))

from gen import declarations, guard  # noqa: E402

#: What is compiled beside the generated source.
SOURCES = (
    "csrc/guard.c",
    "csrc/guard_arguments.c",
    "csrc/guard_calls.c",
    "csrc/guard_claim.c",
    "csrc/guard_end.c",
    "csrc/guard_facts.c",
    "csrc/guard_handles.c",
    "csrc/guard_keep.c",
    "csrc/guard_replies.c",
    "csrc/guard_socket.c",
    "csrc/guard_table.c",
    "csrc/guard_tls.c",
)

#: What the generated source begins with.
PREAMBLE = """\
#include <stdbool.h>
#include <string.h>

#include <mysql.h>
#include <errmsg.h>
#include <mysqld_error.h>
#ifndef MYSQL_CLIENT_AUTHENTICATION_PLUGIN
/* mysql/client_plugin.h does not compile as some distributions ship it. */
#define MYSQL_CLIENT_AUTHENTICATION_PLUGIN 2
#define MARIADB_CLIENT_REMOTEIO_PLUGIN 100
#define MARIADB_CLIENT_PVIO_PLUGIN 101
#define MARIADB_CLIENT_TRACE_PLUGIN 102
#define MARIADB_CLIENT_CONNECTION_PLUGIN 103
#define MARIADB_CLIENT_COMPRESSION_PLUGIN 104
#endif

#include "guard.h"

static const void *const nb_guard_claims = &nb_guard_functions;

"""


def emit(output: Path, include_dirs: Sequence[Path], bundled: bool = False) -> None:
    """Write the C source of ``mariadb_nb._ffi`` for the library at hand.

    Args:
        output: the file to write.
        include_dirs: where the library's headers are.
        bundled: whether the library is to go into the wheel, so that no other will do.
    """
    declared = declarations.read()
    known = declarations.library_names(include_dirs)
    absent = frozenset(name for name in declared.names if name not in known)
    ffi = FFI()
    for topic in declarations.TOPICS:
        text = declarations.without(declarations.read_topic(topic), absent)
        ffi.cdef(text, override=True)
    missing = "".join(f'"{name}", ' for name in sorted(absent))
    ffi.cdef("static const char *const nb_missing[];")
    ffi.cdef("static const void *const nb_guard_claims;")
    ffi.cdef("static const bool nb_bundled;")
    preamble = (
        PREAMBLE
        + guard.wrappers(declared, absent)
        + f"\nstatic const char *const nb_missing[] = {{{missing}NULL}};\n"
        + f"static const bool nb_bundled = {str(bundled).lower()};\n"
    )
    ffi.set_source("mariadb_nb._ffi", preamble)
    output.parent.mkdir(parents=True, exist_ok=True)
    ffi.emit_c_code(str(output))


if __name__ == "__main__":
    emit(Path(sys.argv[1]), [Path(argument) for argument in sys.argv[2:]])
