/*
 * literal_number.c - from a number of Python to an SQL literal.
 *
 * Owns the digits: an integer or a Decimal becomes an exact number, a float a
 * DOUBLE, and what the server could not hold exactly is refused.
 */

#include "template.h"

static int
write_integer(wire_writer *writer, long long value)
{
    char digits[24];
    char *at = digits + sizeof(digits);
    unsigned long long rest = value < 0 ? 0 - (unsigned long long)value : (unsigned long long)value;

    do {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest != 0);
    if (value < 0) {
        *--at = '-';
    }
    return wire_write(writer, at, (size_t)(digits + sizeof(digits) - at));
}

/*
 * The server holds an exact number in nine words of nine digits, the point
 * between two of them.  Beyond that it answers with another number and a warning.
 */
static bool
is_exact(size_t before, size_t after)
{
    return before <= 81 && after <= 81 && (before + 8) / 9 + (after + 8) / 9 <= 9;
}

static int
refuse_digits(const wire_encoding *how, PyObject *value)
{
    return wire_refuse(how, how->state->DataError,
                       "is of class %s and of more digits than DECIMAL holds exactly: round it, "
                       "or give a float or a str",
                       Py_TYPE(value)->tp_name);
}

int
wire_long_literal(wire_writer *writer, const wire_encoding *how, PyObject *value)
{
    int overflow = 0;
    const long long small = PyLong_AsLongLongAndOverflow(value, &overflow);
    PyObject *text = NULL; /* new */
    size_t length = 0;
    int status = -1;

    if (overflow == 0) {
        return small == -1 && PyErr_Occurred() ? -1 : write_integer(writer, small);
    }
    text = PyNumber_ToBase(value, 10);
    if (text == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_ValueError)) {
            return -1;
        }
        PyErr_Clear(); /* sys.set_int_max_str_digits() forbids it: much too long */
        return refuse_digits(how, value);
    }
    length = (size_t)PyUnicode_GET_LENGTH(text);
    if (!is_exact(length - (overflow < 0), 0)) {
        status = refuse_digits(how, value);
        goto done;
    }
    status = wire_write(writer, (const char *)PyUnicode_1BYTE_DATA(text), length);
done:
    Py_DECREF(text);
    return status;
}

int
wire_finite(const wire_encoding *how, PyObject *value, double *number)
{
    *number = PyFloat_AS_DOUBLE(value);
    if (Py_IS_FINITE(*number)) {
        return 0;
    }
    return wire_refuse(how, how->state->DataError,
                       "is no finite number: DOUBLE has neither nan nor inf");
}

/* A float's shortest digits. */
int
wire_float_text(wire_writer *writer, const wire_encoding *how, PyObject *value)
{
    char *text = NULL; /* of PyMem_Malloc() */
    char *plus = NULL;
    double number;
    int status = -1;

    if (wire_finite(how, value, &number) < 0) {
        return -1;
    }
    text = PyOS_double_to_string(number, 'r', 0, 0, NULL);
    if (text == NULL) {
        return -1;
    }
    plus = strchr(text, '+');
    if (plus != NULL) {
        memmove(plus, plus + 1, strlen(plus));
    }
    status = wire_write(writer, text, strlen(text));
    PyMem_Free(text);
    return status;
}

/* With an exponent: without one they would be a DECIMAL. */
int
wire_float_literal(wire_writer *writer, const wire_encoding *how, PyObject *value)
{
    const size_t start = wire_written(writer);

    if (wire_float_text(writer, how, value) < 0) {
        return -1;
    }
    return memchr(writer->start + start, 'e', wire_written(writer) - start) != NULL
               ? 0
               : wire_write(writer, "e0", 2);
}

/* ---- Decimal ------------------------------------------------------------ */

/* The parts of a Decimal's text: digits of which the last scale ones are behind
   the point, which may lie far to the left or right of them. */
typedef struct decimal_parts {
    bool negative;
    char digits[96];
    size_t count;
    long long scale;
} decimal_parts;

/* An exponent that is beyond any DECIMAL, and far from an overflow. */
#define FAR 1000000

/* 0, or -1 if it is no number or one of too many digits; no exception is set. */
static int
parse_decimal(const char *text, decimal_parts *parts)
{
    bool point = false;

    *parts = (decimal_parts){.negative = *text == '-'};
    for (text += parts->negative; (*text >= '0' && *text <= '9') || *text == '.'; text++) {
        if (*text == '.') {
            point = true;
            continue;
        }
        parts->scale += point;
        if (parts->count == 0 && *text == '0') {
            continue; /* leading zeros count for nothing */
        }
        if (parts->count == sizeof(parts->digits)) {
            return -1;
        }
        parts->digits[parts->count++] = *text;
    }
    if (*text == 'E') {
        const bool below = text[1] == '-';
        long long exponent = 0;
        for (text += 2; *text >= '0' && *text <= '9' && exponent < FAR; text++) {
            exponent = 10 * exponent + (*text - '0');
        }
        parts->scale += below ? exponent : -exponent;
    }
    return *text == '\0' ? 0 : -1;
}

static int
write_zeros(wire_writer *writer, size_t count)
{
    if (wire_reserve(writer, count) < 0) {
        return -1;
    }
    memset(writer->at, '0', count);
    writer->at += count;
    return 0;
}

/* Writes the parts without an exponent, which would make them a DOUBLE. */
static int
write_decimal(wire_writer *writer, const decimal_parts *parts)
{
    const size_t scale = parts->scale > 0 ? (size_t)parts->scale : 0;
    const size_t before = parts->count > scale ? parts->count - scale : 0;
    int status = parts->negative && parts->count != 0 ? wire_write(writer, "-", 1) : 0; /* no -0 */

    if (status == 0) {
        status =
            before != 0 ? wire_write(writer, parts->digits, before) : wire_write(writer, "0", 1);
    }
    if (status == 0 && parts->scale < 0 && parts->count != 0) {
        status = write_zeros(writer, (size_t)-parts->scale);
    }
    if (status == 0 && scale != 0) {
        status = wire_write(writer, ".", 1);
    }
    if (status == 0 && scale > parts->count - before) {
        status = write_zeros(writer, scale - (parts->count - before));
    }
    if (status == 0 && scale != 0) {
        status = wire_write(writer, parts->digits + before, parts->count - before);
    }
    return status;
}

/* Whether the parts, written out, are exact for the server. */
static bool
fits_decimal(const decimal_parts *parts)
{
    const long long count = (long long)parts->count;
    const long long before = count > parts->scale ? count - parts->scale : 1;

    return (count == 0 && parts->scale <= 0) ||
           (before <= 81 && parts->scale <= 81 &&
            is_exact((size_t)before, parts->scale > 0 ? (size_t)parts->scale : 0));
}

int
wire_decimal_literal(wire_writer *writer, const wire_encoding *how, PyObject *value)
{
    /* Not PyObject_Str(): a class of the user's may have a __str__() for people. */
    PyObject *string = ((PyTypeObject *)how->state->Decimal)->tp_str(value); /* new */
    decimal_parts parts;
    const char *text = NULL; /* borrowed from string */
    int status = -1;

    if (string == NULL || (text = PyUnicode_AsUTF8(string)) == NULL) {
        goto done;
    }
    if (strpbrk(text, "nN") != NULL) { /* NaN, sNaN, Infinity */
        wire_refuse(how, how->state->DataError,
                    "is no finite number: DECIMAL has neither NaN nor Infinity");
        goto done;
    }
    if (parse_decimal(text, &parts) < 0 || !fits_decimal(&parts)) {
        refuse_digits(how, value);
        goto done;
    }
    status = write_decimal(writer, &parts);
done:
    Py_XDECREF(string);
    return status;
}
