/*
 * wire.h - what the files of mariadb_nb._wire share.
 *
 * _wire is the driver's part in C: it steps the library, turns what a server
 * sends into Python objects and Python objects into SQL.  One subject a file:
 *
 *     module.c     the module and its state
 *     channel.c    what may be asked of a connection; facts.c what is known of it
 *     mode.c       how the server reads a statement
 *     claim.c      the guard, and the turn of a connection
 *     step.c       steps the library through a statement and its replies
 *     text.c       the library's calls for statements that are sent as text
 *     execute.c    those for statements that are prepared, executed and closed
 *     read_ahead.c rows that the library has read, but not handed out yet
 *     pieces.c     sends large parameters piece by piece
 *     statement.c  a statement that the server has prepared
 *     pipeline.c   statements that are sent ahead of their replies
 *     infile.c     what the server gets when it asks for a file
 *     reply.c      what a query was answered with
 *     reading.c    how values and rows are to be read; the plan for a result
 *     number.c decimal.c string.c temporal.c    from a value's text to an object
 *     binary.c     rows of the binary protocol, and the values that differ there
 *     rows.c       from values to a row
 *     describe.c   what is known of the columns
 *     arrow_number.c arrow_text.c arrow_layout.c arrow_batch.c arrow_memory.c
 *     arrow_export.c arrow_object.c
 *                  from values to columns of Arrow, and their export
 *     arrow_read.c arrow_parameter.c
 *                  from columns of Arrow to rows of parameters
 *     trial.c      decoding without a server, for the tests
 *     login.c      what the library is kept from while it logs in
 *     scan.c writer.c placeholders.c template.c grammar.c
 *                  statements with parameters
 *     equivalent.c                    whether it is the same when it is prepared
 *     encode.c moment.c               what a parameter is
 *     literal*.c bind.c               how it is sent: in the text, or bound
 *     batch.c bulk.c bulk_value.c     many rows of parameters at once
 *     field.c feeder.c                or as the text that LOAD DATA reads, with its row
 *     connector.c  a connect under way; connect_thread.c its thread, which knows no Python
 *     record.c     objects whose attributes C reads as fields
 *     turn.c       how an operation begins and ends
 *     drive.c      an operation on a connection, as long as it goes as usual
 *     run.c        a task awaits an operation on asyncio; runner.c  how that goes on
 *     cursor.c     a cursor gives its rows
 *     usual.c      a cursor executes a statement that is prepared already
 *     poll.c       runs an operation by blocking the thread
 *     peek.c       what can be read from a socket
 *
 * Rules of this folder: no static PyObject; every function that returns an
 * object returns a new reference or NULL with an exception set; every int
 * that tells of success is 0, or -1 with an exception set.  No Python code runs
 * between a call of the library and its return.
 *
 * Threads: nothing here relies on the GIL.  The state of the module, Readings and
 * Templates never change once they are made; a Channel, a Batches or a Feeder is used by one call
 * at a time and refuses a second one, whichever thread it comes from; what others may
 * know of a Channel is noted at the end of each call; a plan belongs to a Channel's call;
 * a Connector is guarded by a critical section, and so is each field of a record; a Drive is
 * run by one call at a time and refuses a second one; a Run belongs to the thread of its loop.
 * References are only borrowed from what never changes, or from a tuple; what a caller's list
 * or dict holds is taken over.
 */

#ifndef WIRE_H
#define WIRE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <mysql.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if PY_VERSION_HEX < 0x030D0000 /* without the GIL begins later */
#define Py_BEGIN_CRITICAL_SECTION(object) {
#define Py_END_CRITICAL_SECTION() }
#endif

/* ---- module.c ------------------------------------------------------------ */

/* What is looked up once for each interpreter; all owned by the module. */
typedef struct wire_state {
    /* classes of mariadb_nb.errors */
    PyObject *DataError;
    PyObject *InterfaceError;
    PyObject *NotSupportedError;
    PyObject *ProgrammingError;
    PyObject *Busy;
    PyObject *error_from; /* from_server(errno, sqlstate, message) -> exception */
    /* other classes and functions */
    PyObject *Decimal;
    PyObject *like_decimal; /* what others are made like; NULL: call Decimal() */
    PyObject *UUID;
    PyObject *IPv4Address;
    PyObject *IPv6Address;
    PyObject *Enum;
    PyObject *DEFAULT; /* of mariadb_nb.constructors */
    PyObject *json_loads;
    PyObject *go_on; /* of mariadb_nb.operations; see drive.c */
    PyObject *is_late;
    PyObject *get_running_loop; /* of asyncio, if it is used */
    PyObject *UNSET;            /* a timeout= that was not given */
    PyObject *END;              /* comes after the last row */
    PyObject *zero;
    PyObject *execute_channel; /* Channel.execute */
    /* interned words, see module.c: one made each time would fill the cache of methods */
    PyObject *READY;
    PyObject *BUSY;
    PyObject *START;
    PyObject *turn;
    PyObject *waits;
    PyObject *enter;
    PyObject *leave;
    PyObject *end;
    PyObject *abort;
    PyObject *close;
    PyObject *throw;
    PyObject *encoders;
    PyObject *bind;
    PyObject *deadline;
    PyObject *timeout;
    PyObject *execute;
    PyObject *resume;
    PyObject *unless;
    PyObject *execute_bound;
    PyObject *check;
    PyObject *move_to;
    PyObject *ask;
    PyObject *cancel;
    PyObject *fail;
    PyObject *stop_reading;
    PyObject *unasked;
    PyObject *unwatch;
    /* our own types */
    PyTypeObject *Reading;
    PyTypeObject *Reply;
    PyTypeObject *Channel;
    PyTypeObject *Statement;
    PyTypeObject *Template;
    PyTypeObject *Bound;
    PyTypeObject *Batches;
    PyTypeObject *Bulk;
    PyTypeObject *Connector;
    PyTypeObject *ArrowBatch;
    PyTypeObject *Turn;
    PyTypeObject *Drive;
    PyTypeObject *RunnerFields;
    PyTypeObject *Run;
    PyTypeObject *CursorFields;
    PyTypeObject *Known;
    PyTypeObject *Entry;
} wire_state;

extern struct PyModuleDef wire_module;
wire_state *wire_state_of(PyTypeObject *type); /* of one of our own types; borrowed */

/* Finds out whether Decimals can be made without a call (decimal.c). */
int wire_try_decimals(PyObject *module);

/* Each adds its types and functions to the module. */
int wire_add_reading(PyObject *module);
int wire_add_channel(PyObject *module);
int wire_add_template(PyObject *module);
int wire_add_feeder(PyObject *module);
int wire_add_connector(PyObject *module);
int wire_add_login(PyObject *module);
int wire_add_poll(PyObject *module);
int wire_add_peek(PyObject *module);
int wire_add_turn(PyObject *module);
int wire_add_drive(PyObject *module);
int wire_add_run(PyObject *module);
int wire_add_runner(PyObject *module);
int wire_add_cursor(PyObject *module);
int wire_add_usual(PyObject *module);
int wire_add_arrow(PyObject *module);
int wire_add_arrow_rows(PyObject *module);

/* ---- step.c --------------------------------------------------------------- */

/* The time for one turn, between two of a loop. */
#define WIRE_BUDGET_NS 1500000

int64_t wire_now_ns(void); /* of a clock that never goes back */

/* ---- reading.c ------------------------------------------------------------ */

typedef struct wire_column wire_column;

/* From a value as it is sent, most often a text, to an object. */
typedef PyObject *(*wire_decoder)(wire_column *column, const char *text, size_t length);

typedef struct wire_plan wire_plan;

/*
 * What to do with the columns of one result.  reading: a Reading, borrowed and
 * kept.  The fields must live as long as the plan.  binary: the rows are a prepared
 * statement's.
 */
wire_plan *wire_plan_new(PyObject *reading, const MYSQL_FIELD *fields, unsigned int count,
                         bool binary);
void wire_plan_free(wire_plan *plan);                                /* NULL is fine */
int wire_plan_traverse(wire_plan *plan, visitproc visit, void *arg); /* NULL is fine */

/* Whether it would be made the same once more; if not, there is a call for each result. */
bool wire_plan_serves(const wire_plan *plan, PyObject *reading);

/* Whether each row runs code in Python, which may take its time. */
bool wire_plan_calls(const wire_plan *plan);

/* Whether the rows become columns. */
bool wire_plan_is_columns(const wire_plan *plan);

/*
 * What a plan's rows are put into: a list of them, or a batch of columns; new and empty.
 * wanted: the most rows it shall have; 0: not known.
 */
PyObject *wire_rows_new(const wire_plan *plan, Py_ssize_t wanted);

/* A row of the binary protocol as it lies in memory, behind the packet's header. */
typedef struct {
    const char *start;
    const char *end;
} wire_packet;

/*
 * Takes a row: what mysql_fetch_row() and mysql_fetch_lengths() deliver, or for a plan for
 * binary rows one that was read ahead, or (start: NULL) what mysql_stmt_fetch() has just
 * read.  Nothing may be bound to the statement: the library then leaves the values where they
 * are.  Returns 0, or -1 with an exception: nothing of the row was taken.
 */
int wire_rows_take(PyObject *rows, wire_plan *plan, char *const *values,
                   const unsigned long *lengths);
int wire_rows_take_binary(PyObject *rows, wire_plan *plan, const MYSQL_STMT *stmt,
                          const wire_packet *ahead);

/* How many there are, and whether no more can be taken. */
Py_ssize_t wire_rows_count(PyObject *rows);
bool wire_rows_are_full(PyObject *rows);
/* No more will follow: gives back memory that is not needed.  plan: NULL: nor more results. */
void wire_rows_end(PyObject *rows, wire_plan *plan);

/* ---- describe.c ------------------------------------------------------------- */

/*
 * What is known of the columns: a tuple with one tuple for each,
 * (name, type, length, max_length, decimals, flags, charset, table, org_table,
 *  db, org_name, type_name, format)
 * where the last two are None unless the server sent extended metadata.
 */
PyObject *wire_describe(const MYSQL_FIELD *fields, unsigned int count);

/* ---- scan.c, template.c, literal*.c ------------------------------------------ */

/* How the server reads a statement, as far as that is known: see mode.c. */
enum wire_mode {
    WIRE_NO_BACKSLASH = 1, /* a backslash in a string is one */
    WIRE_ANSI_QUOTES = 2,  /* "a" is a name, not a string */
    WIRE_SEVERAL = 4,      /* not to be known: a statement before it may change it */
    WIRE_DOUBTFUL = 8      /* a backslash may be one, or an escape */
};

#endif
