/*
 * arrow_read.c - rows out of columns of Arrow, as parameters of statements: the type
 * ArrowRows.
 *
 * Owns a stream that somebody else exports, and the place in it.  What its types are, and
 * how an object is made of a value of each, is in arrow_parameter.c.  Whatever the stream
 * does, it does without the GIL: it may need other threads that want it.
 */

#include "arrow_read.h"

#include <string.h>

/* ---- batches ------------------------------------------------------------------------- */

static int
check_batch(wire_arrow_rows *self)
{
    const struct ArrowArray *batch = &self->batch;

    if (batch->n_children != self->schema.n_children) {
        PyErr_Format(self->state->InterfaceError,
                     "a batch of the Arrow stream has %lld columns, and its schema %lld",
                     (long long)batch->n_children, (long long)self->schema.n_children);
        return -1;
    }
    return 0;
}

static void
release_batch(wire_arrow_rows *self)
{
    if (self->batch.release != NULL) {
        self->batch.release(&self->batch);
    }
    self->batch = (struct ArrowArray){0};
    self->row = 0;
}

/* Raises what a stream says of its error; returns -1. */
static int
refuse(wire_arrow_rows *self, int code)
{
    struct ArrowArrayStream *stream = &self->stream;
    const char *told = stream->get_last_error != NULL ? stream->get_last_error(stream) : NULL;

    if (told != NULL) {
        PyErr_Format(self->state->InterfaceError, "the Arrow stream cannot be read: %.500s", told);
    }
    else {
        PyErr_Format(self->state->InterfaceError, "the Arrow stream cannot be read: %s",
                     strerror(code));
    }
    return -1;
}

/* Takes the next batch.  Returns 1, or 0 at the end, or -1 with an exception. */
static int
next_batch(wire_arrow_rows *self)
{
    struct ArrowArrayStream *stream = &self->stream;
    int code;

    release_batch(self);
    Py_BEGIN_ALLOW_THREADS code = stream->get_next(stream, &self->batch);
    Py_END_ALLOW_THREADS if (code != 0)
    {
        return refuse(self, code);
    }
    if (self->batch.release == NULL) {
        return 0;
    }
    return check_batch(self) < 0 ? -1 : 1;
}

/* ---- rows ----------------------------------------------------------------------------- */

/* The row at hand, as a tuple. */
static PyObject *
make_row(const wire_arrow_rows *self)
{
    const struct ArrowArray *batch = &self->batch;
    const int64_t place = batch->offset + self->row;
    const bool valid = wire_arrow_is_valid(batch, place);
    PyObject *row = PyTuple_New((Py_ssize_t)batch->n_children); /* new */

    for (int64_t i = 0; row != NULL && i < batch->n_children; i++) {
        const struct ArrowArray *column = batch->children[i];
        const int64_t at = column->offset + place;
        PyObject *value; /* new */
        if (!valid || !wire_arrow_is_valid(column, at)) {
            value = Py_NewRef(Py_None);
        }
        else {
            value = self->columns[i].make(&self->columns[i], column, at);
        }
        if (value == NULL) {
            Py_CLEAR(row);
            break;
        }
        PyTuple_SET_ITEM(row, (Py_ssize_t)i, value);
    }
    return row;
}

static PyObject *
rows_next(wire_arrow_rows *self)
{
    PyObject *row = NULL; /* new */

    if (atomic_exchange(&self->busy, true)) {
        PyErr_SetString(self->state->ProgrammingError, "the next row is already being made");
        return NULL;
    }
    int status = 1;
    while (status > 0 && !self->over && self->row >= self->batch.length) {
        status = next_batch(self);
        self->over = status <= 0;
    }
    if (!self->over) {
        row = make_row(self);
        self->row++;
        self->over = row == NULL;
    }
    atomic_store(&self->busy, false);
    return row;
}

/* ---- the type ---------------------------------------------------------------------------- */

static void
rows_dealloc(wire_arrow_rows *self)
{
    PyTypeObject *type = Py_TYPE(self);

    release_batch(self);
    for (int64_t i = 0; self->columns != NULL && i < self->schema.n_children; i++) {
        wire_arrow_source_clear(&self->columns[i]);
    }
    PyMem_Free(self->columns);
    if (self->schema.release != NULL) {
        self->schema.release(&self->schema);
    }
    if (self->stream.release != NULL) {
        self->stream.release(&self->stream);
    }
    type->tp_free(self);
    Py_DECREF(type);
}

/* Takes the stream out of its capsule.  Returns 0, or -1 with an exception. */
static int
take_stream(wire_arrow_rows *self, PyObject *capsule)
{
    struct ArrowArrayStream *stream = PyCapsule_GetPointer(capsule, "arrow_array_stream");
    int code;

    if (stream == NULL) {
        return -1;
    }
    if (stream->release == NULL) {
        PyErr_SetString(self->state->InterfaceError, "the Arrow stream was taken before");
        return -1;
    }
    self->stream = *stream;
    stream->release = NULL;
    Py_BEGIN_ALLOW_THREADS code = self->stream.get_schema(&self->stream, &self->schema);
    Py_END_ALLOW_THREADS if (code != 0)
    {
        return refuse(self, code);
    }
    if (strcmp(self->schema.format, "+s") != 0) {
        PyErr_SetString(self->state->InterfaceError,
                        "the Arrow stream has single values, and rows are made of columns: give a "
                        "table");
        return -1;
    }
    return 0;
}

static int
choose_columns(wire_arrow_rows *self)
{
    self->columns = PyMem_Calloc((size_t)self->schema.n_children + 1, sizeof(*self->columns));
    if (self->columns == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (int64_t i = 0; i < self->schema.n_children; i++) {
        if (wire_arrow_source_choose(self->state, &self->columns[i], self->schema.children[i]) <
            0) {
            return -1;
        }
    }
    return 0;
}

PyDoc_STRVAR(rows_doc,
             "ArrowRows(columns, /)\n--\n\n"
             "An iterator over the rows of what has __arrow_c_stream__(): tuples.");

static PyObject *
rows_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"", NULL};
    wire_state *state = wire_state_of(type);
    PyObject *columns; /* borrowed */
    PyObject *capsule; /* new */
    wire_arrow_rows *self;

    if (state == NULL ||
        !PyArg_ParseTupleAndKeywords(args, kwargs, "O:ArrowRows", names, &columns)) {
        return NULL;
    }
    capsule = PyObject_CallMethod(columns, "__arrow_c_stream__", NULL);
    if (capsule == NULL) {
        return NULL;
    }
    self = (wire_arrow_rows *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->state = state;
        if (take_stream(self, capsule) < 0 || choose_columns(self) < 0) {
            Py_CLEAR(self);
        }
    }
    Py_DECREF(capsule);
    return (PyObject *)self;
}

static PyObject *
rows_column_names(wire_arrow_rows *self, void *Py_UNUSED(closure))
{
    PyObject *names = PyTuple_New((Py_ssize_t)self->schema.n_children); /* new */

    for (int64_t i = 0; names != NULL && i < self->schema.n_children; i++) {
        PyTuple_SET_ITEM(names, (Py_ssize_t)i, Py_NewRef(self->columns[i].name));
    }
    return names;
}

static PyGetSetDef rows_getset[] = {
    {"column_names", (getter)rows_column_names, NULL, PyDoc_STR("The columns' names."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot rows_slots[] = {
    {Py_tp_doc, (void *)rows_doc},
    {Py_tp_new, rows_new},
    {Py_tp_dealloc, rows_dealloc},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, rows_next},
    {Py_tp_getset, rows_getset},
    {0, NULL},
};

static PyType_Spec rows_spec = {
    .name = "mariadb_nb._wire.ArrowRows",
    .basicsize = sizeof(wire_arrow_rows),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = rows_slots,
};

int
wire_add_arrow_rows(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &rows_spec, NULL); /* new */
    int status = type == NULL ? -1 : PyModule_AddType(module, (PyTypeObject *)type);

    Py_XDECREF(type);
    return status;
}
