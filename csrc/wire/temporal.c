/*
 * temporal.c - dates and times from their text, by the C API of datetime.
 *
 * A date that Python cannot hold (a zero in it, 30 February) is None or an error,
 * as the reading says.
 */

#include "decode.h"

#include <datetime.h>

int
wire_import_datetime(void)
{
    PyDateTime_IMPORT;
    return PyDateTimeAPI != NULL ? 0 : -1;
}

/* A number of `width` digits; sets *wrong if one is none. */
static inline int
digits(const char *text, int width, bool *wrong)
{
    int value = 0;

    for (int i = 0; i < width; i++) {
        int figure = text[i] - '0';
        *wrong |= figure < 0 || figure > 9;
        value = value * 10 + figure;
    }
    return value;
}

/* ".5" to ".123456" as microseconds; none is 0. */
static inline int
fraction(const char *text, size_t length, bool *wrong)
{
    static const int scales[] = {0, 0, 100000, 10000, 1000, 100, 10, 1};

    if (length == 0) {
        return 0;
    }
    if (length == 1 || length > 7 || *text != '.') {
        *wrong = true;
        return 0;
    }
    return digits(text + 1, (int)length - 1, wrong) * scales[length];
}

static bool
is_day(int year, int month, int day)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    if (year < 1 || month < 1 || month > 12 || day < 1) {
        return false;
    }
    if (day <= days[month - 1]) {
        return true;
    }
    return month == 2 && day == 29 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* What a date becomes that there is none of in Python. */
static PyObject *
no_day(const wire_column *column, const char *text)
{
    if (!column->reading->invalid_dates_error) {
        Py_RETURN_NONE;
    }
    return wire_bad_value(column, "has the date %.10s, which Python has no object for", text);
}

static PyObject *
malformed(const wire_column *column, const char *what)
{
    return wire_bad_value(column, "has a value that is no %s", what);
}

PyObject *
wire_date(wire_column *column, const char *text, size_t length)
{
    bool wrong = length != 10 || text[4] != '-' || text[7] != '-';

    if (wrong) {
        return malformed(column, "date");
    }
    int year = digits(text, 4, &wrong);
    int month = digits(text + 5, 2, &wrong);
    int day = digits(text + 8, 2, &wrong);
    if (wrong) {
        return malformed(column, "date");
    }
    return is_day(year, month, day) ? PyDate_FromDate(year, month, day) : no_day(column, text);
}

PyObject *
wire_datetime(wire_column *column, const char *text, size_t length)
{
    bool wrong = length < 19 || text[4] != '-' || text[7] != '-' || text[10] != ' ' ||
                 text[13] != ':' || text[16] != ':';

    if (wrong) {
        return malformed(column, "date with a time");
    }
    int year = digits(text, 4, &wrong);
    int month = digits(text + 5, 2, &wrong);
    int day = digits(text + 8, 2, &wrong);
    int hour = digits(text + 11, 2, &wrong);
    int minute = digits(text + 14, 2, &wrong);
    int second = digits(text + 17, 2, &wrong);
    int microsecond = fraction(text + 19, length - 19, &wrong);
    if (wrong || hour > 23 || minute > 59 || second > 59) {
        return malformed(column, "date with a time");
    }
    if (!is_day(year, month, day)) {
        return no_day(column, text);
    }
    return PyDateTime_FromDateAndTime(year, month, day, hour, minute, second, microsecond);
}

PyObject *
wire_time(wire_column *column, const char *text, size_t length)
{
    bool negative = length > 0 && *text == '-';
    const char *start = text + negative;
    size_t size = length - negative;
    /* Two digits or three for the hours: 838:59:59 is the most. */
    int width = size > 2 && start[2] == ':' ? 2 : 3;
    bool wrong = size < (size_t)width + 6 || start[width] != ':' || start[width + 3] != ':';

    if (wrong) {
        return malformed(column, "time");
    }
    const char *rest = start + width + 6;
    int hours = digits(start, width, &wrong);
    int minutes = digits(start + width + 1, 2, &wrong);
    int seconds = digits(start + width + 4, 2, &wrong);
    int microseconds = fraction(rest, (size_t)(text + length - rest), &wrong);
    if (wrong || minutes > 59 || seconds > 59) {
        return malformed(column, "time");
    }
    seconds += hours * 3600 + minutes * 60;
    if (negative) {
        seconds = -seconds;
        microseconds = -microseconds;
    }
    return PyDelta_FromDSU(0, seconds, microseconds);
}
