/*
 * encode.c - what a value is: which of the forms it is given, and what stands for it.
 *
 * Owns the kinds of values, encoders, and how an error names a parameter.  The forms
 * themselves are the literals of SQL (literal*.c) or parameters that are bound (bind.c).
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

int
wire_refuse_class(const wire_encoding *how, PyObject *value)
{
    return wire_refuse(how, how->state->ProgrammingError,
                       "is of class %s, for which there is no SQL literal: give another value, "
                       "such as json.dumps() makes, or encoders= with a function for the class",
                       class_of(value));
}

/* ---- Values --- */

int
wire_encode_nested(wire_writer *writer, const wire_encoding *how, PyObject *value)
{
    int status;

    if (Py_EnterRecursiveCall(" while a parameter was encoded") != 0) {
        return -1;
    }
    status = wire_encode(writer, how, value);
    Py_LeaveRecursiveCall();
    return status;
}

/* Encodes what stands for the value: an Enum's value, an encoder's answer. */
static int
encode_other(wire_writer *writer, const wire_encoding *how, PyObject *with /* stolen */)
{
    int status = -1;

    if (with != NULL) {
        status = wire_encode_nested(writer, how, with);
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
encode_numpy(wire_writer *writer, const wire_encoding *how, PyObject *value)
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
    return encode_other(writer, how, item);
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

/* 1 if an encoder was found, 0 if there is none for the value's class. */
static int
encode_by_function(wire_writer *writer, const wire_encoding *how, PyObject *value)
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
        status = encode_other(writer, &plain, PyObject_CallOneArg(encoder, value));
        status = status < 0 ? -1 : 1;
    }
    Py_XDECREF(encoder);
    Py_DECREF(bases);
    return status;
}

/* A copy of bytes that somebody else could change meanwhile, or the text that stands for an
   object. */
static int
encode_copy(wire_writer *writer, const wire_encoding *how, PyObject *copy /* stolen */)
{
    int status = -1;

    if (copy != NULL) {
        status = (PyBytes_Check(copy) ? how->forms->bytes : how->forms->text)(writer, how, copy);
        Py_DECREF(copy);
    }
    return status;
}

/* Values of classes that are less frequent, and of subclasses. */
static int
encode_rarer(wire_writer *writer, const wire_encoding *how, PyObject *value)
{
    const wire_state *state = how->state;
    const wire_forms *forms = how->forms;
    MYSQL_TIME moment;
    int status;

    if (value == state->DEFAULT) {
        return forms->standard(writer, how, value);
    }
    /* First the Enum: it may be a str or an int too. */
    if (PyObject_TypeCheck(value, (PyTypeObject *)state->Enum)) {
        return encode_other(writer, how, wire_attribute(value, "value"));
    }
    if (PyObject_TypeCheck(value, (PyTypeObject *)state->Decimal)) {
        return forms->decimal(writer, how, value);
    }
    status = wire_moment(how, value, &moment);
    if (status <= 0) {
        return status < 0 ? -1 : forms->moment(writer, how, &moment);
    }
    if (PyList_Check(value) || PyTuple_Check(value)) {
        return forms->list(writer, how, value);
    }
    if (PyLong_Check(value)) {
        return forms->integer(writer, how, value);
    }
    if (PyFloat_Check(value)) {
        return forms->number(writer, how, value);
    }
    if (PyUnicode_Check(value)) {
        return forms->text(writer, how, value);
    }
    if (PyBytes_Check(value)) {
        return forms->bytes(writer, how, value);
    }
    if (PyByteArray_Check(value) || PyMemoryView_Check(value)) {
        return encode_copy(writer, how, PyBytes_FromObject(value));
    }
    if (PyObject_TypeCheck(value, (PyTypeObject *)state->UUID) ||
        PyObject_TypeCheck(value, (PyTypeObject *)state->IPv4Address) ||
        PyObject_TypeCheck(value, (PyTypeObject *)state->IPv6Address)) {
        return encode_copy(writer, how, PyObject_Str(value));
    }
    if (is_numpy_scalar(value)) {
        return encode_numpy(writer, how, value);
    }
    return forms->other != NULL ? forms->other(writer, how, value) : wire_refuse_class(how, value);
}

int
wire_encode(wire_writer *writer, const wire_encoding *how, PyObject *value)
{
    const wire_forms *forms = how->forms;

    if (how->encoders != NULL) {
        const int status = encode_by_function(writer, how, value);
        if (status != 0) {
            return status < 0 ? -1 : 0;
        }
    }
    if (value == Py_None) {
        return forms->null(writer, how, value);
    }
    if (PyLong_CheckExact(value)) {
        return forms->integer(writer, how, value);
    }
    if (PyUnicode_CheckExact(value)) {
        return forms->text(writer, how, value);
    }
    if (PyFloat_CheckExact(value)) {
        return forms->number(writer, how, value);
    }
    if (PyBytes_CheckExact(value)) {
        return forms->bytes(writer, how, value);
    }
    if (PyBool_Check(value)) {
        return forms->boolean(writer, how, value);
    }
    return encode_rarer(writer, how, value);
}
