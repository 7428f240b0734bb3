/*
 * guard_keep.c - copies of what an operation was started with.
 *
 * The library keeps the pointers that a _start was given until the operation
 * is over.  A Python caller's bytes are gone by then, so it gets copies.
 */

#include "guard.h"

#include <errmsg.h>
#include <stdlib.h>
#include <string.h>

struct nb_chunk {
    struct nb_chunk *next;
    size_t size;
    size_t used;
    char data[];
};

#define FIRST_CHUNK 480 /* kept between operations: enough for most statements */

/* The length of a statement: for 0 and -1 the library looks for its NUL. */
size_t
nb_length(const char *text, unsigned long length)
{
    return length == 0 || length == (unsigned long)-1 ? strlen(text) : length;
}

/* Copies an argument for the running operation.  NULL: no memory, refused. */
const char *
nb_keep(nb_call *call, const char *text, size_t length)
{
    struct nb_chunk *chunk = call->turn->kept;

    if (text == NULL) {
        return NULL;
    }
    if (chunk == NULL || chunk->size - chunk->used <= length) {
        size_t size = length < FIRST_CHUNK ? FIRST_CHUNK : length + 1;
        chunk = length < SIZE_MAX / 2 ? malloc(sizeof(*chunk) + size) : NULL;
        if (chunk == NULL) {
            nb_refuse(call->function, call->handle->address, CR_OUT_OF_MEMORY,
                      "no memory for a copy of its arguments");
            return NULL;
        }
        chunk->next = call->turn->kept;
        chunk->size = size;
        chunk->used = 0;
        call->turn->kept = chunk;
    }
    char *copy = chunk->data + chunk->used;
    memcpy(copy, text, length);
    copy[length] = '\0';
    chunk->used += length + 1;
    return copy;
}

/* Forgets the copies; one small chunk stays for the next operation. */
void
nb_drop_kept(nb_handle *connection, bool secret)
{
    struct nb_chunk *chunk = connection->kept;

    if (chunk == NULL || (chunk->used == 0 && !connection->closed)) {
        return;
    }
    connection->kept = NULL;
    while (chunk != NULL) {
        struct nb_chunk *next = chunk->next;
        if (secret) {
            /* Volatile: the compiler must not think this useless. */
            volatile char *byte = chunk->data;
            for (size_t i = 0; i < chunk->used; i++) {
                byte[i] = 0;
            }
        }
        if (connection->kept == NULL && chunk->size == FIRST_CHUNK && !connection->closed) {
            chunk->used = 0;
            chunk->next = NULL;
            connection->kept = chunk;
        }
        else {
            free(chunk);
        }
        chunk = next;
    }
}
