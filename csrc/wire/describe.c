/*
 * describe.c - what is known of the columns of a result, as Python objects.
 *
 * Plain tuples; mariadb_nb.columns makes of them what users see.  Bytes that are not
 * UTF-8 become U+FFFD here: to describe a result must not fail.
 */

#include "decode.h"

#include <string.h>

/* Of the 13 items of a column: its name, five numbers ... */
enum { NAME, TYPE, LENGTH, MAX_LENGTH, DECIMALS, FLAGS, CHARSET, FIRST_TEXT };
/* ... and texts: of the table and the database, and two that may be None. */
enum { TEXTS = 6, ITEMS = FIRST_TEXT + TEXTS };

typedef struct {
    const char *start; /* NULL: None */
    size_t length;
} text;

/*
 * A text as str or None.  before: borrowed, the object in the same place of the
 * column before, or NULL.  It is taken again if it is the same text, as names of
 * tables and databases mostly are.
 */
static PyObject *
text_object(text what, PyObject *before)
{
    if (what.start == NULL) {
        Py_RETURN_NONE;
    }
    if (before != NULL && PyUnicode_Check(before)) {
        Py_ssize_t length = 0;
        const char *start = PyUnicode_AsUTF8AndSize(before, &length); /* borrowed */
        if (start == NULL) {
            return NULL;
        }
        if ((size_t)length == what.length && memcmp(start, what.start, what.length) == 0) {
            return Py_NewRef(before);
        }
    }
    return PyUnicode_DecodeUTF8(what.start, (Py_ssize_t)what.length, "replace");
}

static text
attribute(const MYSQL_FIELD *field, enum mariadb_field_attr_t which)
{
    MARIADB_CONST_STRING value = {NULL, 0};

    if (field->extension == NULL || mariadb_field_attr(&value, field, which) != 0) {
        return (text){NULL, 0};
    }
    return (text){value.str, value.length};
}

/* One column.  before: borrowed, the tuple of the column before, or NULL. */
static PyObject *
describe(const MYSQL_FIELD *field, PyObject *before)
{
    const unsigned long numbers[] = {
        [TYPE] = field->type,         [LENGTH] = field->length, [MAX_LENGTH] = field->max_length,
        [DECIMALS] = field->decimals, [FLAGS] = field->flags,   [CHARSET] = field->charsetnr,
    };
    const text texts[TEXTS] = {
        {field->table, field->table_length},
        {field->org_table, field->org_table_length},
        {field->db, field->db_length},
        {field->org_name, field->org_name_length},
        attribute(field, MARIADB_FIELD_ATTR_DATA_TYPE_NAME),
        attribute(field, MARIADB_FIELD_ATTR_FORMAT_NAME),
    };
    PyObject *entry = PyTuple_New(ITEMS); /* new */

    for (Py_ssize_t i = 0; entry != NULL && i < ITEMS; i++) {
        PyObject *value; /* new */
        if (i == NAME) {
            value = text_object((text){field->name, field->name_length}, NULL);
        }
        else if (i < FIRST_TEXT) {
            value = PyLong_FromUnsignedLong(numbers[i]);
        }
        else {
            value = text_object(texts[i - FIRST_TEXT],
                                before != NULL ? PyTuple_GET_ITEM(before, i) : NULL);
        }
        if (value == NULL) {
            Py_CLEAR(entry);
            break;
        }
        PyTuple_SET_ITEM(entry, i, value);
    }
    return entry;
}

PyObject *
wire_describe(const MYSQL_FIELD *fields, unsigned int count)
{
    PyObject *entries = PyTuple_New(count); /* new */
    PyObject *before = NULL;                /* borrowed */

    for (unsigned int i = 0; entries != NULL && i < count; i++) {
        before = describe(&fields[i], before);
        if (before == NULL) {
            Py_CLEAR(entries);
            break;
        }
        PyTuple_SET_ITEM(entries, i, before);
    }
    return entries;
}
