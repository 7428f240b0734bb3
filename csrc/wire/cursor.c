/*
 * cursor.c - what a cursor has, and gives row by row: the type CursorFields.
 *
 * Owns how one row is given that is there already.  All else is in mariadb_nb._results and
 * _cursor.
 */

#include "record.h"

static PyMemberDef cursor_members[] = {
    WIRE_MEMBER("_session", CURSOR_SESSION), WIRE_MEMBER("_connection", CURSOR_CONNECTION),
    WIRE_MEMBER("_reading", CURSOR_READING), WIRE_MEMBER("_prepare", CURSOR_PREPARE),
    WIRE_MEMBER("_stream", CURSOR_STREAM),   WIRE_MEMBER("_closed", CURSOR_CLOSED),
    WIRE_MEMBER("_live", CURSOR_LIVE),       WIRE_MEMBER("_reply", CURSOR_REPLY),
    WIRE_MEMBER("_rows", CURSOR_ROWS),       WIRE_MEMBER("_many", CURSOR_MANY),
    WIRE_MEMBER("_replies", CURSOR_REPLIES), WIRE_MEMBER("_place", CURSOR_PLACE),
    WIRE_MEMBER("_index", CURSOR_INDEX),     {NULL, 0, 0, 0, NULL},
};

/* The next row that is there already, or END. */
static PyObject *
cursor_take_one(PyObject *self, PyTypeObject *type, PyObject *const *Py_UNUSED(arguments),
                Py_ssize_t Py_UNUSED(count), PyObject *Py_UNUSED(names))
{
    const wire_state *state = PyType_GetModuleState(type);
    PyObject *rows = wire_get(self, CURSOR_ROWS);   /* new; never changed once it is made */
    PyObject *place = wire_get(self, CURSOR_INDEX); /* new */
    PyObject *row = NULL;                           /* new */
    PyObject *next = NULL;                          /* new */
    Py_ssize_t index;

    if (rows == Py_None) {
        Py_SETREF(rows, PyObject_CallMethodNoArgs(self, state->check)); /* which says why */
    }
    if (rows == NULL || place == NULL || !PyList_Check(rows)) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_TypeError, "a cursor has a list of rows, and a place in it");
        }
        goto done;
    }
    index = PyLong_AsSsize_t(place);
    if (index == -1 && PyErr_Occurred()) {
        goto done;
    }
    if (index < 0 || index >= PyList_GET_SIZE(rows)) {
        row = Py_NewRef(state->END);
        goto done;
    }
    next = PyLong_FromSsize_t(index + 1);
    if (next != NULL) {
        row = Py_NewRef(PyList_GET_ITEM(rows, index));
        wire_set(self, CURSOR_INDEX, next);
    }
done:
    Py_XDECREF(rows);
    Py_XDECREF(place);
    Py_XDECREF(next);
    return row;
}

static PyMethodDef cursor_methods[] = {
    {"_take_one", (PyCFunction)(void (*)(void))cursor_take_one,
     METH_METHOD | METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("_take_one($self, /)\n--\n\nThe next row that is there already, or END.")},
    {NULL, NULL, 0, NULL},
};

int
wire_add_cursor(PyObject *module)
{
    wire_state *state = PyModule_GetState(module);

    state->CursorFields =
        wire_add_record(module, "mariadb_nb._wire.CursorFields",
                        PyDoc_STR("What C has to know of a cursor: see _results and _cursor."),
                        CURSOR_FIELDS, cursor_members, cursor_methods);
    state->END = PyObject_CallNoArgs((PyObject *)&PyBaseObject_Type);
    if (state->CursorFields == NULL || state->END == NULL) {
        return -1;
    }
    return PyModule_AddObjectRef(module, "END", state->END);
}
