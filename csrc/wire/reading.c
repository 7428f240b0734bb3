/*
 * reading.c - how values and rows are read: the type Reading, and the plan that is
 * made of it for the columns of one result.
 *
 * Chooses the decoders; what they do is in number.c, string.c, temporal.c and binary.c,
 * and what becomes of the values in rows.c.
 */

#include "arrow.h"

#include <string.h>

/* ---- errors --------------------------------------------------------------- */

/* Takes the exception that is set, or NULL; new. */
static PyObject *
take_exception(void)
{
#if PY_VERSION_HEX >= 0x030C0000
    return PyErr_GetRaisedException();
#else
    PyObject *type, *value, *traceback; /* new */

    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback != NULL) {
        PyException_SetTraceback(value, traceback);
        Py_DECREF(traceback);
    }
    Py_XDECREF(type);
    return value;
#endif
}

PyObject *
wire_bad_value(const wire_column *column, const char *format, ...)
{
    PyObject *cause = take_exception();
    PyObject *name = PyUnicode_DecodeUTF8(column->field->name,
                                          (Py_ssize_t)column->field->name_length, "replace");
    va_list arguments;

    va_start(arguments, format);
    PyObject *message = PyUnicode_FromFormatV(format, arguments); /* new */
    va_end(arguments);
    if (name != NULL && message != NULL) {
        PyErr_Format(column->reading->state->DataError, "column %R %U", name, message);
    }
    if (cause != NULL) {
        PyObject *error = take_exception(); /* new */
        PyException_SetCause(error, cause); /* takes the reference */
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
        Py_DECREF(error);
    }
    Py_XDECREF(name);
    Py_XDECREF(message);
    return NULL;
}

/* ---- which decoder -------------------------------------------------------- */

/* By the number of the type alone. */
static wire_decoder
plain_decoder(const MYSQL_FIELD *field)
{
    switch (field->type) {
    case MYSQL_TYPE_TINY:
    case MYSQL_TYPE_SHORT:
    case MYSQL_TYPE_LONG:
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_LONGLONG:
    case MYSQL_TYPE_YEAR:
        return wire_integer;
    case MYSQL_TYPE_FLOAT:
    case MYSQL_TYPE_DOUBLE:
        return wire_double;
    case MYSQL_TYPE_DECIMAL:
    case MYSQL_TYPE_NEWDECIMAL:
        return wire_decimal;
    case MYSQL_TYPE_DATE:
    case MYSQL_TYPE_NEWDATE:
        return wire_date;
    case MYSQL_TYPE_DATETIME:
    case MYSQL_TYPE_DATETIME2:
    case MYSQL_TYPE_TIMESTAMP:
    case MYSQL_TYPE_TIMESTAMP2:
        return wire_datetime;
    case MYSQL_TYPE_TIME:
    case MYSQL_TYPE_TIME2:
        return wire_time;
    case MYSQL_TYPE_BIT:
    case MYSQL_TYPE_GEOMETRY:
        return wire_bytes;
    default:
        return wire_string_decoder(field->charsetnr);
    }
}

static bool
is(MARIADB_CONST_STRING text, const char *word)
{
    return text.length == strlen(word) && memcmp(text.str, word, text.length) == 0;
}

/* What the server says of the type beyond its number; empty if nothing. */
static MARIADB_CONST_STRING
attribute(const MYSQL_FIELD *field, enum mariadb_field_attr_t which)
{
    MARIADB_CONST_STRING text = {NULL, 0};

    if (field->extension == NULL || mariadb_field_attr(&text, field, which) != 0 ||
        text.str == NULL) {
        return (MARIADB_CONST_STRING){"", 0};
    }
    return text;
}

enum wire_format
wire_format_of(const MYSQL_FIELD *field)
{
    static const struct {
        const char *name;
        enum wire_format format;
    } types[] = {{"uuid", WIRE_UUID}, {"inet4", WIRE_INET4}, {"inet6", WIRE_INET6}};

    if (field->type == MYSQL_TYPE_JSON ||
        is(attribute(field, MARIADB_FIELD_ATTR_FORMAT_NAME), "json")) {
        return WIRE_JSON;
    }
    MARIADB_CONST_STRING type = attribute(field, MARIADB_FIELD_ATTR_DATA_TYPE_NAME);
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (is(type, types[i].name)) {
            return types[i].format;
        }
    }
    return WIRE_NO_FORMAT;
}

/* What is written as text and has a class of its own; NULL: nothing of that kind. */
static PyObject *
parser_of(const wire_state *state, const MYSQL_FIELD *field)
{
    switch (wire_format_of(field)) {
    case WIRE_JSON:
        return state->json_loads;
    case WIRE_UUID:
        return state->UUID;
    case WIRE_INET4:
        return state->IPv4Address;
    case WIRE_INET6:
        return state->IPv6Address;
    default:
        return NULL;
    }
}

/* Looks a text up; *found is borrowed, or NULL.  Returns 0, or -1. */
static int
look_up(PyObject *mapping, const char *text, size_t length, PyObject **found)
{
    PyObject *key = PyUnicode_DecodeUTF8(text, (Py_ssize_t)length, "replace"); /* new */

    *found = key != NULL ? PyDict_GetItemWithError(mapping, key) : NULL;
    Py_XDECREF(key);
    return *found == NULL && PyErr_Occurred() ? -1 : 0;
}

/* The user's own converter for a column: by its name, its type's name or number. */
static int
find_converter(const wire_reading *reading, const wire_column *column, PyObject **found)
{
    const MYSQL_FIELD *field = column->field;

    if (look_up(reading->by_column, field->name, field->name_length, found) < 0) {
        return -1;
    }
    for (int which = 0; *found == NULL && which <= MARIADB_FIELD_ATTR_LAST; which++) {
        MARIADB_CONST_STRING name = attribute(field, (enum mariadb_field_attr_t)which);
        if (name.length > 0 && look_up(reading->by_name, name.str, name.length, found) < 0) {
            return -1;
        }
    }
    /* JSON and its like say by their number only that they are strings. */
    if (*found == NULL && column->decode != wire_parsed) {
        PyObject *number = PyLong_FromLong((long)field->type); /* new */
        *found = number != NULL ? PyDict_GetItemWithError(reading->by_type, number) : NULL;
        Py_XDECREF(number);
    }
    return *found == NULL && PyErr_Occurred() ? -1 : 0;
}

/*
 * width: where to note the width of binary values; NULL: they are text.
 * Returns 1 if the values can refer to no other object, else 0; -1: an exception.
 */
static int
plan_column(wire_column *column, const wire_reading *reading, const MYSQL_FIELD *field,
            unsigned char *width)
{
    PyObject *callable = NULL; /* borrowed */
    wire_decoder binary = width != NULL ? wire_binary_decoder(field, width) : NULL;

    *column = (wire_column){.field = field, .reading = reading};
    if (reading->shape == WIRE_ARROW) {
        return 1; /* no object is made of the values */
    }
    column->decode = binary != NULL ? binary : plain_decoder(field);
    if (field->extension != NULL || field->type == MYSQL_TYPE_JSON) {
        callable = parser_of(reading->state, field);
    }
    if (callable != NULL) {
        /* What is bytes by its charset (SET NAMES binary) is still UTF-8 here. */
        column->given = column->decode == wire_bytes ? wire_text : column->decode;
        column->decode = wire_parsed;
        column->callable = callable;
    }
    if (reading->by_type != NULL) {
        if (find_converter(reading, column, &callable) < 0) {
            return -1;
        }
        if (callable != NULL) {
            column->given = column->decode == wire_parsed ? column->given : column->decode;
            column->decode = wire_converted;
            column->callable = callable;
        }
    }
    return column->callable == NULL;
}

/* ---- plans ---------------------------------------------------------------- */

/* For the values of a binary row. */
static int
make_room(wire_plan *plan)
{
    plan->widths = PyMem_Calloc((size_t)plan->count + 1, sizeof(*plan->widths));
    if (plan->widths == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    return wire_cells_new(&plan->cut, plan->count);
}

wire_plan *
wire_plan_new(PyObject *reading, const MYSQL_FIELD *fields, unsigned int count, bool binary)
{
    wire_plan *plan = PyMem_Calloc(1, sizeof(*plan) + count * sizeof(wire_column));

    if (plan == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    plan->atomic = true;
    plan->count = count;
    plan->reading = (wire_reading *)Py_NewRef(reading);
    if (binary && make_room(plan) < 0) {
        wire_plan_free(plan);
        return NULL;
    }
    for (unsigned int i = 0; i < count; i++) {
        int atomic = plan_column(&plan->columns[i], plan->reading, &fields[i],
                                 binary ? &plan->widths[i] : NULL);
        if (atomic < 0) {
            wire_plan_free(plan);
            return NULL;
        }
        plan->atomic &= atomic;
    }
    if ((plan->reading->shape == WIRE_ARROW ? wire_plan_columns(plan, fields)
                                            : wire_plan_shape(plan, fields)) < 0) {
        wire_plan_free(plan);
        return NULL;
    }
    return plan;
}

void
wire_plan_free(wire_plan *plan)
{
    if (plan == NULL) {
        return;
    }
    PyMem_Free(plan->cells);
    PyMem_Free(plan->widths);
    wire_cells_free(&plan->cut);
    wire_layout_release(plan->layout);
    Py_XDECREF(plan->make);
    Py_XDECREF(plan->names);
    Py_DECREF(plan->reading);
    PyMem_Free(plan);
}

int
wire_plan_traverse(wire_plan *plan, visitproc visit, void *arg)
{
    if (plan != NULL) {
        Py_VISIT(plan->reading);
        Py_VISIT(plan->make);
    }
    return 0;
}

bool
wire_plan_serves(const wire_plan *plan, PyObject *reading)
{
    return (PyObject *)plan->reading == reading && plan->reading->shape != WIRE_CALL;
}

bool
wire_plan_calls(const wire_plan *plan)
{
    return !plan->atomic || plan->cells != NULL;
}

bool
wire_plan_is_columns(const wire_plan *plan)
{
    return plan->layout != NULL;
}

/* ---- the type Reading ----------------------------------------------------- */

/* Takes the three mappings of mariadb_nb.converters; None is none. */
static int
take_converters(wire_reading *self, PyObject *converters)
{
    if (converters == Py_None) {
        return 0;
    }
    if (!PyTuple_Check(converters) || PyTuple_GET_SIZE(converters) != 3) {
        PyErr_SetString(PyExc_TypeError, "converters has to be what compiled() returns");
        return -1;
    }
    PyObject **mappings[] = {&self->by_type, &self->by_name, &self->by_column};
    for (Py_ssize_t i = 0; i < 3; i++) {
        PyObject *mapping = PyTuple_GET_ITEM(converters, i); /* borrowed */
        if (!PyDict_CheckExact(mapping)) {
            PyErr_SetString(PyExc_TypeError, "converters has to be what compiled() returns");
            return -1;
        }
        *mappings[i] = PyDict_Copy(mapping);
        if (*mappings[i] == NULL) {
            return -1;
        }
    }
    return 0;
}

static PyObject *
reading_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"shape", "make", "converters", "invalid_dates_error", NULL};
    PyObject *make = Py_None, *converters = Py_None; /* borrowed */
    wire_reading *self = NULL;                       /* new */
    int shape, invalid_dates_error = 0;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "i|OOp:Reading", names, &shape, &make,
                                     &converters, &invalid_dates_error)) {
        return NULL;
    }
    if (shape < WIRE_TUPLE || shape > WIRE_ARROW) {
        return PyErr_Format(PyExc_ValueError, "shape has to be one of SHAPE_*, not %d", shape);
    }
    if (shape == WIRE_ARROW && !PyBool_Check(make) && !PyFrozenSet_CheckExact(make)) {
        return PyErr_Format(PyExc_TypeError, "make has to be a bool or a frozenset, not %R", make);
    }
    bool makes = shape == WIRE_ARROW || shape == WIRE_NAMEDTUPLE || shape == WIRE_CLASS ||
                 shape == WIRE_CALL;
    if (makes ? shape != WIRE_ARROW && !PyCallable_Check(make) : make != Py_None) {
        return PyErr_Format(PyExc_TypeError, "make has to be %s for this shape, not %R",
                            makes ? "callable" : "None", make);
    }
    self = (wire_reading *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->shape = shape;
    self->invalid_dates_error = invalid_dates_error != 0;
    self->make = makes ? Py_NewRef(make) : NULL;
    self->state = wire_state_of(type);
    if (self->state == NULL || take_converters(self, converters) < 0) {
        Py_CLEAR(self);
    }
    return (PyObject *)self;
}

static int
reading_traverse(wire_reading *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->make);
    Py_VISIT(self->by_type);
    Py_VISIT(self->by_name);
    Py_VISIT(self->by_column);
    return 0;
}

static int
reading_clear(wire_reading *self)
{
    Py_CLEAR(self->make);
    Py_CLEAR(self->by_type);
    Py_CLEAR(self->by_name);
    Py_CLEAR(self->by_column);
    return 0;
}

static void
reading_dealloc(wire_reading *self)
{
    PyTypeObject *type = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    reading_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyType_Slot reading_slots[] = {
    {Py_tp_doc,
     "Reading(shape, make=None, converters=None, invalid_dates_error=False)\n--\n\n"
     "How values and rows are read; see mariadb_nb.rows."},
    {Py_tp_new, reading_new},
    {Py_tp_traverse, reading_traverse},
    {Py_tp_clear, reading_clear},
    {Py_tp_dealloc, reading_dealloc},
    {0, NULL},
};

static PyType_Spec reading_spec = {
    .name = "mariadb_nb._wire.Reading",
    .basicsize = sizeof(wire_reading),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = reading_slots,
};

int
wire_add_reading(PyObject *module)
{
    static const struct {
        const char *name;
        int value;
    } shapes[] = {
        {"SHAPE_TUPLE", WIRE_TUPLE},           {"SHAPE_DICT", WIRE_DICT},
        {"SHAPE_NAMEDTUPLE", WIRE_NAMEDTUPLE}, {"SHAPE_SCALAR", WIRE_SCALAR},
        {"SHAPE_CLASS", WIRE_CLASS},           {"SHAPE_CALL", WIRE_CALL},
        {"SHAPE_ARROW", WIRE_ARROW},
    };
    wire_state *state = PyModule_GetState(module);

    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        if (PyModule_AddIntConstant(module, shapes[i].name, shapes[i].value) < 0) {
            return -1;
        }
    }
    state->Reading = (PyTypeObject *)PyType_FromModuleAndSpec(module, &reading_spec, NULL);
    if (state->Reading == NULL || PyModule_AddType(module, state->Reading) < 0) {
        return -1;
    }
    if (wire_import_datetime() < 0) {
        return -1;
    }
    return wire_add_trial(module);
}
