/*
 * arrow_number.c - from numbers, dates and times of the binary protocol to what Arrow has
 * in memory.
 *
 * Makes no object of a value, and is as strict as the decoders that make some: a date
 * that there is not is NULL or an error, as the reading says.
 */

#include "arrow.h"
#include "load.h"

#include <string.h>

static int
wrong_size(const wire_column *column, size_t length)
{
    wire_bad_value(column, "has a value of %zu bytes, which is not the size of its type", length);
    return -1;
}

/* ---- numbers ------------------------------------------------------------------ */

#define NUMBER(name, type, load)                                                           \
    int name(wire_arrow_column *to, int64_t row, const wire_arrow_field *Py_UNUSED(field), \
             wire_column *column, const char *value, size_t length)                        \
    {                                                                                      \
        if (length != sizeof(type)) {                                                      \
            return wrong_size(column, length);                                             \
        }                                                                                  \
        ((type *)(void *)to->values)[row] = load(value);                                   \
        return WIRE_ARROW_WRITTEN;                                                         \
    }

NUMBER(wire_arrow_8, uint8_t, load_8)
NUMBER(wire_arrow_16, uint16_t, load_16)
NUMBER(wire_arrow_32, uint32_t, load_32)
NUMBER(wire_arrow_64, uint64_t, load_64)

#undef NUMBER

/* ---- decimals ----------------------------------------------------------------- */

/* Digits that are taken at once: ten to this power fits 32 bits. */
#define DIGITS_AT_ONCE 9
#define MOST_DIGITS WIRE_ARROW_DIGITS
#define LIMBS 8

/* A number without a sign, its lowest 32 bits first. */
typedef struct {
    uint32_t limbs[LIMBS];
} wide;

/* number * factor + more; what goes beyond 256 bits is lost. */
static void
multiply_and_add(wide *number, uint32_t factor, uint32_t more)
{
    uint64_t carry = more;

    for (int i = 0; i < LIMBS; i++) {
        carry += (uint64_t)number->limbs[i] * factor;
        number->limbs[i] = (uint32_t)carry;
        carry >>= 32;
    }
}

static void
negate(wide *number)
{
    uint64_t carry = 1;

    for (int i = 0; i < LIMBS; i++) {
        carry += (uint32_t)~number->limbs[i];
        number->limbs[i] = (uint32_t)carry;
        carry >>= 32;
    }
}

/*
 * The digits of a decimal as one number, with as many behind the point as the column has:
 * digits[] has room for MOST_DIGITS.  Returns how many there are, without zeros in front;
 * -1 if it is not such a text.
 */
static int
read_decimal(const wire_arrow_field *field, const char *text, size_t length, char *digits)
{
    unsigned int behind = 0;
    bool point = false;
    bool any = false;
    int count = 0;

    for (size_t i = 0; i < length; i++) {
        if (text[i] == '.' && !point) {
            point = true;
            continue;
        }
        unsigned int figure = (unsigned char)text[i] - (unsigned int)'0';
        any = true;
        if (figure > 9 || (point && ++behind > field->decimals)) {
            return -1;
        }
        if (count != 0 || figure != 0) {
            if (count == MOST_DIGITS) {
                return -1;
            }
            digits[count++] = (char)figure;
        }
    }
    for (; behind < field->decimals && count != 0; behind++) {
        if (count == MOST_DIGITS) {
            return -1;
        }
        digits[count++] = 0;
    }
    return any ? count : -1;
}

static wide
number_of(const char *digits, int count)
{
    wide number = {{0}};

    for (int i = 0; i < count;) {
        uint32_t factor = 1, part = 0;
        for (int end = i + DIGITS_AT_ONCE; i < count && i < end; i++) {
            part = part * 10 + (uint32_t)digits[i];
            factor *= 10;
        }
        if (i <= DIGITS_AT_ONCE) { /* most are no longer than that */
            number.limbs[0] = part;
        }
        else {
            multiply_and_add(&number, factor, part);
        }
    }
    return number;
}

/* So many digits fit 64 bits, with a sign. */
#define DIGITS_OF_64 18

/* Reads on in a number.  False: there is something else than digits. */
static inline bool
read_digits(const char *text, size_t length, uint64_t *number)
{
    for (size_t i = 0; i < length; i++) {
        const unsigned int figure = (unsigned char)text[i] - (unsigned int)'0';
        if (figure > 9) {
            return false;
        }
        *number = *number * 10 + figure;
    }
    return true;
}

/*
 * A short decimal, with just as many digits behind the point as the column has: the rule.
 * False: it takes a closer look.
 */
static inline bool
read_short(const wire_arrow_field *field, const char *text, size_t length, uint64_t *number)
{
    const size_t behind = field->decimals, point = behind != 0;
    const size_t before = length - behind - point;

    *number = 0;
    return length > behind + point && before + behind <= DIGITS_OF_64 &&
           before + behind <= field->digits && read_digits(text, before, number) &&
           (!point || text[before] == '.') && read_digits(text + before + point, behind, number);
}

/* Any decimal.  Returns false if it is none, or not of the column's type. */
static bool
read_long(const wire_arrow_field *field, const char *text, size_t length, wide *number)
{
    char digits[MOST_DIGITS];
    int count = read_decimal(field, text, length, digits);

    if (count < 0 || (unsigned int)count > field->digits) {
        return false;
    }
    *number = number_of(digits, count);
    return true;
}

int
wire_arrow_decimal(wire_arrow_column *to, int64_t row, const wire_arrow_field *field,
                   wire_column *column, const char *value, size_t length)
{
    const bool negative = length > 0 && *value == '-';
    uint64_t number;
    wide wider;

    if (read_short(field, value + negative, length - negative, &number)) {
        const int64_t whole = negative ? -(int64_t)number : (int64_t)number;
        int64_t *words = (int64_t *)(void *)(to->values + row * field->width);
        const int last = field->width / (int)sizeof(*words) - 1;
        for (int i = 0; i <= last; i++) {
            words[PY_BIG_ENDIAN ? last - i : i] = i == 0 ? whole : -(int64_t)(whole < 0);
        }
        return WIRE_ARROW_WRITTEN;
    }
    if (!read_long(field, value + negative, length - negative, &wider)) {
        wire_bad_value(column,
                       "has a value that is no decimal of %u digits, %u of them behind "
                       "the point",
                       field->digits, field->decimals);
        return -1;
    }
    if (negative) {
        negate(&wider);
    }
    uint32_t *place = (uint32_t *)(void *)(to->values + row * field->width);
    const int limbs = field->width / (int)sizeof(*place);
    for (int i = 0; i < limbs; i++) {
        place[PY_BIG_ENDIAN ? limbs - 1 - i : i] = wider.limbs[i];
    }
    return WIRE_ARROW_WRITTEN;
}

/* ---- dates and times ---------------------------------------------------------- */

#define US_PER_SECOND INT64_C(1000000)
#define SECONDS_PER_DAY 86400

/* Days since 1970-01-01, of a day that there is.  Years begin in March here: January and
 * February are the last months of the year before. */
static int32_t
days_since_1970(int year, int month, int day)
{
    static const short before[] = {306, 337, 0, 31, 61, 92, 122, 153, 184, 214, 245, 275};
    const unsigned int y = (unsigned int)(year - (month < 3)), century = y / 100;

    return (int32_t)(y * 1461 / 4 - century + century / 4) + before[month - 1] + day - 719469;
}

/* The day that a value begins with.  Returns what a writer does. */
static int
read_day(wire_column *column, const char *value, int32_t *days)
{
    const int year = load_16(value), month = load_8(value + 2), day = load_8(value + 3);
    PyObject *none; /* new */

    if (wire_is_day(year, month, day)) {
        *days = days_since_1970(year, month, day);
        return WIRE_ARROW_WRITTEN;
    }
    none = wire_make_date(column, year, month, day);
    if (none == NULL) {
        return -1;
    }
    Py_DECREF(none);
    return WIRE_ARROW_NULL;
}

int
wire_arrow_date(wire_arrow_column *to, int64_t row, const wire_arrow_field *Py_UNUSED(field),
                wire_column *column, const char *value, size_t length)
{
    static const char nothing[4] = {0};

    if (length != 0 && length != sizeof(nothing)) {
        return wrong_size(column, length);
    }
    return read_day(column, length != 0 ? value : nothing, &((int32_t *)(void *)to->values)[row]);
}

static int
refuse_time(const wire_column *column, const char *what)
{
    wire_bad_value(column, "has a value that is no %s", what);
    return -1;
}

int
wire_arrow_datetime(wire_arrow_column *to, int64_t row, const wire_arrow_field *Py_UNUSED(field),
                    wire_column *column, const char *value, size_t length)
{
    char padded[11] = {0};
    const char *whole = value;
    int32_t days = 0;

    if (length != sizeof(padded)) {
        if (length != 0 && length != 4 && length != 7) {
            return wrong_size(column, length);
        }
        whole = memcpy(padded, value, length);
    }
    const int hour = load_8(whole + 4), minute = load_8(whole + 5), second = load_8(whole + 6);
    const uint32_t microsecond = load_32(whole + 7);
    if (hour > 23 || minute > 59 || second > 59 || microsecond > 999999) {
        return refuse_time(column, "date with a time");
    }
    int status = read_day(column, whole, &days);
    int64_t seconds = (int64_t)days * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second;
    ((int64_t *)(void *)to->values)[row] = seconds * US_PER_SECOND + microsecond;
    return status;
}

int
wire_arrow_time(wire_arrow_column *to, int64_t row, const wire_arrow_field *Py_UNUSED(field),
                wire_column *column, const char *value, size_t length)
{
    char whole[12] = {0};

    if (length != 0 && length != 8 && length != 12) {
        return wrong_size(column, length);
    }
    memcpy(whole, value, length);
    const uint64_t hours = (uint64_t)load_32(whole + 1) * 24 + load_8(whole + 5);
    const int minutes = load_8(whole + 6), seconds = load_8(whole + 7);
    const uint32_t microseconds = load_32(whole + 8);
    if (hours > 999 || minutes > 59 || seconds > 59 || microseconds > 999999) {
        return refuse_time(column, "time");
    }
    int64_t size = ((int64_t)hours * 3600 + minutes * 60 + seconds) * US_PER_SECOND + microseconds;
    ((int64_t *)(void *)to->values)[row] = load_8(whole) != 0 ? -size : size;
    return WIRE_ARROW_WRITTEN;
}
