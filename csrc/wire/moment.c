/*
 * moment.c - the parts of Python's dates, times and durations.
 *
 * Owns which of them the server can hold: what it would cut is refused.  How the parts are
 * sent is not known here.
 */

#include "template.h"

#include <datetime.h>

int
wire_import_datetime_for_moments(void)
{
    PyDateTime_IMPORT;
    return PyDateTimeAPI != NULL ? 0 : -1;
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
datetime_parts(const wire_encoding *how, PyObject *value, MYSQL_TIME *moment)
{
    if (check_zone(how, value, PyDateTime_DATE_GET_TZINFO(value)) < 0 ||
        (!PyDateTime_CheckExact(value) && check_more(how, value, "nanosecond") < 0)) {
        return -1;
    }
    *moment = (MYSQL_TIME){
        .year = (unsigned int)PyDateTime_GET_YEAR(value),
        .month = (unsigned int)PyDateTime_GET_MONTH(value),
        .day = (unsigned int)PyDateTime_GET_DAY(value),
        .hour = (unsigned int)PyDateTime_DATE_GET_HOUR(value),
        .minute = (unsigned int)PyDateTime_DATE_GET_MINUTE(value),
        .second = (unsigned int)PyDateTime_DATE_GET_SECOND(value),
        .second_part = (unsigned long)PyDateTime_DATE_GET_MICROSECOND(value),
        .time_type = MYSQL_TIMESTAMP_DATETIME,
    };
    return 0;
}

static int
date_parts(PyObject *value, MYSQL_TIME *moment)
{
    *moment = (MYSQL_TIME){
        .year = (unsigned int)PyDateTime_GET_YEAR(value),
        .month = (unsigned int)PyDateTime_GET_MONTH(value),
        .day = (unsigned int)PyDateTime_GET_DAY(value),
        .time_type = MYSQL_TIMESTAMP_DATE,
    };
    return 0;
}

static int
time_parts(const wire_encoding *how, PyObject *value, MYSQL_TIME *moment)
{
    if (check_zone(how, value, PyDateTime_TIME_GET_TZINFO(value)) < 0) {
        return -1;
    }
    *moment = (MYSQL_TIME){
        .hour = (unsigned int)PyDateTime_TIME_GET_HOUR(value),
        .minute = (unsigned int)PyDateTime_TIME_GET_MINUTE(value),
        .second = (unsigned int)PyDateTime_TIME_GET_SECOND(value),
        .second_part = (unsigned long)PyDateTime_TIME_GET_MICROSECOND(value),
        .time_type = MYSQL_TIMESTAMP_TIME,
    };
    return 0;
}

static int
delta_parts(const wire_encoding *how, PyObject *value, MYSQL_TIME *moment)
{
    const int days = PyDateTime_DELTA_GET_DAYS(value);
    /* Of the same sign as the whole; 99 days are more than the server's longest. */
    long long micros = 0;
    unsigned int seconds;

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
    *moment = (MYSQL_TIME){.neg = micros < 0, .time_type = MYSQL_TIMESTAMP_TIME};
    micros = micros < 0 ? -micros : micros;
    seconds = (unsigned int)(micros / 1000000);
    moment->hour = seconds / 3600;
    moment->minute = seconds / 60 % 60;
    moment->second = seconds % 60;
    moment->second_part = (unsigned long)(micros % 1000000);
    return 0;
}

int
wire_moment(const wire_encoding *how, PyObject *value, MYSQL_TIME *moment)
{
    if (PyDateTime_Check(value)) { /* a datetime is a date too */
        return datetime_parts(how, value, moment);
    }
    if (PyDate_Check(value)) {
        return date_parts(value, moment);
    }
    if (PyTime_Check(value)) {
        return time_parts(how, value, moment);
    }
    return PyDelta_Check(value) ? delta_parts(how, value, moment) : 1;
}
