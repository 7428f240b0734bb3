/*
 * feeder.c - the type Feeder: rows on their way into the text of LOAD DATA.
 *
 * Owns how rows become lines, in turns that do not keep a loop waiting, and in buffers
 * of bounded size.  It knows no server and sends nothing; a field's text is the
 * business of field.c and of the literals.
 *
 * A buffer ends behind the row with which it is full, so one can be as long as one row
 * is.  A bad row is an error that names it, and the Feeder is of no use any more.
 */

#include "template.h"

#include <stdatomic.h>

/* What came of a turn. */
enum turn { UNDER_WAY, FULL, DRAINED };

typedef struct wire_feeder {
    PyObject_HEAD wire_state *state; /* of the module, which the type keeps */
    PyObject *columns;               /* owned: a tuple of str */
    PyObject *targets;               /* owned: bytes, an enum wire_target for each column */
    PyObject *encoders;              /* owned: a mapping, or NULL */
    PyObject *rows;                  /* owned: an iterator, or NULL: there are none now */
    Py_ssize_t limit;                /* of a buffer: in bytes */
    Py_ssize_t most;                 /* and in rows */
    bool exact;                      /* a mapping may have no other keys than the columns */
    wire_writer writer;
    Py_ssize_t lines; /* in the buffer */
    Py_ssize_t taken; /* rows taken from the source */
    atomic_bool busy; /* neither two threads nor the rows themselves ask meanwhile */
} wire_feeder;

/* ---- Rows ------------------------------------------------------------------------- */

static int
refuse_length(const wire_feeder *self, const wire_encoding *how, Py_ssize_t length)
{
    return wire_refuse(how, self->state->ProgrammingError,
                       "has the length %zd, but is to fill %zd columns: %R", length,
                       PyTuple_GET_SIZE(self->columns), self->columns);
}

/*
 * The row in a form that nobody else can change, new: a tuple, or the mapping itself.
 * NULL with an exception.
 */
static PyObject *
check_row(const wire_feeder *self, PyObject *row, const wire_encoding *how)
{
    const Py_ssize_t width = PyTuple_GET_SIZE(self->columns);
    PyObject *values = NULL; /* new */

    if (PyType_HasFeature(Py_TYPE(row), Py_TPFLAGS_MAPPING)) {
        const Py_ssize_t length = self->exact ? PyObject_Size(row) : width;
        if (length < 0 || (length > width && refuse_length(self, how, length) < 0)) {
            return NULL;
        }
        return Py_NewRef(row);
    }
    if (!PyTuple_Check(row) && !PyList_Check(row)) {
        wire_refuse(how, self->state->ProgrammingError,
                    "is of class %s: give a tuple, a list or a mapping, even for a single value",
                    Py_TYPE(row)->tp_name);
        return NULL;
    }
    values = PyTuple_CheckExact(row) ? Py_NewRef(row) : PySequence_Tuple(row);
    if (values != NULL && PyTuple_GET_SIZE(values) != width) {
        refuse_length(self, how, PyTuple_GET_SIZE(values));
        Py_CLEAR(values);
    }
    return values;
}

/* The value for a column, new; notes in how which one it is. */
static PyObject *
value_of(const wire_feeder *self, PyObject *values, Py_ssize_t index, wire_encoding *how)
{
    PyObject *column = PyTuple_GET_ITEM(self->columns, index); /* borrowed */
    PyObject *value = NULL;                                    /* new */

    how->name = NULL;
    if (PyTuple_CheckExact(values)) {
        how->index = index;
        return Py_NewRef(PyTuple_GET_ITEM(values, index));
    }
    if (wire_find(values, column, &value) == 0) {
        wire_refuse(how, self->state->ProgrammingError, "has no %R", column);
    }
    how->name = column;
    return value;
}

/* Writes the fields of a row, each with what ends it. */
static int
write_fields(wire_feeder *self, PyObject *values, wire_encoding *how)
{
    const Py_ssize_t width = PyTuple_GET_SIZE(self->columns);
    const char *targets = PyBytes_AS_STRING(self->targets);

    for (Py_ssize_t i = 0; i < width; i++) {
        PyObject *value = value_of(self, values, i, how); /* new */
        int status;
        if (value == NULL) {
            return -1;
        }
        how->forms = &wire_fields[(unsigned char)targets[i]];
        status = wire_encode(&self->writer, how, value);
        Py_DECREF(value);
        if (status < 0 || wire_write(&self->writer, i + 1 < width ? "\t" : "\n", 1) < 0) {
            return -1;
        }
    }
    return 0;
}

/* Writes the next row.  Returns 0, 1 if there was none, or -1. */
static int
write_row(wire_feeder *self)
{
    wire_encoding how = {.state = self->state,
                         .forms = wire_fields,
                         .encoders = self->encoders,
                         .row = self->taken,
                         .index = -1};
    PyObject *row = PyIter_Next(self->rows); /* new */
    PyObject *values = NULL;                 /* new */
    int status = -1;

    if (row == NULL) {
        return PyErr_Occurred() ? -1 : 1;
    }
    values = check_row(self, row, &how);
    Py_DECREF(row);
    if (values != NULL) {
        status = write_fields(self, values, &how);
        Py_DECREF(values);
    }
    self->lines++;
    self->taken++;
    return status;
}

static bool
is_full(const wire_feeder *self)
{
    return wire_written(&self->writer) >= (size_t)self->limit || self->lines >= self->most;
}

/* Writes rows until the buffer is full, there are no more, or a turn is over.  Or -1. */
static int
write_rows(wire_feeder *self)
{
    const int64_t until = wire_now_ns() + WIRE_BUDGET_NS;

    while (!is_full(self)) {
        const int status = self->rows != NULL ? write_row(self) : 1;
        if (status != 0) {
            Py_CLEAR(self->rows);
            return status < 0 ? -1 : DRAINED;
        }
        if (wire_now_ns() > until) {
            return is_full(self) ? FULL : UNDER_WAY;
        }
    }
    return FULL;
}

/* ---- Methods ---------------------------------------------------------------------- */

static int
enter(wire_feeder *self)
{
    if (atomic_exchange(&self->busy, true)) {
        PyErr_SetString(self->state->ProgrammingError, "the rows are already being written");
        return -1;
    }
    return 0;
}

PyDoc_STRVAR(feed_doc,
             "feed($self, rows, /)\n--\n\n"
             "Go on with these rows, after fill() has said that there are no more.");

static PyObject *
feeder_feed(wire_feeder *self, PyObject *rows)
{
    PyObject *iterator = PyObject_GetIter(rows); /* new */

    if (iterator == NULL || enter(self) < 0) {
        Py_XDECREF(iterator);
        return NULL;
    }
    Py_XSETREF(self->rows, iterator);
    atomic_store(&self->busy, false);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(fill_doc,
             "fill($self, /)\n--\n\n"
             "Write rows for one turn of a loop. Returns UNDER_WAY: the turn is\n"
             "over, FULL: the buffer is, or DRAINED: there are no more rows.");

static PyObject *
feeder_fill(wire_feeder *self, PyObject *Py_UNUSED(ignored))
{
    int turn;

    if (enter(self) < 0) {
        return NULL;
    }
    turn = write_rows(self);
    atomic_store(&self->busy, false);
    return turn < 0 ? NULL : PyLong_FromLong(turn);
}

PyDoc_STRVAR(take_doc,
             "take($self, /)\n--\n\n"
             "The buffer and the number of its rows; the next buffer is empty.");

static PyObject *
feeder_take(wire_feeder *self, PyObject *Py_UNUSED(ignored))
{
    PyObject *buffer = NULL; /* new */
    Py_ssize_t lines;

    if (enter(self) < 0) {
        return NULL;
    }
    lines = self->lines;
    buffer = wire_writer_finish(&self->writer);
    wire_writer_free(&self->writer);
    wire_writer_start(&self->writer);
    self->lines = 0;
    atomic_store(&self->busy, false);
    return buffer == NULL ? NULL : Py_BuildValue("Nn", buffer, lines);
}

/* ---- The type ------------------------------------------------------------------------ */

/* Whether there is a target for each column, and each of them is one. */
static int
check_targets(PyObject *columns, PyObject *targets)
{
    bool good = PyTuple_GET_SIZE(columns) == PyBytes_GET_SIZE(targets);

    for (Py_ssize_t i = 0; good && i < PyTuple_GET_SIZE(columns); i++) {
        const unsigned char target = (unsigned char)PyBytes_AS_STRING(targets)[i];
        good = PyUnicode_Check(PyTuple_GET_ITEM(columns, i)) && target < WIRE_TARGETS;
    }
    if (!good || PyTuple_GET_SIZE(columns) == 0) {
        PyErr_SetString(PyExc_ValueError, "Feeder() takes names of columns, and a target for each");
        return -1;
    }
    return 0;
}

static PyObject *
feeder_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"", "", "", "", "exact", "encoders", NULL};
    wire_feeder *self = NULL;     /* new */
    PyObject *columns = NULL;     /* borrowed */
    PyObject *targets = NULL;     /* borrowed */
    PyObject *encoders = Py_None; /* borrowed */
    Py_ssize_t limit = 0;
    Py_ssize_t most = 0;
    int exact = 0;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!Snn|pO:Feeder", names, &PyTuple_Type,
                                     &columns, &targets, &limit, &most, &exact, &encoders) ||
        check_targets(columns, targets) < 0) {
        return NULL;
    }
    if (limit <= 0 || most <= 0) {
        PyErr_SetString(PyExc_ValueError, "a buffer has room for a byte and a row or more");
        return NULL;
    }
    self = (wire_feeder *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    wire_writer_start(&self->writer);
    self->state = wire_state_of(type);
    self->columns = Py_NewRef(columns);
    self->targets = Py_NewRef(targets);
    self->limit = limit;
    self->most = most;
    self->exact = exact != 0;
    if (self->state == NULL || wire_check_encoders(encoders, &encoders) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    self->encoders = Py_XNewRef(encoders);
    return (PyObject *)self;
}

static int
feeder_traverse(PyObject *object, visitproc visit, void *arg)
{
    wire_feeder *self = (wire_feeder *)object;

    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->columns);
    Py_VISIT(self->encoders);
    Py_VISIT(self->rows);
    return 0;
}

static int
feeder_clear(PyObject *object)
{
    wire_feeder *self = (wire_feeder *)object;

    Py_CLEAR(self->encoders);
    Py_CLEAR(self->rows);
    return 0;
}

static void
feeder_dealloc(PyObject *object)
{
    wire_feeder *self = (wire_feeder *)object;
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    feeder_clear(object);
    Py_CLEAR(self->columns);
    Py_CLEAR(self->targets);
    wire_writer_free(&self->writer);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMethodDef feeder_methods[] = {
    {"feed", (PyCFunction)feeder_feed, METH_O, feed_doc},
    {"fill", (PyCFunction)feeder_fill, METH_NOARGS, fill_doc},
    {"take", (PyCFunction)feeder_take, METH_NOARGS, take_doc},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(feeder_doc,
             "Feeder(columns, targets, limit, most, /, exact=False, encoders=None)\n--\n\n"
             "Writes rows as the text that LOAD DATA reads, into one buffer after another.\n\n"
             "columns: a tuple of their names.\n"
             "targets: bytes, a FIELD_* for each column.\n"
             "limit, most: with how many bytes, or rows, a buffer is full.\n"
             "exact: whether a mapping may have no keys but the columns.\n"
             "encoders: as for Template.render().");

static PyType_Slot feeder_slots[] = {
    {Py_tp_doc, (void *)feeder_doc},
    {Py_tp_new, feeder_new},
    {Py_tp_dealloc, feeder_dealloc},
    {Py_tp_traverse, feeder_traverse},
    {Py_tp_clear, feeder_clear},
    {Py_tp_methods, feeder_methods},
    {0, NULL},
};

static PyType_Spec feeder_spec = {
    .name = "mariadb_nb._wire.Feeder",
    .basicsize = sizeof(wire_feeder),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = feeder_slots,
};

static const struct {
    const char *name;
    int value;
} constants[] = {
    {"UNDER_WAY", UNDER_WAY},    {"FULL", FULL},
    {"DRAINED", DRAINED},        {"FIELD_PLAIN", WIRE_FIELD},
    {"FIELD_BITS", WIRE_BITS},   {"FIELD_YEAR", WIRE_YEAR},
    {"FIELD_NAMES", WIRE_NAMES}, {"FIELD_INTEGER", WIRE_INTEGER},
    {"FIELD_DATE", WIRE_DATE},
};

int
wire_add_feeder(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &feeder_spec, NULL); /* new */
    int status = type == NULL ? -1 : PyModule_AddType(module, (PyTypeObject *)type);

    Py_XDECREF(type);
    for (size_t i = 0; status == 0 && i < sizeof(constants) / sizeof(constants[0]); i++) {
        status = PyModule_AddIntConstant(module, constants[i].name, constants[i].value);
    }
    return status;
}
