/*
 * bind.c - parameters as the library binds them: the type Bound.
 *
 * Owns which native type a value is sent as, and the memory that the library reads until
 * the statement has been sent.  What a value is, is said by encode.c, as for literals: a
 * statement must not mean anything else when it is prepared.
 */

#include "channel.h"
#include "template.h"

#include <errno.h>
#include <stdlib.h>

/* Where the value of one parameter is that has no memory of its own. */
typedef union cell {
    long long integer;
    double number;
    MYSQL_TIME moment;
} cell;

/* The MYSQL_BINDs come first, in a row as the library wants them; then cells; then what
   the buffers are in, owned, or NULL. */
#define ITEM_SIZE (sizeof(MYSQL_BIND) + sizeof(cell) + sizeof(PyObject *))

/* A writer for the digits of numbers, and the parameter they are for. */
typedef struct target {
    wire_writer writer;
    MYSQL_BIND *bind;
    cell *cell;
    PyObject **kept;
    bool textual; /* a value can only be written into the text */
    bool sources; /* a value is read piece by piece */
} target;

static cell *
cells_of(wire_bound *self)
{
    return (cell *)(self->binds + Py_SIZE(self));
}

static PyObject **
kept_of(wire_bound *self)
{
    return (PyObject **)(cells_of(self) + Py_SIZE(self));
}

/* ---- The forms of values ---------------------------------------------------------- */

static int
bind_memory(wire_writer *writer, enum enum_field_types type, const void *data, size_t length,
            PyObject *kept /* stolen */)
{
    target *to = (target *)writer;

    to->bind->buffer_type = type;
    to->bind->buffer = (void *)data; /* the library only reads it */
    to->bind->buffer_length = (unsigned long)length;
    *to->kept = kept;
    return 0;
}

static int
bind_null(wire_writer *writer, const wire_encoding *Py_UNUSED(how), PyObject *Py_UNUSED(value))
{
    return bind_memory(writer, MYSQL_TYPE_NULL, NULL, 0, NULL);
}

static int
bind_long(wire_writer *writer, long long value, bool is_unsigned)
{
    target *to = (target *)writer;

    to->cell->integer = value;
    to->bind->is_unsigned = is_unsigned;
    return bind_memory(writer, MYSQL_TYPE_LONGLONG, to->cell, sizeof(value), NULL);
}

static int
bind_boolean(wire_writer *writer, const wire_encoding *Py_UNUSED(how), PyObject *value)
{
    return bind_long(writer, value == Py_True, false);
}

bool
wire_is_small(const char *digits, long long *value, bool *is_unsigned)
{
    char *end = NULL;

    *is_unsigned = false;
    errno = 0;
    *value = strtoll(digits, &end, 10);
    if (*end != '\0' || errno == 0) {
        return *end == '\0';
    }
    *is_unsigned = true;
    errno = 0;
    *value = (long long)strtoull(digits, &end, 10);
    return errno == 0 && digits[0] != '-';
}

/* A number whose digits are those of its literal. */
static int
bind_digits(wire_writer *writer, const wire_encoding *how, PyObject *value, wire_form literal)
{
    PyObject *digits; /* new */
    long long small;
    bool is_unsigned;

    if (literal(writer, how, value) < 0 || wire_write(writer, "", 1) < 0) {
        return -1;
    }
    writer->at--;
    if (wire_is_small(writer->start, &small, &is_unsigned)) {
        writer->at = writer->start;
        return bind_long(writer, small, is_unsigned);
    }
    digits = wire_writer_finish(writer);
    wire_writer_start(writer);
    if (digits == NULL) {
        return -1;
    }
    return bind_memory(writer, MYSQL_TYPE_NEWDECIMAL, PyBytes_AS_STRING(digits),
                       (size_t)PyBytes_GET_SIZE(digits), digits);
}

static int
bind_integer(wire_writer *writer, const wire_encoding *how, PyObject *value)
{
    int overflow = 0;
    const long long small = PyLong_AsLongLongAndOverflow(value, &overflow);

    if (overflow == 0) {
        return small == -1 && PyErr_Occurred() ? -1 : bind_long(writer, small, false);
    }
    return bind_digits(writer, how, value, wire_long_literal);
}

static int
bind_float(wire_writer *writer, const wire_encoding *how, PyObject *value)
{
    target *to = (target *)writer;

    if (wire_finite(how, value, &to->cell->number) < 0) {
        return -1;
    }
    return bind_memory(writer, MYSQL_TYPE_DOUBLE, to->cell, sizeof(double), NULL);
}

static int
bind_decimal(wire_writer *writer, const wire_encoding *how, PyObject *value)
{
    return bind_digits(writer, how, value, wire_decimal_literal);
}

static int
bind_text(wire_writer *writer, const wire_encoding *how, PyObject *value)
{
    PyObject *kept; /* new */
    const char *data;
    size_t length;

    if (wire_utf8(how, value, &data, &length, &kept) < 0) {
        return -1;
    }
    return bind_memory(writer, MYSQL_TYPE_VAR_STRING, data, length, kept);
}

static int
bind_bytes(wire_writer *writer, const wire_encoding *Py_UNUSED(how), PyObject *value)
{
    return bind_memory(writer, MYSQL_TYPE_LONG_BLOB, PyBytes_AS_STRING(value),
                       (size_t)PyBytes_GET_SIZE(value), Py_NewRef(value));
}

/* It is not an error: the statement is sent as text. */
static int
refuse(wire_writer *writer, const wire_encoding *how, const char *what)
{
    ((target *)writer)->textual = true;
    return wire_refuse(how, how->state->NotSupportedError, "is a %s and cannot be bound", what);
}

static int
bind_moment(wire_writer *writer, const wire_encoding *how, const MYSQL_TIME *moment)
{
    target *to = (target *)writer;
    enum enum_field_types type = MYSQL_TYPE_TIME;

    if (moment->neg) { /* as a number, the server takes a bound one for positive */
        return refuse(writer, how, "negative duration");
    }
    to->cell->moment = *moment;
    if (moment->time_type == MYSQL_TIMESTAMP_TIME) {
        to->cell->moment.day = moment->hour / 24;
        to->cell->moment.hour = moment->hour % 24;
    }
    else {
        type = moment->time_type == MYSQL_TIMESTAMP_DATE ? MYSQL_TYPE_DATE : MYSQL_TYPE_DATETIME;
    }
    return bind_memory(writer, type, to->cell, sizeof(MYSQL_TIME), NULL);
}

static int
refuse_value(wire_writer *writer, const wire_encoding *how, PyObject *value)
{
    return refuse(writer, how, Py_TYPE(value)->tp_name);
}

/*
 * What has read() is read piece by piece: the first one now, which says whether it is text,
 * the others when they are sent (pieces.c).
 */
static int
bind_source(wire_writer *writer, const wire_encoding *how, PyObject *value)
{
    target *to = (target *)writer;
    PyObject *read = wire_attribute(value, "read"); /* new */
    PyObject *piece;                                /* new */
    bool text;

    if (read == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
            return -1;
        }
        PyErr_Clear();
        return wire_refuse_class(how, value);
    }
    piece = wire_read_piece(how->state, read, &text);
    if (piece == NULL) {
        Py_DECREF(read);
        return -1;
    }
    to->bind->extension = read; /* which the library leaves alone */
    to->sources = true;
    return bind_memory(writer, text ? MYSQL_TYPE_VAR_STRING : MYSQL_TYPE_LONG_BLOB,
                       PyBytes_AS_STRING(piece), (size_t)PyBytes_GET_SIZE(piece), piece);
}

static const wire_forms bound_forms = {
    .null = bind_null,
    .standard = refuse_value,
    .boolean = bind_boolean,
    .integer = bind_integer,
    .number = bind_float,
    .decimal = bind_decimal,
    .text = bind_text,
    .bytes = bind_bytes,
    .list = refuse_value,
    .other = bind_source,
    .moment = bind_moment,
};

/* ---- All parameters of a statement ------------------------------------------------- */

bool
wire_is_row_count(PyObject *value, const wire_encoding *how)
{
    int overflow = 0;

    return how->encoders == NULL && PyLong_CheckExact(value) &&
           PyLong_AsLongLongAndOverflow(value, &overflow) >= 0 && overflow == 0;
}

/* A number, of a type that a bound value has. */
static bool
is_number(unsigned int type)
{
    return type == MYSQL_TYPE_LONGLONG || type == MYSQL_TYPE_DOUBLE ||
           type == MYSQL_TYPE_NEWDECIMAL;
}

/*
 * Of a column of text that has an index, the server takes the rows between a string and a
 * bound number by comparing strings, though it compares numbers elsewhere (seen with 10.11).
 */
bool
wire_is_range(const wire_slot *slot, unsigned int lower, unsigned int upper)
{
    return !slot->upper || !is_number(upper) || (slot->pair && is_number(lower));
}

/* Binds each of the values; 1 if one cannot be bound. */
static int
bind_values(wire_bound *self, const wire_template *template, PyObject *values, wire_encoding *how)
{
    target to = {.textual = false};
    int status = 0;

    wire_writer_start(&to.writer);
    for (Py_ssize_t i = 0; status == 0 && i < template->count; i++) {
        PyObject *value = wire_value_of(template, values, i, how); /* new */
        if (value == NULL) {
            status = -1;
            break;
        }
        to.bind = &self->binds[i];
        to.cell = &cells_of(self)[i];
        to.kept = &kept_of(self)[i];
        if (template->slots[i].rows && !wire_is_row_count(value, how)) {
            to.textual = true;
            status = 1;
        }
        else {
            status = wire_encode(&to.writer, how, value);
        }
        if (status == 0 && !wire_is_range(&template->slots[i],
                                          i == 0 ? MYSQL_TYPE_NULL : self->binds[i - 1].buffer_type,
                                          self->binds[i].buffer_type)) {
            to.textual = true;
            status = 1;
        }
        Py_DECREF(value);
    }
    wire_writer_free(&to.writer);
    self->sources = to.sources;
    if (to.textual) {
        PyErr_Clear();
        return 1;
    }
    return status;
}

PyObject *
wire_bind(const wire_template *template, PyObject *params, wire_encoding *how)
{
    PyTypeObject *type = how->state->Bound;
    PyObject *values;        /* new */
    wire_bound *self = NULL; /* new */
    int status = -1;

    how->forms = &bound_forms;
    how->index = -1;
    how->name = NULL;
    values = wire_check_params(template, params, how);
    if (values == NULL) {
        return NULL;
    }
    self = (wire_bound *)type->tp_alloc(type, template->count);
    if (self != NULL) {
        status = bind_values(self, template, values, how);
    }
    Py_DECREF(values);
    if (status != 0) {
        Py_CLEAR(self);
    }
    return status > 0 ? Py_NewRef(Py_None) : (PyObject *)self;
}

/* ---- The type ------------------------------------------------------------------------ */

static void
bound_dealloc(PyObject *object)
{
    wire_bound *self = (wire_bound *)object;
    PyTypeObject *type = Py_TYPE(object);
    PyObject **kept = kept_of(self);

    for (Py_ssize_t i = 0; i < Py_SIZE(self); i++) {
        Py_XDECREF(kept[i]);
        Py_XDECREF((PyObject *)self->binds[i].extension);
    }
    type->tp_free(object);
    Py_DECREF(type);
}

static PyObject *
bound_pieces(PyObject *object, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(((wire_bound *)object)->sources);
}

static PyGetSetDef bound_getset[] = {
    {"pieces", bound_pieces, NULL,
     PyDoc_STR("Whether a parameter is read piece by piece: it takes a new statement."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot bound_slots[] = {
    {Py_tp_getset, bound_getset},
    {Py_tp_doc, (void *)PyDoc_STR("Parameters for a prepared statement; see Template.bind().")},
    {Py_tp_dealloc, bound_dealloc},
    {0, NULL},
};

static PyType_Spec bound_spec = {
    .name = "mariadb_nb._wire.Bound",
    .basicsize = offsetof(wire_bound, binds),
    .itemsize = ITEM_SIZE,
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = bound_slots,
};

int
wire_add_bound(PyObject *module)
{
    wire_state *state = PyModule_GetState(module);

    state->Bound = (PyTypeObject *)PyType_FromModuleAndSpec(module, &bound_spec, NULL);
    return state->Bound == NULL ? -1 : PyModule_AddType(module, state->Bound);
}
