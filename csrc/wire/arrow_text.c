/*
 * arrow_text.c - from bytes and text to what Arrow has in memory; also values that are kept
 * once, and UUIDs.
 *
 * Text is checked to be UTF-8: who takes the columns relies on that without a look.
 */

#include "arrow.h"

#include <stdlib.h>
#include <string.h>

int
wire_arrow_bytes(wire_arrow_column *to, int64_t row, const wire_arrow_field *Py_UNUSED(field),
                 wire_column *Py_UNUSED(column), const char *value, size_t length)
{
    int32_t *offsets = (int32_t *)(void *)to->values;
    const size_t used = (size_t)offsets[row];

    if (length > to->room - used) {
        return WIRE_ARROW_NO_ROOM;
    }
    memcpy(to->bytes + used, value, length);
    offsets[row + 1] = (int32_t)(used + length);
    return WIRE_ARROW_WRITTEN;
}

int
wire_arrow_text(wire_arrow_column *to, int64_t row, const wire_arrow_field *field,
                wire_column *column, const char *value, size_t length)
{
    if (!wire_is_utf8(value, length)) {
        wire_not_utf8(column);
        return -1;
    }
    return wire_arrow_bytes(to, row, field, column, value, length);
}

int
wire_arrow_foreign_text(wire_arrow_column *Py_UNUSED(to), int64_t Py_UNUSED(row),
                        const wire_arrow_field *Py_UNUSED(field), wire_column *column,
                        const char *value, size_t length)
{
    wire_foreign_text(column, value, length);
    return -1;
}

/* ---- values that are kept once -------------------------------------------------- */

#define FIRST_PLACES 64

void
wire_dictionary_free(wire_arrow_dictionary *dictionary)
{
    if (dictionary != NULL) {
        free(dictionary->offsets);
        free(dictionary->bytes);
        free(dictionary->places);
        free(dictionary);
    }
}

/* Offsets are of 32 bits. */
#define MOST_BYTES ((size_t)INT32_MAX)

/* Makes room for the bytes of one value more.  Returns 0, or -1 with an exception. */
static int
make_room(wire_arrow_dictionary *known, size_t used, size_t more)
{
    size_t size = known->room < 1024 ? 1024 : known->room;

    if (known->bytes != NULL && more <= known->room - used) {
        return 0;
    }
    if (more > MOST_BYTES - used) {
        PyErr_SetString(PyExc_OverflowError,
                        "more than 2 GiB of one column in a batch: ask for "
                        "batches of fewer rows");
        return -1;
    }
    while (size - used < more) {
        size *= 2;
    }
    char *larger = realloc(known->bytes, size);
    if (larger == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    known->bytes = larger;
    known->room = size;
    return 0;
}

static uint32_t
hash_of(const char *value, size_t length)
{
    uint64_t hash = length;
    uint64_t word;

    for (; length >= sizeof(word); value += sizeof(word), length -= sizeof(word)) {
        memcpy(&word, value, sizeof(word));
        hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
        hash ^= hash >> 29;
    }
    word = 0;
    memcpy(&word, value, length);
    hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
    return (uint32_t)(hash >> 32);
}

/* The place of a value, or the one where it is to be noted. */
static uint32_t *
find_place(const wire_arrow_dictionary *self, const char *value, size_t length)
{
    for (uint32_t at = hash_of(value, length);; at++) {
        uint32_t *place = &self->places[at & self->mask];
        if (*place == 0) {
            return place;
        }
        const int32_t *offsets = self->offsets + (*place - 1);
        if ((size_t)(offsets[1] - offsets[0]) == length &&
            memcmp(self->bytes + offsets[0], value, length) == 0) {
            return place;
        }
    }
}

/* Makes the places twice as many, with room for as many values.  -1: an exception. */
static int
grow_dictionary(wire_arrow_dictionary *self)
{
    const size_t places = self->places == NULL ? FIRST_PLACES : 2 * ((size_t)self->mask + 1);
    uint32_t *table = places <= UINT32_MAX / 2 ? calloc(places, sizeof(*table)) : NULL;
    int32_t *offsets = table == NULL ? NULL : realloc(self->offsets, places * sizeof(*offsets));

    if (offsets == NULL) {
        free(table);
        PyErr_NoMemory();
        return -1;
    }
    if (self->offsets == NULL) {
        offsets[0] = 0;
    }
    free(self->places);
    self->offsets = offsets;
    self->places = table;
    self->mask = (uint32_t)places - 1;
    for (int32_t i = 0; i < self->count; i++) {
        *find_place(self, self->bytes + offsets[i], (size_t)(offsets[i + 1] - offsets[i])) =
            (uint32_t)i + 1;
    }
    return 0;
}

int
wire_arrow_number_of_text(wire_arrow_column *to, int64_t row,
                          const wire_arrow_field *Py_UNUSED(field), wire_column *column,
                          const char *value, size_t length)
{
    wire_arrow_dictionary *known = to->dictionary;

    if (known == NULL) {
        known = to->dictionary = calloc(1, sizeof(*known));
        if (known == NULL) {
            PyErr_NoMemory();
            return -1;
        }
    }
    /* At most half of the places are taken. */
    if ((known->places == NULL || (uint32_t)known->count >= known->mask / 2) &&
        grow_dictionary(known) < 0) {
        return -1;
    }
    uint32_t *place = find_place(known, value, length);
    if (*place == 0) {
        const size_t used = (size_t)known->offsets[known->count];
        if (!wire_is_utf8(value, length)) {
            wire_not_utf8(column);
            return -1;
        }
        if (make_room(known, used, length) < 0) {
            return -1;
        }
        memcpy(known->bytes + used, value, length);
        known->offsets[++known->count] = (int32_t)(used + length);
        *place = (uint32_t)known->count;
    }
    ((int32_t *)(void *)to->values)[row] = (int32_t)*place - 1;
    return WIRE_ARROW_WRITTEN;
}

/* ---- identifiers ---------------------------------------------------------------- */

static int
hexadecimal(char figure)
{
    const char small = (char)(figure | 0x20);

    if (figure >= '0' && figure <= '9') {
        return figure - '0';
    }
    return small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
}

int
wire_arrow_uuid(wire_arrow_column *to, int64_t row, const wire_arrow_field *field,
                wire_column *column, const char *value, size_t length)
{
    static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    uint8_t *place = (uint8_t *)to->values + row * field->width;
    bool wrong = length != sizeof(form) - 1;
    int figures = 0;

    for (size_t i = 0; !wrong && i < length; i++) {
        const int figure = hexadecimal(value[i]);
        if (form[i] == '-') {
            wrong = value[i] != '-';
            continue;
        }
        wrong = figure < 0;
        place[figures / 2] =
            (uint8_t)(figures % 2 == 0 ? figure << 4 : place[figures / 2] | figure);
        figures++;
    }
    if (wrong) {
        wire_bad_value(column, "has a value that is not of its type");
        return -1;
    }
    return WIRE_ARROW_WRITTEN;
}
