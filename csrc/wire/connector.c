/*
 * connector.c - the type Connector: a connect in a thread, and what Python sees
 * of it.
 *
 * Owns the arguments and the result; what the thread does is in
 * connect_thread.c.  From its beginning until result() or abandon() a Connector
 * has the guard's claim on the MYSQL.
 */

#include "channel.h"
#include "connect_thread.h"

#include <errno.h>
#include <string.h>

typedef struct {
    PyObject_HEAD wire_connect *connect; /* NULL: given up */
} connector;

/* ---- Making one ----------------------------------------------------------------- */

/* Copies bytes or None. */
static int
copy_text(const char *name, PyObject *value, char **copy)
{
    if (value == Py_None) {
        return 0;
    }
    if (!PyBytes_Check(value)) {
        PyErr_Format(PyExc_TypeError, "%s must be bytes or None, not %s", name,
                     Py_TYPE(value)->tp_name);
        return -1;
    }
    if (strlen(PyBytes_AS_STRING(value)) != (size_t)PyBytes_GET_SIZE(value)) {
        PyErr_Format(PyExc_ValueError, "%s must not have a NUL character in it", name);
        return -1;
    }
    *copy = strdup(PyBytes_AS_STRING(value));
    if (*copy == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

static int
parse(PyObject *args, wire_connect *connect)
{
    PyObject *address; /* borrowed, as all here */
    PyObject *host;
    PyObject *user;
    PyObject *password;
    PyObject *database;
    PyObject *unix_socket;

    if (!PyArg_ParseTuple(args, "OOOOOIOk:Connector", &address, &host, &user, &password, &database,
                          &connect->port, &unix_socket, &connect->flags) ||
        copy_text("host", host, &connect->host) < 0 ||
        copy_text("user", user, &connect->user) < 0 ||
        copy_text("password", password, &connect->password) < 0 ||
        copy_text("database", database, &connect->database) < 0 ||
        copy_text("unix_socket", unix_socket, &connect->unix_socket) < 0) {
        return -1;
    }
    connect->mysql = PyLong_AsVoidPtr(address);
    return PyErr_Occurred() ? -1 : 0;
}

/* Claims the MYSQL and starts the thread. */
static int
start(wire_state *state, wire_connect *connect)
{
    const nb_claims *guard = wire_guard;
    nb_handle *handle = guard != NULL ? guard->find(connect->mysql) : NULL; /* owned */
    int failure;

    if (handle == NULL) {
        PyErr_SetString(state->InterfaceError, "the MYSQL * is not one that is open");
        return -1;
    }
    if (guard->claim(handle) != NB_CLAIMED) {
        PyErr_SetString(state->InterfaceError, "the MYSQL * is in use, or the parent process's");
        guard->release(handle);
        return -1;
    }
    connect->guard = guard;
    connect->handle = handle;
    failure = wire_connect_start(connect);
    if (failure != 0) {
        guard->unclaim(handle);
        guard->release(handle);
        errno = failure;
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    return 0;
}

static PyObject *
connector_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    connector *self;
    wire_connect *connect;

    if (kwargs != NULL && PyDict_GET_SIZE(kwargs) != 0) {
        PyErr_SetString(PyExc_TypeError, "Connector() takes no keyword arguments");
        return NULL;
    }
    self = (connector *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    connect = wire_connect_new(); /* owned */
    if (connect == NULL) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    if (parse(args, connect) < 0 || start(wire_state_of(type), connect) < 0) {
        wire_connect_drop(connect);
        Py_DECREF(self);
        return NULL;
    }
    self->connect = connect;
    return (PyObject *)self;
}

/* ---- What it answers -------------------------------------------------------------- */

static void
abandon(connector *self)
{
    wire_connect *connect = self->connect;

    if (connect != NULL) {
        self->connect = NULL;
        wire_connect_abandon(connect);
        wire_connect_drop(connect);
    }
}

static PyObject *
connector_abandon(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    Py_BEGIN_CRITICAL_SECTION(op);
    abandon((connector *)op);
    Py_END_CRITICAL_SECTION();
    Py_RETURN_NONE;
}

static void
connector_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);

    abandon((connector *)op);
    type->tp_free(op);
    Py_DECREF(type);
}

/* Its connect; NULL with an exception when it was given up. */
static wire_connect *
connect_of(connector *self)
{
    if (self->connect == NULL) {
        PyErr_SetString(wire_state_of(Py_TYPE(self))->InterfaceError, "the connect was given up");
    }
    return self->connect;
}

static PyObject *
connector_fileno(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    PyObject *number = NULL; /* new */
    const wire_connect *connect;

    Py_BEGIN_CRITICAL_SECTION(op);
    connect = connect_of((connector *)op);
    if (connect != NULL) {
        number = PyLong_FromLong(connect->near_end);
    }
    Py_END_CRITICAL_SECTION();
    return number;
}

static bool
is_over(const wire_connect *connect)
{
    return atomic_load(&connect->progress) == WIRE_OVER;
}

static PyObject *
connector_done(PyObject *op, void *Py_UNUSED(closure))
{
    const wire_connect *connect;
    bool done;

    Py_BEGIN_CRITICAL_SECTION(op);
    connect = ((connector *)op)->connect;
    done = connect != NULL && is_over(connect);
    Py_END_CRITICAL_SECTION();
    return PyBool_FromLong(done);
}

static PyObject *
take_result(connector *self)
{
    wire_connect *connect = connect_of(self);
    PyObject *result; /* new */

    if (connect == NULL) {
        return NULL;
    }
    if (!is_over(connect)) {
        PyErr_SetString(wire_state_of(Py_TYPE(self))->InterfaceError,
                        "the connect is not over; wait until its fileno() is readable");
        return NULL;
    }
    result = Py_BuildValue(
        "NINN", PyBool_FromLong(connect->connected), connect->code,
        PyUnicode_DecodeASCII(connect->sqlstate, SQLSTATE_LENGTH, "replace"),
        PyUnicode_DecodeUTF8(connect->message, (Py_ssize_t)strlen(connect->message), "replace"));
    if (result == NULL) {
        return NULL;
    }
    if (!connect->connected) {
        wire_connect_close(connect);
    }
    else if (connect->handle != NULL) {
        connect->guard->unclaim(connect->handle);
        connect->guard->release(connect->handle);
        connect->handle = NULL;
    }
    return result;
}

static PyObject *
connector_result(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    PyObject *result; /* new */

    Py_BEGIN_CRITICAL_SECTION(op);
    result = take_result((connector *)op);
    Py_END_CRITICAL_SECTION();
    return result;
}

static PyMethodDef methods[] = {
    {"fileno", connector_fileno, METH_NOARGS,
     PyDoc_STR("fileno($self, /)\n--\n\nWhat becomes readable when the connect is over.")},
    {"result", connector_result, METH_NOARGS,
     PyDoc_STR("result($self, /)\n--\n\n(connected, errno, sqlstate, message). The MYSQL * is the "
               "caller's again if it is connected, and closed if it is not.")},
    {"abandon", connector_abandon, METH_NOARGS,
     PyDoc_STR("abandon($self, /)\n--\n\nEnd it without waiting. The MYSQL * is closed, unless "
               "result() has handed it back.")},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef getters[] = {
    {"done", connector_done, NULL, PyDoc_STR("Whether there is a result."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("Connector(address, host, user, password, database, port, "
                                  "unix_socket, flags, /)\n--\n\n"
                                  "Connects a MYSQL * in a thread of its own.")},
    {Py_tp_new, connector_new},
    {Py_tp_dealloc, connector_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_getset, getters},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "mariadb_nb._wire.Connector",
    .basicsize = sizeof(connector),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

int
wire_add_connector(PyObject *module)
{
    wire_state *state = PyModule_GetState(module);

    state->Connector = (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
    return state->Connector == NULL ? -1 : PyModule_AddType(module, state->Connector);
}
