/*
 * execute.c - the library's calls for statements that are prepared, executed and closed,
 * and what may be asked of a Channel with them.
 *
 * Owns what has to be done before and after each of these calls so that it never waits
 * and never delivers what belongs to other columns; which follows which is said by step.c.
 * A statement that nobody has any more is closed before the next command: the server does
 * not answer to that.
 */

#include "channel.h"

#include <errmsg.h>
#include <stdlib.h>
#include <string.h>

/* ---- Closing ---------------------------------------------------------------------- */

bool
wire_take_dropped(wire_channel *self)
{
    _Atomic(MYSQL_STMT *) *first = &self->dropped->first;

    if (self->closing == NULL && atomic_load_explicit(first, memory_order_relaxed) != NULL) {
        self->closing = atomic_exchange_explicit(first, NULL, memory_order_acquire);
    }
    return self->closing != NULL;
}

void
wire_start_close(wire_channel *self)
{
    self->gone = self->closing;
    self->closing = self->gone->user_data;
    self->phase = CLOSING;
    self->refused = 1;
    self->events = mysql_stmt_close_start(&self->refused, self->gone);
}

int
wire_resume_close(wire_channel *self, int ready)
{
    return mysql_stmt_close_cont(&self->refused, self->gone, ready);
}

/* ---- Preparing ---------------------------------------------------------------------- */

static void
start_prepare(wire_channel *self)
{
    MYSQL_STMT *stmt = self->statement->stmt;

    self->phase = PREPARE;
    self->status = 1;
    self->events = mysql_stmt_prepare_start(&self->status, stmt, PyBytes_AS_STRING(self->sql),
                                            (unsigned long)PyBytes_GET_SIZE(self->sql));
}

int
wire_resume_prepare(wire_channel *self, int ready)
{
    return mysql_stmt_prepare_cont(&self->status, self->statement->stmt, ready);
}

const char wire_prepare_doc[] =
    "prepare($self, sql, /)\n--\n\n"
    "Have the server prepare a statement (mysql_stmt_prepare).\n\n"
    "What comes of it is a Statement.  Raises as query().";

static PyObject *
begin_prepare(wire_channel *self, PyObject *sql)
{
    if (wire_claim(self) < 0) {
        return NULL;
    }
    self->statement = wire_statement_new(self);
    if (self->statement == NULL) {
        wire_finish(self);
        return NULL;
    }
    self->sql = Py_NewRef(sql);
    return wire_begin(self, start_prepare);
}

PyObject *
wire_channel_prepare(wire_channel *self, PyObject *sql)
{
    PyObject *outcome;

    if (!PyBytes_CheckExact(sql)) {
        PyErr_SetString(PyExc_TypeError, "prepare() takes bytes");
        return NULL;
    }
    if (wire_enter(self) < 0) {
        return NULL;
    }
    outcome = begin_prepare(self, sql);
    wire_leave(self);
    return outcome;
}

/* ---- Executing ---------------------------------------------------------------------- */

/* Refuses what the library asks for each row of an array that it binds itself. */
static my_bool
refuse_row(void *Py_UNUSED(data), MYSQL_BIND *Py_UNUSED(binds), unsigned int Py_UNUSED(row))
{
    return 1;
}

/*
 * Gives the statement a request of bulk.c, as one that the library has made before: it
 * sends that with the statement's number filled in, and frees it.  A library that did
 * not would make one of an array of one row, and fail when it asks for that.
 */
static int
bind_request(MYSQL_STMT *stmt, PyObject *request)
{
    const size_t length = (size_t)PyBytes_GET_SIZE(request);

    stmt->request_buffer = malloc(length);
    if (stmt->request_buffer == NULL) {
        stmt->last_errno = CR_OUT_OF_MEMORY;
        return -1;
    }
    memcpy(stmt->request_buffer, PyBytes_AS_STRING(request), length);
    stmt->request_length = length;
    stmt->array_size = 1;
    stmt->param_callback = refuse_row;
    return mysql_stmt_bind_param(stmt, NULL) ? -1 : 0;
}

static int
bind_parameters(MYSQL_STMT *stmt, PyObject *bound)
{
    stmt->array_size = 0;
    stmt->param_callback = NULL;
    if (bound == NULL || stmt->param_count == 0) {
        return 0;
    }
    if (PyBytes_CheckExact(bound)) {
        return bind_request(stmt, bound);
    }
    return mysql_stmt_bind_param(stmt, ((wire_bound *)bound)->binds) ? -1 : 0;
}

void
wire_send_execute(wire_channel *self)
{
    self->phase = EXECUTE;
    self->statement->executed = true;
    self->events = mysql_stmt_execute_start(&self->status, self->statement->stmt);
}

/* Whether there are parameters to be read and sent before. */
static bool
has_sources(const wire_channel *self)
{
    return self->bound != NULL && !PyBytes_CheckExact(self->bound) &&
           ((wire_bound *)self->bound)->sources;
}

/* Whether the server keeps the rows, for as many at a time to be fetched as are wanted. */
static void
set_cursor(wire_channel *self)
{
    MYSQL_STMT *stmt = self->statement->stmt;

    stmt->flags = self->prefetch != 0 ? CURSOR_TYPE_READ_ONLY : CURSOR_TYPE_NO_CURSOR;
    stmt->prefetch_rows = self->prefetch;
    stmt->cursor_exists = 0; /* the library never forgets one */
}

void
wire_start_execute(wire_channel *self)
{
    MYSQL_STMT *stmt = self->statement->stmt;

    if (self->statement->pieces) {
        wire_start_reset(self);
        return;
    }
    self->phase = EXECUTE;
    self->status = 1;
    self->events = 0;
    /* So that each error is of this execution, wherever the library puts it. */
    self->mysql->net.last_errno = 0;
    stmt->last_errno = 0;
    /* Else the library keeps the names of the columns when the server sends new ones, and
       gives up when their number has changed. */
    stmt->field_count = 0;
    set_cursor(self);
    if (bind_parameters(stmt, self->bound) == 0) {
        if (has_sources(self)) {
            wire_start_pieces(self);
        }
        else {
            wire_send_execute(self);
        }
    }
    if (self->events == 0) { /* it may have failed before it came to that */
        free(stmt->request_buffer);
        stmt->request_buffer = NULL;
    }
}

int
wire_resume_execute(wire_channel *self, int ready)
{
    return mysql_stmt_execute_cont(&self->status, self->statement->stmt, ready);
}

void
wire_show_error(wire_channel *self)
{
    const MYSQL_STMT *stmt = self->statement->stmt;
    NET *net = &self->mysql->net;

    if (net->last_errno == 0 && stmt->last_errno != 0) {
        net->last_errno = stmt->last_errno;
        memcpy(net->sqlstate, stmt->sqlstate, sizeof(net->sqlstate));
        memcpy(net->last_error, stmt->last_error, sizeof(net->last_error));
    }
}

const char wire_execute_doc[] =
    "execute($self, statement, bound, reading, stream, prefetch=0, /)\n--\n\n"
    "Execute a prepared statement and read its replies (mysql_stmt_execute).\n\n"
    "bound: its parameters, of Template.bind(), or None; or a request of Bulk.build(), with\n"
    "those of many rows.  prefetch: how many rows the server sends at once of a stream, and\n"
    "keeps the others; 0: it sends all.  What comes of it is as of query().\n\n"
    "Raises as query(), and:\n"
    "    InterfaceError: the statement was prepared on another connection, or before the\n"
    "        connection was reset.\n"
    "    ProgrammingError: the parameters are more or fewer than it takes.";

/*
 * Where a parameter was a number before, the server takes pieces of text for one too: it
 * would return an address of its memory.  So they are for a new statement only.
 */
static int
check_sources(const wire_channel *self, const wire_statement *statement, PyObject *bound)
{
    if (bound == Py_None || !((wire_bound *)bound)->sources) {
        return 0;
    }
    if (statement->executed || atomic_load(&((wire_bound *)bound)->spent)) {
        PyErr_SetString(self->state->InterfaceError,
                        statement->executed
                            ? "what is read piece by piece takes a statement that was not "
                              "executed before: prepare it anew"
                            : "the parameters have been read already: bind them anew");
        return -1;
    }
    return 0;
}

/* The number is sent in four bytes. */
#define MOST_PREFETCHED 0x7fffffffUL

/* Whether the statement can be executed here; the caller has the claim. */
static int
check_statement(wire_channel *self, const wire_statement *statement, PyObject *bound)
{
    const Py_ssize_t given = bound != Py_None ? Py_SIZE(bound) : 0;

    if (statement->dropped != self->dropped) {
        PyErr_SetString(self->state->InterfaceError,
                        "the statement was prepared on another connection");
        return -1;
    }
    if (statement->stmt->mysql == NULL) {
        PyErr_SetString(self->state->InterfaceError,
                        "the connection was reset since the statement was prepared: it is no more");
        return -1;
    }
    if (PyBytes_CheckExact(bound)) { /* who has made it knows the number of parameters */
        if (given >= 6 + 2 * statement->markers) {
            return 0;
        }
        PyErr_SetString(self->state->ProgrammingError, "that is no request of build()");
        return -1;
    }
    if (given != statement->markers) {
        PyErr_Format(self->state->ProgrammingError,
                     "%zd parameters are given, but the statement takes %zd", given,
                     statement->markers);
        return -1;
    }
    return check_sources(self, statement, bound);
}

static PyObject *
begin_execute(wire_channel *self, wire_statement *statement, PyObject *bound, PyObject *reading,
              bool stream, unsigned long prefetch)
{
    PyObject *replies = stream ? NULL : PyList_New(0); /* new */

    if ((replies == NULL && !stream) || wire_claim(self) < 0) {
        Py_XDECREF(replies);
        return NULL;
    }
    if (check_statement(self, statement, bound) < 0) {
        Py_XDECREF(replies);
        wire_finish(self);
        return NULL;
    }
    self->statement = (wire_statement *)Py_NewRef(statement);
    self->bound = bound != Py_None ? Py_NewRef(bound) : NULL;
    self->reading = Py_NewRef(reading);
    self->replies = replies;
    self->stream = stream;
    self->prefetch = prefetch;
    self->protocol = &wire_binary_protocol;
    return wire_begin(self, wire_start_execute);
}

PyObject *
wire_channel_execute(wire_channel *self, PyObject *const *arguments, Py_ssize_t count)
{
    const wire_state *state = self->state;
    unsigned long prefetch = 0;
    PyObject *outcome;

    if (count < 4 || count > 5 || !Py_IS_TYPE(arguments[0], state->Statement) ||
        !(arguments[1] == Py_None || PyBytes_CheckExact(arguments[1]) ||
          Py_IS_TYPE(arguments[1], state->Bound)) ||
        !Py_IS_TYPE(arguments[2], state->Reading) || !PyBool_Check(arguments[3])) {
        PyErr_SetString(PyExc_TypeError,
                        "execute() takes a Statement, a Bound, bytes or None, a Reading and a "
                        "bool");
        return NULL;
    }
    if (count == 5) {
        prefetch = PyLong_AsUnsignedLong(arguments[4]);
        if (PyErr_Occurred()) {
            return NULL;
        }
        if (prefetch > MOST_PREFETCHED || (prefetch != 0 && arguments[3] != Py_True)) {
            PyErr_SetString(PyExc_ValueError,
                            "rows can be prefetched of a stream only, and "
                            "fewer than 2 ** 31");
            return NULL;
        }
    }
    if (wire_enter(self) < 0) {
        return NULL;
    }
    outcome = begin_execute(self, (wire_statement *)arguments[0], arguments[1], arguments[2],
                            arguments[3] == Py_True, prefetch);
    wire_leave(self);
    return outcome;
}

/* ---- Replies ---------------------------------------------------------------------- */

static int
start_next(wire_channel *self)
{
    self->status = 1;
    return mysql_stmt_next_result_start(&self->status, self->statement->stmt);
}

static int
resume_next(wire_channel *self, int ready)
{
    return mysql_stmt_next_result_cont(&self->status, self->statement->stmt, ready);
}

static int
start_row(wire_channel *self)
{
    self->status = 1;
    if (self->discarding && self->statement->stmt->cursor_exists) {
        wire_start_reset(self); /* which closes the cursor */
        return self->events;
    }
    if (wire_take_read_ahead(self)) {
        self->status = 0;
        return 0;
    }
    return mysql_stmt_fetch_start(&self->status, self->statement->stmt);
}

static int
resume_row(wire_channel *self, int ready)
{
    return mysql_stmt_fetch_cont(&self->status, self->statement->stmt, ready);
}

/*
 * The packet behind the last row: 0xfe, warnings, status.  The library leaves it alone,
 * unlike that of a text result.
 */
static void
take_end(MYSQL *mysql)
{
    const unsigned char *packet = mysql->net.read_pos;
    /* A result of OUT parameters is never the last one, but says so only at its head. */
    const unsigned int more =
        mysql->server_status & SERVER_PS_OUT_PARAMS ? SERVER_MORE_RESULTS_EXIST : 0;

    mysql->warning_count = packet[1] | (unsigned int)packet[2] << 8;
    mysql->server_status = packet[3] | (unsigned int)packet[4] << 8 | more;
}

static int
has_row(wire_channel *self)
{
    if (self->status == 0) {
        return 1;
    }
    if (self->status != MYSQL_NO_DATA) {
        return -1;
    }
    if (self->prefetch == 0) { /* else it was the library that has read the end */
        take_end(self->mysql);
    }
    return 0;
}

static int
take(wire_channel *self, PyObject *rows)
{
    return wire_rows_take_binary(rows, self->reply->plan, self->statement->stmt, &self->ahead);
}

static wire_reply *
reply(wire_channel *self)
{
    wire_reply *made;

    self->statement->pieces = false; /* unless it refuses them, the server forgets them */
    if (self->mysql->field_count != 0 && self->statement->stmt->default_rset_handler == NULL) {
        return NULL; /* the library would call it */
    }
    made = wire_reply_new(self->state, NULL);
    if (made != NULL) {
        made->has_rows = self->mysql->field_count != 0;
    }
    return made;
}

static int
expect(wire_channel *self)
{
    return wire_statement_expect(self->statement, self->reply, self->reading);
}

static bool
end(wire_channel *self)
{
    wire_statement_keep(self->statement, self->reply);
    return mysql_stmt_more_results(self->statement->stmt);
}

const wire_protocol wire_binary_protocol = {
    .start_next = start_next,
    .resume_next = resume_next,
    .start_row = start_row,
    .resume_row = resume_row,
    .has_row = has_row,
    .take = take,
    .reply = reply,
    .expect = expect,
    .end = end,
};
