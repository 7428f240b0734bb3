/*
 * facts.c - what a Channel knows of its connection.
 *
 * Any thread may ask at any time, also while another one closes the connection.  So
 * nothing here touches the library's structures or what belongs to a call: these are
 * looks at what the last call has noted, in the Channel and in the guard's handle.
 */

#include "channel.h"

#include <string.h>

static bool
stands(wire_channel *self, enum wire_standing how)
{
    return (atomic_load_explicit(&self->standing, memory_order_relaxed) & (int)how) != 0;
}

static PyObject *
channel_streaming(wire_channel *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(stands(self, WIRE_STREAMING));
}

static PyObject *
channel_more(wire_channel *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(stands(self, WIRE_MORE));
}

static PyObject *
channel_cursor(wire_channel *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(stands(self, WIRE_CURSOR));
}

static PyObject *
channel_midway(wire_channel *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(stands(self, WIRE_MIDWAY));
}

static PyObject *
channel_ahead(wire_channel *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(stands(self, WIRE_AHEAD));
}

static PyObject *
channel_standing(wire_channel *self, void *Py_UNUSED(closure))
{
    int standing = atomic_load_explicit(&self->standing, memory_order_relaxed);

    return PyLong_FromLong(standing & WIRE_BROKEN ? 2 : standing & WIRE_CLAIMED ? 1 : 0);
}

static PyObject *
channel_busy(wire_channel *self, void *Py_UNUSED(closure))
{
    int standing = atomic_load_explicit(&self->standing, memory_order_relaxed);

    return PyBool_FromLong((standing & (WIRE_CLAIMED | WIRE_BROKEN)) == WIRE_CLAIMED);
}

static PyObject *
channel_fd(wire_channel *self, void *Py_UNUSED(closure))
{
    return PyLong_FromLong((long)atomic_load_explicit(&self->handle->fd, memory_order_relaxed));
}

static unsigned int
server_status(wire_channel *self)
{
    return atomic_load_explicit(&self->handle->server_status, memory_order_relaxed);
}

static PyObject *
channel_server_status(wire_channel *self, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLong(server_status(self));
}

static PyObject *
channel_database(wire_channel *self, void *Py_UNUSED(closure))
{
    char name[NB_DATABASE_SIZE];

    wire_guard->copy_database(self->handle, name);
    if (name[0] == '\0') {
        Py_RETURN_NONE;
    }
    return PyUnicode_DecodeUTF8(name, (Py_ssize_t)strlen(name), "replace");
}

/* How the server will read a statement; literals are only safe in UTF-8, all of it. */
static PyObject *
channel_mode(wire_channel *self, void *Py_UNUSED(closure))
{
    const MARIADB_CHARSET_INFO *charset =
        atomic_load_explicit(&self->handle->charset, memory_order_relaxed);
    int mode = atomic_load_explicit(&self->mode, memory_order_relaxed);

    if (charset != NULL && strcmp(charset->csname, "utf8mb4") != 0) {
        return PyErr_Format(self->state->ProgrammingError,
                            "statements are sent in utf8mb4, but the connection's character set "
                            "was changed to %s; SET NAMES utf8mb4 first",
                            charset->csname);
    }
    if (atomic_load_explicit(&self->doubts_charset, memory_order_relaxed)) {
        PyErr_SetString(self->state->ProgrammingError,
                        "statements are sent in utf8mb4, but the connection's character set may "
                        "be another one: a statement that failed may have changed it, or the "
                        "server does not tell of such a change; SET NAMES utf8mb4 first");
        return NULL;
    }
    if (atomic_load_explicit(&self->standing, memory_order_relaxed) != 0) {
        mode |= WIRE_DOUBTFUL; /* what is not through may set it */
    }
    return PyLong_FromLong(mode);
}

/*
 * Grows whenever the server tells that statements may mean something else than before: by 1
 * with the default database, by 1 << 32 with a variable that is tracked, and with how it
 * says that backslashes and quotes are read.
 */
static PyObject *
channel_epoch(wire_channel *self, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLongLong(atomic_load_explicit(&self->epoch, memory_order_relaxed));
}

bool
wire_server_takes_bulks(MYSQL *mysql)
{
    unsigned int capabilities = 0;

    mariadb_get_infov(mysql, MARIADB_CONNECTION_EXTENDED_SERVER_CAPABILITIES, &capabilities);
    return (capabilities & (MARIADB_CLIENT_STMT_BULK_OPERATIONS >> 32)) != 0;
}

static PyObject *
channel_doubts_charset(wire_channel *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(atomic_load_explicit(&self->doubts_charset, memory_order_relaxed));
}

static PyObject *
channel_takes_bulks(wire_channel *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(self->takes_bulks);
}

static PyObject *
channel_foreign(wire_channel *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(self->handle->foreign);
}

PyGetSetDef wire_channel_facts[] = {
    {"cursor", (getter)channel_cursor, NULL,
     PyDoc_STR("The server keeps what is left of the stream: discard() does not read it."), NULL},
    {"streaming", (getter)channel_streaming, NULL, PyDoc_STR("Rows are left to fetch()."), NULL},
    {"more", (getter)channel_more, NULL, PyDoc_STR("Another result is left for next()."), NULL},
    {"standing", (getter)channel_standing, NULL,
     PyDoc_STR(
         "0: ready for a statement, 1: one is not through, 2: broken, only close() is of use."),
     NULL},
    {"epoch", (getter)channel_epoch, NULL,
     PyDoc_STR(
         "Another number after each change of the database or of a variable that is tracked."),
     NULL},
    {"doubts_charset", (getter)channel_doubts_charset, NULL,
     PyDoc_STR("Statements may be read in another character set than utf8mb4, unnoticed."), NULL},
    {"takes_bulks", (getter)channel_takes_bulks, NULL,
     PyDoc_STR("The server takes arrays of parameters."), NULL},
    {"foreign", (getter)channel_foreign, NULL,
     PyDoc_STR("It belongs to the process that was forked."), NULL},
    {"ahead", (getter)channel_ahead, NULL,
     PyDoc_STR("More statements of a pipeline were sent than the one at work."), NULL},
    {"midway", (getter)channel_midway, NULL, PyDoc_STR("The last call is to be resumed."), NULL},
    {"busy", (getter)channel_busy, NULL, PyDoc_STR("A statement is not through."), NULL},
    {"server_status", (getter)channel_server_status, NULL,
     PyDoc_STR("SERVER_STATUS_* bits of the last reply."), NULL},
    {"database", (getter)channel_database, NULL, PyDoc_STR("The default database, or None."), NULL},
    {"mode", (getter)channel_mode, NULL,
     PyDoc_STR("How the server reads statements: the mode for a Template."), NULL},
    {"fd", (getter)channel_fd, NULL, PyDoc_STR("mysql_get_socket(); -1 without one."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
