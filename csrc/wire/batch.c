/*
 * batch.c - many rows in one INSERT or REPLACE.
 *
 * Owns the packing; for which statements it is possible, is said by grammar.c.  It knows
 * no server and sends nothing.
 *
 * What is different from one statement for each row, for who offers it:
 *
 *   - A transactional table takes all rows of a statement or none; alone, those
 *     before the bad one would be in.
 *   - In a table that is not transactional, a bad value in a row behind the first is
 *     changed with a warning under STRICT_TRANS_TABLES; alone it is an error.
 *   - Without a strict mode, NULL for a NOT NULL column becomes the type's
 *     default; alone it is an error.
 *   - LAST_INSERT_ID() is the first of a statement's ids.
 *   - The count of affected rows and the warnings are the whole statement's, and
 *     so is the result of RETURNING.
 *   - NOW() and the like are the same for all rows of a statement.
 */

#include "template.h"

#include <stdatomic.h>

/* ---- The iterator ------------------------------------------------------------------ */

typedef struct wire_batches {
    PyObject_HEAD wire_template *template; /* owned, as are the next three */
    PyObject *rows;                        /* an iterator; NULL when it is used up or has failed */
    PyObject *encoders;                    /* a mapping, or NULL */
    PyObject *kept;                        /* the bytes of a row that did not fit, or NULL */
    Py_ssize_t limit;                      /* in bytes */
    Py_ssize_t taken;                      /* the number of the next row */
    atomic_bool busy; /* neither two threads nor the rows themselves ask meanwhile */
} wire_batches;

static size_t
tail_length(const wire_template *template)
{
    return template->length - template->tail;
}

/* Whether what is written, with the statement's end, is too long. */
static bool
is_full(const wire_batches *self, const wire_writer *writer)
{
    return wire_written(writer) + tail_length(self->template) > (size_t)self->limit;
}

/* Writes the next row: 1 if there was none. */
static int
write_row(wire_batches *self, wire_writer *writer, wire_encoding *how)
{
    const wire_template *template = self->template;
    PyObject *row = NULL; /* new */
    int status;

    if (self->kept != NULL) {
        status =
            wire_write(writer, PyBytes_AS_STRING(self->kept), (size_t)PyBytes_GET_SIZE(self->kept));
        Py_CLEAR(self->kept);
        return status;
    }
    row = self->rows != NULL ? PyIter_Next(self->rows) : NULL;
    if (row == NULL) {
        return PyErr_Occurred() ? -1 : 1;
    }
    how->row = self->taken++;
    status = wire_render(writer, template, template->group, template->tail, row, how);
    Py_DECREF(row);
    return status;
}

/* Writes as many rows as fit.  Returns their number, or -1. */
static Py_ssize_t
write_rows(wire_batches *self, wire_writer *writer)
{
    wire_encoding how = {.state = self->template->state,
                         .forms = &wire_literals,
                         .mode = self->template->mode,
                         .encoders = self->encoders};
    Py_ssize_t count = 0;

    while (count == 0 || !is_full(self, writer)) {
        const size_t before = wire_written(writer);
        int status = count != 0 ? wire_write(writer, ",", 1) : 0;
        const size_t start = wire_written(writer);
        if (status == 0) {
            status = write_row(self, writer, &how);
        }
        if (status < 0) {
            return -1;
        }
        if (status == 0 && count != 0 && is_full(self, writer)) {
            self->kept = PyBytes_FromStringAndSize(writer->start + start,
                                                   (Py_ssize_t)(wire_written(writer) - start));
            if (self->kept == NULL) {
                return -1;
            }
            status = 1;
        }
        if (status == 1) {
            writer->at = writer->start + before;
            return count;
        }
        count++;
    }
    return count;
}

static PyObject *
next_batch(wire_batches *self)
{
    const wire_template *template = self->template;
    PyObject *statement = NULL; /* new */
    wire_writer writer;
    Py_ssize_t count = -1;

    wire_writer_start(&writer);
    if (wire_write(&writer, template->text, template->group) == 0) {
        count = write_rows(self, &writer);
    }
    if (count > 0 &&
        wire_write(&writer, template->text + template->tail, tail_length(template)) == 0) {
        statement = wire_writer_finish(&writer);
    }
    wire_writer_free(&writer);
    if (statement == NULL) {
        /* Over, or failed: after a row that was bad there is no going on. */
        Py_CLEAR(self->rows);
        Py_CLEAR(self->kept);
        return NULL;
    }
    return Py_BuildValue("Nn", statement, count);
}

static PyObject *
batches_next(PyObject *object)
{
    wire_batches *self = (wire_batches *)object;
    PyObject *batch = NULL; /* new */

    if (atomic_exchange(&self->busy, true)) {
        PyErr_SetString(self->template->state->ProgrammingError,
                        "the next batch is already being made");
        return NULL;
    }
    batch = next_batch(self);
    atomic_store(&self->busy, false);
    return batch;
}

/* ---- The type -------------------------------------------------------------------------- */

static int
batches_traverse(PyObject *object, visitproc visit, void *arg)
{
    wire_batches *self = (wire_batches *)object;

    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->template);
    Py_VISIT(self->rows);
    Py_VISIT(self->encoders);
    return 0;
}

static int
batches_clear(PyObject *object)
{
    wire_batches *self = (wire_batches *)object;

    Py_CLEAR(self->rows);
    Py_CLEAR(self->encoders);
    Py_CLEAR(self->kept);
    return 0;
}

static void
batches_dealloc(PyObject *object)
{
    wire_batches *self = (wire_batches *)object;
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    batches_clear(object);
    Py_CLEAR(self->template);
    type->tp_free(object);
    Py_DECREF(type);
}

PyDoc_STRVAR(batches_doc, "An iterator over (statement, number of rows); see Template.batches().");

static PyType_Slot batches_slots[] = {
    {Py_tp_doc, (void *)batches_doc},
    {Py_tp_dealloc, batches_dealloc},
    {Py_tp_traverse, batches_traverse},
    {Py_tp_clear, batches_clear},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, batches_next},
    {0, NULL},
};

static PyType_Spec batches_spec = {
    .name = "mariadb_nb._wire.Batches",
    .basicsize = sizeof(wire_batches),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = batches_slots,
};

PyObject *
wire_batches_new(wire_template *template, const wire_source *source)
{
    PyTypeObject *type = template->state->Batches;
    PyObject *iterator = PyObject_GetIter(source->rows); /* new */
    wire_batches *self = NULL;                           /* new */

    if (iterator == NULL) {
        return NULL;
    }
    self = (wire_batches *)type->tp_alloc(type, 0);
    if (self == NULL) {
        Py_DECREF(iterator);
        return NULL;
    }
    self->template = (wire_template *)Py_NewRef(template);
    self->rows = iterator;
    self->encoders = Py_XNewRef(source->encoders);
    self->limit = source->limit;
    self->taken = source->first;
    return (PyObject *)self;
}

int
wire_add_batches(PyObject *module)
{
    wire_state *state = PyModule_GetState(module);

    state->Batches = (PyTypeObject *)PyType_FromModuleAndSpec(module, &batches_spec, NULL);
    return state->Batches == NULL ? -1 : 0;
}
