/*
 * template.h - what scan.c, writer.c, placeholders.c, template.c, encode.c, literal*.c, bind.c,
 * batch.c, field.c and feeder.c share: the tokens of a statement, the bytes under construction,
 * what becomes of a parameter, and the statement with its placeholders.
 */

#ifndef WIRE_TEMPLATE_H
#define WIRE_TEMPLATE_H

#include "wire.h"

#include <string.h>

/* ---- scan.c --------------------------------------------------------------- */

/* How a statement's placeholders are written. */
typedef enum wire_style {
    WIRE_NO_STYLE, /* it has none */
    WIRE_QMARK,    /* ? */
    WIRE_FORMAT,   /* %s */
    WIRE_PYFORMAT  /* %(name)s */
} wire_style;

typedef enum wire_kind {
    WIRE_END,
    WIRE_BLANK,       /* white space and comments */
    WIRE_HINT,        /* begin or end of an executable comment */
    WIRE_WORD,        /* a keyword, a name, a number or a part of one */
    WIRE_NAME,        /* a name in quotes */
    WIRE_STRING,      /* a string in quotes, without what stands before it (N, _utf8mb4) */
    WIRE_PLACEHOLDER, /* of any style */
    WIRE_PERCENT,     /* %% */
    WIRE_SIGN         /* any other character */
} wire_kind;

/* A part of a statement's text: [start, end). */
typedef struct wire_token {
    wire_kind kind;
    size_t start;
    size_t end;
    wire_style style; /* of a placeholder; its name stands at start + 2 to end - 2 */
    bool conditional; /* in a comment that some servers read and others skip */
} wire_token;

/* What the scan of a text has come to.  The text is borrowed. */
typedef struct wire_scan {
    const char *sql;
    size_t length;
    size_t at;
    int mode;
    enum { WIRE_OUTSIDE, WIRE_LIVE, WIRE_CONDITIONAL } comment;
    size_t close;   /* where the conditional comment ends for those who skip it */
    bool ambiguous; /* that was elsewhere than for those who read it */
} wire_scan;

void wire_scan_start(wire_scan *scan, const char *sql, size_t length, int mode);
void wire_scan_next(wire_scan *scan, wire_token *token);
/* Whether a token is a word; it is given in upper case. */
bool wire_token_is(const wire_scan *scan, const wire_token *token, const char *word);
bool wire_is_word(char c); /* whether it can stand in a name without quotes */

/* ---- writer.c ---------------------------------------------------------------- */

/* Bytes under construction: in place as long as they are few. */
typedef struct wire_writer {
    char *start;
    char *at;        /* where the next byte goes */
    char *end;       /* where the room ends */
    PyObject *bytes; /* owned; what start is in, or NULL: then it is in small */
    char small[512];
} wire_writer;

void wire_writer_start(wire_writer *writer);
int wire_writer_grow(wire_writer *writer, size_t more);
PyObject *wire_writer_finish(wire_writer *writer); /* a bytes object */
void wire_writer_free(wire_writer *writer);
/*
 * Writes bytes for which there is room.  What stands in the table for a byte, if not 0, is
 * written for it, a quote behind a quote and others behind a backslash; count: how often.
 */
void wire_put_escaped(wire_writer *writer, const char *data, size_t length, const char *table,
                      size_t count);

/* Makes room for so many bytes. */
static inline int
wire_reserve(wire_writer *writer, size_t more)
{
    return (size_t)(writer->end - writer->at) >= more ? 0 : wire_writer_grow(writer, more);
}

static inline size_t
wire_written(const wire_writer *writer)
{
    return (size_t)(writer->at - writer->start);
}

static inline int
wire_write(wire_writer *writer, const char *data, size_t length)
{
    if (wire_reserve(writer, length) < 0) {
        return -1;
    }
    memcpy(writer->at, data, length);
    writer->at += length;
    return 0;
}

/* ---- encode.c -------------------------------------------------------------------- */

typedef struct wire_forms wire_forms;

/* How parameters are encoded, and which one: what an error has to tell. */
typedef struct wire_encoding {
    const wire_state *state;
    const wire_forms *forms;
    int mode;
    PyObject *encoders; /* a mapping from class to function, or NULL; borrowed */
    Py_ssize_t row;     /* the row of a batch, or -1 */
    Py_ssize_t index;   /* the place of the parameter, or -1 */
    PyObject *name;     /* or its name, or NULL; borrowed */
} wire_encoding;

/* What becomes of a value.  The writer may be a part of what knows more of the target. */
typedef int (*wire_form)(wire_writer *writer, const wire_encoding *how, PyObject *value);

/* What becomes of the values of each kind: a literal, a parameter that is bound, or a field. */
struct wire_forms {
    wire_form null;
    wire_form standard; /* DEFAULT: what the column has by itself */
    wire_form boolean;
    wire_form integer; /* of this class or one derived from it; so the next ones */
    wire_form number;  /* a float */
    wire_form decimal;
    wire_form text;
    wire_form bytes;
    wire_form other; /* of no class that is known; NULL: it is refused */
    wire_form list;  /* or a tuple */
    int (*moment)(wire_writer *writer, const wire_encoding *how, const MYSQL_TIME *moment);
};

/* Gives a value its form. */
int wire_encode(wire_writer *writer, const wire_encoding *how, PyObject *value);
/* The same for a value inside of another one, which may hold itself. */
int wire_encode_nested(wire_writer *writer, const wire_encoding *how, PyObject *value);

/* Raises an error that begins with the parameter's place.  Always returns -1. */
int wire_refuse(const wire_encoding *how, PyObject *error, const char *format, ...);

/* Says that there is nothing that values of its class become.  Always returns -1. */
int wire_refuse_class(const wire_encoding *how, PyObject *value);

/* An attribute.  Not PyObject_GetAttrString(): each of its names would fill a place of the
   interpreter's cache of methods, and be kept there. */
PyObject *wire_attribute(PyObject *object, const char *name);

/* ---- literal.c, literal_number.c, literal_text.c, literal_time.c -------------------- */

/* A value as SQL: a literal. */
extern const wire_forms wire_literals;

int wire_long_literal(wire_writer *writer, const wire_encoding *how, PyObject *value);
int wire_float_literal(wire_writer *writer, const wire_encoding *how, PyObject *value);
int wire_decimal_literal(wire_writer *writer, const wire_encoding *how, PyObject *value);
int wire_str_literal(wire_writer *writer, const wire_encoding *how, PyObject *value);
int wire_bytes_literal(wire_writer *writer, const wire_encoding *how, PyObject *value);
int wire_moment_literal(wire_writer *writer, const wire_encoding *how, const MYSQL_TIME *moment);

/* The same without what makes SQL's types of them. */
int wire_float_text(wire_writer *writer, const wire_encoding *how, PyObject *value);
int wire_moment_text(wire_writer *writer, const MYSQL_TIME *moment);

/* A float that the server can hold, or -1. */
int wire_finite(const wire_encoding *how, PyObject *value, double *number);

/* A str in UTF-8; *kept, new, is what the data are in. */
int wire_utf8(const wire_encoding *how, PyObject *value, const char **data, size_t *length,
              PyObject **kept);

/* ---- field.c ----------------------------------------------------------------------- */

/* How LOAD DATA reads what a column is given. */
enum wire_target {
    WIRE_FIELD,   /* any text means what the literal would */
    WIRE_BITS,    /* BIT: the text is the bytes of the number */
    WIRE_YEAR,    /* "0" is the year 2000, the number 0 is not */
    WIRE_NAMES,   /* ENUM, SET: "1" may be a member's name, the number 1 is its place */
    WIRE_INTEGER, /* "2.5" is a DECIMAL, which is rounded otherwise than a DOUBLE */
    WIRE_DATE,    /* DATE, DATETIME, TIMESTAMP: "10:11:12" is a day, the time is one of today */
    WIRE_TARGETS
};

/* A value as a field of LOAD DATA, for each target. */
extern const wire_forms wire_fields[WIRE_TARGETS];

/* ---- moment.c -------------------------------------------------------------------- */

/* The parts of a date, time or duration; 1 if the value is none of them. */
int wire_moment(const wire_encoding *how, PyObject *value, MYSQL_TIME *moment);
int wire_import_datetime_for_moments(void); /* to be called before */

/* ---- bind.c ------------------------------------------------------------------------ */

typedef struct wire_template wire_template;

int wire_add_bound(PyObject *module);
/* Whether the server takes these digits for an integer of 64 bits, and which one. */
bool wire_is_small(const char *digits, long long *value, bool *is_unsigned);
/* Whether it can be bound for LIMIT: nothing else is taken in a text, or is read otherwise. */
bool wire_is_row_count(PyObject *value, const wire_encoding *how);
/* The parameters of a template as they are bound: a Bound, new; None if one cannot be. */
PyObject *wire_bind(const wire_template *template, PyObject *params, wire_encoding *how);

/* ---- the type Template ---------------------------------------------------------------- */

/* The place of a placeholder. */
typedef struct wire_slot {
    size_t at;        /* in the template's text */
    PyObject *name;   /* owned; NULL unless the style is WIRE_PYFORMAT */
    bool conditional; /* as the token's */
    bool rows;        /* it counts rows: LIMIT */
    bool upper;       /* the second bound of BETWEEN */
    bool pair;        /* and the placeholder before it is the first one */
} wire_slot;

/* Whether BETWEEN can have bounds of these types, MYSQL_TYPE_*, there. */
bool wire_is_range(const wire_slot *slot, unsigned int lower, unsigned int upper);

/* A statement without its placeholders; never changed once it is made. */
struct wire_template {
    PyObject_HEAD const wire_state *state; /* lives as long as our type */
    int mode;
    wire_style style;
    Py_ssize_t count; /* of placeholders */
    wire_slot *slots; /* owned */
    char *text;       /* owned */
    size_t length;    /* of the text */
    bool equivalent;  /* it means the same when it is prepared */
    bool bulk;        /* many rows of parameters may be bound at once */
    bool batch;       /* an INSERT of one group of values, which stands in */
    size_t group;     /* the text from here */
    size_t tail;      /* to here */
};

/* ---- placeholders.c ------------------------------------------------------------------ */

/* How a placeholder of the style is written. */
const char *wire_style_name(wire_style style);

/* Finds the placeholders of a text, a str, for a new template that knows its mode. */
int wire_template_fill(wire_template *template, PyObject *text);

/* ---- template.c ---------------------------------------------------------------------- */

/* What a dict or another mapping has for a key: 1 and a new reference, or 0. */
int wire_find(PyObject *mapping, PyObject *key, PyObject **value);

/*
 * The parameters in a form that nobody else can change, new: a tuple, or the mapping
 * itself.  A mapping may have more names than the statement; a sequence may not be longer.
 */
PyObject *wire_check_params(const wire_template *template, PyObject *params,
                            const wire_encoding *how);
/* The value for a placeholder, new; notes in how which one it is. */
PyObject *wire_value_of(const wire_template *template, PyObject *values, Py_ssize_t index,
                        wire_encoding *how);

/* What encoders= may be: NULL for None.  0, or -1 with an exception. */
int wire_check_encoders(PyObject *given, PyObject **encoders /* borrowed */);

/* Writes the text from one place to another, and the parameters in it. */
int wire_render(wire_writer *writer, const wire_template *template, size_t from, size_t to,
                PyObject *params, wire_encoding *how);

/* ---- equivalent.c -------------------------------------------------------------------- */

/*
 * Whether a statement means the same when it is prepared.  slots: those of its placeholders,
 * in which is noted which of them count rows or are bounds; NULL: it has none.
 */
bool wire_is_equivalent(const char *sql, size_t length, int mode, wire_slot *slots);

/* ---- grammar.c ----------------------------------------------------------------------- */

/* What can be done with a text for many rows of parameters. */
typedef struct wire_shape {
    bool bulk;    /* bind them as arrays */
    bool batch;   /* repeat the group of values of an INSERT: */
    size_t start; /* from here */
    size_t end;   /* to here */
} wire_shape;

void wire_find_shape(const char *sql, size_t length, int mode, wire_shape *shape);

/* ---- batch.c, bulk.c ----------------------------------------------------------------- */

/* Rows of parameters for one statement after another. */
typedef struct wire_source {
    PyObject *rows;     /* an iterable; borrowed */
    PyObject *encoders; /* a mapping, or NULL; borrowed */
    Py_ssize_t limit;   /* of a statement or request, in bytes */
    Py_ssize_t first;   /* the number of the first row */
} wire_source;

/* An iterator over statements for many rows; see its docstring. */
PyObject *wire_batches_new(wire_template *template, const wire_source *source);
int wire_add_batches(PyObject *module);

/* What makes requests with arrays of parameters of many rows; see its docstring. */
PyObject *wire_bulk_new(wire_template *template, const wire_source *source);
int wire_add_bulk(PyObject *module);

#endif
