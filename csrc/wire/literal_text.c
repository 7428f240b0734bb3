/*
 * literal_text.c - from a string to an SQL literal.
 *
 * Owns the escaping.  A quote is doubled, never put behind a backslash: so a value
 * stays inside of its quotes even on a server that has meanwhile turned to
 * NO_BACKSLASH_ESCAPES.  Where the server may read a backslash either way, nothing is
 * escaped, and what has one is written in hexadecimal.
 */

#include "template.h"

/*
 * What stands for a byte, behind a backslash or another quote; 0 for the byte itself.
 * The server needs it for the quote and the backslash only; the others would not
 * pass programs that read its logs line by line.
 */
static const char escapes[256] = {
    ['\''] = '\'', ['\\'] = '\\', ['\0'] = '0', ['\n'] = 'n', ['\r'] = 'r', ['\x1a'] = 'Z',
};
/* Where nothing is: not even NO_BACKSLASH_ESCAPES is relied on. */
#define UNESCAPED (WIRE_NO_BACKSLASH | WIRE_SEVERAL | WIRE_DOUBTFUL)
static const char quotes_only[256] = {['\''] = '\''};

/* How many bytes need another one.  No table and no branch: compilers make vectors of it. */
static size_t
count_escapes(const char *data, size_t length, bool backslash)
{
    size_t quote = 0;
    size_t other = 0;

    for (size_t i = 0; i < length; i++) {
        const char c = data[i];
        quote += c == '\'';
        other += (c == '\\') | (c == '\0') | (c == '\n') | (c == '\r') | (c == '\x1a');
    }
    return backslash ? quote + other : quote;
}

/* Writes a string in quotes; the data must not change meanwhile. */
static int
write_string(wire_writer *writer, const wire_encoding *how, const char *data, size_t length)
{
    const bool backslash = (how->mode & UNESCAPED) == 0;
    const char *const table = backslash ? escapes : quotes_only;
    const size_t count = count_escapes(data, length, backslash);

    if (wire_reserve(writer, length + count + 2) < 0) {
        return -1;
    }
    *writer->at++ = '\'';
    wire_put_escaped(writer, data, length, table, count);
    *writer->at++ = '\'';
    return 0;
}

/* Whether there is a backslash that must not be escaped. */
static bool
is_doubtful(const wire_encoding *how, const char *data, size_t length)
{
    return (how->mode & UNESCAPED) != 0 && memchr(data, '\\', length) != NULL;
}

/* Writes an introducer and a string in hexadecimal. */
static int
write_hexadecimal(wire_writer *writer, const char *introducer, const char *data, size_t length)
{
    static const char digits[] = "0123456789ABCDEF";

    if (length > (SIZE_MAX - 64) / 2 || wire_write(writer, introducer, strlen(introducer)) < 0 ||
        wire_reserve(writer, 2 * length + 3) < 0) {
        return -1;
    }
    *writer->at++ = 'X';
    *writer->at++ = '\'';
    for (size_t i = 0; i < length; i++) {
        *writer->at++ = digits[(unsigned char)data[i] >> 4];
        *writer->at++ = digits[(unsigned char)data[i] & 15];
    }
    *writer->at++ = '\'';
    return 0;
}

static int
write_text(wire_writer *writer, const wire_encoding *how, const char *data, size_t length)
{
    return is_doubtful(how, data, length) ? write_hexadecimal(writer, "_utf8mb4 ", data, length)
                                          : write_string(writer, how, data, length);
}

int
wire_utf8(const wire_encoding *how, PyObject *value, const char **data, size_t *length,
          PyObject **kept)
{
    if (PyUnicode_IS_COMPACT_ASCII(value)) {
        *data = (const char *)PyUnicode_1BYTE_DATA(value);
        *length = (size_t)PyUnicode_GET_LENGTH(value);
        *kept = Py_NewRef(value);
        return 0;
    }
    /* Not PyUnicode_AsUTF8(): it would double the memory of the caller's string. */
    *kept = PyUnicode_AsUTF8String(value);
    if (*kept == NULL) {
        if (PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
            PyErr_Clear(); /* it holds the value */
            wire_refuse(how, how->state->DataError,
                        "has a lone surrogate, which utf8mb4 cannot hold: encode it to bytes");
        }
        return -1;
    }
    *data = PyBytes_AS_STRING(*kept);
    *length = (size_t)PyBytes_GET_SIZE(*kept);
    return 0;
}

int
wire_str_literal(wire_writer *writer, const wire_encoding *how, PyObject *value)
{
    PyObject *kept; /* new */
    const char *data;
    size_t length;
    int status;

    if (wire_utf8(how, value, &data, &length, &kept) < 0) {
        return -1;
    }
    status = write_text(writer, how, data, length);
    Py_DECREF(kept);
    return status;
}

/* _binary'..' takes half the room of X'..' and is the same to the server. */
int
wire_bytes_literal(wire_writer *writer, const wire_encoding *how, PyObject *value)
{
    const char *data = PyBytes_AS_STRING(value);
    const size_t length = (size_t)PyBytes_GET_SIZE(value);

    if (is_doubtful(how, data, length)) {
        return write_hexadecimal(writer, "", data, length);
    }
    if (wire_write(writer, "_binary", 7) < 0) {
        return -1;
    }
    return write_string(writer, how, data, length);
}
