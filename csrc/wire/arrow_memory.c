/*
 * arrow_memory.c - the memory of a chunk: one block that has the buffers of all columns.
 *
 * Owns where in it each buffer lies, and where blocks come from.  How large they shall be is
 * arrow_batch.c's business.  Nothing here touches Python.
 */

#include "arrow.h"

#include <stdlib.h>
#include <string.h>
#ifdef __linux__
#include <sys/mman.h>
#endif

/* Buffers are as large as a multiple of this. */
#define PADDING 64

/* ---- blocks ------------------------------------------------------------------------ */

/* What is there in the whole process, for the tests. */
static atomic_size_t blocks, bytes;

#ifdef MADV_HUGEPAGE
#define HUGE_PAGE ((size_t)1 << 21)
/* Smaller blocks would lose too much of a page at their end. */
#define MAPPED_FROM (2 * HUGE_PAGE)

/* A larger one is not kept for the next. */
#define KEPT_TO (8 * HUGE_PAGE)

/* A block that was given back, in its first bytes. */
typedef struct {
    void *base;
    size_t mapped;
} spare_block;

/* The last one: a stream gives back a batch for each that it takes. */
static _Atomic(spare_block *) spare;

/* Takes the spare block, if there is one of the right size. */
static bool
take_spare(wire_arrow_block *block)
{
    spare_block *start = atomic_exchange(&spare, NULL);

    if (start == NULL) {
        return false;
    }
    const spare_block found = *start;
    if (found.mapped < block->size + HUGE_PAGE || found.mapped / 4 > block->size) {
        munmap(found.base, found.mapped);
        return false;
    }
    block->base = found.base;
    block->mapped = found.mapped;
    block->start = (char *)start;
    return true;
}

/*
 * A large block.  To fill it for the first time takes as long as to decode what is put into
 * it, if the system has to find each page of 4 KiB by itself.
 */
static bool
map(wire_arrow_block *block)
{
    const size_t size = block->size + HUGE_PAGE;

    if (take_spare(block)) {
        return true;
    }
    char *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) {
        return false;
    }
    block->base = base;
    block->mapped = size;
    block->start = base + (-(uintptr_t)base & (HUGE_PAGE - 1));
    madvise(block->start, block->size, MADV_HUGEPAGE); /* if not, then not */
    return true;
}

static void
unmap(const wire_arrow_block *block)
{
    spare_block *start = (spare_block *)(void *)block->start;

    if (block->mapped > KEPT_TO) {
        munmap(block->base, block->mapped);
        return;
    }
    *start = (spare_block){block->base, block->mapped};
    start = atomic_exchange(&spare, start);
    if (start != NULL) {
        munmap(start->base, start->mapped);
    }
}
#else
#define MAPPED_FROM SIZE_MAX
#define map(block) false
#define unmap(block) ((void)0)
#endif

static bool
allocate(wire_arrow_block *block, size_t size)
{
    *block = (wire_arrow_block){.size = size};
    if (size < MAPPED_FROM || !map(block)) {
        block->start = block->base = malloc(size + 1);
    }
    if (block->start == NULL) {
        return false;
    }
    atomic_fetch_add_explicit(&blocks, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&bytes, size, memory_order_relaxed);
    return true;
}

void
wire_block_free(wire_arrow_block *block)
{
    if (block->base == NULL) {
        return;
    }
    atomic_fetch_sub_explicit(&blocks, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&bytes, block->size, memory_order_relaxed);
    if (block->mapped != 0) {
        unmap(block);
    }
    else {
        free(block->base);
    }
    *block = (wire_arrow_block){0};
}

void
wire_blocks_count(size_t *count, size_t *size)
{
    *count = atomic_load_explicit(&blocks, memory_order_relaxed);
    *size = atomic_load_explicit(&bytes, memory_order_relaxed);
}

/* ---- where the buffers lie ----------------------------------------------------------- */

static size_t
padded(size_t size)
{
    return (size + PADDING - 1) / PADDING * PADDING;
}

static size_t
bits_for(int64_t rows)
{
    return ((size_t)rows + 7) / 8;
}

/* Bytes of a column's values, or offsets. */
static size_t
size_of(const wire_arrow_field *field, int64_t rows)
{
    return ((size_t)rows + field->variable) * field->width;
}

/* Bytes of a block with so many rows, and of text as much as each column wishes. */
static size_t
size_of_block(const wire_arrow_chunk *chunk, int64_t rows)
{
    size_t size = 0;

    for (size_t i = 0; i < chunk->layout->count; i++) {
        size += padded(size_of(&chunk->layout->fields[i], rows));
        size += padded(bits_for(rows)) + padded(chunk->columns[i].wish);
    }
    return size;
}

/* Cuts a buffer off the front of what is free, and moves what is in use into it. */
static char *
cut(char **at, size_t size, const void *from, size_t used)
{
    char *buffer = *at;

    if (from != NULL) {
        memcpy(buffer, from, used);
    }
    *at += padded(size);
    return buffer;
}

bool
wire_chunk_resize(wire_arrow_chunk *chunk, int64_t room)
{
    const int64_t rows = chunk->rows;
    wire_arrow_block block;

    if (!allocate(&block, size_of_block(chunk, room))) {
        return false;
    }
    char *at = block.start;
    for (size_t i = 0; i < chunk->layout->count; i++) {
        const wire_arrow_field *field = &chunk->layout->fields[i];
        wire_arrow_column *column = &chunk->columns[i];
        const bool first = column->values == NULL;
        column->bytes = cut(&at, column->wish, column->bytes, wire_bytes_used(field, column, rows));
        column->values = cut(&at, size_of(field, room), column->values, size_of(field, rows));
        column->validity = (uint8_t *)cut(&at, bits_for(room), column->validity,
                                          column->nulls != 0 ? bits_for(rows) : 0);
        column->room = column->wish;
        if (first && field->variable) {
            *(int32_t *)(void *)column->values = 0;
        }
    }
    wire_block_free(&chunk->block);
    chunk->block = block;
    chunk->room = room;
    return true;
}

void
wire_chunk_trim(wire_arrow_chunk *chunk)
{
    for (size_t i = 0; i < chunk->layout->count; i++) {
        wire_arrow_column *column = &chunk->columns[i];
        column->wish = wire_bytes_used(&chunk->layout->fields[i], column, chunk->rows);
    }
    if (size_of_block(chunk, chunk->rows) < chunk->block.size / 4 * 3) {
        wire_chunk_resize(chunk, chunk->rows); /* if not, then not */
    }
}
