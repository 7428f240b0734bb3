/*
 * field.c - from a value to a field that LOAD DATA reads.
 *
 * Owns the tables of the fields, the escaping, and the columns that read the text of a
 * number as something else than the number.  Which text a value has otherwise is the same
 * as in a literal, and said there.
 *
 * The server reads the fields as utf8mb4, ended by a tab, and by a newline behind the last of
 * a row; a backslash takes the meaning of either away.  It finds those also behind bytes
 * that are no utf8mb4, so that binary columns get any bytes as they are.
 */

#include "template.h"

#include <math.h>

/* What stands behind the backslash for a byte; 0 for the byte itself. */
static const char escapes[256] = {['\\'] = '\\', ['\t'] = 't', ['\n'] = 'n'};

/* How many bytes need two.  No table and no branch: compilers make vectors of it. */
static size_t
count_escapes(const char *data, size_t length)
{
    size_t count = 0;

    for (size_t i = 0; i < length; i++) {
        count += (data[i] == '\\') | (data[i] == '\t') | (data[i] == '\n');
    }
    return count;
}

static int
write_text(wire_writer *writer, const char *data, size_t length)
{
    const size_t count = count_escapes(data, length);

    if (wire_reserve(writer, length + count) < 0) {
        return -1;
    }
    wire_put_escaped(writer, data, length, escapes, count);
    return 0;
}

/* ---- Any column ------------------------------------------------------------------ */

static int
null_field(wire_writer *writer, const wire_encoding *Py_UNUSED(how), PyObject *Py_UNUSED(value))
{
    return wire_write(writer, "\\N", 2);
}

static int
refuse_default(wire_writer *Py_UNUSED(writer), const wire_encoding *how, PyObject *Py_UNUSED(value))
{
    return wire_refuse(how, how->state->ProgrammingError,
                       "is DEFAULT, which a file cannot say: leave its column out of all rows");
}

static int
text_field(wire_writer *writer, const wire_encoding *how, PyObject *value)
{
    PyObject *kept; /* new */
    const char *data;
    size_t length;
    int status;

    if (wire_utf8(how, value, &data, &length, &kept) < 0) {
        return -1;
    }
    status = write_text(writer, data, length);
    Py_DECREF(kept);
    return status;
}

static int
bytes_field(wire_writer *writer, const wire_encoding *Py_UNUSED(how), PyObject *value)
{
    return write_text(writer, PyBytes_AS_STRING(value), (size_t)PyBytes_GET_SIZE(value));
}

static int
refuse_list(wire_writer *Py_UNUSED(writer), const wire_encoding *how, PyObject *value)
{
    return wire_refuse_class(how, value);
}

static int
moment_field(wire_writer *writer, const wire_encoding *Py_UNUSED(how), const MYSQL_TIME *moment)
{
    return wire_moment_text(writer, moment);
}

/* ---- Columns that read some texts otherwise -------------------------------------- */

/* What the column is that does not take a value. */
static const char *
column_of(const wire_encoding *how)
{
    static const char *const columns[] = {
        [WIRE_BITS] = "BIT, which LOAD DATA fills from an int or bytes",
        [WIRE_YEAR] = "YEAR, which LOAD DATA fills from an int or a str",
        [WIRE_NAMES] = "ENUM or SET, which LOAD DATA fills from the names of members",
    };

    return columns[how->forms - wire_fields];
}

static int
refuse_number(wire_writer *Py_UNUSED(writer), const wire_encoding *how, PyObject *value)
{
    return wire_refuse(how, how->state->DataError, "is of class %s, and its column is %s",
                       Py_TYPE(value)->tp_name, column_of(how));
}

static int
refuse_moment(wire_writer *Py_UNUSED(writer), const wire_encoding *how,
              const MYSQL_TIME *Py_UNUSED(moment))
{
    return wire_refuse(how, how->state->DataError,
                       "is a date, a time or a duration, and its column is %s", column_of(how));
}

/* The number's bytes, the most significant one first; the server adds zeros before it. */
static int
write_bits(wire_writer *writer, unsigned long long number)
{
    char bytes[sizeof(number)];
    size_t at = sizeof(bytes);

    do {
        bytes[--at] = (char)(number & 0xff);
        number >>= 8;
    } while (number != 0);
    return write_text(writer, bytes + at, sizeof(bytes) - at);
}

static int
bits_field(wire_writer *writer, const wire_encoding *how, PyObject *value)
{
    const unsigned long long number = PyLong_AsUnsignedLongLong(value);

    if (number != (unsigned long long)-1 || !PyErr_Occurred()) {
        return write_bits(writer, number);
    }
    if (!PyErr_ExceptionMatches(PyExc_OverflowError)) {
        return -1;
    }
    PyErr_Clear();
    return wire_refuse(how, how->state->DataError,
                       "is beyond BIT, which has up to 64 bits and no sign");
}

static int
year_field(wire_writer *writer, const wire_encoding *how, PyObject *value)
{
    const size_t start = wire_written(writer);

    if (wire_long_literal(writer, how, value) < 0) {
        return -1;
    }
    if (wire_written(writer) - start != 1 || writer->start[start] != '0') {
        return 0;
    }
    return wire_write(writer, "000", 3);
}

/* A float as the integer that a DOUBLE becomes: the nearest one, of two the even one. */
static int
integer_field(wire_writer *writer, const wire_encoding *how, PyObject *value)
{
    char digits[32];
    double number;

    if (wire_finite(how, value, &number) < 0) {
        return -1;
    }
    number = nearbyint(number) + 0.0; /* no -0 */
    if (fabs(number) > 1e20) {        /* beyond all of them */
        return wire_float_text(writer, how, value);
    }
    return wire_write(writer, digits, (size_t)snprintf(digits, sizeof(digits), "%.0f", number));
}

static int
date_field(wire_writer *writer, const wire_encoding *how, const MYSQL_TIME *moment)
{
    if (moment->time_type == MYSQL_TIMESTAMP_TIME) {
        return wire_refuse(how, how->state->DataError,
                           "is a time or a duration, and its column is a date, which LOAD DATA "
                           "would make of its hours: give a date or a datetime");
    }
    return moment_field(writer, how, moment);
}

/* ---- The tables -------------------------------------------------------------------- */

const wire_forms wire_fields[WIRE_TARGETS] = {
    [WIRE_FIELD] =
        {
            .null = null_field,
            .standard = refuse_default,
            .boolean = wire_long_literal, /* 1 or 0 */
            .integer = wire_long_literal,
            .number = wire_float_text,
            .decimal = wire_decimal_literal,
            .text = text_field,
            .bytes = bytes_field,
            .list = refuse_list,
            .moment = moment_field,
        },
    [WIRE_BITS] =
        {
            .null = null_field,
            .standard = refuse_default,
            .boolean = bits_field,
            .integer = bits_field,
            .number = refuse_number,
            .decimal = refuse_number,
            .text = text_field,
            .bytes = bytes_field,
            .list = refuse_list,
            .moment = refuse_moment,
        },
    [WIRE_YEAR] =
        {
            .null = null_field,
            .standard = refuse_default,
            .boolean = year_field,
            .integer = year_field,
            .number = refuse_number,
            .decimal = refuse_number,
            .text = text_field,
            .bytes = bytes_field,
            .list = refuse_list,
            .moment = refuse_moment,
        },
    [WIRE_NAMES] =
        {
            .null = null_field,
            .standard = refuse_default,
            .boolean = refuse_number,
            .integer = refuse_number,
            .number = refuse_number,
            .decimal = refuse_number,
            .text = text_field,
            .bytes = bytes_field,
            .list = refuse_list,
            .moment = refuse_moment,
        },
    [WIRE_INTEGER] =
        {
            .null = null_field,
            .standard = refuse_default,
            .boolean = wire_long_literal, /* 1 or 0 */
            .integer = wire_long_literal,
            .number = integer_field,
            .decimal = wire_decimal_literal,
            .text = text_field,
            .bytes = bytes_field,
            .list = refuse_list,
            .moment = moment_field,
        },
    [WIRE_DATE] =
        {
            .null = null_field,
            .standard = refuse_default,
            .boolean = wire_long_literal, /* 1 or 0 */
            .integer = wire_long_literal,
            .number = wire_float_text,
            .decimal = wire_decimal_literal,
            .text = text_field,
            .bytes = bytes_field,
            .list = refuse_list,
            .moment = date_field,
        },
};
