/*
 * literal_time.c - from Python's dates, times and durations to SQL literals.
 *
 * Owns the calendar's part of a literal.  They are typed (DATE'..'), so that they mean
 * the same wherever they stand.  What the server would cut is refused.
 */

#include "template.h"

#include <datetime.h>

int
wire_import_datetime_for_literals(void)
{
    PyDateTime_IMPORT;
    return PyDateTimeAPI != NULL ? 0 : -1;
}

/* Writes so many digits of a number, with leading zeros. */
static void
put_digits(wire_writer *writer, int value, int digits)
{
    for (int i = digits - 1; i >= 0; i--) {
        writer->at[i] = (char)('0' + value % 10);
        value /= 10;
    }
    writer->at += digits;
}

static void
put(wire_writer *writer, const char *text)
{
    const size_t length = strlen(text);

    memcpy(writer->at, text, length);
    writer->at += length;
}

static void
put_date(wire_writer *writer, PyObject *value)
{
    put_digits(writer, PyDateTime_GET_YEAR(value), 4);
    put(writer, "-");
    put_digits(writer, PyDateTime_GET_MONTH(value), 2);
    put(writer, "-");
    put_digits(writer, PyDateTime_GET_DAY(value), 2);
}

static void
put_time(wire_writer *writer, int hours, int minutes, int seconds, int micros)
{
    put_digits(writer, hours, hours > 99 ? 3 : 2);
    put(writer, ":");
    put_digits(writer, minutes, 2);
    put(writer, ":");
    put_digits(writer, seconds, 2);
    if (micros != 0) {
        put(writer, ".");
        put_digits(writer, micros, 6);
    }
}

/*
 * Whether a subclass holds more than its base shows: Timestamp, Timedelta and NaT of
 * pandas have nanoseconds, or are no moment at all.  -1 with an exception.
 */
static int
has_more(PyObject *value, const char *attribute)
{
    PyObject *more = wire_attribute(value, attribute); /* new */
    int status;

    if (more == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
            return -1;
        }
        PyErr_Clear();
        return 0;
    }
    status = PyObject_IsTrue(more); /* nan is true */
    Py_DECREF(more);
    return status;
}

static int
check_more(const wire_encoding *how, PyObject *value, const char *attribute)
{
    const int more = has_more(value, attribute);

    if (more > 0) {
        return wire_refuse(
            how, how->state->DataError,
            "is of class %s and has nanoseconds, or is no moment at all (NaT): round "
            "it to microseconds, or give None",
            Py_TYPE(value)->tp_name);
    }
    return more;
}

static int
check_zone(const wire_encoding *how, PyObject *value, PyObject *zone /* borrowed */)
{
    if (zone == Py_None) {
        return 0;
    }
    return wire_refuse(how, how->state->DataError,
                       "is of class %s and has a time zone, which the server would not keep: "
                       "convert it to the zone you store, then take it away by "
                       "replace(tzinfo=None)",
                       Py_TYPE(value)->tp_name);
}

static int
datetime_literal(wire_writer *writer, const wire_encoding *how, PyObject *value)
{
    if (check_zone(how, value, PyDateTime_DATE_GET_TZINFO(value)) < 0 ||
        (!PyDateTime_CheckExact(value) && check_more(how, value, "nanosecond") < 0) ||
        wire_reserve(writer, sizeof("TIMESTAMP'0001-01-01 00:00:00.000000'")) < 0) {
        return -1;
    }
    put(writer, "TIMESTAMP'");
    put_date(writer, value);
    put(writer, " ");
    put_time(writer, PyDateTime_DATE_GET_HOUR(value), PyDateTime_DATE_GET_MINUTE(value),
             PyDateTime_DATE_GET_SECOND(value), PyDateTime_DATE_GET_MICROSECOND(value));
    put(writer, "'");
    return 0;
}

static int
date_literal(wire_writer *writer, PyObject *value)
{
    if (wire_reserve(writer, sizeof("DATE'0001-01-01'")) < 0) {
        return -1;
    }
    put(writer, "DATE'");
    put_date(writer, value);
    put(writer, "'");
    return 0;
}

static int
time_literal(wire_writer *writer, const wire_encoding *how, PyObject *value)
{
    if (check_zone(how, value, PyDateTime_TIME_GET_TZINFO(value)) < 0 ||
        wire_reserve(writer, sizeof("TIME'00:00:00.000000'")) < 0) {
        return -1;
    }
    put(writer, "TIME'");
    put_time(writer, PyDateTime_TIME_GET_HOUR(value), PyDateTime_TIME_GET_MINUTE(value),
             PyDateTime_TIME_GET_SECOND(value), PyDateTime_TIME_GET_MICROSECOND(value));
    put(writer, "'");
    return 0;
}

static int
delta_literal(wire_writer *writer, const wire_encoding *how, PyObject *value)
{
    const int days = PyDateTime_DELTA_GET_DAYS(value);
    /* Of the same sign as the whole; 99 days are more than the server's longest. */
    long long micros = 0;
    int seconds;

    if (!PyDelta_CheckExact(value) && check_more(how, value, "nanoseconds") < 0) {
        return -1;
    }
    if (days > -99 && days < 99) {
        micros = 1000000LL * (86400LL * days + PyDateTime_DELTA_GET_SECONDS(value)) +
                 PyDateTime_DELTA_GET_MICROSECONDS(value);
    }
    if (days <= -99 || days >= 99 || micros / 1000000 / 3600 > 838 ||
        micros / 1000000 / 3600 < -838) {
        return wire_refuse(
            how, how->state->DataError,
            "is of class %s and beyond TIME, which reaches from -838:59:59.999999 to "
            "838:59:59.999999",
            Py_TYPE(value)->tp_name);
    }
    if (wire_reserve(writer, sizeof("TIME'-000:00:00.000000'")) < 0) {
        return -1;
    }
    put(writer, micros < 0 ? "TIME'-" : "TIME'");
    micros = micros < 0 ? -micros : micros;
    seconds = (int)(micros / 1000000);
    put_time(writer, seconds / 3600, seconds / 60 % 60, seconds % 60, (int)(micros % 1000000));
    put(writer, "'");
    return 0;
}

int
wire_time_literal(wire_writer *writer, const wire_encoding *how, PyObject *value)
{
    if (PyDateTime_Check(value)) { /* a datetime is a date too */
        return datetime_literal(writer, how, value);
    }
    if (PyDate_Check(value)) {
        return date_literal(writer, value);
    }
    if (PyTime_Check(value)) {
        return time_literal(writer, how, value);
    }
    return PyDelta_Check(value) ? delta_literal(writer, how, value) : 1;
}
