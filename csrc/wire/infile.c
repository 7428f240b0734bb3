/*
 * infile.c - what the server gets when it asks for a file of the client's.
 *
 * Owns the functions that the library calls for LOAD DATA LOCAL INFILE.  A server may
 * ask at any time and for any name, so no name is ever opened: what is sent is what
 * the application gave to this very statement, once, and else nothing.  Whoever asks in
 * reply to a statement that has a LOAD in it gets an empty file, so that the reply can be
 * read and the connection be kept; any other wish breaks the connection.
 *
 * The library calls them on the stack of a suspended operation, without the
 * interpreter: they only look and copy.  It takes all of the data in one go, and
 * waits for its socket in between; so the data has to be there, in memory or in a file.
 */

#include "channel.h"
#include "template.h"

#include <errmsg.h>
#include <errno.h>
#ifdef _WIN32
#include <io.h>
#else
#include <unistd.h>
#endif

/* ---- What the library calls ---------------------------------------------------- */

bool
wire_is_load(PyObject *sql)
{
    wire_scan scan;
    wire_token token;
    size_t length;
    const char *text = wire_sql_text(sql, &length);

    wire_scan_start(&scan, text, length, 0);
    do {
        wire_scan_next(&scan, &token);
        if (token.kind == WIRE_WORD && token.end - token.start == 4 &&
            PyOS_strnicmp(scan.sql + token.start, "LOAD", 4) == 0) {
            return true;
        }
    } while (token.kind != WIRE_END);
    return false;
}

/* Whether the statement that is being answered may ask for a file. */
static bool
may_ask(const wire_channel *self)
{
    return self->sql != NULL ? wire_is_load(self->sql)
                             : self->statement != NULL && self->statement->is_load;
}

static int
infile_init(void **data, const char *Py_UNUSED(name), void *user)
{
    wire_channel *channel = user;

    *data = channel;
    if (channel == NULL) { /* it logs in, or another one steps it */
        return 1;
    }
    if (channel->infile.given && !channel->infile.asked) {
        channel->infile.asked = true;
        return 0;
    }
    channel->infile.given = false;
    channel->infile.refused = true;
    return may_ask(channel) ? 0 : 1;
}

/* Reads from a file's own place: whoever else has it open does not notice.  Or -1. */
static int
read_file(wire_infile *infile, char *to, unsigned int size)
{
#ifdef _WIN32
    const int count =
        _lseeki64(infile->file, infile->at, SEEK_SET) < 0 ? -1 : _read(infile->file, to, size);
#else
    ssize_t count;

    do {
        count = pread(infile->file, to, size, (off_t)infile->at);
    } while (count < 0 && errno == EINTR);
#endif
    if (count < 0) {
        infile->error = errno;
        return 0; /* the reply is read, and then it is an error */
    }
    infile->at += count;
    return (int)count;
}

static int
infile_read(void *data, char *to, unsigned int size)
{
    wire_channel *channel = data;
    wire_infile *infile = &channel->infile;
    size_t left;

    if (!infile->given || channel->discarding) { /* refused, or nobody wants it any more */
        return 0;
    }
    if (infile->bytes == NULL) {
        return read_file(infile, to, size);
    }
    left = (size_t)PyBytes_GET_SIZE(infile->bytes) - (size_t)infile->at;
    if (left < size) {
        size = (unsigned int)left;
    }
    memcpy(to, PyBytes_AS_STRING(infile->bytes) + infile->at, size);
    infile->at += size;
    return (int)size;
}

static void
infile_end(void *Py_UNUSED(data))
{
}

static int
infile_error(void *Py_UNUSED(data), char *text, unsigned int size)
{
    static const char refusal[] =
        "the server asked for a file, as for LOAD DATA LOCAL INFILE, "
        "where it was given none, and got nothing";

    if (size > 0) {
        const size_t length = size > sizeof(refusal) ? sizeof(refusal) - 1 : size - 1;
        memcpy(text, refusal, length);
        text[length] = '\0';
    }
    return CR_UNKNOWN_ERROR;
}

/* ---- What the driver calls --------------------------------------------------------- */

void
wire_infile_answer(MYSQL *mysql, wire_channel *channel)
{
    mysql_set_local_infile_handler(mysql, infile_init, infile_read, infile_end, infile_error,
                                   channel);
}

int
wire_infile_read(PyObject *source, wire_infile *infile)
{
    *infile = (wire_infile){.given = source != Py_None};
    if (PyBytes_CheckExact(source)) {
        infile->bytes = source;
        return 0;
    }
    return source == Py_None ||
                   PyArg_Parse(source, "(iL);an infile is bytes or (descriptor, place)",
                               &infile->file, &infile->at)
               ? 0
               : -1;
}

void
wire_infile_forget(wire_channel *self)
{
    Py_CLEAR(self->infile.bytes);
    self->infile = (wire_infile){.bytes = NULL};
}

int
wire_infile_check(wire_channel *self)
{
    wire_infile *infile = &self->infile;
    const wire_state *state = self->state;

    if (infile->refused) {
        infile->refused = false;
        PyErr_SetString(state->NotSupportedError,
                        "LOAD DATA LOCAL INFILE loaded nothing: no file is read because a server "
                        "asks for it; give what is to be loaded to load()");
        return -1;
    }
    if (infile->error != 0) {
        errno = infile->error;
        infile->error = 0;
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    if (infile->given && !infile->asked) {
        infile->given = false;
        PyErr_SetString(state->ProgrammingError,
                        "the server did not ask for the data: load() takes a LOAD DATA LOCAL "
                        "INFILE or LOAD XML LOCAL INFILE statement");
        return -1;
    }
    return 0;
}
