/*
 * arrow_export.c - chunks of columns, and their export by the C data interface.
 *
 * Owns the memory of the columns: whoever has been given an array keeps it until the
 * array is released, whatever becomes of its batch.  Nothing here touches Python.
 */

#include "arrow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- chunks ----------------------------------------------------------------------- */

wire_arrow_chunk *
wire_chunk_new(wire_arrow_layout *layout)
{
    wire_arrow_chunk *chunk = calloc(1, sizeof(*chunk) + layout->count * sizeof(chunk->columns[0]));

    if (chunk != NULL) {
        atomic_init(&chunk->references, 1);
        chunk->layout = wire_layout_keep(layout);
    }
    return chunk;
}

wire_arrow_chunk *
wire_chunk_keep(wire_arrow_chunk *chunk)
{
    atomic_fetch_add_explicit(&chunk->references, 1, memory_order_relaxed);
    return chunk;
}

void
wire_chunk_release(wire_arrow_chunk *chunk)
{
    if (chunk == NULL ||
        atomic_fetch_sub_explicit(&chunk->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < chunk->layout->count; i++) {
        wire_dictionary_free(chunk->columns[i].dictionary);
    }
    wire_block_free(&chunk->block);
    wire_layout_release(chunk->layout);
    free(chunk);
}

/* ---- arrays ----------------------------------------------------------------------- */

/* What an exported column keeps. */
typedef struct {
    wire_arrow_chunk *chunk; /* a reference */
    const void *buffers[3];
} kept;

/* For buffers that are empty; some readers do not like to be given none. */
static const int64_t nothing[8] = {0};

static const void *
buffer(const void *memory)
{
    return memory != NULL ? memory : nothing;
}

static void
release_column(struct ArrowArray *array)
{
    kept *own = array->private_data;

    if (array->dictionary != NULL) {
        if (array->dictionary->release != NULL) {
            array->dictionary->release(array->dictionary);
        }
        free(array->dictionary);
    }
    wire_chunk_release(own->chunk);
    free(own);
    array->release = NULL;
}

static void
release_chunk(struct ArrowArray *array)
{
    kept *own = array->private_data;

    for (int64_t i = 0; i < array->n_children; i++) {
        if (array->children[i]->release != NULL) {
            array->children[i]->release(array->children[i]);
        }
    }
    free(array->children); /* with what they point at */
    wire_chunk_release(own->chunk);
    free(own);
    array->release = NULL;
}

/* An array that keeps the chunk; NULL: no memory. */
static kept *
begin(wire_arrow_chunk *chunk, struct ArrowArray *out, void (*release)(struct ArrowArray *))
{
    kept *own = calloc(1, sizeof(*own));

    if (own != NULL) {
        own->chunk = wire_chunk_keep(chunk);
        *out =
            (struct ArrowArray){.release = release, .private_data = own, .buffers = own->buffers};
    }
    return own;
}

/* The values that are kept once. */
static int
export_dictionary(wire_arrow_chunk *chunk, const wire_arrow_dictionary *from, struct ArrowArray *to)
{
    struct ArrowArray *out = malloc(sizeof(*out));
    kept *own = out != NULL ? begin(chunk, out, release_column) : NULL;

    if (own == NULL) {
        free(out);
        return ENOMEM;
    }
    out->length = from != NULL ? from->count : 0;
    out->n_buffers = 3;
    own->buffers[1] = buffer(from != NULL ? from->offsets : NULL);
    own->buffers[2] = buffer(from != NULL ? from->bytes : NULL);
    to->dictionary = out;
    return 0;
}

static int
export_column(wire_arrow_chunk *chunk, size_t number, struct ArrowArray *out)
{
    const wire_arrow_field *field = &chunk->layout->fields[number];
    const wire_arrow_column *column = &chunk->columns[number];
    kept *own = begin(chunk, out, release_column);

    if (own == NULL) {
        return ENOMEM;
    }
    out->length = chunk->rows;
    out->null_count = column->nulls;
    if (field->width == 0) { /* NULLs have no buffers at all */
        return 0;
    }
    out->n_buffers = field->variable ? 3 : 2;
    own->buffers[0] = column->nulls != 0 ? column->validity : NULL;
    own->buffers[1] = buffer(column->values);
    own->buffers[2] = field->variable ? buffer(column->bytes) : NULL;
    if (field->dictionary && export_dictionary(chunk, column->dictionary, out) != 0) {
        release_column(out);
        return ENOMEM;
    }
    return 0;
}

int
wire_chunk_export(wire_arrow_chunk *chunk, struct ArrowArray *out)
{
    const size_t count = chunk->layout->count;
    struct ArrowArray **children = malloc(count * (sizeof(*children) + sizeof(**children)) + 1);
    kept *own = children != NULL ? begin(chunk, out, release_chunk) : NULL;

    if (own == NULL) {
        free(children);
        return ENOMEM;
    }
    struct ArrowArray *each = (struct ArrowArray *)(void *)(children + count);
    out->length = chunk->rows;
    out->n_buffers = 1;
    out->children = children;
    for (size_t i = 0; i < count; i++) {
        children[i] = &each[i];
        if (export_column(chunk, i, children[i]) != 0) {
            release_chunk(out);
            return ENOMEM;
        }
        out->n_children++;
    }
    return 0;
}

/* ---- streams ------------------------------------------------------------------------ */

typedef struct {
    wire_arrow_layout *layout; /* a reference */
    size_t next;
    size_t count;
    wire_arrow_chunk *chunks[]; /* references */
} source;

static int
stream_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out)
{
    const source *from = stream->private_data;

    return wire_layout_export(from->layout, out);
}

static int
stream_next(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
    source *from = stream->private_data;

    if (from->next == from->count) {
        *out = (struct ArrowArray){0};
        return 0;
    }
    return wire_chunk_export(from->chunks[from->next++], out);
}

static const char *
stream_error(struct ArrowArrayStream *Py_UNUSED(stream))
{
    return NULL;
}

static void
stream_release(struct ArrowArrayStream *stream)
{
    source *from = stream->private_data;

    for (size_t i = 0; i < from->count; i++) {
        wire_chunk_release(from->chunks[i]);
    }
    wire_layout_release(from->layout);
    free(from);
    stream->release = NULL;
}

int
wire_chunks_export(wire_arrow_layout *layout, wire_arrow_chunk *const *chunks, size_t count,
                   struct ArrowArrayStream *out)
{
    source *from = malloc(sizeof(*from) + count * sizeof(from->chunks[0]));

    if (from == NULL) {
        return ENOMEM;
    }
    *from = (source){.layout = wire_layout_keep(layout), .count = count};
    for (size_t i = 0; i < count; i++) {
        from->chunks[i] = wire_chunk_keep(chunks[i]);
    }
    *out = (struct ArrowArrayStream){
        .get_schema = stream_schema,
        .get_next = stream_next,
        .get_last_error = stream_error,
        .release = stream_release,
        .private_data = from,
    };
    return 0;
}
