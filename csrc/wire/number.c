/*
 * number.c - integers and floats from their text.
 *
 * All are exact: integers whole, floats the nearest there is.  Knows no locale, and no
 * column but for the name in an error.
 */

#include "decode.h"

#include <math.h>
#include <string.h>

/* ---- integers ------------------------------------------------------------- */

/* As many digits as fit a long long whatever they are. */
#define SAFE_DIGITS 18

static PyObject *
no_integer(const wire_column *column)
{
    return wire_bad_value(column, "has a value that is no integer of 64 bits");
}

/* More digits than SAFE_DIGITS, without zeros in front. */
static PyObject *
wide_integer(const wire_column *column, bool negative, const char *at, const char *end)
{
    const uint64_t lowest = UINT64_C(1) << 63;
    uint64_t value = 0;

    for (; at < end; at++) {
        unsigned int figure = (unsigned char)*at - (unsigned int)'0';
        if (figure > 9 || value > (UINT64_MAX - figure) / 10) {
            return no_integer(column);
        }
        value = value * 10 + figure;
    }
    if (!negative) {
        return PyLong_FromUnsignedLongLong(value);
    }
    if (value > lowest) {
        return no_integer(column);
    }
    return PyLong_FromLongLong(value == lowest ? INT64_MIN : -(int64_t)value);
}

PyObject *
wire_integer(wire_column *column, const char *text, size_t length)
{
    const char *end = text + length;
    bool negative = length > 0 && *text == '-';
    const char *at = text + negative;
    int64_t value = 0;
    bool wrong = at == end;

    if (end - at > SAFE_DIGITS) { /* ZEROFILL: up to 255 digits, most of them zeros */
        while (end - at > 1 && *at == '0') {
            at++;
        }
    }
    if (end - at > SAFE_DIGITS) {
        return wide_integer(column, negative, at, end);
    }
    for (; at < end; at++) {
        unsigned int figure = (unsigned char)*at - (unsigned int)'0';
        wrong |= figure > 9;
        value = value * 10 + (int64_t)(figure & 15);
    }
    return wrong ? no_integer(column) : PyLong_FromLongLong(negative ? -value : value);
}

/* ---- floats --------------------------------------------------------------- */

/* A number in its parts: digits * 10 ** exponent. */
typedef struct {
    uint64_t digits;
    int exponent;
    bool negative;
    bool whole; /* digits has all of them */
} number;

/* Room for one digit more in `digits`. */
#define DIGITS_LIMIT UINT64_C(1000000000000000000)
/* Far beyond any double; an exponent stops growing here. */
#define EXPONENT_LIMIT 100000
/* 5 ** 27 is the highest power in 64 bits. */
#define HIGHEST_POWER 27

/* Reads digits; returns where they end. */
static const char *
read_digits(number *parts, const char *at, const char *end, bool fraction)
{
    for (; at < end && (unsigned char)(*at - '0') <= 9; at++) {
        unsigned int figure = (unsigned char)(*at - '0');
        if (parts->digits < DIGITS_LIMIT) {
            parts->digits = parts->digits * 10 + figure;
            parts->exponent -= fraction;
        }
        else {
            parts->whole &= figure == 0;
            parts->exponent += !fraction;
        }
    }
    return at;
}

/* Whether the text is a number: -1.5, 1., .5, 1e22, 1.5e-300. */
static bool
read_number(number *parts, const char *text, size_t length)
{
    const char *end = text + length;
    const char *start = text;
    const char *at;

    *parts = (number){.whole = true};
    if (start < end && *start == '-') {
        parts->negative = true;
        start++;
    }
    at = read_digits(parts, start, end, false);
    bool any = at > start;
    if (at < end && *at == '.') {
        const char *point = at;
        at = read_digits(parts, point + 1, end, true);
        any |= at > point + 1;
    }
    if (!any || at == end || (*at != 'e' && *at != 'E')) {
        return any && at == end;
    }
    at++;
    bool below = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+')) {
        at++;
    }
    int exponent = 0;
    start = at;
    for (; at < end && (unsigned char)(*at - '0') <= 9; at++) {
        if (exponent < EXPONENT_LIMIT) {
            exponent = exponent * 10 + (*at - '0');
        }
    }
    parts->exponent += below ? -exponent : exponent;
    return at > start && at == end;
}

#ifdef __SIZEOF_INT128__
__extension__ typedef unsigned __int128 wide;

static const uint64_t powers_of_5[HIGHEST_POWER + 1] = {
    UINT64_C(1),
    UINT64_C(5),
    UINT64_C(25),
    UINT64_C(125),
    UINT64_C(625),
    UINT64_C(3125),
    UINT64_C(15625),
    UINT64_C(78125),
    UINT64_C(390625),
    UINT64_C(1953125),
    UINT64_C(9765625),
    UINT64_C(48828125),
    UINT64_C(244140625),
    UINT64_C(1220703125),
    UINT64_C(6103515625),
    UINT64_C(30517578125),
    UINT64_C(152587890625),
    UINT64_C(762939453125),
    UINT64_C(3814697265625),
    UINT64_C(19073486328125),
    UINT64_C(95367431640625),
    UINT64_C(476837158203125),
    UINT64_C(2384185791015625),
    UINT64_C(11920928955078125),
    UINT64_C(59604644775390625),
    UINT64_C(298023223876953125),
    UINT64_C(1490116119384765625),
    UINT64_C(7450580596923828125),
};

/*
 * The nearest double to digits * 10 ** exponent, for digits that are not 0 and an
 * exponent of no more than HIGHEST_POWER either way.
 *
 * 10 ** n is 5 ** n * 2 ** n.  The power of 5 is multiplied or divided by in 128
 * bits, which is exact; what falls off at the low end is kept as one bit, so that
 * the conversion from 64 bits, the only step that rounds, rounds as if it saw it.
 */
static double
nearest(uint64_t digits, int exponent)
{
    uint64_t result;
    int binary = exponent;

    if (exponent >= 0) {
        wide product = (wide)digits * powers_of_5[exponent];
        uint64_t high = (uint64_t)(product >> 64);
        int shift = high != 0 ? 64 - __builtin_clzll(high) : 0;
        result = (uint64_t)(product >> shift);
        result |= ((wide)result << shift) != product;
        binary += shift;
    }
    else {
        /* With these shifts the quotient has 63 or 64 bits. */
        uint64_t divisor = powers_of_5[-exponent];
        int left = __builtin_clzll(digits);
        int down = __builtin_clzll(divisor);
        wide dividend = (wide)(digits << left) << 63;
        divisor <<= down;
        result = (uint64_t)(dividend / divisor);
        result |= (wide)result * divisor != dividend;
        binary += down - left - 63;
    }
    return ldexp((double)result, binary);
}
#endif

/* Any number, by Python's own conversion; it wants a NUL at the end. */
static PyObject *
slow_double(const wire_column *column, const char *text, size_t length)
{
    char copy[512]; /* ZEROFILL: 255, and an exponent */

    if (length >= sizeof(copy)) {
        return wire_bad_value(column, "has a value too long for a float");
    }
    memcpy(copy, text, length);
    copy[length] = '\0';
    double value = PyOS_string_to_double(copy, NULL, PyExc_OverflowError);
    if (value == -1.0 && PyErr_Occurred()) {
        return wire_bad_value(column, "has a value that no float can hold");
    }
    return PyFloat_FromDouble(value);
}

PyObject *
wire_double(wire_column *column, const char *text, size_t length)
{
    number parts;

    if (!read_number(&parts, text, length)) {
        return wire_bad_value(column, "has a value that is no number");
    }
#ifdef __SIZEOF_INT128__
    if (parts.whole && parts.exponent <= HIGHEST_POWER && parts.exponent >= -HIGHEST_POWER) {
        double value = parts.digits != 0 ? nearest(parts.digits, parts.exponent) : 0.0;
        return PyFloat_FromDouble(parts.negative ? -value : value);
    }
#endif
    return slow_double(column, text, length);
}

bool
wire_is_number(const char *text, size_t length)
{
    number parts;

    return read_number(&parts, text, length);
}
