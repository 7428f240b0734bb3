/*
 * temporal.c - dates and times, from their text or from numbers, by the C API of datetime.
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

bool
wire_is_day(int year, int month, int day)
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

static PyObject *
malformed(const wire_column *column, const char *what)
{
    return wire_bad_value(column, "has a value that is no %s", what);
}

/* ---- from numbers ----------------------------------------------------------- */

/* What a date becomes that there is none of in Python. */
static PyObject *
no_day(const wire_column *column, int year, int month, int day)
{
    if (!column->reading->invalid_dates_error) {
        Py_RETURN_NONE;
    }
    return wire_bad_value(column, "has the date %04d-%02d-%02d, which Python has no object for",
                          year, month, day);
}

PyObject *
wire_make_date(wire_column *column, int year, int month, int day)
{
    if (year > 9999 || month > 99 || day > 99) {
        return malformed(column, "date");
    }
    return wire_is_day(year, month, day) ? PyDate_FromDate(year, month, day)
                                         : no_day(column, year, month, day);
}

PyObject *
wire_make_datetime(wire_column *column, const int date[3], const int time[3], uint32_t microsecond)
{
    if (date[0] > 9999 || date[1] > 99 || date[2] > 99 || time[0] > 23 || time[1] > 59 ||
        time[2] > 59 || microsecond > 999999) {
        return malformed(column, "date with a time");
    }
    if (!wire_is_day(date[0], date[1], date[2])) {
        return no_day(column, date[0], date[1], date[2]);
    }
    return PyDateTime_FromDateAndTime(date[0], date[1], date[2], time[0], time[1], time[2],
                                      (int)microsecond);
}

PyObject *
wire_make_time(wire_column *column, bool negative, uint64_t hours, int minutes, int seconds,
               uint32_t microseconds)
{
    if (hours > 999 || minutes > 59 || seconds > 59 || microseconds > 999999) {
        return malformed(column, "time");
    }
    int whole = (int)hours * 3600 + minutes * 60 + seconds;
    int fraction_of_it = (int)microseconds;
    return negative ? PyDelta_FromDSU(0, -whole, -fraction_of_it)
                    : PyDelta_FromDSU(0, whole, fraction_of_it);
}

PyObject *
wire_new_date(const int date[3])
{
    return PyDate_FromDate(date[0], date[1], date[2]);
}

PyObject *
wire_new_datetime(const int date[3], const int time[3], int microsecond)
{
    return PyDateTime_FromDateAndTime(date[0], date[1], date[2], time[0], time[1], time[2],
                                      microsecond);
}

PyObject *
wire_new_delta(int days, int seconds, int microseconds)
{
    return PyDelta_FromDSU(days, seconds, microseconds);
}

/* ---- from text ---------------------------------------------------------------- */

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
    return wire_make_date(column, year, month, day);
}

PyObject *
wire_datetime(wire_column *column, const char *text, size_t length)
{
    bool wrong = length < 19 || text[4] != '-' || text[7] != '-' || text[10] != ' ' ||
                 text[13] != ':' || text[16] != ':';

    if (wrong) {
        return malformed(column, "date with a time");
    }
    int date[] = {digits(text, 4, &wrong), digits(text + 5, 2, &wrong),
                  digits(text + 8, 2, &wrong)};
    int time[] = {digits(text + 11, 2, &wrong), digits(text + 14, 2, &wrong),
                  digits(text + 17, 2, &wrong)};
    int microsecond = fraction(text + 19, length - 19, &wrong);
    if (wrong) {
        return malformed(column, "date with a time");
    }
    return wire_make_datetime(column, date, time, (uint32_t)microsecond);
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
    if (wrong) {
        return malformed(column, "time");
    }
    return wire_make_time(column, negative, (uint64_t)hours, minutes, seconds,
                          (uint32_t)microseconds);
}
