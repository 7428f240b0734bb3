/*
 * trial.c - decoding without a server: what the tests compare with a reference.
 *
 * decode() and describe() take the columns either as a list of tuples like those of
 * wire_describe(), or as (address, count) of the fields of a real result.
 */

#include "decode.h"

#include <string.h>

/* Columns made of tuples; the texts belong to the list of tuples. */
typedef struct {
    const MYSQL_FIELD *fields; /* borrowed: the server's, or own */
    unsigned int count;
    MYSQL_FIELD *own;           /* owned, or NULL */
    wire_extension *extensions; /* owned, or NULL */
} columns;

static void
columns_free(columns *self)
{
    PyMem_Free(self->own);
    PyMem_Free(self->extensions);
}

/* One column out of a tuple; extra: for what a MYSQL_FIELD has no room for. */
static int
take_field(PyObject *entry, MYSQL_FIELD *field, wire_extension *extra)
{
    Py_ssize_t lengths[7] = {0};
    char *name, *table, *org_table, *db, *org_name;
    const char *type_name, *format;
    unsigned int type;

    if (!PyArg_ParseTuple(entry, "s#IkkIIIs#s#s#s#z#z#:field", &name, &lengths[0], &type,
                          &field->length, &field->max_length, &field->decimals, &field->flags,
                          &field->charsetnr, &table, &lengths[1], &org_table, &lengths[2], &db,
                          &lengths[3], &org_name, &lengths[4], &type_name, &lengths[5], &format,
                          &lengths[6])) {
        return -1;
    }
    field->type = (enum enum_field_types)type;
    field->name = name;
    field->name_length = (unsigned int)lengths[0];
    field->table = table;
    field->table_length = (unsigned int)lengths[1];
    field->org_table = org_table;
    field->org_table_length = (unsigned int)lengths[2];
    field->db = db;
    field->db_length = (unsigned int)lengths[3];
    field->org_name = org_name;
    field->org_name_length = (unsigned int)lengths[4];
    extra->metadata[MARIADB_FIELD_ATTR_DATA_TYPE_NAME].str = type_name;
    extra->metadata[MARIADB_FIELD_ATTR_DATA_TYPE_NAME].length = (size_t)lengths[5];
    extra->metadata[MARIADB_FIELD_ATTR_FORMAT_NAME].str = format;
    extra->metadata[MARIADB_FIELD_ATTR_FORMAT_NAME].length = (size_t)lengths[6];
    field->extension = type_name != NULL || format != NULL ? extra : NULL;
    return 0;
}

/* Returns 0, or -1 with an exception; to be freed in both cases. */
static int
take_columns(PyObject *from, columns *self)
{
    *self = (columns){NULL};
    if (PyTuple_Check(from)) {
        unsigned long long address;
        if (!PyArg_ParseTuple(from, "KI:fields", &address, &self->count)) {
            return -1;
        }
        self->fields = (const MYSQL_FIELD *)(uintptr_t)address;
        return 0;
    }
    if (!PyList_Check(from)) {
        PyErr_SetString(PyExc_TypeError, "fields has to be a list, or (address, count)");
        return -1;
    }
    size_t count = (size_t)PyList_GET_SIZE(from);
    self->own = PyMem_Calloc(count + 1, sizeof(*self->own));
    self->extensions = PyMem_Calloc(count + 1, sizeof(*self->extensions));
    if (self->own == NULL || self->extensions == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        PyObject *entry = PyList_GET_ITEM(from, (Py_ssize_t)i); /* borrowed */
        if (take_field(entry, &self->own[i], &self->extensions[i]) < 0) {
            return -1;
        }
    }
    self->fields = self->own;
    self->count = (unsigned int)count;
    return 0;
}

/*
 * Adds one row.  Each value gets memory of its own, so that a byte too far is found.
 * Returns 0, or -1 with an exception.
 */
static int
take_row(PyObject *rows, wire_plan *plan, unsigned int count, PyObject *row)
{
    char **values = PyMem_Calloc(count + 1, sizeof(*values));
    unsigned long *lengths = PyMem_Calloc(count + 1, sizeof(*lengths));
    int status = -1;

    if (values == NULL || lengths == NULL) {
        PyErr_NoMemory();
        goto done;
    }
    if (!PyTuple_Check(row) || PyTuple_GET_SIZE(row) != (Py_ssize_t)count) {
        PyErr_SetString(PyExc_TypeError, "a row has to be a tuple with a value for each field");
        goto done;
    }
    for (unsigned int i = 0; i < count; i++) {
        PyObject *value = PyTuple_GET_ITEM(row, i); /* borrowed */
        if (value == Py_None) {
            continue;
        }
        if (!PyBytes_Check(value)) {
            PyErr_SetString(PyExc_TypeError, "a value has to be bytes or None");
            goto done;
        }
        lengths[i] = (unsigned long)PyBytes_GET_SIZE(value);
        values[i] = PyMem_Malloc(lengths[i]);
        if (values[i] == NULL) {
            PyErr_NoMemory();
            goto done;
        }
        memcpy(values[i], PyBytes_AS_STRING(value), lengths[i]);
    }
    status = wire_rows_take(rows, plan, values, lengths);
done:
    for (unsigned int i = 0; values != NULL && i < count; i++) {
        PyMem_Free(values[i]);
    }
    PyMem_Free(values);
    PyMem_Free(lengths);
    return status;
}

static PyObject *
trial_decode(PyObject *module, PyObject *args)
{
    int binary = 0, keep = 0;
    wire_state *state = PyModule_GetState(module);
    PyObject *from, *rows, *reading; /* borrowed */
    PyObject *result = NULL;         /* new */
    wire_plan *plan = NULL;
    columns fields = {NULL};

    if (!PyArg_ParseTuple(args, "OO!O!|pp:decode", &from, &PyList_Type, &rows, state->Reading,
                          &reading, &binary, &keep) ||
        take_columns(from, &fields) < 0) {
        goto done;
    }
    plan = wire_plan_new(reading, fields.fields, fields.count, binary != 0);
    if (plan == NULL) {
        goto done;
    }
    result = wire_rows_new(plan, 0);
    for (Py_ssize_t i = 0; result != NULL && i < PyList_GET_SIZE(rows); i++) {
        if (wire_rows_are_full(result)) {
            break;
        }
        if (take_row(result, plan, fields.count, PyList_GET_ITEM(rows, i)) < 0) {
            if (!keep) {
                Py_CLEAR(result);
                break;
            }
            PyErr_Clear(); /* the rows after one that failed are as they should be */
        }
    }
done:
    wire_plan_free(plan);
    columns_free(&fields);
    return result;
}

/* ---- rows of the binary protocol ---------------------------------------------- */

static PyObject *
decode_fetched(PyObject *reading, const columns *fields, const MYSQL_STMT *stmt, wire_packet ahead)
{
    wire_plan *plan = wire_plan_new(reading, fields->fields, fields->count, true);
    PyObject *rows = plan != NULL ? wire_rows_new(plan, 0) : NULL; /* new */

    if (rows != NULL && wire_rows_take_binary(rows, plan, stmt, &ahead) < 0) {
        Py_CLEAR(rows);
    }
    wire_plan_free(plan);
    return rows;
}

static PyObject *
trial_decode_fetched(PyObject *module, PyObject *args)
{
    wire_state *state = PyModule_GetState(module);
    unsigned long long address;
    PyObject *reading; /* borrowed */

    if (!PyArg_ParseTuple(args, "KO!:decode_fetched", &address, state->Reading, &reading)) {
        return NULL;
    }
    const MYSQL_STMT *stmt = (const MYSQL_STMT *)(uintptr_t)address;
    const columns fields = {.fields = stmt->fields, .count = stmt->field_count};
    return decode_fetched(reading, &fields, stmt, (wire_packet){NULL, NULL});
}

/* Points at the values of a row as the library would; offsets: an int or None for each. */
static int
point(MYSQL_STMT *stmt, unsigned char *packet, PyObject *offsets)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(offsets); i++) {
        PyObject *offset = PyList_GET_ITEM(offsets, i); /* borrowed */
        if (offset != Py_None) {
            stmt->bind[i].u.row_ptr = packet + PyLong_AsSize_t(offset);
        }
    }
    return PyErr_Occurred() ? -1 : 0;
}

/* Where a packet is: fetched just now, or kept, or not fetched at all. */
enum place { READ, KEPT, AHEAD };

/* A packet in memory of its own, as if it had come from a server. */
static PyObject *
decode_packet(const columns *fields, Py_buffer *packet, PyObject *offsets, PyObject *reading,
              enum place place)
{
    const bool kept = place == KEPT;
    const size_t size = (size_t)packet->len;
    const size_t count = (size_t)PyList_GET_SIZE(offsets);
    MYSQL *mysql = PyMem_Calloc(1, sizeof(*mysql));
    MYSQL_STMT *stmt = PyMem_Calloc(1, sizeof(*stmt));
    MYSQL_BIND *bind = PyMem_Calloc(count + 1, sizeof(*bind));
    MYSQL_ROWS *rows = PyMem_Malloc(sizeof(*rows) + size);
    PyObject *row = NULL; /* new */

    if (mysql == NULL || stmt == NULL || bind == NULL || rows == NULL) {
        PyErr_NoMemory();
        goto done;
    }
    unsigned char *start = (unsigned char *)(rows + 1);
    memcpy(start, packet->buf, size);
    *rows =
        (MYSQL_ROWS){.data = kept ? (MYSQL_ROW)(void *)start : NULL, .length = (unsigned long)size};
    mysql->net.read_pos = kept ? NULL : start;
    mysql->net.buff_end = kept ? NULL : start + size;
    *stmt = (MYSQL_STMT){.mysql = mysql, .bind = bind, .field_count = (unsigned int)count};
    const wire_packet packed = {(const char *)start, (const char *)start + size};
    if (point(stmt, start, offsets) == 0) {
        row = decode_fetched(reading, fields, stmt,
                             place == AHEAD ? packed : (wire_packet){NULL, NULL});
    }
done:
    PyMem_Free(rows);
    PyMem_Free(bind);
    PyMem_Free(stmt);
    PyMem_Free(mysql);
    return row;
}

static PyObject *
trial_decode_packet(PyObject *module, PyObject *args)
{
    wire_state *state = PyModule_GetState(module);
    PyObject *from, *offsets, *reading; /* borrowed */
    PyObject *row = NULL;               /* new */
    Py_buffer packet;
    columns fields;
    int place;

    if (!PyArg_ParseTuple(args, "Oy*O!O!i:decode_packet", &from, &packet, &PyList_Type, &offsets,
                          state->Reading, &reading, &place)) {
        return NULL;
    }
    if (take_columns(from, &fields) == 0) {
        row = decode_packet(&fields, &packet, offsets, reading, (enum place)place);
    }
    columns_free(&fields);
    PyBuffer_Release(&packet);
    return row;
}

static PyObject *
trial_describe(PyObject *Py_UNUSED(module), PyObject *from)
{
    PyObject *result = NULL; /* new */
    columns fields;

    if (take_columns(from, &fields) == 0) {
        result = wire_describe(fields.fields, fields.count);
    }
    columns_free(&fields);
    return result;
}

static PyMethodDef functions[] = {
    {"decode", trial_decode, METH_VARARGS,
     PyDoc_STR("decode(fields, rows, reading, binary=False, keep=False)\n--\n\nRows of bytes and "
               "None as `reading` has them; keep: without those that fail.  As many as can be "
               "taken. For tests.")},
    {"decode_fetched", trial_decode_fetched, METH_VARARGS,
     PyDoc_STR("decode_fetched(address, reading)\n--\n\nA list of the row that mysql_stmt_fetch() "
               "has just "
               "read of the statement. For tests.")},
    {"decode_packet", trial_decode_packet, METH_VARARGS,
     PyDoc_STR("decode_packet(fields, packet, offsets, reading, place)\n--\n\nA list of the row of "
               "a packet whose values are at the offsets; place: 0: it was read, 1: kept, "
               "2: it is read ahead. For tests.")},
    {"describe", trial_describe, METH_O,
     PyDoc_STR("describe(fields)\n--\n\nWhat is known of the columns. For tests.")},
    {NULL, NULL, 0, NULL},
};

int
wire_add_trial(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}
