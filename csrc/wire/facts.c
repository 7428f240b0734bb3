/*
 * facts.c - what a Channel knows of its connection.
 *
 * Owns nothing: these are looks at the library's structures and at where the
 * Channel is in a reply.
 */

#include "channel.h"

/* The connection, unless it is closed: by the Channel or by the C API. */
static MYSQL *
open_connection(const wire_channel *self)
{
    return self->mysql != NULL && !self->handle->closed ? self->mysql : NULL;
}

static PyObject *
channel_streaming(wire_channel *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(self->stream && self->phase == ROWS);
}

static PyObject *
channel_more(wire_channel *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(self->stream && self->phase == BETWEEN);
}

static PyObject *
channel_busy(wire_channel *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(self->claimed && !self->broken);
}

static PyObject *
channel_standing(wire_channel *self, void *Py_UNUSED(closure))
{
    return PyLong_FromLong(self->broken ? 2 : self->claimed ? 1 : 0);
}

static PyObject *
channel_midway(wire_channel *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(self->midway);
}

static PyObject *
channel_fd(wire_channel *self, void *Py_UNUSED(closure))
{
    MYSQL *mysql = open_connection(self);

    return PyLong_FromLong(mysql != NULL ? (long)mysql_get_socket(mysql) : -1);
}

static PyObject *
channel_server_status(wire_channel *self, void *Py_UNUSED(closure))
{
    MYSQL *mysql = open_connection(self);

    return PyLong_FromUnsignedLong(mysql != NULL ? mysql->server_status : 0);
}

static PyObject *
channel_database(wire_channel *self, void *Py_UNUSED(closure))
{
    MYSQL *mysql = open_connection(self);
    const char *database = mysql != NULL ? mysql->db : NULL;

    if (database == NULL || *database == '\0') {
        Py_RETURN_NONE;
    }
    return PyUnicode_DecodeUTF8(database, (Py_ssize_t)strlen(database), "replace");
}

/* How the server will read a statement; literals are only safe in UTF-8, all of it. */
static PyObject *
channel_mode(wire_channel *self, void *Py_UNUSED(closure))
{
    MYSQL *mysql = open_connection(self);
    unsigned int status = mysql != NULL ? mysql->server_status : 0;
    int mode = (status & SERVER_STATUS_NO_BACKSLASH_ESCAPES ? WIRE_NO_BACKSLASH : 0) |
               (status & SERVER_STATUS_ANSI_QUOTES ? WIRE_ANSI_QUOTES : 0);

    if (mysql != NULL && strcmp(mysql->charset->csname, "utf8mb4") != 0) {
        return PyErr_Format(self->state->ProgrammingError,
                            "statements are sent in utf8mb4, but the connection's character set "
                            "was changed to %s; SET NAMES utf8mb4 first",
                            mysql->charset->csname);
    }
    return PyLong_FromLong(mode);
}

PyGetSetDef wire_channel_facts[] = {
    {"streaming", (getter)channel_streaming, NULL, PyDoc_STR("Rows are left to fetch()."), NULL},
    {"more", (getter)channel_more, NULL, PyDoc_STR("Another result is left for next()."), NULL},
    {"standing", (getter)channel_standing, NULL,
     PyDoc_STR(
         "0: ready for a statement, 1: one is not through, 2: broken, only close() is of use."),
     NULL},
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
