"""Write the guard's wrappers in C: one around every function that has a handle.

Owns the shape of a wrapper. What a wrapper may let through is decided in
``csrc/guard.c``; the functions that do not fit the shape are written by hand
in ``csrc/guard_calls.c`` and ``csrc/guard_arguments.c`` and have the tag
``guard: own``. The text is part of the generated ``_ffi.c`` and is not kept.
"""

from __future__ import annotations

from collections.abc import Iterator

from .declarations import Declarations, Function, Parameter

KINDS = {
    "MYSQL *": "NB_CONNECTION",
    "const MYSQL *": "NB_CONNECTION",
    "MYSQL_RES *": "NB_RESULT",
    "MYSQL_STMT *": "NB_STATEMENT",
}

#: What some functions do beside what their kind says: see guard.h.
EFFECTS = {
    "mysql_real_connect": "NB_CONNECTS | NB_SECRET",
    "mysql_change_user": "NB_CONNECTED | NB_SECRET",
    "mariadb_reconnect": "NB_CONNECTS",
    "mysql_get_server_name": "NB_CONNECTED",
    "mariadb_connection": "NB_CONNECTED",
    "mysql_send_query": "NB_SENDS",
    "mysql_read_query_result": "NB_REPLIES",
    "mysql_store_result": "NB_DELIVERS",
    "mysql_use_result": "NB_DELIVERS",
    "mysql_next_result": "NB_DELIVERS",
    "mysql_net_read_packet": "NB_DELIVERS",
    "mysql_free_result": "NB_FREES",
    "mysql_stmt_close": "NB_FREES",
    "mysql_stmt_prepare": "NB_PREPARES",
    "mysql_stmt_execute": "NB_EXECUTES",
    "mysql_stmt_fetch": "NB_FETCHES",
    "mysql_stmt_store_result": "NB_STORES",
    "mysql_stmt_next_result": "NB_NEXT",
    "mysql_stmt_send_long_data": "NB_KEEPS",
    "mysql_stmt_data_seek": "NB_SEEKS",
    "mysql_stmt_row_seek": "NB_SEEKS",
    "mysql_stmt_fetch_column": "NB_ROW",
}

#: Conditions that the library does not check, and what they mean.
REFUSE_IF = {
    "mysql_list_fields": (
        "strlen(table) + (wild ? strlen(wild) : 0) > 126",
        "table and wild are longer than 126 bytes together",
    ),
}

#: The same, of the handle: looked at when it is known to be one.
REFUSE_HANDLE_IF = {
    "mysql_change_user": (
        (
            "mysql->net.pvio == NULL",
            "CR_SERVER_GONE_ERROR",
            "the handle is not connected",
        ),
        (
            "mysql->options.charset_name != NULL && "
            "mariadb_get_charset_by_name(mysql->options.charset_name) == NULL",
            "CR_CANT_READ_CHARSET",
            "MYSQL_SET_CHARSET_NAME is not a character set",
        ),
    ),
}

#: What is done after a call that went well; ``%s`` is its result.
AFTERWARDS = {
    "mysql_send_query": "if (%s == 0) { nb_owe(&call, 1); }",
    "mysql_read_query_result": "nb_owe(&call, -1); (void)%s;",
    "mysql_stmt_execute": "call.failed = %s != 0;",
    "mysql_stmt_prepare": "call.failed = %s != 0;",
}

#: A length of 0 or -1 means that the text ends at its NUL.
LENGTH_OR_NUL = ("mysql_real_query", "mysql_send_query", "mysql_stmt_prepare")

#: What is returned by a call that is refused, by type.
FAILURES = {
    "int": "1",
    "my_bool": "1",
    "unsigned int": "0",
    "unsigned long": "0",
    "my_ulonglong": "MYSQL_COUNT_ERROR",
    "MYSQL_FIELD_OFFSET": "0",
}

#: Delivered handles are put into the guard's table.
REGISTERS = {"MYSQL_RES *": "nb_add_result", "MYSQL_STMT *": "nb_add_statement"}


def wrappers(declarations: Declarations, absent: frozenset[str]) -> str:
    """The C text: wrappers, and the macros that put them in place."""
    parts = []
    wrapped = []
    pairs = declarations.pairs
    for function, _, cont in pairs.values():
        if function.tags.get("guard") != "own":
            parts.append(_operation(function, cont))
    for function in declarations.functions.values():
        if function.name in absent or function.tags.get("guard") == "alias":
            continue
        base = function.name.removesuffix("_start").removesuffix("_cont")
        own = declarations.functions[base] if base in pairs else function
        if own.tags.get("guard") == "own":
            parts.append(f"{function.signature_as(f'nb_{function.name}')};\n")
        elif text := _wrapper(function, own, function.name in pairs):
            parts.append(text)
        else:
            continue
        wrapped.append(function.name)
    macros = "".join(f"#define {name} nb_{name}\n" for name in wrapped)
    return "\n".join(parts) + "\n" + macros


def _operation(function: Function, cont: Function) -> str:
    """The description of a pair, with what ends it early."""
    name = function.name
    handle = next(p.type for p in function.parameters if p.type in KINDS)
    frees = "true" if "NB_FREES" in EFFECTS.get(name, "") else "false"
    lines = [f"static int abandon_{name}(void *handle, int status)", "{"]
    if function.result == "void":
        lines.append(f"    return {name}_cont(({handle})handle, status);")
    else:
        type_ = cont.parameters[0].type.removesuffix("*").strip()
        lines += [
            f"    {_declare(type_, 'result')} = 0;",
            f"    int events = {name}_cont(&result, ({handle})handle, status);",
        ]
        if type_ == "MYSQL_RES *":
            lines.append("    if (events == 0) { mysql_free_result(result); }")
        lines.append("    return events;")
    lines.append("}")
    lines.append(
        f'static const nb_operation operation_{name} = {{"{name}", '
        f"abandon_{name}, {frees}}};\n"
    )
    return "\n".join(lines)


def _wrapper(function: Function, base: Function, paired: bool) -> str:
    """One wrapper, or nothing if there is nothing to guard."""
    kind = ""
    if function is not base:
        kind = "start" if function.name.endswith("_start") else "cont"
    default = "block" if paired else "look"
    rule = kind or base.tags.get("guard", default)
    handle = next((p for p in function.parameters if p.type in KINDS), None)
    nullable = base.tags.get("null", "").split()
    if handle is None and not any(
        p.is_pointer and p.name not in nullable for p in function.parameters
    ):
        return ""
    effects = EFFECTS.get(base.name, "0")
    operation = f"&operation_{base.name}" if kind else "NULL"
    lines = [
        f"static const nb_function function_{function.name} = {{",
        f'    "{function.name}", {KINDS[handle.type] if handle else "NB_NOTHING"}, '
        f"NB_{rule.upper()}, {effects}, {operation}}};",
        f"static {function.signature_as(f'nb_{function.name}')}",
        "{",
        *(f"    {line}" for line in _body(function, base, handle, kind)),
        "}",
        "",
    ]
    return "\n".join(lines)


def _body(
    function: Function, base: Function, handle: Parameter | None, kind: str
) -> Iterator[str]:
    nullable = base.tags.get("null", "").split()
    fails = base.tags.get("fails", FAILURES.get(base.result, "NULL"))
    delivers = bool(kind) and base.result != "void"
    arguments = ", ".join(p.name for p in function.parameters)
    call = f"{function.name}({arguments})"
    refused = _refused(base, kind, fails, delivers)

    if handle is not None:
        yield "nb_call call;"
    if kind:
        yield "int events;"
    elif handle is not None and function.result != "void":
        yield f"{_declare(function.result, 'answer')};"
    if handle is not None and handle.name in nullable:
        yield f"if ({handle.name} == NULL) {{ {_nothing(function, kind)} }}"
    address = handle.name if handle is not None else "NULL"
    for parameter in function.parameters:
        checked = parameter.is_pointer and parameter is not handle
        if checked and parameter.name not in nullable:
            failed = "return 0;" if parameter.name == "ret" else refused
            named = f'&function_{function.name}, {address}, "{parameter.name}"'
            refuse = f"nb_refuse_null({named})"
            yield f"if ({parameter.name} == NULL) {{ {refuse}; {failed} }}"
    if base.name in REFUSE_IF and kind != "cont":
        condition, why = REFUSE_IF[base.name]
        yield (
            f"if ({condition}) {{ nb_refuse(&function_{function.name}, {address}, "
            f'CR_INVALID_PARAMETER, "{why}"); {refused} }}'
        )
    if handle is None:
        yield f"{'' if function.result == 'void' else 'return '}{call};"
        return
    entered = f"nb_enter(&call, &function_{function.name}, {address})"
    yield f"if ({entered} < 0) {{ {refused} }}"
    if kind != "cont":
        for condition, code, why in REFUSE_HANDLE_IF.get(base.name, ()):
            refuse = f'nb_refuse(&function_{function.name}, {address}, {code}, "{why}")'
            yield f"if ({condition}) {{ {refuse}; nb_leave(&call, 0); {refused} }}"
    if kind == "start":
        yield from _keep(function, base, refused)
    yield from _called(function, base, kind, call, delivers)


def _keep(function: Function, base: Function, refused: str) -> Iterator[str]:
    """Copy the arguments that the library keeps pointers to."""
    names = [p.name for p in function.parameters]
    for parameter in function.parameters:
        if parameter.type == "const char *":
            name = parameter.name
            follows = names[names.index(name) + 1 :][:1]
            length = "length" if follows == ["length"] else f"strlen({name})"
            if base.name in LENGTH_OR_NUL:
                length = f"nb_length({name}, length)"
            yield (
                f"if ({name} != NULL && ({name} = nb_keep(&call, {name}, {length})) "
                f"== NULL) {{ nb_leave(&call, 0); {refused} }}"
            )


def _called(
    function: Function, base: Function, kind: str, call: str, delivers: bool
) -> Iterator[str]:
    """The call of the library, and what it leaves behind."""
    register = REGISTERS.get(base.result, "")
    frees = "NB_FREES" in EFFECTS.get(base.name, "")
    if kind:
        yield f"events = {call};"
        if register:
            yield f"if (events == 0) {{ *ret = {register}(&call, *ret); }}"
    elif function.result == "void":
        yield f"{call};"
    else:
        yield f"answer = {call};"
        if register:
            yield f"answer = {register}(&call, answer);"
    if afterwards := AFTERWARDS.get(base.name):
        done = afterwards % ("*ret" if kind else "answer")
        yield f"if (events == 0) {{ {done} }}" if kind else done
    events = "events" if kind else "0"
    if frees:
        over = "events == 0" if kind else "true"
        if base.result != "void":
            over += " && !nb_statement_lives(&call)"
        yield f"if ({over}) {{ nb_leave_freed(&call); }}"
        yield f"else {{ nb_leave(&call, {events}); }}"
    else:
        yield f"nb_leave(&call, {events});"
    if kind:
        yield "return events;"
    elif function.result != "void":
        yield "return answer;"


def _refused(base: Function, kind: str, fails: str, delivers: bool) -> str:
    if kind:
        return f"*ret = {fails}; return 0;" if delivers else "return 0;"
    return "return;" if base.result == "void" else f"return {fails};"


def _nothing(function: Function, kind: str) -> str:
    """What a call on NULL returns where C allows that."""
    return "return 0;" if kind else "return;"


def _declare(type_: str, name: str) -> str:
    return f"{type_}{name}" if type_.endswith("*") else f"{type_} {name}"
