/*
 * bulk_value.c - from a Python value to a parameter of COM_STMT_BULK_EXECUTE.
 *
 * Owns the form of each kind: an indicator, and behind it the value as the binary
 * protocol has it.  Which column it is for, and whether its type fits to those of the
 * rows before, is bulk.c's business.
 */

#include "bulk.h"

enum { INDICATOR_NONE = 0, INDICATOR_NULL = 1, INDICATOR_DEFAULT = 2 };

/* A string's length takes up to 9 bytes. */
enum { LONGEST_LENGTH = 9 };

static void
put_byte(wire_writer *writer, unsigned int byte)
{
    *writer->at++ = (char)byte;
}

/* Little-endian, as all numbers of the protocol. */
static void
put_number(wire_writer *writer, unsigned long long number, int bytes)
{
    for (int i = 0; i < bytes; i++) {
        put_byte(writer, (unsigned int)(number >> 8 * i) & 0xFF);
    }
}

static void
note_type(wire_writer *writer, enum enum_field_types type)
{
    ((wire_request *)writer)->type = (wire_bulk_type){.code = (uint16_t)type};
}

/* ---- Nothing --------------------------------------------------------------------- */

static int
put_indicator(wire_writer *writer, unsigned int indicator)
{
    if (wire_reserve(writer, 1) < 0) {
        return -1;
    }
    put_byte(writer, indicator);
    ((wire_request *)writer)->type = (wire_bulk_type){.code = WIRE_NO_TYPE};
    return 0;
}

static int
put_null(wire_writer *writer, const wire_encoding *Py_UNUSED(how), PyObject *Py_UNUSED(value))
{
    return put_indicator(writer, INDICATOR_NULL);
}

static int
put_default(wire_writer *writer, const wire_encoding *Py_UNUSED(how), PyObject *Py_UNUSED(value))
{
    return put_indicator(writer, INDICATOR_DEFAULT);
}

/* A list stands for several values: there is no such parameter. */
static int
put_list(wire_writer *writer, const wire_encoding *Py_UNUSED(how), PyObject *Py_UNUSED(value))
{
    ((wire_request *)writer)->unfit = true;
    return put_indicator(writer, INDICATOR_NULL);
}

/* ---- Numbers --------------------------------------------------------------------- */

static int
put_eight(wire_writer *writer, unsigned long long bits)
{
    if (wire_reserve(writer, 9) < 0) {
        return -1;
    }
    put_byte(writer, INDICATOR_NONE);
    put_number(writer, bits, 8);
    return 0;
}

static int
put_boolean(wire_writer *writer, const wire_encoding *Py_UNUSED(how), PyObject *value)
{
    note_type(writer, MYSQL_TYPE_LONGLONG);
    return put_eight(writer, value == Py_True);
}

/* The digits of an exact number, as a literal has them: fewer than 251. */
static int
put_digits(wire_writer *writer, const wire_encoding *how, PyObject *value, wire_form digits)
{
    size_t start;

    if (wire_reserve(writer, 2) < 0) {
        return -1;
    }
    put_byte(writer, INDICATOR_NONE);
    put_byte(writer, 0);
    start = wire_written(writer);
    if (digits(writer, how, value) < 0) {
        return -1;
    }
    writer->start[start - 1] = (char)(wire_written(writer) - start);
    note_type(writer, MYSQL_TYPE_NEWDECIMAL);
    return 0;
}

static int
put_integer(wire_writer *writer, const wire_encoding *how, PyObject *value)
{
    int overflow = 0;
    const long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
    unsigned long long above;

    if (number == -1 && overflow == 0 && PyErr_Occurred()) {
        return -1;
    }
    if (overflow == 0) {
        note_type(writer, MYSQL_TYPE_LONGLONG);
        ((wire_request *)writer)->type.negative = number < 0;
        return put_eight(writer, (unsigned long long)number);
    }
    if (overflow > 0) {
        above = PyLong_AsUnsignedLongLong(value);
        if (above != (unsigned long long)-1 || !PyErr_Occurred()) {
            note_type(writer, MYSQL_TYPE_LONGLONG);
            ((wire_request *)writer)->type.code |= WIRE_UNSIGNED;
            return put_eight(writer, above);
        }
        PyErr_Clear();
    }
    return put_digits(writer, how, value, wire_long_literal);
}

static int
put_float(wire_writer *writer, const wire_encoding *how, PyObject *value)
{
    double number = 0;
    unsigned long long bits;

    if (wire_finite(how, value, &number) < 0) {
        return -1;
    }
    memcpy(&bits, &number, sizeof(bits));
    note_type(writer, MYSQL_TYPE_DOUBLE);
    return put_eight(writer, bits);
}

/* What is compared or computed with is an integer where its literal is one. */
static int
put_decimal(wire_writer *writer, const wire_encoding *how, PyObject *value)
{
    const size_t start = wire_written(writer);
    long long small;
    bool is_unsigned;

    if (put_digits(writer, how, value, wire_decimal_literal) < 0) {
        return -1;
    }
    if (((wire_request *)writer)->stored) {
        return 0;
    }
    if (wire_write(writer, "", 1) < 0) {
        return -1;
    }
    writer->at--;
    if (!wire_is_small(writer->start + start + 2, &small, &is_unsigned)) {
        return 0;
    }
    writer->at = writer->start + start;
    note_type(writer, MYSQL_TYPE_LONGLONG);
    ((wire_request *)writer)->type.code |= is_unsigned ? WIRE_UNSIGNED : 0;
    ((wire_request *)writer)->type.negative = !is_unsigned && small < 0;
    return put_eight(writer, (unsigned long long)small);
}

/* ---- Strings --------------------------------------------------------------------- */

static void
put_length(wire_writer *writer, size_t length)
{
    if (length < 251) {
        put_byte(writer, (unsigned int)length);
    }
    else {
        const int bytes = length < 1 << 16 ? 2 : length < 1 << 24 ? 3 : 8;
        put_byte(writer, bytes == 8 ? 254 : 250 + (unsigned int)bytes);
        put_number(writer, length, bytes);
    }
}

static int
put_string(wire_writer *writer, const char *data, size_t length)
{
    if (length > SIZE_MAX - 1 - LONGEST_LENGTH ||
        wire_reserve(writer, 1 + LONGEST_LENGTH + length) < 0) {
        return -1;
    }
    put_byte(writer, INDICATOR_NONE);
    put_length(writer, length);
    memcpy(writer->at, data, length);
    writer->at += length;
    return 0;
}

static int
put_text(wire_writer *writer, const wire_encoding *how, PyObject *value)
{
    const char *data = NULL; /* borrowed from kept or value */
    PyObject *kept = NULL;   /* new */
    size_t length = 0;
    int status = wire_utf8(how, value, &data, &length, &kept);

    if (status == 0) {
        note_type(writer, MYSQL_TYPE_VAR_STRING);
        status = put_string(writer, data, length);
    }
    Py_XDECREF(kept);
    return status;
}

static int
put_bytes(wire_writer *writer, const wire_encoding *Py_UNUSED(how), PyObject *value)
{
    note_type(writer, MYSQL_TYPE_BLOB);
    return put_string(writer, PyBytes_AS_STRING(value), (size_t)PyBytes_GET_SIZE(value));
}

/* ---- Moments --------------------------------------------------------------------- */

/* Its hours are all of them; those of the protocol are fewer than 24. */
static void
put_duration(wire_writer *writer, const MYSQL_TIME *moment)
{
    put_byte(writer, moment->second_part != 0 ? 12 : 8);
    put_byte(writer, moment->neg ? 1 : 0);
    put_number(writer, moment->hour / 24, 4);
    put_byte(writer, moment->hour % 24);
    put_byte(writer, moment->minute);
    put_byte(writer, moment->second);
    if (moment->second_part != 0) {
        put_number(writer, moment->second_part, 4);
    }
}

static void
put_date(wire_writer *writer, const MYSQL_TIME *moment)
{
    put_number(writer, moment->year, 2);
    put_byte(writer, moment->month);
    put_byte(writer, moment->day);
}

static void
put_datetime(wire_writer *writer, const MYSQL_TIME *moment)
{
    put_byte(writer, moment->second_part != 0 ? 11 : 7);
    put_date(writer, moment);
    put_byte(writer, moment->hour);
    put_byte(writer, moment->minute);
    put_byte(writer, moment->second);
    if (moment->second_part != 0) {
        put_number(writer, moment->second_part, 4);
    }
}

static int
put_moment(wire_writer *writer, const wire_encoding *Py_UNUSED(how), const MYSQL_TIME *moment)
{
    wire_request *request = (wire_request *)writer;

    if (moment->neg && !request->stored) { /* as a number, the server takes it for positive */
        request->unfit = true;
    }
    if (wire_reserve(writer, 14) < 0) {
        return -1;
    }
    put_byte(writer, INDICATOR_NONE);
    switch (moment->time_type) {
    case MYSQL_TIMESTAMP_DATE:
        note_type(writer, MYSQL_TYPE_DATE);
        put_byte(writer, 4);
        put_date(writer, moment);
        break;
    case MYSQL_TIMESTAMP_TIME:
        note_type(writer, MYSQL_TYPE_TIME);
        put_duration(writer, moment);
        break;
    default:
        note_type(writer, MYSQL_TYPE_DATETIME);
        put_datetime(writer, moment);
        break;
    }
    return 0;
}

const wire_forms wire_bulk_forms = {
    .null = put_null,
    .standard = put_default,
    .boolean = put_boolean,
    .integer = put_integer,
    .number = put_float,
    .decimal = put_decimal,
    .text = put_text,
    .bytes = put_bytes,
    .list = put_list,
    .moment = put_moment,
};
