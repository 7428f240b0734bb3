/*
 * string.c - characters and bytes, and what is written in characters: JSON, UUIDs
 * and addresses.  Converters are called here too.
 *
 * Knows which charsets are read as UTF-8, and that no other is.
 */

#include "decode.h"

#include <string.h>

#define BINARY_CHARSET 63

PyObject *
wire_bytes(wire_column *column, const char *text, size_t length)
{
    (void)column;
    return PyBytes_FromStringAndSize(text, (Py_ssize_t)length);
}

/* Whether there is no byte above 127.  The last word overlaps the one before it. */
static bool
is_ascii(const char *text, size_t length)
{
    const uint64_t high_bits = UINT64_C(0x8080808080808080);
    uint64_t seen = 0;
    uint64_t word;

    if (length < sizeof(word)) {
        for (size_t i = 0; i < length; i++) {
            seen |= (unsigned char)text[i];
        }
        return (seen & high_bits) == 0;
    }
    const char *last = text + length - sizeof(word);
    for (; text < last; text += sizeof(word)) {
        memcpy(&word, text, sizeof(word));
        seen |= word;
    }
    memcpy(&word, last, sizeof(word));
    return ((seen | word) & high_bits) == 0;
}

/* How many bytes follow a first one, and what the second one may be; 0: no first byte. */
static int
sequence_of(unsigned char first, unsigned char *least, unsigned char *most)
{
    *least = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    *most = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    return first < 0xC2 ? 0 : first < 0xE0 ? 1 : first < 0xF0 ? 2 : first < 0xF5 ? 3 : 0;
}

bool
wire_is_utf8(const char *text, size_t length)
{
    const unsigned char *at = (const unsigned char *)text;
    const unsigned char *end = at + length;
    unsigned char least, most;

    if (is_ascii(text, length)) {
        return true;
    }
    while (at < end) {
        if (*at < 0x80) {
            at++;
            continue;
        }
        int follow = sequence_of(*at++, &least, &most);
        if (follow == 0 || end - at < follow || *at < least || *at > most) {
            return false;
        }
        for (at++, follow--; follow > 0; at++, follow--) {
            if ((*at & 0xC0) != 0x80) {
                return false;
            }
        }
    }
    return true;
}

PyObject *
wire_not_utf8(const wire_column *column)
{
    return wire_bad_value(column,
                          "has a value that is not UTF-8; read such bytes as BINARY, or "
                          "repair them in the table");
}

PyObject *
wire_text(wire_column *column, const char *text, size_t length)
{
    PyObject *value;

    if (is_ascii(text, length)) {
        value = PyUnicode_New((Py_ssize_t)length, 127);
        if (value != NULL && length > 0) {
            memcpy(PyUnicode_1BYTE_DATA(value), text, length);
        }
        return value;
    }
    value = PyUnicode_DecodeUTF8(text, (Py_ssize_t)length, NULL);
    if (value == NULL && PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
        return wire_not_utf8(column);
    }
    return value;
}

PyObject *
wire_foreign_text(wire_column *column, const char *text, size_t length)
{
    unsigned int number = column->field->charsetnr;
    const MARIADB_CHARSET_INFO *charset = mariadb_get_charset_by_nr(number); /* static */

    (void)text, (void)length;
    return wire_bad_value(column,
                          "comes in the character set %s (%u), and only UTF-8 is read: "
                          "say SET NAMES utf8mb4",
                          charset != NULL ? charset->csname : "of this number", number);
}

/* Whether the charset is UTF-8 or a part of it; its number is that of a collation. */
static bool
is_utf8(unsigned int number)
{
    if (number == 45 || number == 46 || (number >= 224 && number <= 247) || number == 33) {
        return true; /* by far the most; all that follows is a search */
    }
    if (number >= 2048 && number < 2560) {
        return true; /* UCA 14: 256 numbers for utf8mb3, then for utf8mb4; libraries lack some */
    }
    const MARIADB_CHARSET_INFO *charset = mariadb_get_charset_by_nr(number); /* static */
    return charset != NULL &&
           (strcmp(charset->csname, "utf8mb4") == 0 || strcmp(charset->csname, "utf8mb3") == 0 ||
            strcmp(charset->csname, "utf8") == 0 || strcmp(charset->csname, "ascii") == 0);
}

wire_decoder
wire_string_decoder(unsigned int charset)
{
    if (charset == BINARY_CHARSET) {
        return wire_bytes;
    }
    return is_utf8(charset) ? wire_text : wire_foreign_text;
}

PyObject *
wire_converted(wire_column *column, const char *text, size_t length)
{
    PyObject *value = NULL;                                /* new */
    PyObject *given = column->given(column, text, length); /* new */

    if (given != NULL) {
        value = PyObject_CallOneArg(column->callable, given);
        Py_DECREF(given);
    }
    return value;
}

PyObject *
wire_parsed(wire_column *column, const char *text, size_t length)
{
    PyObject *value = wire_converted(column, text, length); /* new */

    /* All errors of json, uuid and ipaddress are ValueErrors; ours is none. */
    if (value == NULL && PyErr_ExceptionMatches(PyExc_ValueError)) {
        return wire_bad_value(column, "has a value that is not of its type");
    }
    return value;
}
