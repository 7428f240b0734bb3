"""What the guard costs: calls through it against the same calls on the bare library.

Both loops are C in one module, over the same handle, in paired rounds that take
turns; the medians are printed in nanoseconds per call. Compile time needs what
the package needs to build.

    python benchmarks/guard.py [--calls N] [--rounds N] [--json]
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

from cffi import FFI

from mariadb_nb import capi
from mariadb_nb.server import TemporaryServer

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import build_ffi  # noqa: E402
import setup as package_setup  # noqa: E402
from gen import declarations, guard  # noqa: E402

#: name -> (C expression that is called, what its handle is)
CALLS = {
    "mysql_errno": ("sink += mysql_errno(mysql);", "a look at a connection"),
    "mysql_num_rows": ("sink += mysql_num_rows(result);", "a look at a result"),
    "mysql_get_option": (
        "sink += mysql_get_option(mysql, MYSQL_OPT_NONBLOCK, &flag);",
        "a look with an argument",
    ),
    "mysql_fetch_row": (
        "mysql_data_seek(result, 0); sink += mysql_fetch_row(result) != NULL;",
        "two calls on a stored result",
    ),
    "mysql_fetch_row_start": (
        "mysql_data_seek(result, 0); sink += mysql_fetch_row_start(&row, result);",
        "two calls on a stored result",
    ),
    "mysql_store_result_start": (
        "sink += mysql_store_result_start(&stored, mysql);",
        "an operation that ends at once",
    ),
}

#: How many guarded calls one turn of a loop makes.
PER_TURN = {"mysql_fetch_row": 2, "mysql_fetch_row_start": 2}

LOOP = """
double {prefix}_{name}(MYSQL *mysql, MYSQL_RES *result, long turns)
{{
    struct timespec begin, end;
    unsigned long long sink = 0;
    my_bool flag = 0;
    MYSQL_ROW row = NULL;
    MYSQL_RES *stored = NULL;

    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (long i = 0; i < turns; i++) {{ {expression} }}
    clock_gettime(CLOCK_MONOTONIC, &end);
    (void)flag; (void)row; (void)stored; (void)mysql; (void)result;
    kept += sink;
    return ((end.tv_sec - begin.tv_sec) * 1e9 + (end.tv_nsec - begin.tv_nsec)) / turns;
}}
"""


def build(folder: Path) -> ModuleType:
    """Compile the loops: first the bare ones, then those behind the guard."""
    library = package_setup.find_library()
    declared = declarations.read()
    known = declarations.library_names([Path(i) for i in library.include_dirs])
    absent = frozenset(name for name in declared.names if name not in known)
    source = "#include <time.h>\n" + build_ffi.PREAMBLE
    source += "static volatile unsigned long long kept;\n"
    for prefix in ("bare", "guarded"):
        if prefix == "guarded":
            source += guard.wrappers(declared, absent)
        for name, (expression, _) in CALLS.items():
            source += LOOP.format(prefix=prefix, name=name, expression=expression)
    # A handle of this module's own guard: it cannot know those of the package.
    source += "MYSQL *guarded_init(void) { return mysql_init(NULL); }\n"
    source += (
        "int guarded_connect(MYSQL *m, const char *user, const char *password, "
        "const char *socket) { my_bool off = 0; "
        "mysql_options(m, MYSQL_OPT_NONBLOCK, NULL); "
        "mysql_options(m, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &off); return "
        "mysql_real_connect(m, NULL, user, password, NULL, 0, socket, 0) != NULL; }\n"
        'MYSQL_RES *guarded_result(MYSQL *m) { mysql_query(m, "SELECT 1"); '
        "return mysql_store_result(m); }\n"
        "void guarded_end(MYSQL *m, MYSQL_RES *r) { mysql_free_result(r); "
        "mysql_close(m); }\n"
    )
    ffi = FFI()
    ffi.cdef("typedef ... MYSQL; typedef ... MYSQL_RES;")
    for prefix in ("bare", "guarded"):
        for name in CALLS:
            ffi.cdef(f"double {prefix}_{name}(MYSQL *, MYSQL_RES *, long);")
    ffi.cdef("MYSQL *guarded_init(void); MYSQL_RES *guarded_result(MYSQL *);")
    ffi.cdef("int guarded_connect(MYSQL *, const char *, const char *, const char *);")
    ffi.cdef("void guarded_end(MYSQL *, MYSQL_RES *);")
    ffi.set_source(
        "_guard_cost",
        source,
        sources=[str(ROOT / name) for name in build_ffi.SOURCES],
        include_dirs=[str(ROOT / "csrc"), *library.include_dirs],
        library_dirs=library.library_dirs,
        libraries=library.libraries,
        runtime_library_dirs=library.library_dirs if library.rpath else [],
        extra_compile_args=["-O2", "-std=c11", "-D_GNU_SOURCE", "-Wno-unused-function"],
    )
    path = ffi.compile(tmpdir=str(folder))
    spec = importlib.util.spec_from_file_location("_guard_cost", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def measure(module: Any, server: TemporaryServer, turns: int, rounds: int) -> Any:
    """Nanoseconds per call, bare and guarded, for each of the calls."""
    ffi, lib = module.ffi, module.lib
    login = server.users["native"]
    mysql = lib.guarded_init()
    connected = lib.guarded_connect(
        mysql,
        login.name.encode(),
        login.password.encode(),
        str(server.socket).encode(),
    )
    if not connected:
        raise SystemExit("cannot connect to the throwaway server")
    result = lib.guarded_result(mysql)
    assert result != ffi.NULL
    measured = {}
    for name in CALLS:
        bare, guarded = (getattr(lib, f"{p}_{name}") for p in ("bare", "guarded"))
        pairs = [
            (bare(mysql, result, turns), guarded(mysql, result, turns))
            for _ in range(rounds)
        ]
        calls = PER_TURN.get(name, 1)
        plain = statistics.median(pair[0] for pair in pairs) / calls
        added = statistics.median(pair[1] - pair[0] for pair in pairs) / calls
        measured[name] = {"bare_ns": plain, "guard_ns": added}
    lib.guarded_end(mysql, result)
    return measured


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, TemporaryServer(tls=False) as server:
        measured = measure(build(Path(folder)), server, options.calls, options.rounds)
    version = capi.ffi.string(capi.lib.MARIADB_PACKAGE_VERSION).decode()
    if options.json:
        print(json.dumps({"connector": version, "calls": measured}, indent=2))
        return
    print(f"Connector/C {version}, ns per call (median of {options.rounds} rounds)")
    print(f"{'call':26}{'bare':>8}{'guard adds':>12}")
    for name, numbers in measured.items():
        print(f"{name:26}{numbers['bare_ns']:8.1f}{numbers['guard_ns']:12.1f}")


if __name__ == "__main__":
    main()
