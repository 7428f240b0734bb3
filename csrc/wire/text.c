/*
 * text.c - the library's calls for a statement that is sent as text, and for its replies.
 *
 * Owns the method query() and one line of code for each; which follows which is said by
 * step.c.
 */

#include "channel.h"

const char *
wire_sql_text(PyObject *sql, size_t *length)
{
    if (PyBytes_CheckExact(sql)) {
        *length = (size_t)PyBytes_GET_SIZE(sql);
        return PyBytes_AS_STRING(sql);
    }
    *length = (size_t)PyUnicode_GET_LENGTH(sql);
    return PyUnicode_DATA(sql);
}

void
wire_start_query(wire_channel *self)
{
    size_t length;
    const char *text = wire_sql_text(self->sql, &length);

    self->phase = QUERY;
    self->status = 1;
    self->events = mysql_real_query_start(&self->status, self->mysql, text, (unsigned long)length);
}

int
wire_resume_query(wire_channel *self, int ready)
{
    return mysql_real_query_cont(&self->status, self->mysql, ready);
}

static int
start_next(wire_channel *self)
{
    self->status = 1;
    return mysql_next_result_start(&self->status, self->mysql);
}

static int
resume_next(wire_channel *self, int ready)
{
    return mysql_next_result_cont(&self->status, self->mysql, ready);
}

static int
start_row(wire_channel *self)
{
    self->row = NULL;
    return mysql_fetch_row_start(&self->row, self->reply->result);
}

static int
resume_row(wire_channel *self, int ready)
{
    return mysql_fetch_row_cont(&self->row, self->reply->result, ready);
}

static int
has_row(wire_channel *self)
{
    if (self->row != NULL) {
        return 1;
    }
    return mysql_errno(self->mysql) != 0 ? -1 : 0;
}

static int
take(wire_channel *self, PyObject *rows)
{
    return wire_rows_take(rows, self->reply->plan, self->row,
                          mysql_fetch_lengths(self->reply->result));
}

static wire_reply *
reply(wire_channel *self)
{
    MYSQL_RES *result = NULL;

    if (self->mysql->field_count != 0) {
        result = mysql_use_result(self->mysql);
        if (result == NULL) {
            return NULL;
        }
    }
    return wire_reply_new(self->state, result);
}

static int
expect(wire_channel *self)
{
    const MYSQL_RES *result = self->reply->result;

    self->reply->plan = wire_plan_new(self->reading, result->fields, result->field_count, false);
    return self->reply->plan == NULL ? -1 : 0;
}

static bool
end(wire_channel *self)
{
    return mysql_more_results(self->mysql);
}

const wire_protocol wire_text_protocol = {
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

/* ---- The method --------------------------------------------------------------------- */

const char wire_query_doc[] =
    "query($self, sql, reading, stream, infile=None, /)\n--\n\n"
    "Send a statement and read its replies (mysql_real_query).\n\n"
    "sql: bytes, or a str that is ASCII, which is not copied.\n\n"
    "What comes of it is the list of all its replies, or with stream the\n"
    "first one, whose rows are then asked for with fetch().\n\n"
    "infile: what LOAD DATA LOCAL INFILE loads: bytes, or (descriptor, place) of a\n"
    "file. It is sent once, whatever the name is that the server asks for.\n\n"
    "Raises:\n"
    "    Busy: another operation is going on.\n"
    "    InterfaceError: the connection is closed, broken or another process's.";

static bool
is_ascii(PyObject *object)
{
    return PyUnicode_CheckExact(object) && PyUnicode_IS_COMPACT_ASCII(object);
}

static PyObject *
begin_query(wire_channel *self, PyObject *sql, PyObject *reading, bool stream,
            const wire_infile *infile)
{
    PyObject *replies = stream ? NULL : PyList_New(0); /* new */

    if ((replies == NULL && !stream) || wire_claim(self) < 0) {
        Py_XDECREF(replies);
        return NULL;
    }
    self->replies = replies;
    self->stream = stream;
    self->protocol = &wire_text_protocol;
    self->infile = *infile;
    Py_XINCREF(infile->bytes);
    self->sql = Py_NewRef(sql);
    self->reading = Py_NewRef(reading);
    return wire_begin(self, wire_start_query);
}

PyObject *
wire_channel_query(wire_channel *self, PyObject *const *arguments, Py_ssize_t count)
{
    wire_infile infile = {.bytes = NULL};
    PyObject *outcome;

    if (count < 3 || count > 4 || !(PyBytes_CheckExact(arguments[0]) || is_ascii(arguments[0])) ||
        !Py_IS_TYPE(arguments[1], self->state->Reading) || !PyBool_Check(arguments[2])) {
        PyErr_SetString(PyExc_TypeError,
                        "query() takes bytes or an ASCII str, a Reading and a bool");
        return NULL;
    }
    if ((count == 4 && wire_infile_read(arguments[3], &infile) < 0) || wire_enter(self) < 0) {
        return NULL;
    }
    outcome = begin_query(self, arguments[0], arguments[1], arguments[2] == Py_True, &infile);
    wire_leave(self);
    return outcome;
}
