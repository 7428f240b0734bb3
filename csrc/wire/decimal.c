/*
 * decimal.c - Decimals from their text.
 *
 * Owns what is known of the Decimals of CPython's _decimal, which has no C API: a call of
 * Decimal() was a quarter of what a row with one cost.  So a Decimal of few digits is made
 * like one that Decimal() has made, with other digits in it.  Whether that is the same as
 * calling it is tried when the module is imported, member by member; where it is not
 * (another Python, 32 bits), Decimal() is called.
 */

#include "decode.h"

#include <string.h>

/* ---- One like another ------------------------------------------------------- */

#define WORDS 4
#define NEGATIVE 1 /* a bit of the flags */
/* As many digits as fit one word: it holds up to 19. */
#define MOST_DIGITS 18

/* What lies in memory, as libmpdec's mpd_t has it with words of 64 bits. */
typedef struct {
    PyObject_HEAD Py_hash_t hash; /* -1: not known yet */
    uint8_t flags;
    Py_ssize_t exponent;
    Py_ssize_t digits; /* how many */
    Py_ssize_t length; /* in words */
    Py_ssize_t room;   /* likewise */
    uint64_t *data;    /* its own words */
    uint64_t words[WORDS];
} small_decimal;

/* A number of few digits: digits * 10 ** exponent. */
typedef struct {
    uint64_t digits;
    int count; /* of digits, without zeros in front; but at least one */
    int exponent;
    bool negative;
} parts;

/* Reads -1, 1.5 and the like; false for what is longer, or something else. */
static bool
read_parts(parts *found, const char *text, size_t length)
{
    const char *end = text + length;
    const char *point = NULL;

    *found = (parts){.negative = length > 0 && *text == '-'};
    text += found->negative;
    if (end - text > MOST_DIGITS + 1) {
        return false;
    }
    for (const char *at = text; at < end; at++) {
        const unsigned int figure = (unsigned char)*at - (unsigned int)'0';
        if (figure <= 9) {
            found->digits = found->digits * 10 + figure;
            found->count += found->digits != 0;
        }
        else if (*at == '.' && point == NULL && at > text) {
            point = at;
        }
        else {
            return false;
        }
    }
    if (point == NULL ? end - text == 0 || end - text > MOST_DIGITS : end - point == 1) {
        return false;
    }
    found->exponent = point == NULL ? 0 : -(int)(end - point - 1);
    found->count += found->count == 0;
    return true;
}

static PyObject *
make_like(const small_decimal *like, const parts *number)
{
    PyTypeObject *type = Py_TYPE(like);
    small_decimal *made = (small_decimal *)type->tp_alloc(type, 0); /* new */

    if (made != NULL) {
        made->hash = -1;
        made->flags = like->flags | (number->negative ? NEGATIVE : 0);
        made->exponent = number->exponent;
        made->digits = number->count;
        made->length = 1;
        made->room = WORDS;
        made->data = made->words;
        made->words[0] = number->digits;
    }
    return (PyObject *)made;
}

/* ---- Whether that is the same ------------------------------------------------- */

static bool
is_same(const small_decimal *one, const small_decimal *other)
{
    return one->hash == other->hash && one->flags == other->flags &&
           one->exponent == other->exponent && one->digits == other->digits &&
           one->length == other->length && one->room == other->room && one->data == one->words &&
           other->data == other->words && one->words[0] == other->words[0];
}

/* Whether Decimal() and make_like() make the same of a text; -1 with an exception. */
static int
agrees(PyObject *Decimal, PyObject *like, const char *text)
{
    PyObject *called = PyObject_CallFunction(Decimal, "s", text); /* new */
    PyObject *made = NULL;                                        /* new */
    parts number;
    int same = -1;

    if (called == NULL) {
        return -1;
    }
    if (!Py_IS_TYPE(called, Py_TYPE(like)) || !read_parts(&number, text, strlen(text))) {
        same = 0;
    }
    else if ((made = make_like((small_decimal *)like, &number)) != NULL) {
        same = is_same((small_decimal *)called, (small_decimal *)made);
    }
    Py_XDECREF(made);
    Py_DECREF(called);
    return same;
}

int
wire_try_decimals(PyObject *module)
{
    wire_state *state = PyModule_GetState(module);
    static const char *const texts[] = {
        "0",   "-0.00", "7", "-10", "12345678.90", "0.00000000000000001", "999999999999999999",
        "0012"};
    PyObject *like = PyObject_CallFunction(state->Decimal, "s", "1"); /* new */
    int same;

    if (like == NULL) {
        return -1;
    }
    same = Py_TYPE(like)->tp_basicsize == sizeof(small_decimal) && Py_TYPE(like)->tp_itemsize == 0;
    for (size_t i = 0; same > 0 && i < sizeof(texts) / sizeof(texts[0]); i++) {
        same = agrees(state->Decimal, like, texts[i]);
    }
    if (same > 0) {
        state->like_decimal = Py_NewRef(like);
    }
    Py_DECREF(like);
    return same < 0 ? -1
                    : PyModule_AddObjectRef(module, "COPIES_DECIMALS", same ? Py_True : Py_False);
}

/* ---- The decoder ------------------------------------------------------------------ */

PyObject *
wire_decimal(wire_column *column, const char *text, size_t length)
{
    const wire_state *state = column->reading->state;
    PyObject *digits = NULL; /* new */
    PyObject *value = NULL;  /* new */
    parts number;

    if (state->like_decimal != NULL && read_parts(&number, text, length)) {
        return make_like((const small_decimal *)state->like_decimal, &number);
    }
    /* Decimal() would take "NaN", "1_0" and " 1 " too. */
    if (!wire_is_number(text, length)) {
        return wire_bad_value(column, "has a value that is no number");
    }
    digits = PyUnicode_DecodeASCII(text, (Py_ssize_t)length, NULL);
    if (digits != NULL) {
        value = PyObject_CallOneArg(state->Decimal, digits);
        Py_DECREF(digits);
    }
    return value;
}
