/*
 * arrow.h - results as columns of Apache Arrow: what the files arrow*.c know of each other.
 *
 * A layout says what the columns of a result are in Arrow, and never changes.  A chunk
 * holds the columns of some rows: it grows while its batch is made, and never changes
 * after that.  Both are counted, and belong to no interpreter: what was exported is
 * released by whoever has it, in any thread, with or without a GIL.
 */

#ifndef WIRE_ARROW_H
#define WIRE_ARROW_H

#include "decode.h"

#include <stdatomic.h>

/* ---- the Arrow C data interface: structs of its public ABI ------------------- */

#define ARROW_FLAG_NULLABLE 2

struct ArrowSchema {
    const char *format;
    const char *name;
    const char *metadata;
    int64_t flags;
    int64_t n_children;
    struct ArrowSchema **children;
    struct ArrowSchema *dictionary;
    void (*release)(struct ArrowSchema *);
    void *private_data;
};

struct ArrowArray {
    int64_t length;
    int64_t null_count;
    int64_t offset;
    int64_t n_buffers;
    int64_t n_children;
    const void **buffers;
    struct ArrowArray **children;
    struct ArrowArray *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};

struct ArrowArrayStream {
    int (*get_schema)(struct ArrowArrayStream *, struct ArrowSchema *out);
    int (*get_next)(struct ArrowArrayStream *, struct ArrowArray *out);
    const char *(*get_last_error)(struct ArrowArrayStream *);
    void (*release)(struct ArrowArrayStream *);
    void *private_data;
};

/* ---- arrow_layout.c: what the columns are ------------------------------------- */

struct wire_arrow_field;
struct wire_arrow_column;

/*
 * Writes a value behind those that a column has.  Returns WIRE_ARROW_WRITTEN, or what else
 * there is, or -1 with an exception.
 */
enum {
    WIRE_ARROW_WRITTEN,
    WIRE_ARROW_NULL,   /* it becomes one */
    WIRE_ARROW_NO_ROOM /* for so many bytes */
};
typedef int (*wire_arrow_write)(struct wire_arrow_column *to, int64_t row,
                                const struct wire_arrow_field *field, wire_column *column,
                                const char *value, size_t length);

typedef struct wire_arrow_field {
    char *name;            /* owned */
    char *metadata;        /* owned, or NULL */
    char format[16];       /* as the C data interface has it; of a dictionary: its values' */
    bool dictionary;       /* the column has numbers of values that are kept once */
    bool variable;         /* offsets, and the bytes of the values */
    unsigned char width;   /* bytes of a value, of a number, or of an offset; 0: only NULLs */
    unsigned int digits;   /* of a decimal: how many there may be, */
    unsigned int decimals; /* and how many of them behind the point */
    wire_arrow_write write;
} wire_arrow_field;

typedef struct wire_arrow_layout {
    atomic_size_t references;
    size_t count;
    wire_arrow_field fields[];
} wire_arrow_layout;

/*
 * The layout of a result.  dictionary: which columns of text keep each value once: a bool
 * for all ENUMs or none, or a collection of names.
 */
wire_arrow_layout *wire_layout_new(const MYSQL_FIELD *fields, unsigned int count,
                                   PyObject *dictionary);
wire_arrow_layout *wire_layout_keep(wire_arrow_layout *layout);
void wire_layout_release(wire_arrow_layout *layout); /* NULL is fine */
/* Fills *out.  Returns 0, or an errno. */
int wire_layout_export(wire_arrow_layout *layout, struct ArrowSchema *out);

/* ---- arrow_number.c, arrow_text.c: from values to what lies in memory ------------ */

/* Values that are kept once, and a way to find them. */
typedef struct {
    int32_t count;
    int32_t *offsets; /* owned; one more than there are values */
    char *bytes;      /* owned */
    size_t room;      /* for bytes */
    uint32_t *places; /* owned; the number of a value and 1, or 0 */
    uint32_t mask;    /* how many places there are, less 1 */
} wire_arrow_dictionary;

/* The buffers lie in the chunk's block. */
typedef struct wire_arrow_column {
    uint8_t *validity; /* a bit for each row, from the first NULL on */
    int64_t nulls;
    char *values;                      /* of field->width for each row; offsets are one more */
    char *bytes;                       /* what the offsets lead to */
    size_t room;                       /* for bytes, */
    size_t wish;                       /* and how much of it the next block shall have */
    wire_arrow_dictionary *dictionary; /* owned, or NULL */
} wire_arrow_column;

/* How many bytes the offsets lead to. */
static inline size_t
wire_bytes_used(const wire_arrow_field *field, const wire_arrow_column *column, int64_t rows)
{
    const int32_t *offsets = (const int32_t *)(const void *)column->values;

    return field->variable && offsets != NULL ? (size_t)offsets[rows] : 0;
}

/* The most digits that a decimal can have. */
#define WIRE_ARROW_DIGITS 76

#define WIRE_ARROW_WRITE(name)                                                  \
    int name(wire_arrow_column *to, int64_t row, const wire_arrow_field *field, \
             wire_column *column, const char *value, size_t length)

WIRE_ARROW_WRITE(wire_arrow_8);
WIRE_ARROW_WRITE(wire_arrow_16);
WIRE_ARROW_WRITE(wire_arrow_32);
WIRE_ARROW_WRITE(wire_arrow_64);
WIRE_ARROW_WRITE(wire_arrow_decimal);
WIRE_ARROW_WRITE(wire_arrow_date);
WIRE_ARROW_WRITE(wire_arrow_datetime);
WIRE_ARROW_WRITE(wire_arrow_time);
WIRE_ARROW_WRITE(wire_arrow_bytes);
WIRE_ARROW_WRITE(wire_arrow_text);
WIRE_ARROW_WRITE(wire_arrow_foreign_text); /* always an error */
WIRE_ARROW_WRITE(wire_arrow_number_of_text);
WIRE_ARROW_WRITE(wire_arrow_uuid);

void wire_dictionary_free(wire_arrow_dictionary *dictionary); /* NULL is fine */

/* ---- arrow_memory.c: the memory of a chunk ---------------------------------------- */

typedef struct {
    char *start;
    void *base;    /* owned: what it is a part of */
    size_t size;   /* from its start on */
    size_t mapped; /* of all; 0: the base was allocated */
} wire_arrow_block;

typedef struct wire_arrow_chunk {
    atomic_size_t references;
    wire_arrow_layout *layout; /* a reference */
    int64_t rows;
    int64_t room; /* for rows */
    wire_arrow_block block;
    wire_arrow_column columns[];
} wire_arrow_chunk;

/* Makes room for so many rows, and for the bytes that the columns wish.  False: no memory. */
bool wire_chunk_resize(wire_arrow_chunk *chunk, int64_t room);
/* Gives back what a chunk has too much, if that is much. */
void wire_chunk_trim(wire_arrow_chunk *chunk);
void wire_block_free(wire_arrow_block *block); /* zeros are fine */
/* How many blocks there are in the whole process, and their bytes. */
void wire_blocks_count(size_t *count, size_t *size);

/* ---- arrow_export.c: chunks, and what is made of them for others ---------------- */

wire_arrow_chunk *wire_chunk_new(wire_arrow_layout *layout); /* NULL: no memory */
wire_arrow_chunk *wire_chunk_keep(wire_arrow_chunk *chunk);
void wire_chunk_release(wire_arrow_chunk *chunk); /* NULL is fine */
/* Fills *out.  Returns 0, or an errno. */
int wire_chunk_export(wire_arrow_chunk *chunk, struct ArrowArray *out);
/* Fills *out with a stream of chunks, to each of which it takes a reference. */
int wire_chunks_export(wire_arrow_layout *layout, wire_arrow_chunk *const *chunks, size_t count,
                       struct ArrowArrayStream *out);

/* ---- arrow_batch.c, arrow_object.c ------------------------------------------------ */

/* The type ArrowBatch.  Not one for the collector: it refers to no object. */
typedef struct {
    PyObject_HEAD wire_arrow_chunk *chunk; /* a reference */
    int64_t wanted;                        /* rows that it shall have at most; 0: not known */
    bool watched;                          /* whether it might be full before that */
} wire_batch;

#endif
