/*
 * rows.c - from the values of a row to one object, in the shape that was asked for.
 *
 * Owns what a shape needs once for each result: names, a class, room for arguments.
 */

#include "decode.h"

/* ---- what a shape needs --------------------------------------------------- */

/* The name of a column; interned, as the strings are that look it up. */
static PyObject *
name_of(const wire_state *state, const MYSQL_FIELD *field)
{
    PyObject *name = PyUnicode_DecodeUTF8(field->name, (Py_ssize_t)field->name_length, NULL);

    if (name == NULL && PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
        PyErr_SetString(state->DataError,
                        "the name of a column is not UTF-8, and only that is read: say SET "
                        "NAMES utf8mb4");
    }
    if (name != NULL) {
        PyUnicode_InternInPlace(&name);
    }
    return name;
}

static PyObject *
names_of(const wire_plan *plan, const MYSQL_FIELD *fields)
{
    PyObject *names = PyTuple_New(plan->count); /* new */

    for (unsigned int i = 0; names != NULL && i < plan->count; i++) {
        PyObject *name = name_of(plan->reading->state, &fields[i]); /* new */
        if (name == NULL) {
            Py_CLEAR(names);
            break;
        }
        PyTuple_SET_ITEM(names, i, name);
    }
    return names;
}

/*
 * A dict of None for each name.  Refuses two columns of one name, where one would
 * hide the other.
 */
static PyObject *
blank_dict(const wire_plan *plan)
{
    PyObject *blank = PyDict_New(); /* new */

    for (unsigned int i = 0; blank != NULL && i < plan->count; i++) {
        PyObject *name = PyTuple_GET_ITEM(plan->names, i); /* borrowed */
        if (PyDict_SetItem(blank, name, Py_None) < 0) {
            Py_CLEAR(blank);
        }
        else if (PyDict_GET_SIZE(blank) <= (Py_ssize_t)i) {
            PyErr_Format(plan->reading->state->ProgrammingError,
                         "two columns of the result are called %R, and a row has room for one "
                         "value of that name: rename one with AS, or take tuple_row",
                         name);
            Py_CLEAR(blank);
        }
    }
    return blank;
}

/* The class of the rows: filled here, so it must be a tuple and no more. */
static int
make_record_class(wire_plan *plan)
{
    plan->make = PyObject_CallOneArg(plan->reading->make, plan->names);
    if (plan->make == NULL) {
        return -1;
    }
    PyTypeObject *type = (PyTypeObject *)plan->make;
    if (!PyType_Check(plan->make) || !PyType_IsSubtype(type, &PyTuple_Type) ||
        type->tp_basicsize != PyTuple_Type.tp_basicsize ||
        type->tp_itemsize != PyTuple_Type.tp_itemsize || type->tp_dictoffset != 0) {
        PyErr_Format(PyExc_TypeError,
                     "make(names) has to return a subclass of tuple with __slots__ = (), not %R",
                     plan->make);
        return -1;
    }
    return 0;
}

static int
make_cells(wire_plan *plan)
{
    /* One in front, which a callee may use for `self`. */
    plan->cells = PyMem_Calloc((size_t)plan->count + 1, sizeof(PyObject *));
    if (plan->cells == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

/* ---- rows ----------------------------------------------------------------- */

static inline PyObject *
cell(wire_plan *plan, unsigned int i, char *const *values, const unsigned long *lengths)
{
    wire_column *column = &plan->columns[i];

    return values[i] != NULL ? column->decode(column, values[i], lengths[i]) : Py_NewRef(Py_None);
}

/*
 * Fills a new tuple and returns it, or NULL; takes the reference.  The collector
 * sees it only when it is full and only if it can be part of a cycle: it would
 * else visit every row of a large result again and again.
 */
static PyObject *
fill(wire_plan *plan, PyObject *row, char *const *values, const unsigned long *lengths)
{
    if (row == NULL) {
        return NULL;
    }
    PyObject_GC_UnTrack(row);
    for (unsigned int i = 0; i < plan->count; i++) {
        PyObject *value = cell(plan, i, values, lengths);
        if (value == NULL) {
            Py_DECREF(row);
            return NULL;
        }
        PyTuple_SET_ITEM(row, i, value);
    }
    if (!plan->atomic) {
        PyObject_GC_Track(row);
    }
    return row;
}

static PyObject *
tuple_row(wire_plan *plan, char *const *values, const unsigned long *lengths)
{
    return fill(plan, PyTuple_New(plan->count), values, lengths);
}

static PyObject *
namedtuple_row(wire_plan *plan, char *const *values, const unsigned long *lengths)
{
    PyTypeObject *type = (PyTypeObject *)plan->make;

    return fill(plan, type->tp_alloc(type, plan->count), values, lengths);
}

static PyObject *
scalar_row(wire_plan *plan, char *const *values, const unsigned long *lengths)
{
    return cell(plan, 0, values, lengths);
}

static PyObject *
dict_row(wire_plan *plan, char *const *values, const unsigned long *lengths)
{
    /* A copy has the right size from the start. */
    PyObject *row = PyDict_Copy(plan->make); /* new */

    for (unsigned int i = 0; row != NULL && i < plan->count; i++) {
        PyObject *value = cell(plan, i, values, lengths); /* new */
        if (value == NULL || PyDict_SetItem(row, PyTuple_GET_ITEM(plan->names, i), value) < 0) {
            Py_CLEAR(row);
        }
        Py_XDECREF(value);
    }
    return row;
}

/* A call with the values: by place, or with the names as keywords. */
static PyObject *
called_row(wire_plan *plan, char *const *values, const unsigned long *lengths)
{
    PyObject **cells = plan->cells + 1;
    bool by_name = plan->reading->shape == WIRE_CLASS;
    size_t places = by_name ? 0 : plan->count;
    PyObject *row = NULL; /* new */
    unsigned int made = 0;

    for (; made < plan->count; made++) {
        cells[made] = cell(plan, made, values, lengths);
        if (cells[made] == NULL) {
            break;
        }
    }
    if (made == plan->count) {
        row = PyObject_Vectorcall(plan->make, cells, places | PY_VECTORCALL_ARGUMENTS_OFFSET,
                                  by_name ? plan->names : NULL);
    }
    for (unsigned int i = 0; i < made; i++) {
        Py_CLEAR(cells[i]);
    }
    return row;
}

/* ---- what rows are put into ----------------------------------------------- */

PyObject *
wire_rows_new(const wire_plan *plan, Py_ssize_t wanted)
{
    return plan->layout != NULL ? wire_batch_new(plan, wanted) : PyList_New(0);
}

int
wire_rows_take(PyObject *rows, wire_plan *plan, char *const *values, const unsigned long *lengths)
{
    PyObject *row; /* new */
    int status;

    if (plan->layout != NULL) {
        return wire_batch_add(rows, plan, values, lengths);
    }
    row = plan->row(plan, values, lengths);
    status = row != NULL ? PyList_Append(rows, row) : -1;
    Py_XDECREF(row);
    return status;
}

Py_ssize_t
wire_rows_count(PyObject *rows)
{
    return PyList_CheckExact(rows) ? PyList_GET_SIZE(rows) : wire_batch_rows(rows);
}

bool
wire_rows_are_full(PyObject *rows)
{
    return !PyList_CheckExact(rows) && wire_batch_is_full(rows);
}

void
wire_rows_end(PyObject *rows, wire_plan *plan)
{
    if (!PyList_CheckExact(rows)) {
        wire_batch_end(rows, plan);
    }
}

/* ---- which shape ------------------------------------------------------------ */

int
wire_plan_shape(wire_plan *plan, const MYSQL_FIELD *fields)
{
    const wire_reading *reading = plan->reading;
    PyObject *blank; /* new */
    static const wire_row rows[] = {
        [WIRE_TUPLE] = tuple_row,   [WIRE_DICT] = dict_row,    [WIRE_NAMEDTUPLE] = namedtuple_row,
        [WIRE_SCALAR] = scalar_row, [WIRE_CLASS] = called_row, [WIRE_CALL] = called_row,
    };

    plan->row = rows[reading->shape];
    if (reading->shape == WIRE_TUPLE) {
        return 0;
    }
    if (reading->shape == WIRE_SCALAR) {
        if (plan->count == 1) {
            return 0;
        }
        PyErr_Format(reading->state->ProgrammingError,
                     "the result has %u columns, and scalar_row takes results of one: select "
                     "one column, or take tuple_row",
                     plan->count);
        return -1;
    }
    plan->names = names_of(plan, fields);
    if (plan->names == NULL) {
        return -1;
    }
    switch (reading->shape) {
    case WIRE_DICT:
        plan->make = blank_dict(plan);
        return plan->make == NULL ? -1 : 0;
    case WIRE_NAMEDTUPLE:
        return make_record_class(plan);
    case WIRE_CLASS:
        blank = blank_dict(plan);
        if (blank == NULL) {
            return -1;
        }
        Py_DECREF(blank);
        plan->make = Py_NewRef(reading->make);
        return make_cells(plan);
    default:
        plan->make = PyObject_CallOneArg(reading->make, plan->names);
        return plan->make == NULL ? -1 : make_cells(plan);
    }
}
