/*
 * channel.c - the type Channel: what may be asked of a connection, and when.
 *
 * A Channel belongs to one connection.  query() begins, resume() goes on after
 * a wait; both return
 *
 *     an int > 0      what the library waits for, MYSQL_WAIT_* bits
 *     an int 0        nothing: there is more to do at once, but the loop shall
 *                     have a turn first
 *     another object  what came of it
 *
 * or raise what came of it.  From query() to the last byte of the last reply
 * the Channel has the claim on the connection, so that every call of the C API
 * on it is refused.  An error of the server leaves the connection ready, and so
 * does a value that cannot be decoded: the rest of the reply is read first.
 * After an error of the library itself it is not known what comes next, and
 * the Channel is broken.
 */

#include "channel.h"

#ifndef _WIN32
#include <sys/socket.h>
#endif

/* ---- One call at a time ---- */

int
wire_enter(wire_channel *self)
{
    if (atomic_exchange_explicit(&self->inside, 1, memory_order_acquire)) {
        PyErr_SetString(self->state->Busy, "another call is going on on this connection");
        return -1;
    }
    return 0;
}

/* Whether the server keeps what is left of the stream. */
static bool
has_cursor(const wire_channel *self)
{
    return self->stream && self->phase == ROWS && self->prefetch != 0 && self->statement != NULL &&
           self->statement->stmt->cursor_exists;
}

/* What others may know from now on. */
static void
note(wire_channel *self)
{
    int standing = (self->claimed ? WIRE_CLAIMED : 0) | (self->broken ? WIRE_BROKEN : 0) |
                   (self->stream && self->phase == ROWS ? WIRE_STREAMING : 0) |
                   (self->stream && self->phase == BETWEEN ? WIRE_MORE : 0) |
                   (self->midway ? WIRE_MIDWAY : 0) | (has_cursor(self) ? WIRE_CURSOR : 0) |
                   (self->sent - self->answered > 1 ? WIRE_AHEAD : 0);

    atomic_store_explicit(&self->standing, standing, memory_order_relaxed);
    if (self->events != 0) { /* the library may have connected anew: another descriptor */
        atomic_store_explicit(&self->handle->fd, mysql_get_socket(self->mysql),
                              memory_order_relaxed);
    }
    else if (self->stream) {
        wire_guard->note(self->handle);
    }
}

void
wire_leave(wire_channel *self)
{
    note(self);
    atomic_store_explicit(&self->inside, 0, memory_order_release);
}

/* ---- Methods -------------------------------------------------------------------- */

/* Whether the call that resumes or follows may be made; -1 with an exception. */
static int
check_resume(wire_channel *self)
{
    if (!self->midway) {
        PyErr_SetString(self->state->InterfaceError, "no operation is waiting on this connection");
        return -1;
    }
    if (self->handle->foreign) {
        return wire_refuse_claim(self, NB_CLAIM_FOREIGN);
    }
    return 0;
}

PyDoc_STRVAR(resume_doc,
             "resume($self, ready, /)\n--\n\n"
             "Go on after a wait; ready has the MYSQL_WAIT_* bits that came true.");

PyObject *
wire_channel_resume(wire_channel *self, PyObject *argument)
{
    PyObject *outcome = NULL;
    long ready = PyLong_AsLong(argument);

    if ((ready == -1 && PyErr_Occurred()) || wire_enter(self) < 0) {
        return NULL;
    }
    if (check_resume(self) == 0) {
        wire_guard->prepare(self->handle);
        if (self->events != 0) {
            self->events = wire_resume_call(self, (int)ready);
        }
        outcome = wire_advance(self);
    }
    wire_leave(self);
    return outcome;
}

static int
check_stream(wire_channel *self, enum wire_phase phase)
{
    if (self->midway || !self->stream || self->phase != phase) {
        PyErr_SetString(self->state->InterfaceError,
                        phase == ROWS ? "no rows are being streamed" : "there is no next result");
        return -1;
    }
    if (self->handle->foreign) {
        return wire_refuse_claim(self, NB_CLAIM_FOREIGN);
    }
    return 0;
}

/* Rows of a stream. */
static PyObject *
fetch(wire_channel *self, Py_ssize_t wanted)
{
    if (self->reply->plan == NULL && self->failure != NULL) {
        PyErr_SetObject((PyObject *)Py_TYPE(self->failure), self->failure);
        return NULL;
    }
    if (self->failure != NULL) {
        bool ended = self->ended;
        wire_raise_failure(self);
        if (ended) {
            wire_finish(self);
        }
        return NULL;
    }
    self->wanted = wanted;
    self->piece = wire_rows_new(self->reply->plan, wanted);
    if (self->piece == NULL) {
        return NULL;
    }
    wire_guard->prepare(self->handle);
    wire_start_row(self);
    return wire_advance(self);
}

PyDoc_STRVAR(fetch_doc,
             "fetch($self, count, /)\n--\n\n"
             "Read up to count rows of a stream (mysql_fetch_row).\n\n"
             "What comes of it is a list; the last one is shorter or empty.");

static PyObject *
channel_fetch(wire_channel *self, PyObject *argument)
{
    PyObject *outcome = NULL;
    Py_ssize_t wanted = PyLong_AsSsize_t(argument);

    if (wanted < 1) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_ValueError, "fetch() takes a count of 1 or more");
        }
        return NULL;
    }
    if (wire_enter(self) < 0) {
        return NULL;
    }
    if (check_stream(self, ROWS) == 0) {
        outcome = fetch(self, wanted);
    }
    wire_leave(self);
    return outcome;
}

PyDoc_STRVAR(next_doc,
             "next($self, /)\n--\n\n"
             "Go on to the next result of a stream (mysql_next_result).");

static PyObject *
channel_next(wire_channel *self, PyObject *Py_UNUSED(ignored))
{
    PyObject *outcome = NULL;

    if (wire_enter(self) < 0) {
        return NULL;
    }
    if (check_stream(self, BETWEEN) == 0) {
        wire_guard->prepare(self->handle);
        wire_start_next(self);
        outcome = wire_advance(self);
    }
    wire_leave(self);
    return outcome;
}

PyDoc_STRVAR(discard_doc,
             "discard($self, /)\n--\n\n"
             "Read what is left of the replies and throw it away.\n\n"
             "What comes of it is None, even when the server reports an error.\n"
             "While a call waits, only what is left changes: go on with resume().");

static PyObject *
discard(wire_channel *self)
{
    if (self->phase == IDLE) {
        Py_RETURN_NONE;
    }
    if (self->handle->foreign) {
        wire_refuse_claim(self, NB_CLAIM_FOREIGN);
        return NULL;
    }
    if (self->ended) {
        wire_finish(self);
        Py_RETURN_NONE;
    }
    self->discarding = true;
    Py_CLEAR(self->failure);
    if (self->midway) {
        return PyLong_FromLong(self->events);
    }
    wire_guard->prepare(self->handle);
    if (self->phase == ROWS) {
        wire_start_row(self);
    }
    else {
        wire_start_next(self);
    }
    return wire_advance(self);
}

static PyObject *
channel_discard(wire_channel *self, PyObject *Py_UNUSED(ignored))
{
    PyObject *outcome;

    if (wire_enter(self) < 0) {
        return NULL;
    }
    outcome = discard(self);
    wire_leave(self);
    return outcome;
}

/* ---- The end of a connection ------------------------------------------------------ */

PyDoc_STRVAR(shutdown_doc,
             "shutdown($self, /)\n--\n\n"
             "Make whatever waits on the socket fail at once (shutdown(2)).\n\n"
             "Any thread may call it at any time.");

static PyObject *
channel_shutdown(wire_channel *self, PyObject *Py_UNUSED(ignored))
{
    wire_guard->cut(self->handle);
    Py_RETURN_NONE;
}

/* Each address of a host is one round; more than this is no call's end. */
#define MAX_ROUNDS 64

/* Makes every read and write on the socket end at once. */
static void
shut_socket_down(wire_channel *self)
{
    my_socket fd = mysql_get_socket(self->mysql);

    if (fd != MARIADB_INVALID_SOCKET && !self->handle->foreign) {
        shutdown(fd, 2);
    }
}

/* Ends what is suspended without waiting, and breaks the connection. */
static void
abort_channel(wire_channel *self)
{
    if (self->mysql == NULL || self->phase == IDLE) {
        return;
    }
    self->broken = true;
    for (int i = 0; self->events != 0 && i < MAX_ROUNDS; i++) {
        shut_socket_down(self);
        self->events = wire_resume_call(self, self->events);
    }
    wire_finish(self);
}

/* Closes the connection.  Returns 0, or -1 with an exception: another has its turn. */
static int
close_channel(wire_channel *self)
{
    enum nb_claim_result result = NB_CLAIMED;

    if (self->mysql == NULL) {
        return 0;
    }
    abort_channel(self);
    if (!self->claimed) {
        result = wire_guard->claim_to_close(self->handle);
    }
    if (result == NB_CLAIM_BUSY || result == NB_CLAIM_SUSPENDED) {
        return wire_refuse_claim(self, result);
    }
    self->mysql = NULL;
    self->claimed = false;
    if (result == NB_CLAIMED) {
        wire_guard->close(self->handle);
    }
    wire_statements_free(self->closing);
    self->closing = NULL;
    wire_dropped_free(self->dropped);
    return 0;
}

PyDoc_STRVAR(close_doc,
             "close($self, /)\n--\n\n"
             "Close the connection, without waiting (mysql_close).");

static PyObject *
channel_close(wire_channel *self, PyObject *Py_UNUSED(ignored))
{
    int status;

    if (wire_enter(self) < 0) {
        return NULL;
    }
    status = close_channel(self);
    wire_leave(self);
    return status < 0 ? NULL : Py_NewRef(Py_None);
}

/* ---- The type ------------------------------------------------------------------ */

static PyObject *
channel_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"", NULL};
    wire_state *state = wire_state_of(type);
    unsigned long long address;
    nb_handle *handle;
    wire_channel *self;

    if (state == NULL ||
        !PyArg_ParseTupleAndKeywords(arguments, keywords, "K:Channel", names, &address)) {
        return NULL;
    }
    handle = wire_guard != NULL ? wire_guard->find((const void *)(uintptr_t)address) : NULL;
    if (handle == NULL) {
        PyErr_SetString(state->InterfaceError, "the address is not that of an open connection");
        return NULL;
    }
    self = (wire_channel *)type->tp_alloc(type, 0);
    if (self == NULL) {
        wire_guard->release(handle);
        return NULL;
    }
    self->state = state;
    self->handle = handle;
    self->dropped = wire_dropped_new();
    if (self->dropped == NULL) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    self->mysql = (MYSQL *)(uintptr_t)address;
    atomic_init(&self->mode, WIRE_DOUBTFUL);
    self->takes_bulks = wire_server_takes_bulks(self->mysql);
    wire_infile_answer(self->mysql, self);
    return (PyObject *)self;
}

static int
channel_traverse(wire_channel *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->reading);
    Py_VISIT(self->replies);
    Py_VISIT(self->answers);
    Py_VISIT(self->piece);
    Py_VISIT(self->failure);
    Py_VISIT(self->reply);
    Py_VISIT(self->statement);
    return 0;
}

/* What is suspended must be ended before anything of it is let go. */
static int
channel_clear(wire_channel *self)
{
    if (self->mysql != NULL && close_channel(self) < 0) {
        PyErr_Clear(); /* a call of the C API is suspended on it: it is left to that */
        wire_infile_answer(self->mysql, NULL);
        self->mysql = NULL;
    }
    return 0;
}

static void
channel_dealloc(wire_channel *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject *error_type;
    PyObject *error;
    PyObject *traceback;

    PyObject_GC_UnTrack(self);
    PyErr_Fetch(&error_type, &error, &traceback);
    channel_clear(self);
    PyErr_Restore(error_type, error, traceback);
    wire_dropped_release(self->dropped);
    wire_guard->release(self->handle);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef channel_methods[] = {
    {"query", (PyCFunction)(void (*)(void))wire_channel_query, METH_FASTCALL, wire_query_doc},
    {"prepare", (PyCFunction)wire_channel_prepare, METH_O, wire_prepare_doc},
    {"execute", (PyCFunction)(void (*)(void))wire_channel_execute, METH_FASTCALL, wire_execute_doc},
    {"pipeline", (PyCFunction)(void (*)(void))wire_channel_pipeline, METH_FASTCALL,
     wire_pipeline_doc},
    {"resume", (PyCFunction)wire_channel_resume, METH_O, resume_doc},
    {"fetch", (PyCFunction)channel_fetch, METH_O, fetch_doc},
    {"next", (PyCFunction)channel_next, METH_NOARGS, next_doc},
    {"discard", (PyCFunction)channel_discard, METH_NOARGS, discard_doc},
    {"shutdown", (PyCFunction)channel_shutdown, METH_NOARGS, shutdown_doc},
    {"close", (PyCFunction)channel_close, METH_NOARGS, close_doc},
    {"trust_charset", wire_channel_trust_charset, METH_NOARGS, wire_trust_charset_doc},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(channel_doc,
             "Channel(address, /)\n--\n\n"
             "Steps the library through statements on one MYSQL, and closes it.");

static PyType_Slot channel_slots[] = {
    {Py_tp_doc, (void *)channel_doc},   {Py_tp_new, channel_new},
    {Py_tp_dealloc, channel_dealloc},   {Py_tp_traverse, channel_traverse},
    {Py_tp_clear, channel_clear},       {Py_tp_methods, channel_methods},
    {Py_tp_getset, wire_channel_facts}, {0, NULL},
};

static PyType_Spec channel_spec = {
    .name = "mariadb_nb._wire.Channel",
    .basicsize = sizeof(wire_channel),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = channel_slots,
};

int
wire_add_channel(PyObject *module)
{
    wire_state *state = PyModule_GetState(module);

    if (wire_add_claim(module) < 0 || wire_add_reply(module) < 0 ||
        wire_add_statement(module) < 0) {
        return -1;
    }
    state->Channel = (PyTypeObject *)PyType_FromModuleAndSpec(module, &channel_spec, NULL);
    return state->Channel == NULL ? -1 : PyModule_AddType(module, state->Channel);
}
