/*
 * statement.c - the type Statement: a statement that the server has prepared.
 *
 * Owns a MYSQL_STMT until nobody has the Statement any more, and what is known of its
 * columns.  It can go at any time and in any thread, when the connection may be in the
 * middle of something else; so its end is only noted then, and the next command closes it
 * (execute.c).
 */

#include "channel.h"
#include "decode.h"

#include <stddef.h>
#include <structmember.h>

wire_statement *
wire_statement_new(wire_channel *channel)
{
    PyTypeObject *type = channel->state->Statement;
    wire_statement *self = (wire_statement *)type->tp_alloc(type, 0); /* new */

    if (self == NULL) {
        return NULL;
    }
    self->dropped = channel->dropped;
    atomic_fetch_add(&self->dropped->references, 1);
    self->stmt = mysql_stmt_init(channel->mysql);
    if (self->stmt == NULL) {
        Py_DECREF(self);
        PyErr_NoMemory();
        return NULL;
    }
    return self;
}

/* ---- Columns ------------------------------------------------------------------------- */

/*
 * Whether the columns are those that were described last.  The library makes room for
 * values anew whenever the server has sent other columns, and clears it; a pointer in it
 * that is not used for results tells.
 */
static bool
is_described(const wire_statement *self)
{
    return self->stmt->bind != NULL && self->stmt->bind[0].extension == self;
}

/*
 * The library forgets the last attribute of a column when it takes over columns that the
 * server has sent anew: its format, which is "json" or nothing.
 */
static void
restore_formats(MYSQL_STMT *stmt)
{
    static const MARIADB_CONST_STRING json = {"json", 4};
    const MYSQL_FIELD *sent = stmt->mysql->fields;

    for (unsigned int i = 0; sent != NULL && i < stmt->field_count; i++) {
        MARIADB_CONST_STRING format = {NULL, 0};
        if (sent[i].extension != NULL && stmt->fields[i].extension != NULL &&
            mariadb_field_attr(&format, &sent[i], MARIADB_FIELD_ATTR_FORMAT_NAME) == 0 &&
            format.length == json.length && memcmp(format.str, json.str, json.length) == 0) {
            wire_extension *extension = stmt->fields[i].extension;
            extension->metadata[MARIADB_FIELD_ATTR_FORMAT_NAME] = json;
        }
    }
}

static int
describe(wire_statement *self)
{
    wire_plan *plan = self->plan;
    PyObject *columns; /* new */

    self->plan = NULL; /* freeing it may run Python code, which must not find it */
    wire_plan_free(plan);
    columns = wire_describe(self->stmt->fields, self->stmt->field_count);
    if (columns == NULL) {
        return -1;
    }
    Py_XSETREF(self->shown, columns);
    self->stmt->bind[0].extension = self;
    return 0;
}

int
wire_statement_prepared(wire_statement *self)
{
    self->markers = (Py_ssize_t)self->stmt->param_count;
    if (self->stmt->field_count == 0) {
        return 0;
    }
    if (describe(self) < 0) {
        return -1;
    }
    self->columns = Py_NewRef(self->shown);
    return 0;
}

int
wire_statement_expect(wire_statement *self, wire_reply *reply, PyObject *reading)
{
    wire_plan *plan;

    if (!is_described(self)) {
        restore_formats(self->stmt);
        if (describe(self) < 0) {
            return -1;
        }
    }
    plan = self->plan;
    self->plan = NULL;
    reply->columns = Py_NewRef(self->shown);
    if (plan != NULL && wire_plan_serves(plan, reading)) {
        reply->plan = plan;
        return 0;
    }
    wire_plan_free(plan);
    reply->plan = wire_plan_new(reading, self->stmt->fields, self->stmt->field_count, true);
    return reply->plan == NULL ? -1 : 0;
}

void
wire_statement_keep(wire_statement *self, wire_reply *reply)
{
    wire_plan *plan = self->plan;

    if (reply->plan != NULL) {
        self->plan = reply->plan;
        self->plan->rows_seen = 0; /* the next result may be smaller */
        reply->plan = NULL;
        wire_plan_free(plan);
    }
}

/* ---- The end ------------------------------------------------------------------------- */

wire_dropped *
wire_dropped_new(void)
{
    wire_dropped *dropped = PyMem_RawCalloc(1, sizeof(*dropped));

    if (dropped != NULL) {
        atomic_init(&dropped->references, 1);
    }
    return dropped;
}

/* Leaves the library's part to the channel.  user_data is for callbacks: there are none. */
static void
drop(wire_dropped *dropped, MYSQL_STMT *stmt)
{
    MYSQL_STMT *next = atomic_load_explicit(&dropped->first, memory_order_relaxed);

    do {
        stmt->user_data = next;
    } while (!atomic_compare_exchange_weak_explicit(&dropped->first, &next, stmt,
                                                    memory_order_release, memory_order_relaxed));
}

void
wire_statements_free(MYSQL_STMT *first)
{
    while (first != NULL) {
        MYSQL_STMT *stmt = first;
        first = stmt->user_data;
        if (stmt->mysql == NULL) { /* else its connection is not ours to end */
            mysql_stmt_close(stmt);
        }
    }
}

void
wire_dropped_free(wire_dropped *dropped)
{
    wire_statements_free(atomic_exchange_explicit(&dropped->first, NULL, memory_order_acquire));
}

void
wire_dropped_release(wire_dropped *dropped)
{
    if (dropped != NULL && atomic_fetch_sub(&dropped->references, 1) == 1) {
        wire_dropped_free(dropped);
        PyMem_RawFree(dropped);
    }
}

/* ---- The type ------------------------------------------------------------------------ */

static int
statement_traverse(wire_statement *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    return wire_plan_traverse(self->plan, visit, arg);
}

static int
statement_clear(wire_statement *self)
{
    wire_plan *plan = self->plan;

    self->plan = NULL;
    wire_plan_free(plan);
    return 0;
}

static void
statement_dealloc(wire_statement *self)
{
    PyTypeObject *type = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    statement_clear(self);
    if (self->stmt != NULL) {
        drop(self->dropped, self->stmt);
    }
    wire_dropped_release(self->dropped);
    Py_XDECREF(self->columns);
    Py_XDECREF(self->shown);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *
statement_columns(wire_statement *self, void *Py_UNUSED(closure))
{
    return Py_NewRef(self->columns != NULL ? self->columns : Py_None);
}

static PyGetSetDef statement_getset[] = {
    {"columns", (getter)statement_columns, NULL,
     PyDoc_STR("What is known of the columns, as of a Reply, when it was prepared; or None."),
     NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef statement_members[] = {
    {"markers", T_PYSSIZET, offsetof(wire_statement, markers), READONLY,
     PyDoc_STR("How many parameters it takes, as the server counts them.")},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot statement_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("A statement that the server has prepared: Channel.prepare().")},
    {Py_tp_dealloc, statement_dealloc},
    {Py_tp_traverse, statement_traverse},
    {Py_tp_clear, statement_clear},
    {Py_tp_getset, statement_getset},
    {Py_tp_members, statement_members},
    {0, NULL},
};

static PyType_Spec statement_spec = {
    .name = "mariadb_nb._wire.Statement",
    .basicsize = sizeof(wire_statement),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = statement_slots,
};

int
wire_add_statement(PyObject *module)
{
    wire_state *state = PyModule_GetState(module);

    state->Statement = (PyTypeObject *)PyType_FromModuleAndSpec(module, &statement_spec, NULL);
    return state->Statement == NULL ? -1 : PyModule_AddType(module, state->Statement);
}
