/*
 * batch.c - many rows in one INSERT or REPLACE.
 *
 * Owns the grammar of the statements for which that is possible, and the packing.
 * It knows no server and sends nothing.
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

/* ---- The grammar ----------------------------------------------------------------- */

/* The token at hand; blanks and comments are passed over. */
typedef struct parser {
    wire_scan scan;
    wire_token token;
} parser;

static void
advance(parser *p)
{
    do {
        wire_scan_next(&p->scan, &p->token);
    } while (p->token.kind == WIRE_BLANK);
}

static bool
is_word(const parser *p, const char *word)
{
    return wire_token_is(&p->scan, &p->token, word);
}

static bool
is_sign(const parser *p, char sign)
{
    return p->token.kind == WIRE_SIGN && p->scan.sql[p->token.start] == sign;
}

static bool
take_word(parser *p, const char *word)
{
    const bool found = is_word(p, word);

    if (found) {
        advance(p);
    }
    return found;
}

static bool
take_sign(parser *p, char sign)
{
    const bool found = is_sign(p, sign);

    if (found) {
        advance(p);
    }
    return found;
}

/* INSERT [LOW_PRIORITY | DELAYED | HIGH_PRIORITY] [IGNORE] [INTO], or REPLACE */
static bool
take_verb(parser *p)
{
    if (take_word(p, "INSERT")) {
        if (!take_word(p, "LOW_PRIORITY") && !take_word(p, "DELAYED")) {
            take_word(p, "HIGH_PRIORITY");
        }
        take_word(p, "IGNORE");
    }
    else if (!take_word(p, "REPLACE")) {
        return false;
    }
    else if (!take_word(p, "LOW_PRIORITY")) {
        take_word(p, "DELAYED");
    }
    take_word(p, "INTO");
    return true;
}

/* A name, with the names of what it is in before it. */
static bool
take_name(parser *p)
{
    do {
        if (p->token.kind != WIRE_WORD && p->token.kind != WIRE_NAME) {
            return false;
        }
        advance(p);
    } while (take_sign(p, '.'));
    return true;
}

/* [(column, ...)] */
static bool
take_columns(parser *p)
{
    if (!take_sign(p, '(') || take_sign(p, ')')) {
        return true;
    }
    do {
        if (!take_name(p)) {
            return false;
        }
    } while (take_sign(p, ','));
    return take_sign(p, ')');
}

/* Whether the token means something else, or nothing, when rows are put together. */
static bool
is_bound_to_one_row(const parser *p)
{
    return p->token.kind == WIRE_END || p->token.kind == WIRE_HINT || is_sign(p, ';') ||
           is_sign(p, '@') || is_word(p, "SELECT") || is_word(p, "LAST_INSERT_ID") ||
           is_word(p, "ROW_COUNT") || is_word(p, "FOUND_ROWS");
}

/* (value, ...): notes where it stands. */
static bool
take_group(parser *p, size_t *start, size_t *end)
{
    size_t depth = 0;

    if (!is_sign(p, '(')) {
        return false;
    }
    *start = p->token.start;
    do {
        if (is_bound_to_one_row(p)) {
            return false;
        }
        if (is_sign(p, '(')) {
            depth++;
        }
        else if (is_sign(p, ')')) {
            depth--;
        }
        *end = p->token.end;
        advance(p);
    } while (depth != 0);
    return true;
}

/* [ON DUPLICATE KEY UPDATE ...] [RETURNING ...] [;], without placeholders */
static bool
take_tail(parser *p)
{
    if (take_word(p, "ON")) {
        if (!take_word(p, "DUPLICATE") || !take_word(p, "KEY") || !take_word(p, "UPDATE")) {
            return false;
        }
    }
    else if (!take_word(p, "RETURNING")) {
        take_sign(p, ';');
        return p->token.kind == WIRE_END;
    }
    while (p->token.kind != WIRE_END && !is_sign(p, ';')) {
        if (p->token.kind == WIRE_PLACEHOLDER || p->token.kind == WIRE_HINT) {
            return false;
        }
        advance(p);
    }
    take_sign(p, ';');
    return p->token.kind == WIRE_END;
}

bool
wire_find_group(const char *sql, size_t length, int mode, size_t *start, size_t *end)
{
    parser p;

    wire_scan_start(&p.scan, sql, length, mode);
    advance(&p);
    return take_verb(&p) && take_name(&p) && take_columns(&p) &&
           (take_word(&p, "VALUES") || take_word(&p, "VALUE")) && take_group(&p, start, end) &&
           take_tail(&p);
}

/* ---- The iterator ------------------------------------------------------------------ */

typedef struct wire_batches {
    PyObject_HEAD wire_template *template; /* owned, as are the next three */
    PyObject *rows;                        /* an iterator; NULL when it is used up or has failed */
    PyObject *encoders;                    /* a mapping, or NULL */
    PyObject *kept;                        /* the bytes of a row that did not fit, or NULL */
    Py_ssize_t limit;                      /* in bytes */
    Py_ssize_t taken;                      /* rows taken from the iterator */
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
wire_batches_new(wire_template *template, PyObject *rows, Py_ssize_t limit, PyObject *encoders)
{
    PyTypeObject *type = template->state->Batches;
    PyObject *iterator = PyObject_GetIter(rows); /* new */
    wire_batches *self = NULL;                   /* new */

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
    self->encoders = Py_XNewRef(encoders);
    self->limit = limit;
    return (PyObject *)self;
}

int
wire_add_batches(PyObject *module)
{
    wire_state *state = PyModule_GetState(module);

    state->Batches = (PyTypeObject *)PyType_FromModuleAndSpec(module, &batches_spec, NULL);
    return state->Batches == NULL ? -1 : 0;
}
