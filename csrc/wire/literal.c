/*
 * literal.c - from a Python value to an SQL literal.
 *
 * Owns the table of the literals, and lists.  What a value is, is said by encode.c; the
 * literals themselves are in literal_number.c, literal_text.c and literal_time.c.
 */

#include "template.h"

static int
null_literal(wire_writer *writer, const wire_encoding *Py_UNUSED(how), PyObject *Py_UNUSED(value))
{
    return wire_write(writer, "NULL", 4);
}

static int
default_literal(wire_writer *writer, const wire_encoding *Py_UNUSED(how),
                PyObject *Py_UNUSED(value))
{
    return wire_write(writer, "DEFAULT", 7);
}

/* Not TRUE: prepared statements send a number too. */
static int
boolean_literal(wire_writer *writer, const wire_encoding *Py_UNUSED(how), PyObject *value)
{
    return wire_write(writer, value == Py_True ? "1" : "0", 1);
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
                    Py_TYPE(value)->tp_name);
        goto done;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(items); i++) {
        if (wire_write(writer, i == 0 ? "(" : ",", 1) < 0 ||
            wire_encode_nested(writer, how, PyTuple_GET_ITEM(items, i)) < 0) {
            goto done;
        }
    }
    status = wire_write(writer, ")", 1);
done:
    Py_DECREF(items);
    return status;
}

const wire_forms wire_literals = {
    .null = null_literal,
    .standard = default_literal,
    .boolean = boolean_literal,
    .integer = wire_long_literal,
    .number = wire_float_literal,
    .decimal = wire_decimal_literal,
    .text = wire_str_literal,
    .bytes = wire_bytes_literal,
    .list = list_literal,
    .moment = wire_moment_literal,
};
