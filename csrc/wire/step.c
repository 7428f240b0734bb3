/*
 * step.c - steps the library through a statement and its replies.
 *
 * Owns the order of the calls: what follows when one is over, and what comes of
 * it all.  What callers may ask for, and when, is channel.c's business.
 *
 * Rows are decoded as they arrive: between two calls of the library, never
 * inside one.
 */

#include "channel.h"

#include <errmsg.h>
#include <mysqld_error.h>
#ifdef _WIN32
#include <windows.h>
#else
#include <time.h>
#endif

/* Rows between two looks at the clock, if none runs Python. */
#define ROWS_AT_ONCE 16

/* ---- The end of a statement ---------------------------------------------------- */

/* Forgets the statement; the connection is ready for the next, or broken. */
void
wire_finish(wire_channel *self)
{
    self->phase = IDLE;
    self->events = 0;
    self->sent = self->answered = 0;
    self->midway = false;
    self->stream = self->discarding = self->ended = false;
    Py_CLEAR(self->sql);
    Py_CLEAR(self->bound);
    Py_CLEAR(self->chunk);
    Py_CLEAR(self->statements);
    Py_CLEAR(self->answers);
    Py_CLEAR(self->reading);
    Py_CLEAR(self->replies);
    Py_CLEAR(self->piece);
    Py_CLEAR(self->failure);
    Py_CLEAR(self->reply);
    Py_CLEAR(self->statement);
    wire_infile_forget(self);
    if (self->claimed && !self->broken) {
        self->claimed = false;
        wire_guard->unclaim(self->handle);
    }
    else if (self->claimed) {
        wire_guard->note(self->handle);
    }
}

/* Whether an error is the library's own and not the server's answer. */
static bool
is_own_error(unsigned int code)
{
    /* A program in the server may raise any other number. */
    return code == 0 || (code >= CR_MIN_ERROR && code <= CR_MAX_ERROR) ||
           (code >= CER_MIN_ERROR && code < CER_MIN_ERROR + 100);
}

/* Raises the exception that was remembered. */
PyObject *
wire_raise_failure(wire_channel *self)
{
    PyObject *failure = self->failure;

    self->failure = NULL;
    PyErr_SetObject((PyObject *)Py_TYPE(failure), failure);
    Py_DECREF(failure);
    return NULL;
}

/* Remembers the exception that is set, for when the reply has been read. */
static void
remember_failure(wire_channel *self)
{
    PyObject *type;
    PyObject *value;
    PyObject *traceback;

    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (self->failure == NULL && value != NULL) {
        if (traceback != NULL) {
            PyException_SetTraceback(value, traceback);
        }
        self->failure = Py_NewRef(value);
    }
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
}

/* What the caller gets: replies, the head of a stream, or a piece of it. */
static PyObject *
take_outcome(wire_channel *self)
{
    PyObject *outcome = self->piece;

    if (outcome != NULL) {
        self->piece = NULL;
        wire_rows_end(outcome, self->reply->plan);
        return outcome;
    }
    return Py_NewRef(self->stream ? (PyObject *)self->reply : self->replies);
}

/* The error is for later: of a pipeline's statement, or behind the rows of a piece. */
static PyObject *
note_error(wire_channel *self)
{
    wire_raise(self->state, self->mysql);
    if (!PyErr_ExceptionMatches(PyExc_Exception)) {
        /* Ctrl-C and its like, while the error was made, are for now. */
        self->broken = self->broken || self->sent > self->answered + 1;
        wire_finish(self);
        return NULL;
    }
    remember_failure(self);
    if (self->statements != NULL) {
        return wire_pipeline_answered(self);
    }
    self->ended = true; /* first the rows that came before it */
    return take_outcome(self);
}

PyObject *
wire_fail(wire_channel *self)
{
    PyObject *outcome = NULL; /* new */
    unsigned int code;

    if (self->statement != NULL) {
        wire_show_error(self);
    }
    wire_doubt_settings(self);
    code = mysql_errno(self->mysql);
    self->broken = is_own_error(code) || self->mysql->net.pvio == NULL;
    if (code == ER_LOCK_DEADLOCK || code == ER_CHECKREAD) {
        /* The transaction was rolled back, and an error has no status to say so. */
        self->mysql->server_status &= ~(unsigned int)SERVER_STATUS_IN_TRANS;
    }
    if (self->statements != NULL || (self->piece != NULL && wire_rows_count(self->piece) > 0 &&
                                     self->failure == NULL && !self->discarding && !self->broken)) {
        return note_error(self);
    }
    if (self->failure != NULL) {
        wire_raise_failure(self);
    }
    else if (self->broken || !self->discarding) {
        wire_raise(self->state, self->mysql);
    }
    else {
        outcome = Py_NewRef(Py_None);
    }
    wire_finish(self);
    return outcome;
}

PyObject *
wire_complete(wire_channel *self)
{
    bool wanted = !self->discarding && self->failure == NULL;
    PyObject *outcome; /* new */

    if (self->statements != NULL) {
        return wire_pipeline_answered(self);
    }
    outcome = wanted ? take_outcome(self) : NULL;
    if (self->failure != NULL) {
        wire_raise_failure(self);
    }
    else if (!wanted) {
        outcome = Py_NewRef(Py_None);
    }
    wire_finish(self);
    return outcome;
}

/* ---- Steps ------------------------------------------------------------------------ */

int64_t
wire_now_ns(void)
{
#ifdef _WIN32
    return (int64_t)GetTickCount64() * 1000000;
#else
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
#endif
}

static int
resume_next(wire_channel *self, int ready)
{
    return self->protocol->resume_next(self, ready);
}

static int
resume_row(wire_channel *self, int ready)
{
    return self->protocol->resume_row(self, ready);
}

void
wire_start_next(wire_channel *self)
{
    self->phase = NEXT;
    self->events = self->protocol->start_next(self);
}

void
wire_start_row(wire_channel *self)
{
    self->events = self->protocol->start_row(self);
}

/* A reply has been read to its end.  Returns an outcome, or NULL to go on. */
static PyObject *
end_reply(wire_channel *self)
{
    bool more = self->protocol->end(self);

    if (wire_reply_settle(self->reply, self->mysql) < 0) {
        remember_failure(self);
    }
    wire_note_settings(self);
    if (self->reply->unsettled != 0) {
        atomic_fetch_add_explicit(&self->epoch, self->reply->unsettled, memory_order_relaxed);
    }
    if (!more) {
        return wire_complete(self);
    }
    if (self->stream && !self->discarding) {
        self->phase = BETWEEN;
        return take_outcome(self);
    }
    wire_start_next(self);
    return NULL;
}

/* The head of a reply has been read.  Returns an outcome, or NULL to go on. */
static PyObject *
begin_reply(wire_channel *self, int64_t Py_UNUSED(until))
{
    wire_reply *reply; /* new */

    if (self->status != 0) {
        return wire_fail(self);
    }
    if (wire_infile_check(self) < 0) {
        remember_failure(self);
    }
    reply = self->protocol->reply(self);
    if (reply == NULL && !PyErr_Occurred()) {
        return wire_fail(self);
    }
    Py_XSETREF(self->reply, reply);
    if (reply == NULL) {
        self->broken = true; /* without memory there is no reading on */
        wire_finish(self);
        return NULL;
    }
    if (!self->stream && PyList_Append(self->replies, (PyObject *)reply) < 0) {
        remember_failure(self);
    }
    if (!reply->has_rows) {
        return end_reply(self);
    }
    self->phase = ROWS;
    if (self->protocol->expect(self) < 0 || wire_reply_expect(reply, self->stream) < 0) {
        if (!PyErr_ExceptionMatches(PyExc_Exception)) {
            self->discarding = true; /* Ctrl-C and its like do not wait for the rows */
            wire_start_row(self);
            return NULL;
        }
        remember_failure(self);
    }
    if (self->stream && !self->discarding) {
        return take_outcome(self);
    }
    wire_start_row(self);
    return NULL;
}

/* Decodes the row that has arrived.  Returns 0, or -1: the failure is remembered. */
static int
take_row(wire_channel *self)
{
    PyObject *rows = self->stream ? self->piece : self->reply->rows; /* borrowed */

    if (self->protocol->take(self, rows) < 0) {
        if (PyErr_ExceptionMatches(PyExc_Exception)) {
            remember_failure(self);
        }
        return -1;
    }
    return 0;
}

/* Whether the piece of a stream has as many rows as it can or shall have. */
static bool
has_enough(const wire_channel *self)
{
    return wire_rows_count(self->piece) >= self->wanted || wire_rows_are_full(self->piece);
}

/*
 * Takes rows for as long as they are there.  Returns an outcome, or NULL:
 * something is waited for, or the next reply is under way.
 */
static PyObject *
take_rows(wire_channel *self, int64_t until)
{
    const wire_plan *plan = self->reply->plan;
    const unsigned int at_once = plan != NULL && wire_plan_calls(plan) ? 1 : ROWS_AT_ONCE;

    for (unsigned int taken = 1;; taken++) {
        const int found = self->protocol->has_row(self);
        if (found <= 0) {
            return found < 0 ? wire_fail(self) : end_reply(self);
        }
        if (self->failure == NULL && !self->discarding) {
            bool failed = take_row(self) < 0;
            if (PyErr_Occurred()) {
                return NULL; /* Ctrl-C and its like do not wait for the rest */
            }
            if (self->stream && (failed || has_enough(self))) {
                /* A failure is raised after the rows that came before it. */
                if (failed && wire_rows_count(self->piece) == 0) {
                    Py_CLEAR(self->piece);
                    return wire_raise_failure(self);
                }
                return take_outcome(self);
            }
        }
        wire_start_row(self);
        if (self->events != 0 || self->phase != ROWS) {
            return NULL;
        }
        if (taken % at_once == 0 && wire_now_ns() > until) {
            return PyLong_FromLong(0);
        }
    }
}

/* A statement that nobody has any more was closed.  Returns an outcome, or NULL to go on. */
static PyObject *
end_close(wire_channel *self, int64_t Py_UNUSED(until))
{
    if (self->discarding) {
        return wire_complete(self);
    }
    if (wire_take_dropped(self)) {
        wire_start_close(self);
    }
    else {
        self->command(self);
    }
    return NULL;
}

/* The server has answered to a preparation.  Returns what came of it. */
static PyObject *
end_prepare(wire_channel *self, int64_t Py_UNUSED(until))
{
    PyObject *outcome = NULL; /* new */

    if (self->status != 0) {
        return wire_fail(self);
    }
    if (self->discarding) {
        return wire_complete(self);
    }
    self->statement->is_load = wire_is_load(self->sql);
    self->statement->may_set = wire_may_set(self->sql);
    if (wire_statement_prepared(self->statement) == 0) {
        outcome = Py_NewRef((PyObject *)self->statement);
    }
    wire_finish(self);
    return outcome;
}

/* The head of a reply has been read that the server sent meanwhile. */
static PyObject *
begin_answer(wire_channel *self, int64_t until)
{
    self->status = self->refused;
    return begin_reply(self, until);
}

/* ---- What is done in each phase ------------------------------------------------------ */

static const struct {
    /* Goes on with the library's call that is suspended; returns what that waits for. */
    int (*resume)(wire_channel *self, int ready);
    /* It has returned.  Returns an outcome, or NULL: something else is under way. */
    PyObject *(*arrive)(wire_channel *self, int64_t until);
    bool looks_at_clock; /* by itself */
} phases[] = {
    [CLOSING] = {wire_resume_close, end_close, false},
    [QUERY] = {wire_resume_query, begin_reply, false},
    [PREPARE] = {wire_resume_prepare, end_prepare, false},
    [RESET] = {wire_resume_reset, wire_end_reset, false},
    [PIECE] = {wire_resume_piece, wire_end_piece, false},
    [EXECUTE] = {wire_resume_execute, begin_reply, false},
    [NEXT] = {resume_next, begin_reply, false},
    [ROWS] = {resume_row, take_rows, true},
    [SEND] = {wire_resume_send, wire_pipeline_sent, false},
    [SEND_RESET] = {wire_resume_send_reset, wire_pipeline_sent, false},
    [ANSWER] = {wire_resume_answer, begin_answer, false},
};

int
wire_resume_call(wire_channel *self, int ready)
{
    return phases[self->phase].resume(self, ready);
}

/* Goes on for as long as the library need not wait. */
PyObject *
wire_advance(wire_channel *self)
{
    int64_t until = wire_now_ns() + WIRE_BUDGET_NS;
    PyObject *outcome = NULL; /* new */

    for (int turns = 0; outcome == NULL && !PyErr_Occurred(); turns++) {
        if (self->events != 0) {
            outcome = PyLong_FromLong(self->events);
        }
        else if (turns > 2 && !phases[self->phase].looks_at_clock && wire_now_ns() > until) {
            outcome = PyLong_FromLong(0); /* many small results */
        }
        else {
            outcome = phases[self->phase].arrive(self, until);
        }
    }
    self->midway = outcome != NULL
                       ? PyLong_CheckExact(outcome)
                       : self->phase == ROWS && !PyErr_ExceptionMatches(PyExc_Exception);
    return outcome;
}

PyObject *
wire_begin(wire_channel *self, void (*command)(wire_channel *self))
{
    self->command = command;
    wire_guard->prepare(self->handle);
    if (wire_take_dropped(self)) {
        wire_start_close(self);
    }
    else {
        command(self);
    }
    return wire_advance(self);
}
