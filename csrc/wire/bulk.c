/*
 * bulk.c - the type Bulk: from rows of parameters to requests for array binding.
 *
 * Owns the requests (COM_STMT_BULK_EXECUTE): which rows one of them has, and when there
 * is none for them.  A column has one type for all rows of a request, so a request ends
 * where a value is of another one: no value is ever converted.  It knows no server and
 * sends nothing; a request is made in turns of the loop, if it has to be.
 */

#include "bulk.h"

#include <stdatomic.h>

/* Rows between two looks at the clock. */
enum { ROWS_AT_ONCE = 16 };

/* What stands before the types in a request: the statement's number, which the library
   fills in, and the flags. */
enum { TYPES_AT = 6, FLAG_TYPES = 128 };

/* The first request is this short, so that the server soon has something to do; each one
   may be twice as long as the one before. */
enum { FIRST_BYTES = 65536 };

/* So many rows are too few for a request, and so many of those in a row too many. */
enum { FEW_ROWS = 16, FEW_REQUESTS = 4 };

/* So many bytes of a row take their time. */
enum { LONG_ROW = 4096 };

typedef struct wire_bulk {
    PyObject_HEAD wire_template *template; /* owned, as are the next three */
    PyObject *rows;                        /* an iterator; NULL when it is used up or has failed */
    PyObject *encoders;                    /* a mapping, or NULL */
    PyObject *row;                         /* the last one's values, or NULL */
    wire_request request;
    wire_bulk_type *types; /* owned: of the request's columns, and then of the last row's */
    size_t limit;          /* in bytes, of a request */
    size_t aim;            /* the same for the one under construction */
    Py_ssize_t taken;      /* the number of the next row */
    Py_ssize_t count;      /* rows in the request */
    int short_requests;    /* one after another */
    bool unfit;            /* the last row, and what follows, is for another way */
    atomic_bool busy;      /* neither two threads nor the rows themselves ask meanwhile */
} wire_bulk;

static wire_bulk_type *
row_types(const wire_bulk *self)
{
    return self->types + self->template->count;
}

static size_t
rows_at(const wire_bulk *self)
{
    return TYPES_AT + 2 * (size_t)self->template->count;
}

/* ---- A row --------------------------------------------------------------------------- */

/* The MYSQL_TYPE_* of a value of the last row. */
static unsigned int
type_of(const wire_bulk *self, Py_ssize_t index)
{
    return row_types(self)[index].code & ~(unsigned int)WIRE_UNSIGNED;
}

/* Adds a row to the bytes. */
static int
encode_row(wire_bulk *self, PyObject *row)
{
    wire_encoding how = {.state = self->template->state,
                         .forms = &wire_bulk_forms,
                         .mode = self->template->mode,
                         .encoders = self->encoders,
                         .row = self->taken,
                         .index = -1};
    int status = 0;

    Py_XSETREF(self->row, wire_check_params(self->template, row, &how));
    if (self->row == NULL) {
        return -1;
    }
    self->request.unfit = false;
    for (Py_ssize_t i = 0; status == 0 && i < self->template->count; i++) {
        PyObject *value = wire_value_of(self->template, self->row, i, &how); /* new */
        if (value == NULL) {
            return -1;
        }
        if (self->template->slots[i].rows && !wire_is_row_count(value, &how)) {
            self->request.unfit = true;
        }
        status = wire_encode(&self->request.writer, &how, value);
        row_types(self)[i] = self->request.type;
        if (!wire_is_range(&self->template->slots[i],
                           i == 0 ? MYSQL_TYPE_NULL : type_of(self, i - 1), type_of(self, i))) {
            self->request.unfit = true;
        }
        Py_DECREF(value);
    }
    return status;
}

/* Takes one more row, and adds it.  Returns 1 if there was none. */
static int
add_row(wire_bulk *self)
{
    PyObject *row = self->rows != NULL ? PyIter_Next(self->rows) : NULL; /* new */
    int status;

    if (row == NULL) {
        if (PyErr_Occurred()) {
            return -1;
        }
        Py_CLEAR(self->rows);
        Py_CLEAR(self->row);
        return 1;
    }
    status = encode_row(self, row);
    self->taken++;
    Py_DECREF(row);
    return status;
}

/* Whether a column can have both types, and no value is another one then. */
static bool
merge(wire_bulk_type *types, const wire_bulk_type *more, bool as_it_is)
{
    if (more->code == WIRE_NO_TYPE) {
        return true;
    }
    if (types->code == WIRE_NO_TYPE) {
        *types = *more;
        return true;
    }
    types->negative |= more->negative;
    if (types->code == more->code) {
        return true;
    }
    /* The same bytes, but only where nothing is calculated with them. */
    if (as_it_is && (types->code ^ more->code) == WIRE_UNSIGNED && !types->negative) {
        types->code |= WIRE_UNSIGNED;
        return true;
    }
    return false;
}

/* Whether the last row can be among those before; if so, its types count. */
static bool
merge_row(wire_bulk *self)
{
    const Py_ssize_t count = self->template->count;
    wire_bulk_type *const types = self->types;
    bool fits = true;

    for (Py_ssize_t i = 0; fits && i < count; i++) {
        wire_bulk_type both = types[i]; /* a row that does not fit changes nothing */
        fits = merge(&both, &row_types(self)[i], self->request.stored);
    }
    for (Py_ssize_t i = 0; fits && i < count; i++) {
        merge(&types[i], &row_types(self)[i], self->request.stored);
    }
    return fits;
}

/* ---- A request ------------------------------------------------------------------------ */

/* Goes back to what stands before the rows; there is room for it. */
static void
begin_request(wire_bulk *self)
{
    wire_writer *writer = &self->request.writer;

    memset(writer->start, 0, rows_at(self));
    writer->at = writer->start + rows_at(self);
    self->count = 0;
    for (Py_ssize_t i = 0; i < self->template->count; i++) {
        self->types[i] = (wire_bulk_type){.code = WIRE_NO_TYPE};
    }
}

/* The request up to a place in the bytes, and the number of its rows; a tuple, new. */
static PyObject *
finish_request(wire_bulk *self, size_t end)
{
    PyObject *request =
        PyBytes_FromStringAndSize(self->request.writer.start, (Py_ssize_t)end); /* new */
    unsigned char *at;

    if (request == NULL) {
        return NULL;
    }
    at = (unsigned char *)PyBytes_AS_STRING(request);
    at[4] = FLAG_TYPES;
    for (Py_ssize_t i = 0; i < self->template->count; i++) {
        at[TYPES_AT + 2 * i] = (unsigned char)(self->types[i].code & 0xFF);
        at[TYPES_AT + 2 * i + 1] = (unsigned char)(self->types[i].code >> 8);
    }
    self->aim = 2 * self->aim < self->limit ? 2 * self->aim : self->limit;
    return Py_BuildValue("Nn", request, self->count);
}

/* A request of the rows before the last one, which begins at that place and the next one. */
static PyObject *
split(wire_bulk *self, size_t start)
{
    wire_writer *writer = &self->request.writer;
    const size_t length = wire_written(writer) - start;
    PyObject *outcome = finish_request(self, start); /* new */

    if (outcome == NULL) {
        return NULL;
    }
    begin_request(self);
    if (!self->unfit) {
        memmove(writer->at, writer->start + start, length);
        writer->at += length;
        merge_row(self);
        self->count = 1;
    }
    return outcome;
}

/* Whether the last row belongs to the request; if not, it may be unfit for any. */
static bool
belongs(wire_bulk *self)
{
    self->unfit = self->request.unfit;
    if (self->unfit) {
        return false;
    }
    if (self->count != 0 && wire_written(&self->request.writer) > self->aim) {
        self->short_requests = 0;
        return false;
    }
    if (merge_row(self)) {
        return true;
    }
    self->short_requests = self->count < FEW_ROWS ? self->short_requests + 1 : 0;
    self->unfit = self->template->batch && self->short_requests >= FEW_REQUESTS;
    return false;
}

/* ---- Building ------------------------------------------------------------------------ */

/* After a row that was bad there is no going on. */
static PyObject *
fail(wire_bulk *self)
{
    Py_CLEAR(self->rows);
    Py_CLEAR(self->row);
    self->count = 0;
    return NULL;
}

/* Goes on with a request: the request, 0 for a turn of the loop, or None: there is none. */
static PyObject *
build(wire_bulk *self)
{
    const int64_t until = wire_now_ns() + WIRE_BUDGET_NS;
    const wire_writer *writer = &self->request.writer;
    PyObject *outcome = NULL; /* new */

    for (unsigned int turn = 1; !self->unfit; turn++) {
        const size_t start = wire_written(writer);
        const int status = add_row(self);
        if (status < 0) {
            return fail(self);
        }
        if (status == 1) {
            break;
        }
        if (belongs(self)) {
            self->count++;
        }
        else if (self->count != 0) {
            outcome = split(self, start);
            return outcome != NULL ? outcome : fail(self);
        }
        if ((turn % ROWS_AT_ONCE == 0 || wire_written(writer) - start > LONG_ROW) &&
            wire_now_ns() > until) {
            return PyLong_FromLong(0);
        }
    }
    if (self->count == 0) {
        Py_RETURN_NONE;
    }
    outcome = finish_request(self, wire_written(writer));
    begin_request(self);
    return outcome != NULL ? outcome : fail(self);
}

/* Ends in -1 with an exception, or in 0 and must be followed by leave(). */
static int
enter(wire_bulk *self)
{
    if (!atomic_exchange(&self->busy, true)) {
        return 0;
    }
    PyErr_SetString(self->template->state->ProgrammingError,
                    "the next request is already being made");
    return -1;
}

static void
leave(wire_bulk *self)
{
    atomic_store(&self->busy, false);
}

PyDoc_STRVAR(build_doc,
             "build($self, /)\n--\n\n"
             "Go on with a request for the next rows.\n\n"
             "What comes of it is (request, number of rows), or None if there are no rows\n"
             "left for one; or 0: there is more to do, but the loop shall have a turn first.");

static PyObject *
bulk_build(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    wire_bulk *self = (wire_bulk *)object;
    PyObject *outcome; /* new */

    if (enter(self) < 0) {
        return NULL;
    }
    outcome = build(self);
    leave(self);
    return outcome;
}

PyDoc_STRVAR(rest_doc,
             "rest($self, /)\n--\n\n"
             "Take the rows that are not for requests, after build() returned None.\n\n"
             "What comes of it is a tuple with the row that is not, or without any, and an\n"
             "iterator over those behind it.");

static PyObject *
take_rest(wire_bulk *self)
{
    PyObject *first = self->row != NULL ? PyTuple_Pack(1, self->row) : PyTuple_New(0); /* new */
    PyObject *others = NULL;                                                           /* new */

    Py_CLEAR(self->row);
    if (first == NULL) {
        return NULL;
    }
    others = self->rows != NULL ? self->rows : PyTuple_New(0);
    self->rows = NULL;
    return Py_BuildValue("NN", first, others);
}

static PyObject *
bulk_rest(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    wire_bulk *self = (wire_bulk *)object;
    PyObject *outcome; /* new */

    if (enter(self) < 0) {
        return NULL;
    }
    outcome = take_rest(self);
    leave(self);
    return outcome;
}

/* ---- The type ------------------------------------------------------------------------- */

static int
bulk_traverse(PyObject *object, visitproc visit, void *arg)
{
    wire_bulk *self = (wire_bulk *)object;

    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->template);
    Py_VISIT(self->rows);
    Py_VISIT(self->encoders);
    Py_VISIT(self->row);
    return 0;
}

static int
bulk_clear(PyObject *object)
{
    wire_bulk *self = (wire_bulk *)object;

    Py_CLEAR(self->rows);
    Py_CLEAR(self->encoders);
    Py_CLEAR(self->row);
    return 0;
}

static void
bulk_dealloc(PyObject *object)
{
    wire_bulk *self = (wire_bulk *)object;
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    bulk_clear(object);
    wire_writer_free(&self->request.writer);
    PyMem_Free(self->types);
    Py_CLEAR(self->template);
    type->tp_free(object);
    Py_DECREF(type);
}

PyDoc_STRVAR(bulk_doc, "Rows on their way into requests for array binding; see Template.bulk().");

static PyMethodDef bulk_methods[] = {
    {"build", bulk_build, METH_NOARGS, build_doc},
    {"rest", bulk_rest, METH_NOARGS, rest_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot bulk_slots[] = {
    {Py_tp_doc, (void *)bulk_doc}, {Py_tp_dealloc, bulk_dealloc}, {Py_tp_traverse, bulk_traverse},
    {Py_tp_clear, bulk_clear},     {Py_tp_methods, bulk_methods}, {0, NULL},
};

static PyType_Spec bulk_spec = {
    .name = "mariadb_nb._wire.Bulk",
    .basicsize = sizeof(wire_bulk),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = bulk_slots,
};

PyObject *
wire_bulk_new(wire_template *template, const wire_source *source)
{
    PyTypeObject *type = template->state->Bulk;
    wire_bulk *self = (wire_bulk *)type->tp_alloc(type, 0); /* new */

    if (self == NULL) {
        return NULL;
    }
    wire_writer_start(&self->request.writer);
    self->template = (wire_template *)Py_NewRef(template);
    self->request.stored = template->batch;
    self->rows = PyObject_GetIter(source->rows);
    self->encoders = Py_XNewRef(source->encoders);
    self->limit = (size_t)source->limit;
    self->taken = source->first;
    self->aim = self->limit < FIRST_BYTES ? self->limit : FIRST_BYTES;
    self->types = PyMem_Calloc(2 * (size_t) template->count, sizeof(wire_bulk_type));
    if (self->types == NULL) {
        PyErr_NoMemory();
    }
    if (self->rows == NULL || self->types == NULL ||
        wire_reserve(&self->request.writer, rows_at(self)) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    begin_request(self);
    return (PyObject *)self;
}

int
wire_add_bulk(PyObject *module)
{
    wire_state *state = PyModule_GetState(module);

    state->Bulk = (PyTypeObject *)PyType_FromModuleAndSpec(module, &bulk_spec, NULL);
    return state->Bulk == NULL ? -1 : PyModule_AddType(module, state->Bulk);
}
