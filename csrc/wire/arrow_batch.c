/*
 * arrow_batch.c - rows to columns: the type ArrowBatch while it is made.
 *
 * Owns the growth of a batch, row by row, and what is left of it when a row fails: the
 * rows before.  Its memory is in arrow_memory.c, what others get of it in arrow_object.c.
 */

#include "arrow.h"

#include <string.h>

/* Rows, and bytes of text in a column, that a batch has room for at first. */
#define FIRST_ROOM 64
#define FIRST_BYTES 1024
/*
 * Bytes of one column after which a batch takes no more rows.  A value is no longer than
 * that (max_allowed_packet), so that the offsets, of 32 bits, never end within a row.
 */
#define FULL ((size_t)1 << 30)
#define MOST_BYTES ((size_t)INT32_MAX)

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
    const wire_batch *self = (wire_batch *)batch;
    const wire_arrow_chunk *chunk = self->chunk;
    bool full = false;

    for (size_t i = 0; self->watched && i < chunk->layout->count; i++) {
        const wire_arrow_column *column = &chunk->columns[i];
        full |= wire_bytes_used(&chunk->layout->fields[i], column, chunk->rows) > FULL;
        full |= column->dictionary != NULL && column->dictionary->room > FULL;
    }
    return full;
}

/* ---- room -------------------------------------------------------------------------- */

/* Rows that there shall be room for. */
static int64_t
next_room(const wire_batch *self, const wire_plan *plan)
{
    const int64_t rows = self->chunk->rows;
    int64_t room = self->chunk->room;

    if (room == 0) {
        room = plan->rows_seen > FIRST_ROOM ? plan->rows_seen : FIRST_ROOM;
    }
    else if (room < 2 * rows) {
        room *= 2;
    }
    return room > self->wanted && self->wanted > rows ? self->wanted : room;
}

/*
 * Bytes that a column shall have room for, as its last batch or its values so far let
 * expect: for twice as many rows at most, and for one row that has so many.
 */
static size_t
next_bytes(int64_t rows, int64_t room, size_t seen, size_t used, size_t more)
{
    double expected = (double)seen;

    if (rows != 0) {
        expected = (double)used / (double)rows * (double)(room < 2 * rows ? room : 2 * rows);
    }
    expected += expected / 8;
    const size_t bytes = expected < (double)FIRST_BYTES  ? FIRST_BYTES
                         : expected > (double)MOST_BYTES ? MOST_BYTES
                                                         : (size_t)expected;
    return bytes < used + more ? used + more : bytes;
}

/* Makes room for a row, and more.  Returns 0, or -1 with an exception. */
static int
grow(wire_batch *self, const wire_plan *plan, char *const *values, const unsigned long *lengths)
{
    wire_arrow_chunk *chunk = self->chunk;
    const int64_t room = next_room(self, plan);

    for (size_t i = 0; i < plan->count; i++) {
        const wire_arrow_field *field = &chunk->layout->fields[i];
        wire_arrow_column *column = &chunk->columns[i];
        const size_t used = wire_bytes_used(field, column, chunk->rows);
        const size_t more = values[i] != NULL ? lengths[i] : 0;
        if (field->variable) {
            if (more > MOST_BYTES - used) {
                PyErr_SetString(PyExc_OverflowError,
                                "more than 2 GiB of one column in a batch: ask for "
                                "batches of fewer rows");
                return -1;
            }
            const size_t seen = plan->rows_seen != 0 ? plan->columns[i].bytes_seen : 0;
            column->wish = next_bytes(chunk->rows, room, seen, used, more);
        }
        self->watched |= field->dictionary || column->wish > FULL;
    }
    if (!wire_chunk_resize(chunk, room)) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

void
wire_batch_end(PyObject *batch, wire_plan *plan)
{
    wire_arrow_chunk *chunk = ((wire_batch *)batch)->chunk;

    wire_chunk_trim(chunk);
    if (plan == NULL) {
        return; /* it was the last one */
    }
    plan->rows_seen = chunk->rows;
    for (size_t i = 0; i < plan->count; i++) {
        plan->columns[i].bytes_seen =
            wire_bytes_used(&chunk->layout->fields[i], &chunk->columns[i], chunk->rows);
    }
}

/* ---- rows --------------------------------------------------------------------------- */

/* Notes whether a row has a value; the bits behind it are zero then. */
static inline void
mark(wire_arrow_column *column, int64_t row, bool valid)
{
    uint8_t *byte = &column->validity[row / 8];

    *byte = (uint8_t)((*byte & ((1 << row % 8) - 1)) | valid << row % 8);
}

static void
write_null(wire_arrow_column *column, const wire_arrow_field *field, int64_t row)
{
    if (column->nulls++ == 0) { /* all before it were values */
        memset(column->validity, 0xff, ((size_t)row + 7) / 8);
    }
    mark(column, row, false);
    if (field->variable) {
        int32_t *offsets = (int32_t *)(void *)column->values;
        offsets[row + 1] = offsets[row];
    }
    else if (field->width != 0) {
        memset(column->values + row * field->width, 0, field->width);
    }
}

/* Takes back what the first columns of a row have noted of it. */
static void
take_back(wire_arrow_chunk *chunk, size_t columns)
{
    const int64_t row = chunk->rows;

    for (size_t i = 0; i < columns; i++) {
        wire_arrow_column *column = &chunk->columns[i];
        if (column->nulls != 0) {
            column->nulls -= (column->validity[row / 8] >> (row % 8) & 1) == 0;
        }
    }
}

/* Writes a row, or nothing of it; returns what a writer does. */
static int
write_row(wire_arrow_chunk *chunk, wire_plan *plan, char *const *values,
          const unsigned long *lengths)
{
    const unsigned int count = plan->count;
    const int64_t row = chunk->rows;
    const wire_arrow_field *field = chunk->layout->fields;
    wire_arrow_column *column = chunk->columns;

    for (unsigned int i = 0; i < count; i++, field++, column++) {
        int status = WIRE_ARROW_NULL;
        if (values[i] != NULL) {
            status = field->write(column, row, field, &plan->columns[i], values[i], lengths[i]);
        }
        if (status == WIRE_ARROW_WRITTEN) {
            if (column->nulls != 0) {
                mark(column, row, true);
            }
        }
        else if (status == WIRE_ARROW_NULL) {
            write_null(column, field, row);
        }
        else {
            take_back(chunk, i);
            return status;
        }
    }
    return WIRE_ARROW_WRITTEN;
}

int
wire_batch_add(PyObject *batch, wire_plan *plan, char *const *values, const unsigned long *lengths)
{
    wire_batch *self = (wire_batch *)batch;
    wire_arrow_chunk *chunk = self->chunk;
    int status = WIRE_ARROW_NO_ROOM;

    if (chunk->rows < chunk->room) {
        status = write_row(chunk, plan, values, lengths);
    }
    if (status == WIRE_ARROW_NO_ROOM) {
        if (grow(self, plan, values, lengths) < 0) {
            return -1;
        }
        status = write_row(chunk, plan, values, lengths);
    }
    if (status != WIRE_ARROW_WRITTEN) {
        return -1;
    }
    chunk->rows++;
    return 0;
}

PyObject *
wire_batch_new(const wire_plan *plan, Py_ssize_t wanted)
{
    PyTypeObject *type = plan->reading->state->ArrowBatch;
    wire_batch *self = (wire_batch *)type->tp_alloc(type, 0); /* new */

    if (self != NULL) {
        self->wanted = wanted;
        self->chunk = wire_chunk_new(plan->layout);
        if (self->chunk == NULL) {
            PyErr_NoMemory();
            Py_CLEAR(self);
        }
    }
    return (PyObject *)self;
}
