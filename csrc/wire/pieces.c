/*
 * pieces.c - large parameters, read and sent piece by piece before the execution.
 *
 * Owns the order of the pieces, and the forgetting of those that were sent for nothing:
 * the server would take them for the next execution's.  Python's read() is called between
 * two calls of the library, never inside one.
 */

#include "channel.h"

/* How much is asked for at once: bytes, or characters. */
#define PIECE_SIZE 262144

PyObject *
wire_read_piece(const wire_state *state, PyObject *read, bool *text)
{
    PyObject *piece = PyObject_CallFunction(read, "n", (Py_ssize_t)PIECE_SIZE); /* new */
    PyObject *bytes = NULL;                                                     /* new */

    if (piece == NULL) {
        return NULL;
    }
    *text = PyUnicode_Check(piece);
    if (*text) {
        bytes = PyUnicode_AsUTF8String(piece);
        if (bytes == NULL && PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
            PyErr_Clear(); /* it holds the text */
            PyErr_SetString(state->DataError,
                            "read() of a parameter returned a lone surrogate, "
                            "which utf8mb4 cannot hold");
        }
    }
    else if (PyBytes_Check(piece)) {
        bytes = Py_NewRef(piece);
    }
    else if (PyByteArray_Check(piece) || PyMemoryView_Check(piece)) {
        bytes = PyBytes_FromObject(piece);
    }
    else {
        PyErr_Format(PyExc_TypeError, "read() of a parameter returned a %s, not bytes or str",
                     Py_TYPE(piece)->tp_name);
    }
    Py_DECREF(piece);
    return bytes;
}

/* ---- Sending ------------------------------------------------------------------------ */

static MYSQL_BIND *
bind_at(wire_channel *self)
{
    return &((wire_bound *)self->bound)->binds[self->parameter];
}

static void
send_piece(wire_channel *self, const char *data, unsigned long length)
{
    MYSQL_STMT *stmt = self->statement->stmt;

    self->phase = PIECE;
    self->refused = 1;
    self->statement->pieces = true;
    self->events = mysql_stmt_send_long_data_start(&self->refused, stmt,
                                                   (unsigned int)self->parameter, data, length);
}

/* Sends the first piece of the next parameter that has some, or executes. */
static void
start_parameter(wire_channel *self)
{
    const Py_ssize_t count = Py_SIZE(self->bound);

    while (self->parameter < count && bind_at(self)->extension == NULL) {
        self->parameter++;
    }
    if (self->parameter == count) {
        wire_send_execute(self);
        return;
    }
    send_piece(self, bind_at(self)->buffer, bind_at(self)->buffer_length);
}

void
wire_start_pieces(wire_channel *self)
{
    atomic_store(&((wire_bound *)self->bound)->spent, true);
    self->parameter = 0;
    start_parameter(self);
}

int
wire_resume_piece(wire_channel *self, int ready)
{
    return mysql_stmt_send_long_data_cont(&self->refused, self->statement->stmt, ready);
}

PyObject *
wire_end_piece(wire_channel *self, int64_t Py_UNUSED(until))
{
    bool text;

    if (self->refused) {
        return wire_fail(self);
    }
    if (self->discarding) {
        return wire_complete(self);
    }
    Py_XSETREF(self->chunk, wire_read_piece(self->state, bind_at(self)->extension, &text));
    if (self->chunk == NULL) {
        wire_finish(self); /* the server has not been asked for anything */
        return NULL;
    }
    if (PyBytes_GET_SIZE(self->chunk) == 0) {
        self->parameter++;
        start_parameter(self);
    }
    else {
        send_piece(self, PyBytes_AS_STRING(self->chunk),
                   (unsigned long)PyBytes_GET_SIZE(self->chunk));
    }
    return NULL;
}

/* ---- Forgetting what was sent -------------------------------------------------------- */

void
wire_start_reset(wire_channel *self)
{
    self->phase = RESET;
    self->refused = 1;
    self->mysql->net.last_errno = 0;
    self->statement->stmt->last_errno = 0;
    self->events = mysql_stmt_reset_start(&self->refused, self->statement->stmt);
}

int
wire_resume_reset(wire_channel *self, int ready)
{
    return mysql_stmt_reset_cont(&self->refused, self->statement->stmt, ready);
}

PyObject *
wire_end_reset(wire_channel *self, int64_t Py_UNUSED(until))
{
    if (self->refused) {
        return wire_fail(self);
    }
    self->statement->pieces = false;
    if (self->discarding) {
        return wire_complete(self);
    }
    wire_start_execute(self);
    return NULL;
}
