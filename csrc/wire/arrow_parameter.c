/*
 * arrow_parameter.c - from a value in a column of Arrow to an object that is a parameter.
 *
 * Owns which types can be read.  What a parameter cannot hold as it is (nanoseconds, a
 * year beyond 9999, a time zone) is refused.
 */

#include "arrow_read.h"

#include <stdio.h>
#include <string.h>

#define US_PER_SECOND INT64_C(1000000)
#define US_PER_DAY (INT64_C(86400) * US_PER_SECOND)

static PyObject *
bad_value(const wire_arrow_source *source, const char *what)
{
    return PyErr_Format(source->state->DataError, "column %R has a value %s", source->name, what);
}

/* ---- numbers ------------------------------------------------------------------------- */

static PyObject *
from_null(const wire_arrow_source *Py_UNUSED(source), const struct ArrowArray *Py_UNUSED(array),
          int64_t Py_UNUSED(at))
{
    Py_RETURN_NONE;
}

static PyObject *
from_bool(const wire_arrow_source *Py_UNUSED(source), const struct ArrowArray *array, int64_t at)
{
    const uint8_t *bits = array->buffers[1];

    return PyBool_FromLong(bits[at / 8] >> (at % 8) & 1);
}

#define NUMBER(name, type, make)                                      \
    static PyObject *name(const wire_arrow_source *Py_UNUSED(source), \
                          const struct ArrowArray *array, int64_t at) \
    {                                                                 \
        return make(((const type *)array->buffers[1])[at]);           \
    }

NUMBER(from_int_8, int8_t, PyLong_FromLong)
NUMBER(from_int_16, int16_t, PyLong_FromLong)
NUMBER(from_int_32, int32_t, PyLong_FromLong)
NUMBER(from_int_64, int64_t, PyLong_FromLongLong)
NUMBER(from_uint_8, uint8_t, PyLong_FromLong)
NUMBER(from_uint_16, uint16_t, PyLong_FromLong)
NUMBER(from_uint_32, uint32_t, PyLong_FromUnsignedLong)
NUMBER(from_uint_64, uint64_t, PyLong_FromUnsignedLongLong)
NUMBER(from_float, float, PyFloat_FromDouble)
NUMBER(from_double, double, PyFloat_FromDouble)

#undef NUMBER

static PyObject *
from_half(const wire_arrow_source *Py_UNUSED(source), const struct ArrowArray *array, int64_t at)
{
    double value = PyFloat_Unpack2((const char *)array->buffers[1] + at * 2, PY_LITTLE_ENDIAN);

    return value == -1.0 && PyErr_Occurred() ? NULL : PyFloat_FromDouble(value);
}

static PyObject *
from_decimal(const wire_arrow_source *source, const struct ArrowArray *array, int64_t at)
{
    const unsigned char *value = (const unsigned char *)array->buffers[1] + at * source->width;
    PyObject *text = NULL; /* new */
    PyObject *made = NULL; /* new */
#if PY_VERSION_HEX >= 0x030D0000
    PyObject *digits = PyLong_FromNativeBytes(value, (size_t)source->width, -1); /* new */
#else
    PyObject *digits =
        _PyLong_FromByteArray(value, (size_t)source->width, PY_LITTLE_ENDIAN, 1); /* new */
#endif

    if (digits != NULL) {
        text = PyUnicode_FromFormat("%SE%d", digits, -source->decimals);
    }
    if (text != NULL) {
        made = PyObject_CallOneArg(source->state->Decimal, text);
    }
    Py_XDECREF(digits);
    Py_XDECREF(text);
    return made;
}

/* ---- dates and times ------------------------------------------------------------------- */

/* In its unit; times of day and dates have 32 bits or 64. */
static int64_t
count_of(const wire_arrow_source *source, const struct ArrowArray *array, int64_t at)
{
    return source->width == 4 ? ((const int32_t *)array->buffers[1])[at]
                              : ((const int64_t *)array->buffers[1])[at];
}

/* In microseconds.  Returns 0, or -1 with an exception. */
static int
microseconds_of(const wire_arrow_source *source, const struct ArrowArray *array, int64_t at,
                int64_t *value)
{
    const int64_t count = count_of(source, array, at);

    if (source->unit > US_PER_SECOND) {
        const int64_t factor = source->unit / US_PER_SECOND;
        *value = count / factor;
        if (count % factor != 0) {
            bad_value(source,
                      "with nanoseconds, which the server would not keep: round it to "
                      "microseconds");
            return -1;
        }
        return 0;
    }
    const int64_t factor = US_PER_SECOND / source->unit;
    if (count > INT64_MAX / factor || count < INT64_MIN / factor) {
        bad_value(source, "beyond what a moment or a duration can be");
        return -1;
    }
    *value = count * factor;
    return 0;
}

/* The day of a number of days since 1970-01-01.  Years begin in March here. */
static int
find_day(const wire_arrow_source *source, int64_t days, int date[3])
{
    if (days < -719162 || days > 2932896) { /* 0001-01-01 and 9999-12-31 */
        bad_value(source, "beyond the years 1 to 9999");
        return -1;
    }
    const int all = (int)days + 719468; /* since 0000-03-01 */
    const int era = all / 146097;       /* of 400 years */
    const int of_era = all % 146097;
    const int year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    const int of_year = of_era - (365 * year + year / 4 - year / 100);
    const int month = (5 * of_year + 2) / 153;

    date[2] = of_year - (153 * month + 2) / 5 + 1;
    date[1] = month < 10 ? month + 3 : month - 9;
    date[0] = era * 400 + year + (date[1] < 3);
    return 0;
}

static PyObject *
from_date(const wire_arrow_source *source, const struct ArrowArray *array, int64_t at)
{
    const int64_t count = count_of(source, array, at);
    const int64_t in_a_day = source->width == 4 ? 1 : 86400000;
    int date[3];

    if (count % in_a_day != 0) {
        return bad_value(source, "that is a date with a time of day");
    }
    return find_day(source, count / in_a_day, date) < 0 ? NULL : wire_new_date(date);
}

static PyObject *
from_datetime(const wire_arrow_source *source, const struct ArrowArray *array, int64_t at)
{
    int64_t value;
    int date[3];

    if (microseconds_of(source, array, at, &value) < 0) {
        return NULL;
    }
    int64_t days = value / US_PER_DAY;
    int64_t rest = value % US_PER_DAY;
    if (rest < 0) {
        rest += US_PER_DAY;
        days--;
    }
    if (find_day(source, days, date) < 0) {
        return NULL;
    }
    const int seconds = (int)(rest / US_PER_SECOND);
    const int time[] = {seconds / 3600, seconds / 60 % 60, seconds % 60};
    return wire_new_datetime(date, time, (int)(rest % US_PER_SECOND));
}

static PyObject *
from_duration(const wire_arrow_source *source, const struct ArrowArray *array, int64_t at)
{
    int64_t value;

    if (microseconds_of(source, array, at, &value) < 0) {
        return NULL;
    }
    return wire_new_delta((int)(value / US_PER_DAY), (int)(value % US_PER_DAY / US_PER_SECOND),
                          (int)(value % US_PER_SECOND));
}

/* ---- bytes and text ---------------------------------------------------------------------- */

/* Where a value's bytes are. */
typedef struct {
    const char *start;
    int64_t length;
} span;

static span
small_span(const struct ArrowArray *array, int64_t at)
{
    const int32_t *offsets = (const int32_t *)array->buffers[1] + at;

    return (span){(const char *)array->buffers[2] + offsets[0], offsets[1] - offsets[0]};
}

static span
large_span(const struct ArrowArray *array, int64_t at)
{
    const int64_t *offsets = (const int64_t *)array->buffers[1] + at;

    return (span){(const char *)array->buffers[2] + offsets[0], offsets[1] - offsets[0]};
}

/* A view is a length, and the bytes themselves or in which buffer they are, and where. */
static span
view_span(const struct ArrowArray *array, int64_t at)
{
    const int32_t *view = (const int32_t *)array->buffers[1] + at * 4;

    if (view[0] <= 12) {
        return (span){(const char *)(view + 1), view[0]};
    }
    return (span){(const char *)array->buffers[2 + view[2]] + view[3], view[0]};
}

#define SPAN(name, span_of, make)                                     \
    static PyObject *name(const wire_arrow_source *Py_UNUSED(source), \
                          const struct ArrowArray *array, int64_t at) \
    {                                                                 \
        const span found = span_of(array, at);                        \
        return make(found.start, (Py_ssize_t)found.length);           \
    }

#define DECODE(start, length) PyUnicode_DecodeUTF8(start, length, NULL)

SPAN(from_bytes, small_span, PyBytes_FromStringAndSize)
SPAN(from_text, small_span, DECODE)
SPAN(from_large_bytes, large_span, PyBytes_FromStringAndSize)
SPAN(from_large_text, large_span, DECODE)
SPAN(from_view_bytes, view_span, PyBytes_FromStringAndSize)
SPAN(from_view_text, view_span, DECODE)

#undef SPAN
#undef DECODE

static PyObject *
from_fixed_bytes(const wire_arrow_source *source, const struct ArrowArray *array, int64_t at)
{
    return PyBytes_FromStringAndSize((const char *)array->buffers[1] + at * source->width,
                                     (Py_ssize_t)source->width);
}

static PyObject *
from_uuid(const wire_arrow_source *source, const struct ArrowArray *array, int64_t at)
{
    PyObject *bytes = from_fixed_bytes(source, array, at); /* new */
    PyObject *made = NULL;                                 /* new */

    if (bytes != NULL) {
        made = PyObject_CallFunction(source->state->UUID, "OO", Py_None, bytes);
        Py_DECREF(bytes);
    }
    return made;
}

/* ---- values that are kept once -------------------------------------------------------------- */

/* A whole number of any size. */
static int64_t
number_at(const void *numbers, int64_t width, bool is_unsigned, int64_t at)
{
    switch (width) {
    case 1:
        return is_unsigned ? (int64_t)((const uint8_t *)numbers)[at]
                           : (int64_t)((const int8_t *)numbers)[at];
    case 2:
        return is_unsigned ? (int64_t)((const uint16_t *)numbers)[at]
                           : (int64_t)((const int16_t *)numbers)[at];
    case 4:
        return is_unsigned ? (int64_t)((const uint32_t *)numbers)[at]
                           : (int64_t)((const int32_t *)numbers)[at];
    default:
        return ((const int64_t *)numbers)[at];
    }
}

static PyObject *
from_number(const wire_arrow_source *source, const struct ArrowArray *array, int64_t at)
{
    const struct ArrowArray *values = array->dictionary;
    int64_t place = number_at(array->buffers[1], source->width, source->is_unsigned, at);

    if (place < 0 || place >= values->length) {
        return bad_value(source, "that is not in its dictionary");
    }
    place += values->offset;
    if (!wire_arrow_is_valid(values, place)) {
        Py_RETURN_NONE;
    }
    return source->values->make(source->values, values, place);
}

/* ---- which type -------------------------------------------------------------------------------
 */

/* Types that their format says all of. */
static const struct {
    const char *format;
    wire_arrow_make make;
    int64_t width;
    int64_t unit;
} types[] = {
    {"n", from_null, 0, 0},
    {"b", from_bool, 0, 0},
    {"c", from_int_8, 1, 0},
    {"C", from_uint_8, 1, 0},
    {"s", from_int_16, 2, 0},
    {"S", from_uint_16, 2, 0},
    {"i", from_int_32, 4, 0},
    {"I", from_uint_32, 4, 0},
    {"l", from_int_64, 8, 0},
    {"L", from_uint_64, 8, 0},
    {"e", from_half, 2, 0},
    {"f", from_float, 4, 0},
    {"g", from_double, 8, 0},
    {"z", from_bytes, 0, 0},
    {"Z", from_large_bytes, 0, 0},
    {"vz", from_view_bytes, 0, 0},
    {"u", from_text, 0, 0},
    {"U", from_large_text, 0, 0},
    {"vu", from_view_text, 0, 0},
    {"tdD", from_date, 4, 0},
    {"tdm", from_date, 8, 0},
    {"tts", from_duration, 4, 1},
    {"ttm", from_duration, 4, 1000},
    {"ttu", from_duration, 8, US_PER_SECOND},
    {"ttn", from_duration, 8, US_PER_SECOND * 1000},
    {"tss:", from_datetime, 8, 1},
    {"tsm:", from_datetime, 8, 1000},
    {"tsu:", from_datetime, 8, US_PER_SECOND},
    {"tsn:", from_datetime, 8, US_PER_SECOND * 1000},
    {"tDs", from_duration, 8, 1},
    {"tDm", from_duration, 8, 1000},
    {"tDu", from_duration, 8, US_PER_SECOND},
    {"tDn", from_duration, 8, US_PER_SECOND * 1000},
};

static bool
choose_plain(wire_arrow_source *source, const char *format)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcmp(types[i].format, format) == 0) {
            source->make = types[i].make;
            source->width = types[i].width;
            source->unit = types[i].unit;
            return true;
        }
    }
    return false;
}

/* Whether a field is of an extension type. */
static bool
is_extension(const struct ArrowSchema *schema, const char *extension)
{
    static const char key[] = "ARROW:extension:name";
    const char *at = schema->metadata;
    int32_t count, length;

    if (at == NULL) {
        return false;
    }
    memcpy(&count, at, sizeof(count));
    at += sizeof(count);
    for (int32_t i = 0; i < count * 2; i++) {
        memcpy(&length, at, sizeof(length));
        at += sizeof(length);
        const bool is_name = i % 2 == 0 && (size_t)length == sizeof(key) - 1 &&
                             memcmp(at, key, sizeof(key) - 1) == 0;
        at += length;
        if (is_name) {
            memcpy(&length, at, sizeof(length));
            return (size_t)length == strlen(extension) &&
                   memcmp(at + sizeof(length), extension, (size_t)length) == 0;
        }
    }
    return false;
}

/* Types whose format has numbers. */
static bool
choose_by_numbers(wire_arrow_source *source, const struct ArrowSchema *schema)
{
    int digits, decimals, bits = 128;
    long long width;

    if (sscanf(schema->format, "w:%lld", &width) == 1) {
        source->width = width;
        source->make =
            width == 16 && is_extension(schema, "arrow.uuid") ? from_uuid : from_fixed_bytes;
        return true;
    }
    if (sscanf(schema->format, "d:%d,%d,%d", &digits, &decimals, &bits) >= 2) {
        source->width = bits / 8;
        source->decimals = decimals;
        source->make = from_decimal;
        return true;
    }
    return false;
}

static int
refuse(const wire_arrow_source *source, const struct ArrowSchema *schema)
{
    const bool has_zone = strncmp(schema->format, "ts", 2) == 0;

    if (has_zone) {
        PyErr_Format(source->state->DataError,
                     "column %R has moments with the time zone %s, which the server would not "
                     "keep: make them ones without",
                     source->name, strchr(schema->format, ':') + 1);
    }
    else {
        PyErr_Format(source->state->NotSupportedError,
                     "column %R is of the type %s of Arrow, of which no parameters are made",
                     source->name, schema->format);
    }
    return -1;
}

int
wire_arrow_source_choose(wire_state *state, wire_arrow_source *source,
                         const struct ArrowSchema *schema)
{
    const char *name = schema->name != NULL ? schema->name : "";

    source->state = state;
    source->name = PyUnicode_DecodeUTF8(name, (Py_ssize_t)strlen(name), "replace");
    if (source->name == NULL) {
        return -1;
    }
    if (!choose_plain(source, schema->format) && !choose_by_numbers(source, schema)) {
        return refuse(source, schema);
    }
    if (schema->dictionary != NULL) {
        source->is_unsigned = strchr("CSIL", schema->format[0]) != NULL;
        source->make = from_number;
        source->values = PyMem_Calloc(1, sizeof(*source->values));
        if (source->values == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        return wire_arrow_source_choose(state, source->values, schema->dictionary);
    }
    return 0;
}

void
wire_arrow_source_clear(wire_arrow_source *source)
{
    if (source->values != NULL) {
        wire_arrow_source_clear(source->values);
        PyMem_Free(source->values);
    }
    Py_XDECREF(source->name);
}
