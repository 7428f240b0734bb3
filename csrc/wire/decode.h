/*
 * decode.h - what the files that turn values into objects know of each other.
 *
 * A plan is made once for each result: it has a decoder for each column and a
 * function that makes a row of them.  For a cell nothing is decided any more.
 */

#ifndef WIRE_DECODE_H
#define WIRE_DECODE_H

#include "wire.h"

/* ---- reading.c ------------------------------------------------------------ */

enum wire_shape {
    WIRE_TUPLE,
    WIRE_DICT,
    WIRE_NAMEDTUPLE, /* make(names) -> a subclass of tuple without a __dict__ */
    WIRE_SCALAR,
    WIRE_CLASS, /* make(name=value, ...) -> a row */
    WIRE_CALL,  /* make(names)(value, ...) -> a row */
    WIRE_ARROW  /* no rows: columns; make says which have a dictionary */
};

/* Immutable once it is made. */
typedef struct wire_reading {
    PyObject_HEAD wire_state *state; /* of the module, which the type keeps alive */
    int shape;
    bool invalid_dates_error;
    PyObject *make; /* owned; NULL for the shapes that need none */
    /* owned; {key: callable}; all NULL without converters */
    PyObject *by_type;   /* number of a type */
    PyObject *by_name;   /* name of a type or format, in lower case */
    PyObject *by_column; /* name of a column */
} wire_reading;

/* What the library hangs on a field that has extended metadata. */
typedef struct {
    MARIADB_CONST_STRING metadata[MARIADB_FIELD_ATTR_LAST + 1];
} wire_extension;

struct wire_arrow_layout;

struct wire_column {
    wire_decoder decode;         /* from the text to the value */
    wire_decoder given;          /* what `callable` is called with */
    PyObject *callable;          /* borrowed from the reading or the state, or NULL */
    const MYSQL_FIELD *field;    /* borrowed */
    const wire_reading *reading; /* borrowed from the plan */
    size_t bytes_seen;           /* in the last batch of columns */
};

/* Returns a row; values and lengths are as mysql_fetch_row() delivers them. */
typedef PyObject *(*wire_row)(wire_plan *plan, char *const *values, const unsigned long *lengths);

/* A row of the binary protocol, cut into its values; like what mysql_fetch_row() delivers. */
typedef struct {
    unsigned int count;
    char **values;          /* owned; NULL within: NULL */
    unsigned long *lengths; /* owned */
} wire_cells;

struct wire_plan {
    wire_row row;
    wire_reading *reading; /* owned */
    PyObject *names;       /* owned: a tuple; NULL when no one needs them */
    PyObject *make;        /* owned; what the rows are made with, or NULL */
    PyObject **cells;      /* room for the arguments of a call, or NULL */
    unsigned char *widths; /* owned; of values in the binary protocol, see below; NULL: text */
    wire_cells cut;        /* likewise */
    struct wire_arrow_layout *layout; /* a reference; NULL: rows */
    bool atomic;                      /* no value can refer to another object */
    unsigned int count;
    int64_t rows_seen; /* in the last batch of columns of the same result; 0: there is none */
    wire_column columns[];
};

/* Prepares the plan for columns instead of rows. */
int wire_plan_columns(wire_plan *plan, const MYSQL_FIELD *fields);
/* Prepares the plan for its rows, once the columns are known. */
int wire_plan_shape(wire_plan *plan, const MYSQL_FIELD *fields);

/*
 * Raises DataError: "column 'x' " and the format.  An exception that is set
 * already becomes its cause.  Returns NULL.
 */
PyObject *wire_bad_value(const wire_column *column, const char *format, ...);

/* ---- binary.c ------------------------------------------------------------- */

/*
 * The decoder of a column in the binary protocol; NULL: as for text.  *width: the size
 * of its values; 0: a length comes before each.
 */
wire_decoder wire_binary_decoder(const MYSQL_FIELD *field, unsigned char *width);

int wire_cells_new(wire_cells *cells, unsigned int count);
void wire_cells_free(wire_cells *cells); /* zeros are fine */

/* ---- arrow_batch.c -------------------------------------------------------- */

/* An empty batch of a plan for columns; wanted: the most rows it shall have, 0: not known. */
PyObject *wire_batch_new(const wire_plan *plan, Py_ssize_t wanted);
/* Adds a row, or nothing of it.  Returns 0, or -1 with an exception. */
int wire_batch_add(PyObject *batch, wire_plan *plan, char *const *values,
                   const unsigned long *lengths);
Py_ssize_t wire_batch_rows(PyObject *batch);
bool wire_batch_is_full(PyObject *batch);
/* No more rows will follow, and the next batch will be like it.  plan: NULL: there is none. */
void wire_batch_end(PyObject *batch, wire_plan *plan);

/* Adds functions that let the tests decode without a server. */
int wire_add_trial(PyObject *module);

/* What is written as text, and has a meaning beyond that. */
enum wire_format { WIRE_NO_FORMAT, WIRE_JSON, WIRE_UUID, WIRE_INET4, WIRE_INET6 };
enum wire_format wire_format_of(const MYSQL_FIELD *field);

/* ---- decoders ------------------------------------------------------------- */

PyObject *wire_integer(wire_column *column, const char *text, size_t length);
PyObject *wire_double(wire_column *column, const char *text, size_t length);
/* Whether a text is one that wire_double() takes. */
bool wire_is_number(const char *text, size_t length);

PyObject *wire_decimal(wire_column *column, const char *text, size_t length);

PyObject *wire_text(wire_column *column, const char *text, size_t length);
PyObject *wire_bytes(wire_column *column, const char *text, size_t length);
bool wire_is_utf8(const char *text, size_t length);
/* Raises DataError: it is not.  Returns NULL. */
PyObject *wire_not_utf8(const wire_column *column);
/* Text in a charset that is not read: always DataError. */
PyObject *wire_foreign_text(wire_column *column, const char *text, size_t length);
/* What `callable` makes of the value; of JSON, a UUID, an address. */
PyObject *wire_converted(wire_column *column, const char *text, size_t length);
PyObject *wire_parsed(wire_column *column, const char *text, size_t length);

/* The decoder for a column of characters, by the number of its charset. */
wire_decoder wire_string_decoder(unsigned int charset);

PyObject *wire_date(wire_column *column, const char *text, size_t length);
PyObject *wire_datetime(wire_column *column, const char *text, size_t length);
PyObject *wire_time(wire_column *column, const char *text, size_t length);
int wire_import_datetime(void);

/* Whether Python has such a day; years are up to 9999. */
bool wire_is_day(int year, int month, int day);
/* Objects of numbers that fit. */
PyObject *wire_new_date(const int date[3]);
PyObject *wire_new_datetime(const int date[3], const int time[3], int microsecond);
PyObject *wire_new_delta(int days, int seconds, int microseconds);
/* From numbers, of whatever size; a day that there is not is as the reading says. */
PyObject *wire_make_date(wire_column *column, int year, int month, int day);
PyObject *wire_make_datetime(wire_column *column, const int date[3], const int time[3],
                             uint32_t microsecond);
PyObject *wire_make_time(wire_column *column, bool negative, uint64_t hours, int minutes,
                         int seconds, uint32_t microseconds);

#endif
