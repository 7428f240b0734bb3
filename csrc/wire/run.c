/*
 * run.c - an operation that a task awaits on asyncio: the type Run.
 *
 * Owns how it begins and ends.  How it goes on in between is in runner.c.  Knows no descriptor,
 * no clock and no loop.
 *
 * The task sleeps in the Run itself: a future, as far as the task can tell.  It is woken once,
 * at the operation's end, and directly.  A future for each wait would cost several times as
 * much, and one for each operation another turn of the loop.
 */

#include "run.h"

/* ---- How it begins and ends ----------------------------------------------------------- */

static PySendResult
end(wire_run *self, PySendResult how)
{
    self->stage = RUN_OVER;
    wire_fields_clear(self->fields, RUN_FIELDS);
    return how;
}

/* Ends with the exception that is set, or the runner's; what is under way is ended too. */
static PySendResult
fail(wire_run *self)
{
    PyObject *runner = self->fields[RUN_RUNNER];

    self->stage = RUN_OVER;
    if (wire_is(runner, RUNNER_CURRENT, (PyObject *)self)) { /* or its loop was closed meanwhile */
        if (PyErr_Occurred()) {
            PyObject *error = wire_take_exception(); /* new */
            wire_set(runner, RUNNER_INTERRUPTION, Py_None);
            wire_set(runner, RUNNER_ERROR, error);
            Py_DECREF(error);
        }
        wire_runner_tell(runner, self->state->fail);
    }
    return end(self, PYGEN_ERROR);
}

/* Whether the runner is on the running loop now; -1 with an exception. */
static int
be_on_loop(const wire_run *self)
{
    PyObject *loop = PyObject_CallNoArgs(self->state->get_running_loop); /* new */
    PyObject *moved = loop;                                              /* new */

    if (loop != NULL && !wire_is(self->fields[RUN_RUNNER], RUNNER_LOOP, loop)) {
        moved = PyObject_CallMethodOneArg(self->fields[RUN_RUNNER], self->state->move_to, loop);
        Py_DECREF(loop);
    }
    Py_XDECREF(moved);
    return moved == NULL ? -1 : 0;
}

/* Refuses to run a second operation: its turn has not come to an end. */
static PySendResult
refuse(wire_run *self)
{
    PyObject *closed =
        PyObject_CallMethodNoArgs(self->fields[RUN_OPERATION], self->state->close); /* new */

    if (closed != NULL) {
        Py_DECREF(closed);
        PyErr_SetString(PyExc_RuntimeError, "another operation is under way on this connection");
    }
    return end(self, PYGEN_ERROR);
}

static PySendResult
begin(wire_run *self, PyObject **outcome)
{
    PyObject *runner = self->fields[RUN_RUNNER];
    PyObject *wait; /* new */
    PySendResult how;

    self->stage = RUN_BEGINNING;
    if (be_on_loop(self) < 0) {
        return end(self, PYGEN_ERROR);
    }
    how = PyIter_Send(self->fields[RUN_OPERATION], Py_None, &wait);
    if (how == PYGEN_RETURN) {
        *outcome = wait;
        return end(self, how);
    }
    if (how == PYGEN_ERROR) {
        /* It may have closed the descriptor.  If another operation waits for it, this one has
         * been refused and has not touched it. */
        if (wire_is(runner, RUNNER_CURRENT, Py_None)) {
            wire_runner_tell(runner, self->state->stop_reading);
        }
        return end(self, how);
    }
    if (!wire_is(runner, RUNNER_CURRENT, Py_None)) {
        Py_DECREF(wait);
        return refuse(self);
    }
    self->stage = RUN_WAITING;
    wire_set(runner, RUNNER_CURRENT, (PyObject *)self);
    if (wire_runner_ask(self->state, runner, wait) < 0) {
        return fail(self);
    }
    self->blocking = true;
    *outcome = Py_NewRef(self);
    return PYGEN_NEXT;
}

/* The task goes on: with what came of it. */
static PySendResult
finish(wire_run *self, PyObject **outcome)
{
    PyObject *runner = self->fields[RUN_RUNNER];

    if (!wire_is(runner, RUNNER_CURRENT, (PyObject *)self)) {
        PyErr_SetString(PyExc_RuntimeError, "the loop was closed before the operation's end");
        return end(self, PYGEN_ERROR);
    }
    if (self->fields[RUN_OUTCOME] == NULL || !wire_is(runner, RUNNER_INTERRUPTION, Py_None)) {
        return fail(self);
    }
    *outcome = Py_NewRef(self->fields[RUN_OUTCOME]);
    wire_set(runner, RUNNER_CURRENT, Py_None);
    wire_set(runner, RUNNER_WAIT, Py_None);
    wire_set(runner, RUNNER_READS, Py_False);
    return end(self, PYGEN_RETURN);
}

static PySendResult
run_am_send(wire_run *self, PyObject *Py_UNUSED(value), PyObject **outcome)
{
    PySendResult how = PYGEN_ERROR;

    *outcome = NULL;
    Py_INCREF(self); /* the runner may let go of it meanwhile */
    switch (self->stage) {
    case RUN_NEW:
        how = begin(self, outcome);
        break;
    case RUN_BEGINNING:
        PyErr_SetString(PyExc_ValueError, "the operation is being run already");
        break;
    case RUN_WAITING:
        PyErr_SetString(PyExc_RuntimeError, "resumed before the operation has ended");
        how = fail(self);
        break;
    case RUN_DONE:
        how = finish(self, outcome);
        break;
    case RUN_OVER:
        PyErr_SetString(PyExc_RuntimeError, "the operation was awaited already");
    }
    Py_DECREF(self);
    return how;
}

static PyObject *
run_next(wire_run *self)
{
    PyObject *outcome; /* new */
    const PySendResult how = run_am_send(self, Py_None, &outcome);

    return wire_as_generator(how, outcome);
}

static PyObject *
run_send(wire_run *self, PyObject *Py_UNUSED(value))
{
    return run_next(self);
}

/* Ends what was begun, with the exception that is set. */
static void
interrupt(wire_run *self)
{
    Py_INCREF(self);
    if (self->stage == RUN_BEGINNING) {
        PyErr_SetString(PyExc_ValueError, "the operation is being run already");
    }
    else if (self->stage == RUN_NEW) {
        end(self, PYGEN_ERROR);
    }
    else if (self->stage != RUN_OVER) {
        fail(self);
    }
    Py_DECREF(self);
}

static PyObject *
run_throw(wire_run *self, PyObject *const *arguments, Py_ssize_t count)
{
    if (wire_raise_thrown(arguments, count) == 0) {
        interrupt(self);
    }
    return NULL;
}

static PyObject *
run_close(wire_run *self, PyObject *Py_UNUSED(ignored))
{
    PyErr_SetNone(PyExc_GeneratorExit);
    interrupt(self);
    if (!PyErr_ExceptionMatches(PyExc_GeneratorExit)) {
        return NULL;
    }
    PyErr_Clear();
    Py_RETURN_NONE;
}

/* ---- What asyncio asks of a future --------------------------------------------------- */

static PyObject *
run_add_done_callback(wire_run *self, PyObject *const *arguments, Py_ssize_t count, PyObject *names)
{
    if (count != 1 || names == NULL || PyTuple_GET_SIZE(names) != 1 ||
        PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, 0), "context") != 0) {
        PyErr_SetString(PyExc_TypeError, "add_done_callback() takes a function and context=");
        return NULL;
    }
    Py_XSETREF(self->fields[RUN_WAKEUP], Py_NewRef(arguments[0]));
    Py_XSETREF(self->fields[RUN_CONTEXT], Py_NewRef(arguments[1]));
    Py_RETURN_NONE;
}

static PyObject *
run_cancel(wire_run *self, PyObject *arguments, PyObject *named)
{
    char *names[] = {"msg", NULL};
    PyObject *message = Py_None;

    if (!PyArg_ParseTupleAndKeywords(arguments, named, "|O:cancel", names, &message)) {
        return NULL;
    }
    if (self->stage != RUN_WAITING ||
        !wire_is(self->fields[RUN_RUNNER], RUNNER_CURRENT, (PyObject *)self)) {
        Py_RETURN_FALSE;
    }
    return PyObject_CallMethodOneArg(self->fields[RUN_RUNNER], self->state->cancel, message);
}

static PyObject *
run_result(wire_run *Py_UNUSED(self), PyObject *Py_UNUSED(ignored))
{
    Py_RETURN_NONE; /* the task goes on; the outcome is of the await itself */
}

static PyObject *
run_loop(wire_run *self, void *Py_UNUSED(closure))
{
    return self->fields[RUN_RUNNER] == NULL ? Py_NewRef(Py_None)
                                            : wire_get(self->fields[RUN_RUNNER], RUNNER_LOOP);
}

/* Before it waits it is none: gather() and the like make a task of it then. */
static PyObject *
run_blocking(wire_run *self, void *Py_UNUSED(closure))
{
    return self->stage == RUN_NEW ? Py_NewRef(Py_None) : PyBool_FromLong(self->blocking);
}

static int
run_set_blocking(wire_run *self, PyObject *value, void *Py_UNUSED(closure))
{
    self->blocking = value == Py_True;
    return 0;
}

/* ---- The type Run -------------------------------------------------------------------- */

static int
run_traverse(wire_run *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    return wire_fields_traverse(self->fields, RUN_FIELDS, visit, arg);
}

static int
run_clear(wire_run *self)
{
    wire_fields_clear(self->fields, RUN_FIELDS);
    return 0;
}

static void
run_dealloc(wire_run *self)
{
    PyTypeObject *type = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    run_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMemberDef run_members[] = {
    {"operation", T_OBJECT, offsetof(wire_run, fields[RUN_OPERATION]), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef run_getset[] = {
    {"_asyncio_future_blocking", (getter)run_blocking, (setter)run_set_blocking,
     PyDoc_STR("Whether it was awaited, which makes it a future; None: not yet."), NULL},
    {"_loop", (getter)run_loop, NULL, PyDoc_STR("A task compares it with its own."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef run_methods[] = {
    {"send", (PyCFunction)run_send, METH_O,
     PyDoc_STR("send($self, value, /)\n--\n\nBegin, or give the outcome.")},
    {"throw", (PyCFunction)(void (*)(void))run_throw, METH_FASTCALL,
     PyDoc_STR("throw($self, error, /)\n--\n\nEnd it at once, with an exception.")},
    {"close", (PyCFunction)run_close, METH_NOARGS,
     PyDoc_STR("close($self, /)\n--\n\nEnd it at once.")},
    {"add_done_callback", (PyCFunction)(void (*)(void))run_add_done_callback,
     METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("add_done_callback($self, wakeup, /, *, context)\n--\n\n"
               "Say whom to wake, and the context that all is to run in.")},
    {"cancel", (PyCFunction)(void (*)(void))run_cancel, METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("cancel($self, msg=None)\n--\n\n"
               "Promise the task that the wait ends with a CancelledError.")},
    {"result", (PyCFunction)run_result, METH_NOARGS,
     PyDoc_STR("result($self, /)\n--\n\nLet the task go on.")},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot run_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("An operation that is awaited on asyncio.")},
    {Py_tp_dealloc, run_dealloc},
    {Py_tp_traverse, run_traverse},
    {Py_tp_clear, run_clear},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, run_next},
    {Py_am_await, PyObject_SelfIter},
    {Py_am_send, run_am_send},
    {Py_tp_members, run_members},
    {Py_tp_getset, run_getset},
    {Py_tp_methods, run_methods},
    {0, NULL},
};

static PyType_Spec run_spec = {
    .name = "mariadb_nb._wire.Run",
    .basicsize = sizeof(wire_run),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = run_slots,
};

PyObject *
wire_run_new(wire_state *state, PyObject *runner, PyObject *operation)
{
    wire_run *self = (wire_run *)state->Run->tp_alloc(state->Run, 0);

    if (self != NULL) {
        self->state = state;
        self->fields[RUN_RUNNER] = Py_NewRef(runner);
        self->fields[RUN_OPERATION] = Py_NewRef(operation);
    }
    return (PyObject *)self;
}

int
wire_add_run(PyObject *module)
{
    wire_state *state = PyModule_GetState(module);

    state->Run = (PyTypeObject *)PyType_FromModuleAndSpec(module, &run_spec, NULL);
    return state->Run == NULL ? -1 : PyModule_AddType(module, state->Run);
}
