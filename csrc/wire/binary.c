/*
 * binary.c - values and rows of the binary protocol, in which prepared statements answer.
 *
 * Owns what is different from text: integers, floats, dates and times, and how a row
 * is cut into its values.  All else travels as bytes with their length before them
 * and is decoded by the same functions as text.
 *
 * A value is the same in both protocols.  Where the server shows a float with fewer
 * digits than it has, this file drops the others: what a statement returns must not
 * depend on how often it was executed.
 */

#include "decode.h"
#include "load.h"

#include <float.h>
#include <math.h>
#include <string.h>

static PyObject *
wrong_size(const wire_column *column, size_t length)
{
    return wire_bad_value(column, "has a value of %zu bytes, which is not the size of its type",
                          length);
}

/* ---- integers --------------------------------------------------------------- */

#define INTEGER(name, load, type, make)                                                       \
    static PyObject *name(wire_column *column, const char *value, size_t length)              \
    {                                                                                         \
        return length == sizeof(type) ? make((type)load(value)) : wrong_size(column, length); \
    }

INTEGER(int_8, load_8, int8_t, PyLong_FromLong)
INTEGER(int_16, load_16, int16_t, PyLong_FromLong)
INTEGER(int_32, load_32, int32_t, PyLong_FromLong)
INTEGER(int_64, load_64, int64_t, PyLong_FromLongLong)
INTEGER(uint_8, load_8, uint8_t, PyLong_FromLong)
INTEGER(uint_16, load_16, uint16_t, PyLong_FromLong)
INTEGER(uint_32, load_32, uint32_t, PyLong_FromUnsignedLong)
INTEGER(uint_64, load_64, uint64_t, PyLong_FromUnsignedLongLong)

#undef INTEGER

/* ---- floats ----------------------------------------------------------------- */

/* As the server shows a FLOAT that has no number of decimals. */
#define FLOAT_DIGITS 6
#define LOWEST_DIGITS 1e5 /* the least number of so many digits */
/* So many decimals, or more, are none in particular. */
#define ANY_DECIMALS 31
/* From here on all doubles are whole. */
#define NO_FRACTION 9007199254740992.0

/* 10 ** n is a double for these n, and no rounding. */
#define HIGHEST_EXACT 22

static const double powers_of_10[HIGHEST_EXACT + 1] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
};

/* value * 10 ** power, rounded once. */
static inline double
scaled(double value, int power)
{
    return power < 0 ? value / powers_of_10[-power] : value * powers_of_10[power];
}

/* Rounds to decimals ('f') or digits behind the first ('e'): any value, slowly. */
static int
round_slowly(const wire_column *column, double *value, char format, int precision)
{
    char *text = PyOS_double_to_string(*value, format, precision, 0, NULL); /* owned */

    if (text == NULL) {
        return -1;
    }
    *value = PyOS_string_to_double(text, NULL, NULL);
    PyMem_Free(text);
    if (*value == -1.0 && PyErr_Occurred()) {
        wire_bad_value(column, "has a value that no float can hold");
        return -1;
    }
    return 0;
}

/*
 * Rounds a positive value to a whole multiple of 10 ** -power.  Returns false when this
 * cannot be told from the product, which is itself rounded: when it is close to the
 * middle between two multiples, or too large.
 */
static inline bool
round_quickly(double *value, int power)
{
    double product = scaled(*value, power);
    double below = floor(product);
    double doubt = fabs(product - below - 0.5);

    if (product >= 1e15 || doubt <= product * DBL_EPSILON) {
        return false;
    }
    /* Both are whole and exact, so that the quotient is the nearest double. */
    *value = scaled(product - below < 0.5 ? below : below + 1, -power);
    return true;
}

/* To six digits, as "%.6g" would. */
static int
round_digits(const wire_column *column, double *value)
{
    double size = fabs(*value);
    int exponent;

    frexp(size, &exponent);
    /* 2 ** (exponent - 1) <= size; 0.30103 is the logarithm of 2. */
    int power = FLOAT_DIGITS - 1 - (int)floor((exponent - 1) * 0.30103);
    if (power > -HIGHEST_EXACT && power <= HIGHEST_EXACT) {
        power -= scaled(size, power) >= LOWEST_DIGITS * 10;
        if (round_quickly(&size, power)) {
            *value = copysign(size, *value);
            return 0;
        }
    }
    return round_slowly(column, value, 'e', FLOAT_DIGITS - 1);
}

/* To the number of decimals that the column is shown with. */
static int
round_decimals(const wire_column *column, double *value)
{
    unsigned int decimals = column->field->decimals;
    double size = fabs(*value);

    if (size >= NO_FRACTION) {
        return 0;
    }
    if (decimals <= HIGHEST_EXACT && round_quickly(&size, (int)decimals)) {
        *value = copysign(size, *value);
        return 0;
    }
    return round_slowly(column, value, 'f', (int)decimals);
}

static PyObject *
binary_float(wire_column *column, const char *bytes, size_t length)
{
    const bool any_decimals = column->field->decimals >= ANY_DECIMALS;
    float single;
    uint32_t bits;

    if (length != sizeof(single)) {
        return wrong_size(column, length);
    }
    bits = load_32(bytes);
    memcpy(&single, &bits, sizeof(single));
    double value = single;
    if (value != 0.0 && isfinite(value) &&
        (any_decimals ? round_digits(column, &value) : round_decimals(column, &value)) < 0) {
        return NULL;
    }
    return PyFloat_FromDouble(value);
}

static PyObject *
binary_double(wire_column *column, const char *bytes, size_t length)
{
    double value;
    uint64_t bits;

    if (length != sizeof(value)) {
        return wrong_size(column, length);
    }
    bits = load_64(bytes);
    memcpy(&value, &bits, sizeof(value));
    if (column->field->decimals < ANY_DECIMALS && isfinite(value) &&
        round_decimals(column, &value) < 0) {
        return NULL;
    }
    return PyFloat_FromDouble(value);
}

/* ---- dates and times -------------------------------------------------------- */

/* What is zero at the end of a value is not sent: these are the sizes there are. */
enum { NOTHING = 0, DAY = 4, DAY_TIME = 7, DAY_TIME_FRACTION = 11, TIME = 8, TIME_FRACTION = 12 };

static PyObject *
binary_date(wire_column *column, const char *value, size_t length)
{
    if (length == NOTHING) {
        return wire_make_date(column, 0, 0, 0);
    }
    if (length != DAY) {
        return wrong_size(column, length);
    }
    return wire_make_date(column, load_16(value), load_8(value + 2), load_8(value + 3));
}

static PyObject *
binary_datetime(wire_column *column, const char *value, size_t length)
{
    char whole[DAY_TIME_FRACTION] = {0};

    if (length != NOTHING && length != DAY && length != DAY_TIME && length != DAY_TIME_FRACTION) {
        return wrong_size(column, length);
    }
    memcpy(whole, value, length);
    return wire_make_datetime(column, (int[]){load_16(whole), load_8(whole + 2), load_8(whole + 3)},
                              (int[]){load_8(whole + 4), load_8(whole + 5), load_8(whole + 6)},
                              load_32(whole + 7));
}

static PyObject *
binary_time(wire_column *column, const char *value, size_t length)
{
    char whole[TIME_FRACTION] = {0}; /* a sign, days, hours, minutes, seconds, microseconds */

    if (length != NOTHING && length != TIME && length != TIME_FRACTION) {
        return wrong_size(column, length);
    }
    memcpy(whole, value, length);
    uint64_t hours = (uint64_t)load_32(whole + 1) * 24 + load_8(whole + 5);
    return wire_make_time(column, load_8(whole) != 0, hours, load_8(whole + 6), load_8(whole + 7),
                          load_32(whole + 8));
}

/* ---- which decoder ---------------------------------------------------------- */

/* Zero: a length comes before the value. */
static unsigned char
width_of(const MYSQL_FIELD *field)
{
    switch (field->type) {
    case MYSQL_TYPE_TINY:
        return 1;
    case MYSQL_TYPE_SHORT:
    case MYSQL_TYPE_YEAR:
        return 2;
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_LONG:
    case MYSQL_TYPE_FLOAT:
        return 4;
    case MYSQL_TYPE_LONGLONG:
    case MYSQL_TYPE_DOUBLE:
        return 8;
    default:
        return 0;
    }
}

wire_decoder
wire_binary_decoder(const MYSQL_FIELD *field, unsigned char *width)
{
    const bool is_unsigned = (field->flags & UNSIGNED_FLAG) != 0;

    *width = width_of(field);
    switch (field->type) {
    case MYSQL_TYPE_TINY:
        return is_unsigned ? uint_8 : int_8;
    case MYSQL_TYPE_SHORT:
        return is_unsigned ? uint_16 : int_16;
    case MYSQL_TYPE_YEAR:
        return uint_16;
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_LONG:
        return is_unsigned ? uint_32 : int_32;
    case MYSQL_TYPE_LONGLONG:
        return is_unsigned ? uint_64 : int_64;
    case MYSQL_TYPE_FLOAT:
        return binary_float;
    case MYSQL_TYPE_DOUBLE:
        return binary_double;
    case MYSQL_TYPE_DATE:
    case MYSQL_TYPE_NEWDATE:
        return binary_date;
    case MYSQL_TYPE_DATETIME:
    case MYSQL_TYPE_TIMESTAMP:
        return binary_datetime;
    case MYSQL_TYPE_TIME:
        return binary_time;
    default:
        return NULL;
    }
}

/* ---- rows ------------------------------------------------------------------- */

/* Before the first value there is a byte, and a bit for each column and two more. */
static size_t
head_of(unsigned int count)
{
    return 1 + ((size_t)count + 9) / 8;
}

/*
 * Where the row lies that mysql_stmt_fetch() has just read; start: NULL: it has no value,
 * end: NULL: that is not to be found out.
 *
 * A row that was kept (a cursor's, or one of mysql_stmt_store_result) lies behind its
 * MYSQL_ROWS, which knows its length.  One that was just read lies in the connection's
 * buffer.  Libraries that do not note how long the last packet was do not check a
 * value's length either: there the end of the buffer has to do, so that a server that
 * lies about a length is handed bytes of its own.
 */
static wire_packet
find_row(const MYSQL_STMT *stmt)
{
    const NET *net = &stmt->mysql->net;
    const unsigned int count = stmt->field_count;
    const char *start;
    MYSQL_ROWS kept;
    unsigned int i = 0;

    while (i < count && stmt->bind[i].u.row_ptr == NULL) {
        i++;
    }
    if (i == count) {
        return (wire_packet){NULL, NULL};
    }
    start = (const char *)stmt->bind[i].u.row_ptr - head_of(count);
    if (start == (const char *)net->read_pos) {
        return (wire_packet){start, (const char *)net->buff_end};
    }
    memcpy(&kept, start - sizeof(kept), sizeof(kept));
    return (wire_packet){start, (const char *)kept.data == start ? start + kept.length : NULL};
}

/* Reads a length of more than one byte.  Returns where the value begins; NULL: not within. */
static const char *
read_long_length(const char *at, const char *end, uint64_t *length)
{
    static const unsigned char sizes[] = {[252] = 2, [253] = 3, [254] = 8, [255] = 0};
    const size_t size = sizes[load_8(at)];

    if (size == 0 || size > (size_t)(end - at - 1)) {
        return NULL;
    }
    *length = 0;
    for (size_t i = size; i > 0; i--) {
        *length = *length << 8 | load_8(at + i);
    }
    return at + 1 + size;
}

/* Reads the length before a value.  Returns where the value begins; NULL: not within. */
static inline const char *
read_length(const char *at, const char *end, unsigned long *length)
{
    uint64_t value;

    if (at == end) {
        return NULL;
    }
    value = load_8(at);
    at = value < 251 ? at + 1 : read_long_length(at, end, &value);
    if (at == NULL || value > (uint64_t)(end - at)) {
        return NULL;
    }
    *length = (unsigned long)value;
    return at;
}

/*
 * Cuts a row into its values.  Returns -1, or the number of the first column whose value is
 * not where it should be.  bind: where the library has it; NULL: it was not asked.
 */
static inline int
cut(wire_packet row, const MYSQL_BIND *bind, const unsigned char *widths, const wire_cells *cells)
{
    const unsigned int count = cells->count;
    char **values = cells->values;
    unsigned long *lengths = cells->lengths;
    const char *nulls = row.start + 1;
    const char *at = row.start + head_of(count); /* where the next value has to be */
    unsigned int bits;                           /* of the next columns, and a 1 above them */

    if (row.end == NULL || row.end - row.start < (ptrdiff_t)head_of(count)) {
        return 0;
    }
    bits = (load_8(nulls++) | 1U << 8) >> 2;
    for (unsigned int i = 0; i < count; i++, bits >>= 1) {
        if (bits == 1) {
            bits = load_8(nulls++) | 1U << 8;
        }
        const bool is_null = bits & 1;
        unsigned long length = widths[i];
        if (bind != NULL && (const char *)bind[i].u.row_ptr != (is_null ? NULL : at)) {
            return (int)i;
        }
        if (is_null) {
            values[i] = NULL;
            continue;
        }
        if (length == 0) {
            at = read_length(at, row.end, &length);
            if (at == NULL) {
                return (int)i;
            }
        }
        else if ((size_t)(row.end - at) < length) {
            return (int)i;
        }
        values[i] = (char *)at;
        lengths[i] = length;
        at += length;
    }
    return -1;
}

/* Cuts a row for its plan.  Returns 0, or -1 with an exception. */
static int
cut_row(wire_plan *plan, const MYSQL_STMT *stmt, const wire_packet *ahead)
{
    if (stmt->field_count != plan->count) {
        PyErr_Format(plan->reading->state->InterfaceError,
                     "the statement has %u columns, not %u as when its rows were begun",
                     stmt->field_count, plan->count);
        return -1;
    }
    const bool is_ahead = ahead->start != NULL;
    const wire_packet row = is_ahead ? *ahead : find_row(stmt);
    if (row.start == NULL) {
        memset(plan->cut.values, 0, plan->count * sizeof(*plan->cut.values));
        return 0;
    }
    const int wrong = is_ahead ? cut(row, NULL, plan->widths, &plan->cut)
                               : cut(row, stmt->bind, plan->widths, &plan->cut);
    if (wrong >= 0) {
        wire_bad_value(&plan->columns[wrong],
                       "has a value that is not where the row of the binary protocol "
                       "should have it");
    }
    return wrong >= 0 ? -1 : 0;
}

int
wire_rows_take_binary(PyObject *rows, wire_plan *plan, const MYSQL_STMT *stmt,
                      const wire_packet *ahead)
{
    return cut_row(plan, stmt, ahead) < 0
               ? -1
               : wire_rows_take(rows, plan, plan->cut.values, plan->cut.lengths);
}

int
wire_cells_new(wire_cells *cells, unsigned int count)
{
    cells->count = count;
    cells->values = PyMem_Calloc((size_t)count + 1, sizeof(*cells->values));
    cells->lengths = PyMem_Calloc((size_t)count + 1, sizeof(*cells->lengths));
    if (cells->values == NULL || cells->lengths == NULL) {
        wire_cells_free(cells);
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

void
wire_cells_free(wire_cells *cells)
{
    PyMem_Free(cells->values);
    PyMem_Free(cells->lengths);
    *cells = (wire_cells){0};
}
