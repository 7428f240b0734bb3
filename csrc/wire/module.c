/*
 * module.c - the module mariadb_nb._wire: its state and its parts.
 *
 * Owns what is looked up once for each interpreter.  Knows of its parts only
 * that each adds itself.
 */

#include "wire.h"

/* Where the objects of the state come from. */
static const struct {
    const char *module;
    const char *name;
    size_t offset;
} imports[] = {
    {"mariadb_nb.errors", "DataError", offsetof(wire_state, DataError)},
    {"mariadb_nb.errors", "InterfaceError", offsetof(wire_state, InterfaceError)},
    {"mariadb_nb.errors", "NotSupportedError", offsetof(wire_state, NotSupportedError)},
    {"mariadb_nb.errors", "ProgrammingError", offsetof(wire_state, ProgrammingError)},
    {"mariadb_nb.errors", "Busy", offsetof(wire_state, Busy)},
    {"mariadb_nb.errors", "from_server", offsetof(wire_state, error_from)},
    {"decimal", "Decimal", offsetof(wire_state, Decimal)},
    {"uuid", "UUID", offsetof(wire_state, UUID)},
    {"ipaddress", "IPv4Address", offsetof(wire_state, IPv4Address)},
    {"ipaddress", "IPv6Address", offsetof(wire_state, IPv6Address)},
    {"enum", "Enum", offsetof(wire_state, Enum)},
    {"mariadb_nb.constructors", "DEFAULT", offsetof(wire_state, DEFAULT)},
    {"json", "loads", offsetof(wire_state, json_loads)},
};

/* What is called by a name, or compared with one: made only once. */
static const struct {
    const char *name;
    size_t offset;
} words[] = {
    {"READY", offsetof(wire_state, READY)},
    {"BUSY", offsetof(wire_state, BUSY)},
    {"start", offsetof(wire_state, START)},
    {"turn", offsetof(wire_state, turn)},
    {"waits", offsetof(wire_state, waits)},
    {"enter", offsetof(wire_state, enter)},
    {"leave", offsetof(wire_state, leave)},
    {"_end", offsetof(wire_state, end)},
    {"abort", offsetof(wire_state, abort)},
    {"close", offsetof(wire_state, close)},
    {"throw", offsetof(wire_state, throw)},
    {"_encoders", offsetof(wire_state, encoders)},
    {"bind", offsetof(wire_state, bind)},
    {"_deadline", offsetof(wire_state, deadline)},
    {"timeout", offsetof(wire_state, timeout)},
    {"execute", offsetof(wire_state, execute)},
    {"resume", offsetof(wire_state, resume)},
    {"_unless_executed", offsetof(wire_state, unless)},
    {"_execute_bound", offsetof(wire_state, execute_bound)},
    {"_move_to", offsetof(wire_state, move_to)},
    {"_check", offsetof(wire_state, check)},
    {"_ask", offsetof(wire_state, ask)},
    {"_cancel", offsetof(wire_state, cancel)},
    {"_fail", offsetof(wire_state, fail)},
    {"_stop_reading", offsetof(wire_state, stop_reading)},
    {"_unasked", offsetof(wire_state, unasked)},
    {"_unwatch", offsetof(wire_state, unwatch)},
};

static int (*const parts[])(PyObject *module) = {
    wire_add_reading,   wire_add_channel,    wire_add_login, wire_add_template,
    wire_add_connector, wire_add_poll,       wire_add_peek,  wire_add_feeder,
    wire_add_arrow,     wire_add_arrow_rows, wire_add_turn,  wire_add_drive,
    wire_add_cursor,    wire_add_usual,      wire_add_run,   wire_add_runner,
};

/* One object of the state. */
static PyObject **
slot_at(wire_state *state, size_t offset)
{
    return (PyObject **)((char *)state + offset);
}

static int
wire_exec(PyObject *module)
{
    wire_state *state = PyModule_GetState(module);

    for (size_t i = 0; i < sizeof(imports) / sizeof(imports[0]); i++) {
        PyObject *from = PyImport_ImportModule(imports[i].module); /* new */
        if (from == NULL) {
            return -1;
        }
        *slot_at(state, imports[i].offset) = PyObject_GetAttrString(from, imports[i].name);
        Py_DECREF(from);
        if (*slot_at(state, imports[i].offset) == NULL) {
            return -1;
        }
    }
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        *slot_at(state, words[i].offset) = PyUnicode_InternFromString(words[i].name);
        if (*slot_at(state, words[i].offset) == NULL) {
            return -1;
        }
    }
    if (wire_try_decimals(module) < 0) {
        return -1;
    }
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (parts[i](module) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
wire_traverse(PyObject *module, visitproc visit, void *arg)
{
    wire_state *state = PyModule_GetState(module);

    for (size_t i = 0; i < sizeof(wire_state) / sizeof(PyObject *); i++) {
        Py_VISIT(((PyObject **)state)[i]);
    }
    return 0;
}

static int
wire_clear(PyObject *module)
{
    wire_state *state = PyModule_GetState(module);

    for (size_t i = 0; i < sizeof(wire_state) / sizeof(PyObject *); i++) {
        Py_CLEAR(((PyObject **)state)[i]);
    }
    return 0;
}

static void
wire_free(void *module)
{
    wire_clear((PyObject *)module);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, wire_exec},
#if PY_VERSION_HEX >= 0x030C0000
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#ifdef Py_GIL_DISABLED
    {Py_mod_gil, Py_MOD_GIL_NOT_USED}, /* what makes it true is said in wire.h */
#endif
    {0, NULL},
};

struct PyModuleDef wire_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "mariadb_nb._wire",
    .m_doc = PyDoc_STR("The driver's part in C; see csrc/wire/wire.h."),
    .m_size = sizeof(wire_state),
    .m_slots = slots,
    .m_traverse = wire_traverse,
    .m_clear = wire_clear,
    .m_free = wire_free,
};

wire_state *
wire_state_of(PyTypeObject *type)
{
    PyObject *module = PyType_GetModuleByDef(type, &wire_module); /* borrowed */
    return module != NULL ? PyModule_GetState(module) : NULL;
}

PyMODINIT_FUNC
PyInit__wire(void)
{
    return PyModuleDef_Init(&wire_module);
}
