/*
 * arrow_layout.c - what the columns of a result are in Arrow.
 *
 * Owns the types and their names in the C data interface, and the export of a schema.
 * How values are written is in arrow_number.c and arrow_text.c.
 */

#include "arrow.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_DIGITS WIRE_ARROW_DIGITS
#define DIGITS_OF_128 38
/* Of what the server has types for. */
#define MOST_OF_SERVER 65

/* A column that says by its type that it has nothing but NULLs. */
static int
refuse_value(wire_arrow_column *Py_UNUSED(to), int64_t Py_UNUSED(row),
             const wire_arrow_field *Py_UNUSED(field), wire_column *column,
             const char *Py_UNUSED(value), size_t Py_UNUSED(length))
{
    wire_bad_value(column, "has a value, and its type is that of NULL");
    return -1;
}

/* ---- which type ------------------------------------------------------------------ */

static void
set(wire_arrow_field *field, const char *format, unsigned char width, wire_arrow_write write)
{
    strcpy(field->format, format);
    field->width = width;
    field->write = write;
}

static void
set_decimal(wire_arrow_field *field, const MYSQL_FIELD *from)
{
    const bool is_unsigned = (from->flags & UNSIGNED_FLAG) != 0;
    const unsigned long signs = (from->decimals > 0) + !is_unsigned;
    unsigned long digits = from->length > signs ? from->length - signs : 1;

    digits = digits < from->decimals ? from->decimals : digits;
    if (digits >= MOST_OF_SERVER && from->org_table_length == 0) {
        digits = MOST_DIGITS; /* an expression has more than its type says */
    }
    digits = digits > MOST_DIGITS ? MOST_DIGITS : digits;
    const bool small = digits <= DIGITS_OF_128;
    field->digits = (unsigned int)digits;
    field->decimals = from->decimals < MOST_DIGITS ? from->decimals : MOST_DIGITS;
    set(field, "", small ? 16 : 32, wire_arrow_decimal);
    snprintf(field->format, sizeof(field->format), "d:%u,%u%s", field->digits, field->decimals,
             small ? "" : ",256");
}

static void
set_characters(wire_arrow_field *field, wire_decoder decoder)
{
    const bool bytes = decoder == wire_bytes;

    set(field, bytes ? "z" : "u", sizeof(int32_t),
        bytes                  ? wire_arrow_bytes
        : decoder == wire_text ? wire_arrow_text
                               : wire_arrow_foreign_text);
    field->variable = true;
}

static void
choose(wire_arrow_field *field, const MYSQL_FIELD *from)
{
    const bool is_unsigned = (from->flags & UNSIGNED_FLAG) != 0;
    const enum wire_format special = wire_format_of(from);

    if (special == WIRE_UUID) {
        set(field, "w:16", 16, wire_arrow_uuid);
        return;
    }
    switch (from->type) {
    case MYSQL_TYPE_TINY:
        set(field, is_unsigned ? "C" : "c", 1, wire_arrow_8);
        break;
    case MYSQL_TYPE_YEAR: /* 1901 to 2155; signed, as years are subtracted */
        set(field, "s", 2, wire_arrow_16);
        break;
    case MYSQL_TYPE_SHORT:
        set(field, is_unsigned ? "S" : "s", 2, wire_arrow_16);
        break;
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_LONG:
        set(field, is_unsigned ? "I" : "i", 4, wire_arrow_32);
        break;
    case MYSQL_TYPE_LONGLONG:
        set(field, is_unsigned ? "L" : "l", 8, wire_arrow_64);
        break;
    case MYSQL_TYPE_FLOAT:
        set(field, "f", 4, wire_arrow_32);
        break;
    case MYSQL_TYPE_DOUBLE:
        set(field, "g", 8, wire_arrow_64);
        break;
    case MYSQL_TYPE_DECIMAL:
    case MYSQL_TYPE_NEWDECIMAL:
        set_decimal(field, from);
        break;
    case MYSQL_TYPE_DATE:
    case MYSQL_TYPE_NEWDATE:
        set(field, "tdD", 4, wire_arrow_date);
        break;
    case MYSQL_TYPE_DATETIME:
    case MYSQL_TYPE_TIMESTAMP:
        set(field, "tsu:", 8, wire_arrow_datetime);
        break;
    case MYSQL_TYPE_TIME:
        set(field, "tDu", 8, wire_arrow_time);
        break;
    case MYSQL_TYPE_NULL:
        set(field, "n", 0, refuse_value);
        break;
    case MYSQL_TYPE_BIT:
    case MYSQL_TYPE_GEOMETRY:
        set_characters(field, wire_bytes);
        break;
    default:
        /* What has a format is text, even where it is told to come as bytes. */
        set_characters(
            field, special != WIRE_NO_FORMAT ? wire_text : wire_string_decoder(from->charsetnr));
    }
}

static void
choose_dictionary(wire_arrow_field *field)
{
    if (field->write == wire_arrow_text) {
        field->dictionary = true;
        field->variable = false;
        field->write = wire_arrow_number_of_text;
    }
}

/* ---- what else is said of a column ------------------------------------------------ */

/* A key and a value of a field's metadata. */
typedef struct {
    const char *key;
    const char *value;
} pair;

static char *
put_text(char *at, const char *text)
{
    const int32_t length = (int32_t)strlen(text);

    memcpy(at, &length, sizeof(length));
    memcpy(at + sizeof(length), text, (size_t)length);
    return at + sizeof(length) + length;
}

/* In the form of the C data interface; NULL: no memory. */
static char *
make_metadata(const pair *pairs, int32_t count)
{
    size_t size = sizeof(count);

    for (int32_t i = 0; i < count; i++) {
        size += 2 * sizeof(int32_t) + strlen(pairs[i].key) + strlen(pairs[i].value);
    }
    char *metadata = malloc(size);
    if (metadata != NULL) {
        char *at = metadata;
        memcpy(at, &count, sizeof(count));
        at += sizeof(count);
        for (int32_t i = 0; i < count; i++) {
            at = put_text(put_text(at, pairs[i].key), pairs[i].value);
        }
    }
    return metadata;
}

/* Returns 0, or -1: no memory. */
static int
describe(wire_arrow_field *field, const MYSQL_FIELD *from)
{
    static const struct {
        const char *type;
        const char *extension;
    } known[] = {
        [WIRE_JSON] = {"json", "arrow.json"},
        [WIRE_UUID] = {"uuid", "arrow.uuid"},
        [WIRE_INET4] = {"inet4", NULL},
        [WIRE_INET6] = {"inet6", NULL},
    };
    const enum wire_format format = wire_format_of(from);
    const char *type = known[format].type;
    pair pairs[3];
    int32_t count = 0;

    if (type == NULL) {
        type = from->flags & ENUM_FLAG             ? "enum"
               : from->flags & SET_FLAG            ? "set"
               : from->type == MYSQL_TYPE_YEAR     ? "year"
               : from->type == MYSQL_TYPE_BIT      ? "bit"
               : from->type == MYSQL_TYPE_GEOMETRY ? "geometry"
                                                   : NULL;
    }
    if (type == NULL) {
        return 0;
    }
    if (known[format].extension != NULL) {
        pairs[count++] = (pair){"ARROW:extension:name", known[format].extension};
        pairs[count++] = (pair){"ARROW:extension:metadata", ""};
    }
    pairs[count++] = (pair){"MARIADB:type", type};
    field->metadata = make_metadata(pairs, count);
    return field->metadata == NULL ? -1 : 0;
}

/* ---- layouts ------------------------------------------------------------------------ */

wire_arrow_layout *
wire_layout_keep(wire_arrow_layout *layout)
{
    atomic_fetch_add_explicit(&layout->references, 1, memory_order_relaxed);
    return layout;
}

void
wire_layout_release(wire_arrow_layout *layout)
{
    if (layout == NULL ||
        atomic_fetch_sub_explicit(&layout->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < layout->count; i++) {
        free(layout->fields[i].name);
        free(layout->fields[i].metadata);
    }
    free(layout);
}

/* Whether a column is to keep its values once; -1 with an exception. */
static int
wants_dictionary(PyObject *dictionary, const MYSQL_FIELD *field)
{
    PyObject *name; /* new */
    int wanted;

    if (PyBool_Check(dictionary)) {
        return dictionary == Py_True && (field->flags & ENUM_FLAG) != 0;
    }
    name = PyUnicode_DecodeUTF8(field->name, (Py_ssize_t)field->name_length, "replace");
    wanted = name != NULL ? PySequence_Contains(dictionary, name) : -1;
    Py_XDECREF(name);
    return wanted;
}

/* Returns 0, or -1 with an exception. */
static int
lay_out(wire_arrow_field *field, const MYSQL_FIELD *from, PyObject *dictionary)
{
    const int wanted = wants_dictionary(dictionary, from);

    if (wanted < 0) {
        return -1;
    }
    if (!wire_is_utf8(from->name, from->name_length)) {
        PyErr_SetString(PyExc_ValueError, "the name of a column is not UTF-8");
        return -1;
    }
    choose(field, from);
    if (wanted) {
        choose_dictionary(field);
    }
    field->name = calloc(1, from->name_length + 1);
    if (field->name == NULL || describe(field, from) < 0) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(field->name, from->name, from->name_length);
    return 0;
}

wire_arrow_layout *
wire_layout_new(const MYSQL_FIELD *fields, unsigned int count, PyObject *dictionary)
{
    wire_arrow_layout *layout = calloc(1, sizeof(*layout) + count * sizeof(layout->fields[0]));

    if (layout == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    atomic_init(&layout->references, 1);
    layout->count = count;
    for (unsigned int i = 0; i < count; i++) {
        if (lay_out(&layout->fields[i], &fields[i], dictionary) < 0) {
            wire_layout_release(layout);
            return NULL;
        }
    }
    return layout;
}

/* ---- the export of a schema ---------------------------------------------------------- */

static void
release_field(struct ArrowSchema *schema)
{
    if (schema->dictionary != NULL) {
        if (schema->dictionary->release != NULL) {
            schema->dictionary->release(schema->dictionary);
        }
        free(schema->dictionary);
    }
    wire_layout_release(schema->private_data);
    schema->release = NULL;
}

static void
release_schema(struct ArrowSchema *schema)
{
    for (int64_t i = 0; i < schema->n_children; i++) {
        if (schema->children[i]->release != NULL) {
            schema->children[i]->release(schema->children[i]);
        }
    }
    free(schema->children); /* with what they point at */
    wire_layout_release(schema->private_data);
    schema->release = NULL;
}

static int
export_field(wire_arrow_layout *layout, const wire_arrow_field *field, struct ArrowSchema *out)
{
    *out = (struct ArrowSchema){
        .format = field->format,
        .name = field->name,
        .metadata = field->metadata,
        .flags = ARROW_FLAG_NULLABLE,
        .release = release_field,
    };
    if (field->dictionary) {
        out->dictionary = malloc(sizeof(*out));
        if (out->dictionary == NULL) {
            return ENOMEM;
        }
        *out->dictionary = (struct ArrowSchema){
            .format = field->format,
            .name = "",
            .release = release_field,
            .private_data = wire_layout_keep(layout),
        };
        out->format = "i";
    }
    out->private_data = wire_layout_keep(layout);
    return 0;
}

int
wire_layout_export(wire_arrow_layout *layout, struct ArrowSchema *out)
{
    struct ArrowSchema **children =
        malloc(layout->count * (sizeof(*children) + sizeof(**children)) + 1);
    int status = 0;

    if (children == NULL) {
        return ENOMEM;
    }
    struct ArrowSchema *each = (struct ArrowSchema *)(void *)(children + layout->count);
    *out = (struct ArrowSchema){
        .format = "+s",
        .name = "",
        .children = children,
        .release = release_schema,
        .private_data = wire_layout_keep(layout),
    };
    for (size_t i = 0; status == 0 && i < layout->count; i++) {
        children[i] = &each[i];
        status = export_field(layout, &layout->fields[i], children[i]);
        out->n_children += status == 0;
    }
    if (status != 0) {
        release_schema(out);
    }
    return status;
}
