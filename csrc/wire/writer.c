/*
 * writer.c - bytes under construction.
 *
 * Owns the memory of a statement that is being written, and knows nothing of
 * what is written.  It grows by doubling and ends as a bytes object, so that a large
 * value is not copied once more.
 */

#include "template.h"

void
wire_writer_start(wire_writer *writer)
{
    writer->start = writer->at = writer->small;
    writer->end = writer->small + sizeof(writer->small);
    writer->bytes = NULL;
}

/* Makes room for more bytes than there is. */
int
wire_writer_grow(wire_writer *writer, size_t more)
{
    const size_t used = wire_written(writer);
    const size_t most = (size_t)PY_SSIZE_T_MAX / 2;
    size_t size;

    if (more > most - used) {
        PyErr_NoMemory();
        return -1;
    }
    size = 2 * (size_t)(writer->end - writer->start);
    if (size < used + more || size > most) {
        size = used + more;
    }
    if (writer->bytes == NULL) {
        writer->bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
        if (writer->bytes == NULL) {
            return -1;
        }
        memcpy(PyBytes_AS_STRING(writer->bytes), writer->small, used);
    }
    else if (_PyBytes_Resize(&writer->bytes, (Py_ssize_t)size) < 0) {
        wire_writer_start(writer); /* what was written is gone */
        return -1;
    }
    writer->start = PyBytes_AS_STRING(writer->bytes);
    writer->at = writer->start + used;
    writer->end = writer->start + size;
    return 0;
}

PyObject *
wire_writer_finish(wire_writer *writer)
{
    const Py_ssize_t used = (Py_ssize_t)wire_written(writer);
    PyObject *bytes = writer->bytes; /* owned */

    if (bytes == NULL) {
        return PyBytes_FromStringAndSize(writer->small, used);
    }
    wire_writer_start(writer);
    return _PyBytes_Resize(&bytes, used) < 0 ? NULL : bytes;
}

void
wire_writer_free(wire_writer *writer)
{
    Py_CLEAR(writer->bytes);
}

void
wire_put_escaped(wire_writer *writer, const char *data, size_t length, const char *table,
                 size_t count)
{
    char *at = writer->at;
    size_t done = 0;

    for (; count != 0; count--) {
        const size_t start = done;
        while (table[(unsigned char)data[done]] == '\0') {
            done++;
        }
        memcpy(at, data + start, done - start);
        at += done - start;
        *at++ = data[done] == '\'' ? '\'' : '\\';
        *at++ = table[(unsigned char)data[done++]];
    }
    memcpy(at, data + done, length - done);
    writer->at = at + (length - done);
}
