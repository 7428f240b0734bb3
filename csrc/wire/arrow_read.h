/*
 * arrow_read.h - what the files that read columns of Arrow know of each other.
 */

#ifndef WIRE_ARROW_READ_H
#define WIRE_ARROW_READ_H

#include "arrow.h"

struct wire_arrow_source;

/* A value that is there, as an object. */
typedef PyObject *(*wire_arrow_make)(const struct wire_arrow_source *source,
                                     const struct ArrowArray *array, int64_t at);

/* A column, or the values of one that has a dictionary. */
typedef struct wire_arrow_source {
    wire_arrow_make make;
    wire_state *state;
    PyObject *name;   /* owned */
    int64_t width;    /* bytes of a value that has a fixed size, or of a dictionary's number */
    int64_t unit;     /* of a time: how many there are in a second */
    int decimals;     /* of a decimal */
    bool is_unsigned; /* the dictionary's numbers */
    struct wire_arrow_source *values; /* owned: of the dictionary; NULL: it has none */
} wire_arrow_source;

/* Chooses how values of a column are made.  Returns 0, or -1 with an exception. */
int wire_arrow_source_choose(wire_state *state, wire_arrow_source *source,
                             const struct ArrowSchema *schema);
void wire_arrow_source_clear(wire_arrow_source *source); /* zeros are fine */

/* Whether a value is there; of a column of NULLs all seem to be. */
static inline bool
wire_arrow_is_valid(const struct ArrowArray *array, int64_t at)
{
    const uint8_t *bits = array->n_buffers > 0 ? array->buffers[0] : NULL;

    return bits == NULL || (bits[at / 8] >> (at % 8) & 1) != 0;
}

typedef struct {
    PyObject_HEAD wire_state *state; /* of the module, which the type keeps */
    atomic_bool busy;                /* the stream may come back to us */
    bool over;
    struct ArrowArrayStream stream; /* owned */
    struct ArrowSchema schema;      /* owned */
    struct ArrowArray batch;        /* owned: the one at hand */
    int64_t row;                    /* of it: the next one */
    wire_arrow_source *columns;     /* owned: one for each */
} wire_arrow_rows;

#endif
