/*
 * arrow_batch.c - rows to columns: the type ArrowBatch while it is made.
 *
 * Owns the growth of a batch, row by row, and what is left of it when a row fails: the
 * rows before.  What others get of it is arrow_object.c's business.
 */

#include "arrow.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 64
/* Buffers are as large as a multiple of this. */
#define PADDING 64
/*
 * Bytes of one column after which a batch takes no more rows.  A value is no longer than
 * that (max_allowed_packet), so that the offsets, of 32 bits, never end within a row.
 */
#define FULL ((size_t)1 << 30)

/* ---- plans ------------------------------------------------------------------------- */

static bool
is_name(PyObject *object, const char *name)
{
    const char *text = PyUnicode_Check(object) ? PyUnicode_AsUTF8(object) : NULL; /* borrowed */

    PyErr_Clear();
    return text != NULL && strcmp(text, name) == 0;
}

/* Whether each name that is asked for is a column of text; -1 with an exception. */
static int
check_names(const wire_plan *plan, const wire_arrow_layout *layout)
{
    PyObject *dictionary = plan->reading->make; /* borrowed */
    PyObject *names = NULL;                     /* new */
    PyObject *name = NULL;                      /* new */

    if (PyBool_Check(dictionary) || (names = PyObject_GetIter(dictionary)) == NULL) {
        return PyErr_Occurred() ? -1 : 0;
    }
    while ((name = PyIter_Next(names)) != NULL) {
        bool found = false;
        for (size_t i = 0; !found && i < layout->count; i++) {
            found = layout->fields[i].dictionary && is_name(name, layout->fields[i].name);
        }
        if (!found) {
            PyErr_Format(plan->reading->state->ProgrammingError,
                         "dictionary= names %R, and the result has no column of text of that name",
                         name);
        }
        Py_DECREF(name);
        if (!found) {
            break;
        }
    }
    Py_DECREF(names);
    return PyErr_Occurred() ? -1 : 0;
}

int
wire_plan_columns(wire_plan *plan, const MYSQL_FIELD *fields)
{
    if (plan->widths == NULL) {
        PyErr_SetString(plan->reading->state->NotSupportedError,
                        "columns are made of the rows of prepared statements only");
        return -1;
    }
    plan->layout = wire_layout_new(fields, plan->count, plan->reading->make);
    return plan->layout == NULL || check_names(plan, plan->layout) < 0 ? -1 : 0;
}

Py_ssize_t
wire_batch_rows(PyObject *batch)
{
    return (Py_ssize_t)((wire_batch *)batch)->chunk->rows;
}

bool
wire_batch_is_full(PyObject *batch)
{
    return ((wire_batch *)batch)->full;
}

/* ---- memory ------------------------------------------------------------------------ */

static size_t
padded(size_t size)
{
    return (size + PADDING - 1) / PADDING * PADDING;
}

/* Bytes of a column's values, or offsets, for so many rows. */
static size_t
size_of(const wire_arrow_field *field, int64_t rows)
{
    return padded(((size_t)rows + field->variable) * field->width);
}

static size_t
bits_for(int64_t rows)
{
    return padded(((size_t)rows + 7) / 8);
}

/* Makes room for more rows.  Returns 0, or -1 with an exception. */
static int
grow(wire_arrow_chunk *chunk)
{
    const int64_t room = chunk->room == 0 ? FIRST_ROOM : chunk->room * 2;

    for (size_t i = 0; i < chunk->layout->count; i++) {
        const wire_arrow_field *field = &chunk->layout->fields[i];
        wire_arrow_column *column = &chunk->columns[i];
        if (field->width != 0) {
            char *values = realloc(column->values, size_of(field, room));
            if (values == NULL) {
                goto no_memory;
            }
            if (column->values == NULL) {
                memset(values, 0, sizeof(int32_t)); /* the first offset */
            }
            column->values = values;
        }
        if (column->validity != NULL) {
            const size_t before = bits_for(chunk->room), after = bits_for(room);
            uint8_t *validity = realloc(column->validity, after);
            if (validity == NULL) {
                goto no_memory;
            }
            memset(validity + before, 0, after - before);
            column->validity = validity;
        }
    }
    chunk->room = room;
    return 0;
no_memory:
    PyErr_NoMemory();
    return -1;
}

/* Gives back what a buffer has too much; what cannot be given back stays. */
static void *
trimmed(void *memory, size_t size)
{
    void *smaller = memory != NULL ? realloc(memory, size != 0 ? size : PADDING) : NULL;

    return smaller != NULL ? smaller : memory;
}

void
wire_batch_trim(PyObject *batch)
{
    wire_arrow_chunk *chunk = ((wire_batch *)batch)->chunk;

    for (size_t i = 0; i < chunk->layout->count; i++) {
        const wire_arrow_field *field = &chunk->layout->fields[i];
        wire_arrow_column *column = &chunk->columns[i];
        column->values = trimmed(column->values, size_of(field, chunk->rows));
        column->validity = trimmed(column->validity, bits_for(chunk->rows));
        if (field->variable && column->values != NULL) {
            const int32_t *offsets = (const int32_t *)(const void *)column->values;
            column->room = padded((size_t)offsets[chunk->rows]);
            column->bytes = trimmed(column->bytes, column->room);
        }
    }
    chunk->room = chunk->rows;
}

/* ---- rows --------------------------------------------------------------------------- */

static bool
is_valid(const wire_arrow_column *column, int64_t row)
{
    return (column->validity[row / 8] >> (row % 8) & 1) != 0;
}

/* Returns 0, or -1 with an exception. */
static int
write_null(wire_arrow_column *column, const wire_arrow_field *field, int64_t row, int64_t room)
{
    if (column->validity == NULL) {
        column->validity = calloc(1, bits_for(room));
        if (column->validity == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        memset(column->validity, 0xff, (size_t)row / 8);
        column->validity[row / 8] = (uint8_t)((1 << row % 8) - 1);
    }
    column->nulls++;
    if (field->variable) {
        int32_t *offsets = (int32_t *)(void *)column->values;
        offsets[row + 1] = offsets[row];
    }
    else if (field->width != 0) {
        memset(column->values + row * field->width, 0, field->width);
    }
    return 0;
}

/* Takes back what the first columns of a row have noted of it. */
static void
take_back(wire_arrow_chunk *chunk, size_t columns)
{
    const int64_t row = chunk->rows;

    for (size_t i = 0; i < columns; i++) {
        wire_arrow_column *column = &chunk->columns[i];
        if (column->validity != NULL) {
            column->nulls -= !is_valid(column, row);
            column->validity[row / 8] &= (uint8_t) ~(1 << row % 8);
        }
    }
}

int
wire_batch_add(PyObject *batch, wire_plan *plan, char *const *values, const unsigned long *lengths)
{
    wire_arrow_chunk *chunk = ((wire_batch *)batch)->chunk;
    const int64_t row = chunk->rows;
    bool full = false;

    if (row == chunk->room && grow(chunk) < 0) {
        return -1;
    }
    for (size_t i = 0; i < plan->count; i++) {
        const wire_arrow_field *field = &chunk->layout->fields[i];
        wire_arrow_column *column = &chunk->columns[i];
        int status = 1;
        if (values[i] != NULL) {
            status = field->write(column, row, field, &plan->columns[i], values[i], lengths[i]);
        }
        if (status > 0) {
            status = write_null(column, field, row, chunk->room);
        }
        else if (status == 0 && column->validity != NULL) {
            column->validity[row / 8] |= (uint8_t)(1 << row % 8);
        }
        if (status < 0) {
            take_back(chunk, i);
            return -1;
        }
        full |= column->room > FULL;
        full |= column->dictionary != NULL && column->dictionary->room > FULL;
    }
    chunk->rows++;
    ((wire_batch *)batch)->full = full;
    return 0;
}

PyObject *
wire_batch_new(const wire_plan *plan)
{
    PyTypeObject *type = plan->reading->state->ArrowBatch;
    wire_batch *self = (wire_batch *)type->tp_alloc(type, 0); /* new */

    if (self != NULL) {
        self->chunk = wire_chunk_new(plan->layout);
        if (self->chunk == NULL) {
            PyErr_NoMemory();
            Py_CLEAR(self);
        }
    }
    return (PyObject *)self;
}
