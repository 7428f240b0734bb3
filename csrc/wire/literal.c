/*
 * literal.c - from a Python value to an SQL literal.
 *
 * Owns the decision which literal a value becomes, lists, and what stands for
 * other values.  The literals themselves are in literal_number.c, literal_text.c and
 * literal_time.c.
 */

#include "template.h"

/* ---- Errors --- */

/* Where the parameter stands, as Python would write it: params[0], rows[7]['name'] */
static PyObject *
place_of(const wire_encoding *how)
{
    PyObject *outer = how->row >= 0 ? PyUnicode_FromFormat("rows[%zd]", how->row)
                                    : PyUnicode_FromString("params"); /* new */
    PyObject *place = NULL;                                           /* new */

    if (outer == NULL) {
        return NULL;
    }
    if (how->name != NULL) {
        place = PyUnicode_FromFormat("%U[%R]", outer, how->name);
    }
    else if (how->index >= 0) {
        place = PyUnicode_FromFormat("%U[%zd]", outer, how->index);
    }
    else {
        place = Py_NewRef(outer);
    }
    Py_DECREF(outer);
    return place;
}

int
wire_refuse(const wire_encoding *how, PyObject *error, const char *format, ...)
{
    va_list arguments;
    PyObject *place = NULL; /* new */
    PyObject *why = NULL;   /* new */

    va_start(arguments, format);
    why = PyUnicode_FromFormatV(format, arguments);
    va_end(arguments);
    if (why == NULL) {
        return -1;
    }
    place = place_of(how);
    if (place != NULL) {
        PyErr_Format(error, "%U %U", place, why);
    }
    Py_XDECREF(place);
    Py_DECREF(why);
    return -1;
}

PyObject *
wire_attribute(PyObject *object, const char *name)
{
    PyObject *interned = PyUnicode_InternFromString(name); /* new */
    PyObject *value = NULL;                                /* new */

    if (interned != NULL) {
        value = PyObject_GetAttr(object, interned);
        Py_DECREF(interned);
    }
    return value;
}

/* The name of a value's class, for an error. */
static const char *
class_of(PyObject *value)
{
    return Py_TYPE(value)->tp_name;
}

/* ---- Values --- */

/* A list may hold itself. */
static int
nested_literal(wire_writer *writer, const wire_encoding *how, PyObject *value)
{
    int status;

    if (Py_EnterRecursiveCall(" while a parameter was rendered") != 0) {
        return -1;
    }
    status = wire_literal(writer, how, value);
    Py_LeaveRecursiveCall();
    return status;
}

/* (a,b,c), for IN. */
static int
list_literal(wire_writer *writer, const wire_encoding *how, PyObject *value)
{
    PyObject *items = PySequence_Tuple(value); /* new: an encoder may change the list */
    int status = -1;

    if (items == NULL) {
        return -1;
    }
    if (PyTuple_GET_SIZE(items) == 0) {
        wire_refuse(how, how->state->ProgrammingError,
                    "is an empty %s, and SQL has no empty list: leave the condition out, or "
                    "write FALSE for it",
                    class_of(value));
        goto done;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(items); i++) {
        if (wire_write(writer, i == 0 ? "(" : ",", 1) < 0 ||
            nested_literal(writer, how, PyTuple_GET_ITEM(items, i)) < 0) {
            goto done;
        }
    }
    status = wire_write(writer, ")", 1);
done:
    Py_DECREF(items);
    return status;
}

/* The literal of what stands for the value: an Enum's value, an encoder's answer. */
static int
replaced_literal(wire_writer *writer, const wire_encoding *how, PyObject *with /* stolen */)
{
    int status = -1;

    if (with != NULL) {
        status = nested_literal(writer, how, with);
        Py_DECREF(with);
    }
    return status;
}

/* Whether it is a NumPy scalar; NumPy is not imported for that. */
static bool
is_numpy_scalar(PyObject *value)
{
    for (PyTypeObject *type = Py_TYPE(value); type != NULL; type = type->tp_base) {
        if (strcmp(type->tp_name, "numpy.generic") == 0) {
            return true;
        }
    }
    return false;
}

static int
numpy_literal(wire_writer *writer, const wire_encoding *how, PyObject *value)
{
    const bool moment = strcmp(class_of(value), "numpy.datetime64") == 0 ||
                        strcmp(class_of(value), "numpy.timedelta64") == 0;
    PyObject *method = wire_attribute(value, "item");                     /* new */
    PyObject *item = method != NULL ? PyObject_CallNoArgs(method) : NULL; /* new */

    Py_XDECREF(method);
    if (item != NULL && is_numpy_scalar(item)) {
        Py_DECREF(item);
        return wire_refuse(how, how->state->DataError,
                           "is of class %s, which no value of Python holds: give a float",
                           class_of(value));
    }
    if (item != NULL && moment && PyLong_Check(item)) {
        Py_DECREF(item);
        return wire_refuse(how, how->state->DataError,
                           "is of class %s and of a unit that would be cut: convert it to the unit "
                           "us by astype()",
                           class_of(value));
    }
    return replaced_literal(writer, how, item);
}

/* The classes in which an encoder is looked for, nearest first: a tuple, new. */
static PyObject *
bases_of(PyTypeObject *type)
{
#ifdef Py_GIL_DISABLED
    /* Another thread may assign to __bases__ between a look and the new reference. */
    return wire_attribute((PyObject *)type, "__mro__");
#else
    return Py_NewRef(type->tp_mro);
#endif
}

/* 1 if an encoder made the literal, 0 if there is none for the value's class. */
static int
encoded_literal(wire_writer *writer, const wire_encoding *how, PyObject *value)
{
    PyObject *bases = bases_of(Py_TYPE(value)); /* new */
    PyObject *encoder = NULL;                   /* new */
    wire_encoding plain = *how;
    int status = 0;

    if (bases == NULL) {
        return -1;
    }
    for (Py_ssize_t i = 0; status == 0 && i < PyTuple_GET_SIZE(bases); i++) {
        status = wire_find(how->encoders, PyTuple_GET_ITEM(bases, i), &encoder);
    }
    if (status > 0) {
        plain.encoders = NULL; /* an encoder's answer is not encoded again */
        status = replaced_literal(writer, &plain, PyObject_CallOneArg(encoder, value));
        status = status < 0 ? -1 : 1;
    }
    Py_XDECREF(encoder);
    Py_DECREF(bases);
    return status;
}

static int
refuse_class(const wire_encoding *how, PyObject *value)
{
    return wire_refuse(how, how->state->ProgrammingError,
                       "is of class %s, for which there is no SQL literal: give another value, "
                       "such as json.dumps() makes, or encoders= with a function for the class",
                       class_of(value));
}

/* Values of classes that are less frequent, and of subclasses. */
static int
other_literal(wire_writer *writer, const wire_encoding *how, PyObject *value)
{
    const wire_state *state = how->state;
    int status;

    /* First the Enum: it may be a str or an int too. */
    if (PyObject_TypeCheck(value, (PyTypeObject *)state->Enum)) {
        return replaced_literal(writer, how, wire_attribute(value, "value"));
    }
    if (PyObject_TypeCheck(value, (PyTypeObject *)state->Decimal)) {
        return wire_decimal_literal(writer, how, value);
    }
    status = wire_time_literal(writer, how, value);
    if (status <= 0) {
        return status;
    }
    if (PyList_Check(value) || PyTuple_Check(value)) {
        return list_literal(writer, how, value);
    }
    if (PyLong_Check(value)) {
        return wire_long_literal(writer, how, value);
    }
    if (PyFloat_Check(value)) {
        return wire_float_literal(writer, how, value);
    }
    if (PyUnicode_Check(value)) {
        return wire_str_literal(writer, how, value);
    }
    if (PyBytes_Check(value)) {
        return wire_bytes_literal(writer, how, value);
    }
    if (PyByteArray_Check(value) || PyMemoryView_Check(value)) {
        return wire_copied_literal(writer, how, PyBytes_FromObject(value));
    }
    if (PyObject_TypeCheck(value, (PyTypeObject *)state->UUID) ||
        PyObject_TypeCheck(value, (PyTypeObject *)state->IPv4Address) ||
        PyObject_TypeCheck(value, (PyTypeObject *)state->IPv6Address)) {
        return wire_copied_literal(writer, how, PyObject_Str(value));
    }
    return is_numpy_scalar(value) ? numpy_literal(writer, how, value) : refuse_class(how, value);
}

int
wire_literal(wire_writer *writer, const wire_encoding *how, PyObject *value)
{
    if (how->encoders != NULL) {
        const int status = encoded_literal(writer, how, value);
        if (status != 0) {
            return status < 0 ? -1 : 0;
        }
    }
    if (value == Py_None) {
        return wire_write(writer, "NULL", 4);
    }
    if (PyLong_CheckExact(value)) {
        return wire_long_literal(writer, how, value);
    }
    if (PyUnicode_CheckExact(value)) {
        return wire_str_literal(writer, how, value);
    }
    if (PyFloat_CheckExact(value)) {
        return wire_float_literal(writer, how, value);
    }
    if (PyBytes_CheckExact(value)) {
        return wire_bytes_literal(writer, how, value);
    }
    if (PyBool_Check(value)) { /* not TRUE: prepared statements send a number too */
        return wire_write(writer, value == Py_True ? "1" : "0", 1);
    }
    return other_literal(writer, how, value);
}
