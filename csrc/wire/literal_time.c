/*
 * literal_time.c - from the parts of a date, time or duration to their text, and to an SQL
 * literal.
 *
 * The literals are typed (DATE'..'), so that they mean the same wherever they stand.
 */

#include "template.h"

/* Writes so many digits of a number, with leading zeros. */
static void
put_digits(wire_writer *writer, unsigned long value, int digits)
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
put_date(wire_writer *writer, const MYSQL_TIME *moment)
{
    put_digits(writer, moment->year, 4);
    put(writer, "-");
    put_digits(writer, moment->month, 2);
    put(writer, "-");
    put_digits(writer, moment->day, 2);
}

static void
put_time(wire_writer *writer, const MYSQL_TIME *moment)
{
    put_digits(writer, moment->hour, moment->hour > 99 ? 3 : 2);
    put(writer, ":");
    put_digits(writer, moment->minute, 2);
    put(writer, ":");
    put_digits(writer, moment->second, 2);
    if (moment->second_part != 0) {
        put(writer, ".");
        put_digits(writer, moment->second_part, 6);
    }
}

int
wire_moment_text(wire_writer *writer, const MYSQL_TIME *moment)
{
    if (wire_reserve(writer, sizeof("0001-01-01 00:00:00.000000")) < 0) {
        return -1;
    }
    if (moment->time_type != MYSQL_TIMESTAMP_TIME) {
        put_date(writer, moment);
    }
    if (moment->time_type == MYSQL_TIMESTAMP_DATETIME) {
        put(writer, " ");
    }
    if (moment->time_type != MYSQL_TIMESTAMP_DATE) {
        put(writer, moment->neg ? "-" : "");
        put_time(writer, moment);
    }
    return 0;
}

int
wire_moment_literal(wire_writer *writer, const wire_encoding *Py_UNUSED(how),
                    const MYSQL_TIME *moment)
{
    const char *const type = moment->time_type == MYSQL_TIMESTAMP_DATE       ? "DATE'"
                             : moment->time_type == MYSQL_TIMESTAMP_DATETIME ? "TIMESTAMP'"
                                                                             : "TIME'";

    if (wire_write(writer, type, strlen(type)) < 0 || wire_moment_text(writer, moment) < 0) {
        return -1;
    }
    return wire_write(writer, "'", 1);
}
