/*
 * poll.c - runs an operation by blocking the thread in poll(2).
 *
 * The hot half of mariadb_nb.runners.poll: from an operation's beginning to its
 * end, as long as nobody interrupts it.  What an interruption means, and how an
 * operation goes on after one, is said there.  Knows nothing of connections.
 */

#include "record.h"

#ifndef _WIN32

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <time.h>

enum { READ = 1, WRITE = 2, EXCEPT = 4, TIMEOUT = 8 };

/* The clock of time.monotonic(). */
#ifdef __APPLE__
#define MONOTONIC CLOCK_UPTIME_RAW
#else
#define MONOTONIC CLOCK_MONOTONIC
#endif

/*
 * The longest wait, in milliseconds: a signal that comes in the instant before
 * poll(2) does not end it, and has to be handled all the same.
 */
#define SLICE_MS 50

typedef struct {
    int fd;
    int events;
    double deadline; /* of the monotonic clock, in seconds; infinite: none */
} request;

/* Reads a mariadb_nb.wait.Wait. */
static int
read_request(PyObject *wait, request *wanted)
{
    PyObject *deadline;

    if (!PyTuple_Check(wait) || PyTuple_GET_SIZE(wait) != 3) {
        PyErr_SetString(PyExc_TypeError, "an operation yields Wait(fd, events, deadline)");
        return -1;
    }
    wanted->fd = (int)PyLong_AsLong(PyTuple_GET_ITEM(wait, 0));
    wanted->events = (int)PyLong_AsLong(PyTuple_GET_ITEM(wait, 1));
    deadline = PyTuple_GET_ITEM(wait, 2);
    wanted->deadline = deadline == Py_None ? INFINITY : PyFloat_AsDouble(deadline);
    return PyErr_Occurred() ? -1 : 0;
}

static double
seconds_until(double deadline)
{
    struct timespec now;

    if (isinf(deadline)) {
        return deadline;
    }
    clock_gettime(MONOTONIC, &now);
    return deadline - ((double)now.tv_sec + (double)now.tv_nsec * 1e-9);
}

static int
slice_of(const request *wanted)
{
    double rest = seconds_until(wanted->deadline);

    if (rest <= 0 || (wanted->events == 0 && isinf(wanted->deadline))) {
        return 0;
    }
    return rest * 1000 < SLICE_MS ? (int)(rest * 1000) + 1 : SLICE_MS;
}

/* Waits once.  Returns the mask, 0 for nothing, or -1 with an exception. */
static int
wait_once(const request *wanted)
{
    struct pollfd poller = {.fd = wanted->events ? wanted->fd : -1};
    int slice = slice_of(wanted);
    int mask = 0;
    int ready;
    int error;

    poller.events =
        (short)((wanted->events & READ ? POLLIN : 0) | (wanted->events & WRITE ? POLLOUT : 0) |
                (wanted->events & EXCEPT ? POLLPRI : 0));
    Py_BEGIN_ALLOW_THREADS ready = poll(&poller, 1, slice);
    error = errno;
    Py_END_ALLOW_THREADS if (ready < 0 && error != EINTR)
    {
        errno = error;
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    if (PyErr_CheckSignals() < 0) {
        return -1;
    }
    if (ready > 0 && poller.revents & POLLNVAL) {
        errno = EBADF;
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    if (ready > 0) {
        mask = (poller.revents & POLLIN ? READ : 0) | (poller.revents & POLLOUT ? WRITE : 0) |
               (poller.revents & POLLPRI ? EXCEPT : 0);
        /* An error or a hang-up is for the library to find, by whatever it asked for. */
        return mask != 0 ? mask : wanted->events;
    }
    return seconds_until(wanted->deadline) <= 0 ? TIMEOUT : 0;
}

/* wait(request): waits once, as a runner does. */
static PyObject *
poll_wait(PyObject *Py_UNUSED(module), PyObject *wait)
{
    request wanted;
    int mask = read_request(wait, &wanted) < 0 ? -1 : wait_once(&wanted);

    return mask < 0 ? NULL : PyLong_FromLong(mask);
}

/* What was raised while an operation waited is for clean_up(operation, exception). */
static PyObject *
interrupted(PyObject *clean_up, PyObject *operation)
{
    PyObject *error = wire_take_exception();                                            /* new */
    PyObject *outcome = PyObject_CallFunctionObjArgs(clean_up, operation, error, NULL); /* new */

    Py_XDECREF(error);
    return outcome;
}

/* poll_run(clean_up, operation): runs it until it ends, fails or is interrupted. */
static PyObject *
poll_run(PyObject *Py_UNUSED(module), PyObject *const *arguments, Py_ssize_t count)
{
    PyObject *answer = Py_NewRef(Py_None); /* new */
    PyObject *outcome = NULL;              /* new */
    PySendResult result;
    request wanted;

    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "run() takes one operation");
        Py_DECREF(answer);
        return NULL;
    }
    while ((result = PyIter_Send(arguments[1], answer, &outcome)) == PYGEN_NEXT) {
        int mask = read_request(outcome, &wanted) < 0 ? -1 : wait_once(&wanted);
        Py_CLEAR(outcome);
        Py_DECREF(answer);
        answer = mask < 0 ? NULL : PyLong_FromLong(mask);
        if (answer == NULL) {
            return interrupted(arguments[0], arguments[1]);
        }
    }
    Py_DECREF(answer);
    return result == PYGEN_RETURN ? outcome : NULL;
}

static PyMethodDef functions[] = {
    {"poll_run", (PyCFunction)(void (*)(void))poll_run, METH_FASTCALL,
     PyDoc_STR("poll_run($module, clean_up, operation, /)\n--\n\n"
               "Run an operation with poll(2). If waiting raises an exception, what comes of\n"
               "it is up to clean_up(operation, exception).")},
    {"poll_wait", poll_wait, METH_O,
     PyDoc_STR("poll_wait($module, wait, /)\n--\n\n"
               "Wait once with poll(2); the mask may be 0.")},
    {NULL, NULL, 0, NULL},
};

int
wire_add_poll(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}

#else

int
wire_add_poll(PyObject *Py_UNUSED(module))
{
    return 0; /* the runner takes select() */
}

#endif
