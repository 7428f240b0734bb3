/*
 * peek.c - what can be read from a socket, without reading it, and whether it has ended.
 *
 * Never waits, needs no object and leaves nothing behind, so that a signal cannot come
 * in its middle.  Knows nothing of connections.
 */

#include "wire.h"

#ifdef _WIN32

#include <winsock2.h>

#pragma comment(lib, "ws2_32")

/* The socket may be a blocking one: recv() only follows if it need not wait. */
static int
look(long number, char *byte)
{
    SOCKET fd = (SOCKET)number;
    struct timeval now = {0, 0};
    fd_set only = {1, {fd}};

    if (select(0, &only, NULL, NULL, &now) == 0) {
        WSASetLastError(WSAEWOULDBLOCK);
        return -1;
    }
    return recv(fd, byte, 1, MSG_PEEK);
}

static bool
has_nothing_yet(void)
{
    return WSAGetLastError() == WSAEWOULDBLOCK;
}

#else

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

static int
look(long number, char *byte)
{
    return (int)recv((int)number, byte, 1, MSG_PEEK | MSG_DONTWAIT);
}

static bool
has_nothing_yet(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

#endif

static PyObject *
peek(PyObject *Py_UNUSED(module), PyObject *fd)
{
    long number = PyLong_AsLong(fd);
    char byte;
    int count;

    if (number == -1 && PyErr_Occurred()) {
        return NULL;
    }
    count = look(number, &byte);
    if (count < 0 && has_nothing_yet()) {
        Py_RETURN_NONE;
    }
    return PyBool_FromLong(count > 0);
}

/*
 * Whether the other end was closed.  What it had sent before may be left to read; without
 * POLLRDHUP that hides its end.
 */
static bool
has_hung_up(long number)
{
#ifdef POLLRDHUP
    struct pollfd poller = {.fd = (int)number, .events = POLLRDHUP};

    return poll(&poller, 1, 0) > 0;
#else
    char byte;
    int count = look(number, &byte);

    return count == 0 || (count < 0 && !has_nothing_yet());
#endif
}

static PyObject *
hung_up(PyObject *Py_UNUSED(module), PyObject *fd)
{
    long number = PyLong_AsLong(fd);

    if (number == -1 && PyErr_Occurred()) {
        return NULL;
    }
    return PyBool_FromLong(has_hung_up(number));
}

static PyMethodDef functions[] = {
    {"peek", peek, METH_O,
     PyDoc_STR("peek($module, fd, /)\n--\n\n"
               "Whether there is something to read from a socket; None: not now; False: never\n"
               "again, because it is at its end, broken or closed.")},
    {"hung_up", hung_up, METH_O,
     PyDoc_STR("hung_up($module, fd, /)\n--\n\n"
               "Whether a socket's other end was closed, or the socket is broken or closed.")},
    {NULL, NULL, 0, NULL},
};

int
wire_add_peek(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}
