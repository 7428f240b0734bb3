/*
 * pipeline.c - statements that are sent ahead of their replies.
 *
 * Owns the order of sending and reading: a statement is sent only between two
 * replies, and unless nothing is in flight only if the kernel takes it whole at once.
 * So no call ever waits to write while the server waits to write too: both would wait
 * for ever, as the library cannot read in the middle of a write.  How one reply is
 * read, and what a call returns, is step.c's business.
 *
 * Replies come in the order of the statements, and each is read to its end before the
 * next one's answer begins.
 *
 * The first "statement" may be a reset of the session (mysql_reset_connection), so that
 * what sets the session up anew is on its way before the server has answered to it.
 */

#include "channel.h"

#ifdef _WIN32
#include <winsock2.h>
#else
#include <poll.h>
#include <sys/socket.h>
#endif

#include <string.h>

/* ---- What the kernel takes ------------------------------------------------------ */

/*
 * Linux counts what its buffers take up in memory: for each write a structure of its
 * own, and up to twice the bytes.  A socket counts as writable there while a third of
 * its buffer is free at least; elsewhere it promises no more than 2048 bytes.
 */
#ifdef __linux__
#define COST_OF(length) (1024 + 2 * (size_t)(length))
#define PROMISED(buffer) ((buffer) / 4)
#else
#define COST_OF(length) (256 + (size_t)(length))
#define PROMISED(buffer) ((buffer) > 2048 ? (size_t)2048 : (buffer))
#endif

/* What a writable socket takes without waiting, in the units of COST_OF(). */
static size_t
room_when_writable(MYSQL *mysql)
{
    int size = 0;
    socklen_t length = sizeof(size);

    if (getsockopt(mysql_get_socket(mysql), SOL_SOCKET, SO_SNDBUF, (char *)&size, &length) != 0 ||
        size < 0) {
        return 0; /* it is sent and read in turns then */
    }
    return PROMISED((size_t)size);
}

static bool
is_writable(MYSQL *mysql)
{
#ifdef _WIN32
    WSAPOLLFD poller = {.fd = mysql_get_socket(mysql), .events = POLLWRNORM};

    return WSAPoll(&poller, 1, 0) == 1 && poller.revents == POLLWRNORM;
#else
    struct pollfd poller = {.fd = mysql_get_socket(mysql), .events = POLLOUT};

    return poll(&poller, 1, 0) == 1 && poller.revents == POLLOUT;
#endif
}

/* Whether the next statement may be sent although replies are to come. */
static bool
may_send_ahead(wire_channel *self, size_t length)
{
    const size_t cost = COST_OF(length);

    /* With compression, what has been read and not been used yet lies in the buffer in
       which the library composes what it sends. */
    if (self->mysql->net.remain_in_buf != 0) {
        return false;
    }
    if (cost > self->room) {
        self->room = is_writable(self->mysql) ? self->room_when_writable : 0;
    }
    if (cost > self->room) {
        return false;
    }
    self->room -= cost;
    return true;
}

/* ---- A reset that does not wait ---------------------------------------------------- */

/* The library's methods while it resets a session. */
typedef struct {
    struct st_mariadb_methods methods; /* the first: mysql->methods points to it */
    const struct st_mariadb_methods *own;
} reset_methods;

/* Sends the command and leaves its reply, as the library does for mysql_send_query(). */
static int
send_only(MYSQL *mysql, enum enum_server_command command, const char *argument, size_t length,
          my_bool Py_UNUSED(skip_check), void *option)
{
    mysql->methods = ((const reset_methods *)mysql->methods)->own;
    return mysql->methods->db_command(mysql, command, argument, length, true, option);
}

/*
 * Has mysql_reset_connection() do all that it does, but for reading the reply: that is
 * an OK or an error, which mysql_read_query_result() reads as it does a statement's.  The
 * library asks for the command before it first waits, so nothing of this outlives the
 * call, whether that is suspended or not.
 */
static void
start_reset(wire_channel *self)
{
    MYSQL *mysql = self->mysql;
    reset_methods sending = {*mysql->methods, mysql->methods};

    self->phase = SEND_RESET;
    self->status = 1;
    self->sent++;
    sending.methods.db_command = send_only;
    mysql->methods = &sending.methods;
    self->events = mysql_reset_connection_start(&self->status, mysql);
    mysql->methods = sending.own;
}

int
wire_resume_send_reset(wire_channel *self, int ready)
{
    return mysql_reset_connection_cont(&self->status, self->mysql, ready);
}

/* ---- From one reply to the next --------------------------------------------------- */

static void
start_send(wire_channel *self, PyObject *sql)
{
    self->phase = SEND;
    self->status = 1;
    self->sent++;
    self->events = mysql_send_query_start(&self->status, self->mysql, PyBytes_AS_STRING(sql),
                                          (unsigned long)PyBytes_GET_SIZE(sql));
}

/* What the library forgets when it sends was not forgotten since the last reply. */
static void
forget_last_reply(MYSQL *mysql)
{
    mysql->net.last_errno = 0;
    mysql->net.last_error[0] = '\0';
    strcpy(mysql->net.sqlstate, "00000");
    mysql->affected_rows = (unsigned long long)-1;
    mysql->insert_id = 0;
}

static void
start_answer(wire_channel *self)
{
    forget_last_reply(self->mysql);
    self->phase = ANSWER;
    self->refused = true;
    self->events = mysql_read_query_result_start(&self->refused, self->mysql);
}

/* Sends the next statement or reads the next reply; None: both are through. */
static PyObject *
go_on(wire_channel *self)
{
    const bool more = !self->discarding && self->sent < PyTuple_GET_SIZE(self->statements);
    PyObject *next = more ? PyTuple_GET_ITEM(self->statements, self->sent) : NULL; /* borrowed */

    if (self->sent == self->answered) {
        if (!more) {
            wire_finish(self);
            Py_RETURN_NONE;
        }
        self->room = 0; /* nobody asked what this one leaves */
        start_send(self, next);
    }
    else if (more && may_send_ahead(self, (size_t)PyBytes_GET_SIZE(next))) {
        start_send(self, next);
    }
    else {
        start_answer(self);
    }
    return NULL;
}

PyObject *
wire_pipeline_sent(wire_channel *self, int64_t Py_UNUSED(until))
{
    return self->status != 0 ? wire_fail(self) : go_on(self);
}

/*
 * A statement has been answered to the end of its last reply, or failed.  Returns an
 * outcome, or NULL to go on.
 */
PyObject *
wire_pipeline_answered(wire_channel *self)
{
    PyObject *answer = self->failure != NULL ? self->failure : self->replies; /* borrowed */
    PyObject *replies = NULL;                                                 /* new */

    if (self->sent == self->answered) {
        return go_on(self); /* it was given up before anything was sent */
    }
    if (self->discarding && self->broken) {
        wire_raise(self->state, self->mysql);
        wire_finish(self);
        return NULL;
    }
    if ((!self->discarding && PyList_Append(self->answers, answer) < 0) ||
        (replies = PyList_New(0)) == NULL) {
        self->broken = true; /* without memory there is no reading on */
        wire_finish(self);
        return NULL;
    }
    self->answered++;
    Py_CLEAR(self->failure);
    Py_XSETREF(self->replies, replies);
    if (self->broken) { /* the statements behind this one have no answer */
        wire_finish(self);
        Py_RETURN_NONE;
    }
    return go_on(self);
}

int
wire_resume_send(wire_channel *self, int ready)
{
    return mysql_send_query_cont(&self->status, self->mysql, ready);
}

int
wire_resume_answer(wire_channel *self, int ready)
{
    return mysql_read_query_result_cont(&self->refused, self->mysql, ready);
}

/* ---- The method --------------------------------------------------------------------- */

static void
start_first(wire_channel *self)
{
    PyObject *first = PyTuple_GET_ITEM(self->statements, 0); /* borrowed */

    if (first == Py_None) {
        start_reset(self);
    }
    else {
        start_send(self, first);
    }
}

static PyObject *
begin_pipeline(wire_channel *self, PyObject *statements, PyObject *reading, PyObject *answers)
{
    PyObject *replies = PyList_New(0); /* new */

    if (replies == NULL || wire_claim(self) < 0) {
        Py_XDECREF(replies);
        return NULL;
    }
    self->protocol = &wire_text_protocol;
    self->statements = Py_NewRef(statements);
    self->reading = Py_NewRef(reading);
    self->answers = Py_NewRef(answers);
    self->replies = replies;
    self->room = 0;
    self->room_when_writable = room_when_writable(self->mysql);
    return wire_begin(self, start_first);
}

/* The statements as a tuple, which nobody changes; NULL with an exception. */
static PyObject *
copy_statements(PyObject *list)
{
    PyObject *statements = PyList_AsTuple(list); /* new */

    for (Py_ssize_t i = 0; statements != NULL && i < PyTuple_GET_SIZE(statements); i++) {
        PyObject *statement = PyTuple_GET_ITEM(statements, i); /* borrowed */
        if (!PyBytes_CheckExact(statement) && (i > 0 || statement != Py_None)) {
            PyErr_SetString(PyExc_TypeError, "the statements of a pipeline are bytes");
            Py_CLEAR(statements);
        }
    }
    return statements;
}

const char wire_pipeline_doc[] =
    "pipeline($self, statements, reading, answers, /)\n--\n\n"
    "Send statements ahead of their replies (mysql_send_query), and read those.\n"
    "The first may be None: that resets the session (mysql_reset_connection).\n\n"
    "answers, a list, gets for each statement the list of its replies, or the\n"
    "exception that is its own, as soon as it is known.  What comes of it is None;\n"
    "when the connection is lost, some statements have no answer.";

PyObject *
wire_channel_pipeline(wire_channel *self, PyObject *const *arguments, Py_ssize_t count)
{
    PyObject *statements; /* new */
    PyObject *outcome = NULL;

    if (count != 3 || !PyList_CheckExact(arguments[0]) ||
        !Py_IS_TYPE(arguments[1], self->state->Reading) || !PyList_CheckExact(arguments[2])) {
        PyErr_SetString(PyExc_TypeError, "pipeline() takes a list, a Reading and a list");
        return NULL;
    }
    statements = copy_statements(arguments[0]);
    if (statements == NULL) {
        return NULL;
    }
    if (PyTuple_GET_SIZE(statements) == 0) {
        outcome = Py_NewRef(Py_None);
    }
    else if (wire_enter(self) == 0) {
        outcome = begin_pipeline(self, statements, arguments[1], arguments[2]);
        wire_leave(self);
    }
    Py_DECREF(statements);
    return outcome;
}
