/*
 * run.c - an operation on asyncio, from one wait to the next: the types RunnerFields, Run.
 *
 * Owns the usual path: the loop is the one that the connection is registered with, and what
 * is waited for is the one thing that is registered already.  All else is done by the runner
 * (mariadb_nb.runners.asyncio), the class in Python on top of RunnerFields.  Knows no
 * descriptor, no clock and no loop.
 *
 * A Run is awaited, and a task sleeps in it: a future, as far as the task can tell.  It is
 * woken once, at the operation's end, and directly.  A future for each wait would cost several
 * times as much, and one for each operation another turn of the loop.
 */

#include "record.h"

enum {
    LOOP,
    CURRENT, /* the Run under way, or None */
    WAIT,    /* what it waits for, or None */
    USUAL,   /* the wait for which nothing has to be registered, or None */
    READS,   /* whether it waits until the connection's own descriptor can be read */
    ONCE,    /* what is registered for this wait alone, or None */
    ERROR,   /* the exception that the operation ended with, or None */
    INTERRUPTION,
    RUNNER_FIELDS
};

static PyMemberDef runner_members[] = {
    WIRE_MEMBER("_loop", LOOP),   WIRE_MEMBER("_current", CURRENT),
    WIRE_MEMBER("_wait", WAIT),   WIRE_MEMBER("_usual", USUAL),
    WIRE_MEMBER("_reads", READS), WIRE_MEMBER("_once", ONCE),
    WIRE_MEMBER("_error", ERROR), WIRE_MEMBER("_interruption", INTERRUPTION),
    {NULL, 0, 0, 0, NULL},
};

enum stage {
    NEW,
    WAITING,
    DONE, /* the operation has ended, which the task does not know yet */
    OVER
};

/* What a Run has; only the first two before it waits, and none once it is over. */
enum { RUNNER, OPERATION, WAKEUP, CONTEXT, OUTCOME, FIELDS };

typedef struct {
    PyObject_HEAD PyObject *fields[FIELDS];
    wire_state *state; /* of the module, which the type keeps */
    enum stage stage;
    bool blocking; /* for the task: it was awaited, not yielded */
} wire_run;

/* Calls a method of the runner without arguments.  Returns 0, or -1. */
static int
tell(const wire_run *self, PyObject *name)
{
    PyObject *done = PyObject_CallMethodNoArgs(self->fields[RUNNER], name); /* new */

    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* ---- The task's side: how it begins and ends ----------------------------------------- */

static PySendResult
end(wire_run *self, PySendResult how)
{
    PyObject *error = PyErr_Occurred() ? wire_take_exception() : NULL; /* new */

    self->stage = OVER;
    wire_fields_clear(self->fields, FIELDS);
    if (error != NULL) {
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
        Py_DECREF(error);
    }
    return how;
}

/* Ends with the exception that is set, or the runner's; what is under way is ended too. */
static PySendResult
fail(wire_run *self)
{
    PyObject *runner = self->fields[RUNNER];

    self->stage = OVER;
    if (wire_is(runner, CURRENT, (PyObject *)self)) { /* or its loop was closed meanwhile */
        if (PyErr_Occurred()) {
            PyObject *error = wire_take_exception(); /* new */
            wire_set(runner, INTERRUPTION, Py_None);
            wire_set(runner, ERROR, error);
            Py_DECREF(error);
        }
        tell(self, self->state->fail);
    }
    return end(self, PYGEN_ERROR);
}

/* Whether the runner is on the running loop now; -1 with an exception. */
static int
be_on_loop(const wire_run *self)
{
    PyObject *loop = PyObject_CallNoArgs(self->state->get_running_loop); /* new */
    PyObject *moved = loop;                                              /* new */

    if (loop != NULL && !wire_is(self->fields[RUNNER], LOOP, loop)) {
        moved = PyObject_CallMethodOneArg(self->fields[RUNNER], self->state->move_to, loop);
        Py_DECREF(loop);
    }
    Py_XDECREF(moved);
    return moved == NULL ? -1 : 0;
}

/* Has the operation resumed when what it asks for is there; stolen.  Returns 0, or -1. */
static int
ask(const wire_run *self, PyObject *wait)
{
    PyObject *runner = self->fields[RUNNER];
    PyObject *asked = NULL; /* new */
    const bool usual = wire_is(runner, USUAL, wait);

    if (usual) {
        wire_set(runner, WAIT, wait);
        wire_set(runner, READS, Py_True);
    }
    else {
        asked = PyObject_CallMethodOneArg(runner, self->state->ask, wait);
        Py_XDECREF(asked);
    }
    Py_DECREF(wait);
    return usual || asked != NULL ? 0 : -1;
}

/* Refuses to run a second operation: its turn has not come to an end. */
static PySendResult
refuse(wire_run *self)
{
    PyObject *closed =
        PyObject_CallMethodNoArgs(self->fields[OPERATION], self->state->close); /* new */

    if (closed != NULL) {
        Py_DECREF(closed);
        PyErr_SetString(PyExc_RuntimeError, "another operation is under way on this connection");
    }
    return end(self, PYGEN_ERROR);
}

static PySendResult
begin(wire_run *self, PyObject **outcome)
{
    PyObject *runner = self->fields[RUNNER];
    PyObject *wait; /* new */
    PySendResult how;

    if (be_on_loop(self) < 0) {
        return end(self, PYGEN_ERROR);
    }
    how = PyIter_Send(self->fields[OPERATION], Py_None, &wait);
    if (how == PYGEN_RETURN) {
        *outcome = wait;
        return end(self, how);
    }
    if (how == PYGEN_ERROR) {
        /* It may have closed the descriptor.  If another operation waits for it, this one has
         * been refused and has not touched it. */
        PyObject *error = wire_take_exception(); /* new */
        if (!wire_is(runner, CURRENT, Py_None) || tell(self, self->state->stop_reading) == 0) {
            PyErr_SetObject((PyObject *)Py_TYPE(error), error);
        }
        Py_DECREF(error);
        return end(self, how);
    }
    if (!wire_is(runner, CURRENT, Py_None)) {
        Py_DECREF(wait);
        return refuse(self);
    }
    self->stage = WAITING;
    wire_set(runner, CURRENT, (PyObject *)self);
    if (ask(self, wait) < 0) {
        return fail(self);
    }
    self->blocking = true;
    *outcome = Py_NewRef(self);
    return PYGEN_NEXT;
}

/* The task goes on. */
static PySendResult
finish(wire_run *self, PyObject **outcome)
{
    PyObject *runner = self->fields[RUNNER];

    if (self->stage == WAITING) {
        PyErr_SetString(PyExc_RuntimeError, "resumed before the operation has ended");
        return fail(self);
    }
    if (self->fields[OUTCOME] == NULL || !wire_is(runner, INTERRUPTION, Py_None)) {
        return fail(self);
    }
    *outcome = Py_NewRef(self->fields[OUTCOME]);
    wire_set(runner, CURRENT, Py_None);
    wire_set(runner, WAIT, Py_None);
    wire_set(runner, READS, Py_False);
    return end(self, PYGEN_RETURN);
}

static PySendResult
run_am_send(wire_run *self, PyObject *Py_UNUSED(value), PyObject **outcome)
{
    PySendResult how;

    *outcome = NULL;
    Py_INCREF(self); /* the runner may let go of it meanwhile */
    if (self->stage == NEW) {
        how = begin(self, outcome);
    }
    else if (self->stage == OVER) {
        PyErr_SetString(PyExc_RuntimeError, "the operation was awaited already");
        how = PYGEN_ERROR;
    }
    else {
        how = finish(self, outcome);
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
    if (self->stage == WAITING || self->stage == DONE) {
        fail(self);
    }
    else {
        end(self, PYGEN_ERROR);
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
    if (self->stage == OVER) {
        Py_RETURN_NONE;
    }
    PyErr_SetNone(PyExc_GeneratorExit);
    interrupt(self);
    if (!PyErr_ExceptionMatches(PyExc_GeneratorExit)) {
        return NULL;
    }
    PyErr_Clear();
    Py_RETURN_NONE;
}

/* ---- The loop's side: how it goes on ------------------------------------------------- */

/* Lets the task run; it may well begin another operation before this returns. */
static int
wake(wire_run *self)
{
    PyObject *wakeup = self->fields[WAKEUP];               /* new */
    PyObject *context = Py_XNewRef(self->fields[CONTEXT]); /* new */
    PyObject *woken = NULL;                                /* new */
    int status = -1;

    self->fields[WAKEUP] = NULL;
    if (wakeup == NULL || context == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "no task waits for this operation");
    }
    else if (PyContext_Enter(context) == 0) {
        woken = PyObject_CallOneArg(wakeup, (PyObject *)self);
        status = PyContext_Exit(context) < 0 || woken == NULL ? -1 : 0;
    }
    Py_XDECREF(woken);
    Py_XDECREF(wakeup);
    Py_XDECREF(context);
    return status;
}

/* Resumes the operation in the task's context: sends it a mask, or throws an exception in. */
static PySendResult
resume(const wire_run *self, PyObject *what, PyObject **outcome)
{
    PyObject *operation = Py_NewRef(self->fields[OPERATION]); /* new */
    PyObject *context = Py_XNewRef(self->fields[CONTEXT]);    /* new */
    PySendResult how = PYGEN_ERROR;

    *outcome = NULL;
    if (context == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "no task waits for this operation");
    }
    else if (PyContext_Enter(context) == 0) {
        if (PyExceptionInstance_Check(what)) {
            *outcome = PyObject_CallMethodOneArg(operation, self->state->throw, what);
            how = wire_as_sent(outcome);
        }
        else {
            how = PyIter_Send(operation, what, outcome);
        }
        if (PyContext_Exit(context) < 0) {
            Py_CLEAR(*outcome);
            how = PYGEN_ERROR;
        }
    }
    Py_DECREF(operation);
    Py_XDECREF(context);
    return how;
}

/* Resumes the operation of a Run; wakes the task if that was its end.  Returns 0, or -1. */
static int
advance(wire_run *self, PyObject *what)
{
    PyObject *outcome; /* new */
    PySendResult how;

    if (!wire_is(self->fields[RUNNER], ONCE, Py_None) && tell(self, self->state->unwatch) < 0) {
        return -1; /* before the operation can close this descriptor */
    }
    how = resume(self, what, &outcome);
    if (self->stage != WAITING) {
        Py_XDECREF(outcome); /* it was ended meanwhile */
        return how == PYGEN_ERROR ? -1 : 0;
    }
    if (how == PYGEN_NEXT && ask(self, outcome) == 0) {
        return 0;
    }
    if (how == PYGEN_RETURN) {
        self->fields[OUTCOME] = outcome;
    }
    else {
        PyObject *error = wire_take_exception(); /* new */
        wire_set(self->fields[RUNNER], ERROR, error);
        Py_DECREF(error);
    }
    self->stage = DONE;
    return wake(self);
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
    Py_XSETREF(self->fields[WAKEUP], Py_NewRef(arguments[0]));
    Py_XSETREF(self->fields[CONTEXT], Py_NewRef(arguments[1]));
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
    if (self->stage != WAITING || !wire_is(self->fields[RUNNER], CURRENT, (PyObject *)self)) {
        Py_RETURN_FALSE;
    }
    return PyObject_CallMethodOneArg(self->fields[RUNNER], self->state->cancel, message);
}

static PyObject *
run_result(wire_run *Py_UNUSED(self), PyObject *Py_UNUSED(ignored))
{
    Py_RETURN_NONE; /* the task goes on; the outcome is of the await itself */
}

static PyObject *
run_loop(wire_run *self, void *Py_UNUSED(closure))
{
    return self->fields[RUNNER] == NULL ? Py_NewRef(Py_None) : wire_get(self->fields[RUNNER], LOOP);
}

/* Before it waits it is none: gather() and the like make a task of it then. */
static PyObject *
run_blocking(wire_run *self, void *Py_UNUSED(closure))
{
    return self->stage == NEW ? Py_NewRef(Py_None) : PyBool_FromLong(self->blocking);
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
    return wire_fields_traverse(self->fields, FIELDS, visit, arg);
}

static int
run_clear(wire_run *self)
{
    wire_fields_clear(self->fields, FIELDS);
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
    {"operation", T_OBJECT, offsetof(wire_run, fields[OPERATION]), READONLY, NULL},
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

/* ---- The runner's methods ------------------------------------------------------------ */

/* run(operation): what is to be awaited. */
static PyObject *
runner_run(PyObject *self, PyTypeObject *type, PyObject *const *arguments, Py_ssize_t count,
           PyObject *names)
{
    wire_state *state = PyType_GetModuleState(type);
    wire_run *run;

    if (count != 1 || names != NULL) {
        PyErr_SetString(PyExc_TypeError, "run() takes one operation");
        return NULL;
    }
    run = (wire_run *)state->Run->tp_alloc(state->Run, 0);
    if (run != NULL) {
        run->state = state;
        run->fields[RUNNER] = Py_NewRef(self);
        run->fields[OPERATION] = Py_NewRef(arguments[0]);
    }
    return (PyObject *)run;
}

static PyObject *
runner_advance(PyObject *self, PyObject *what)
{
    PyObject *current = wire_get(self, CURRENT); /* new */
    int status = 0;

    if (current != NULL && current != Py_None && ((wire_run *)current)->stage == WAITING) {
        status = advance((wire_run *)current, what);
    }
    Py_XDECREF(current);
    return status < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
runner_readable(PyObject *self, PyTypeObject *type, PyObject *const *Py_UNUSED(arguments),
                Py_ssize_t Py_UNUSED(count), PyObject *Py_UNUSED(names))
{
    const wire_state *state = PyType_GetModuleState(type);
    PyObject *mask; /* new */
    PyObject *done; /* new */

    if (!wire_is(self, READS, Py_True)) {
        return PyObject_CallMethodNoArgs(self, state->unasked);
    }
    mask = PyLong_FromLong(WIRE_READ);
    done = mask == NULL ? NULL : runner_advance(self, mask);
    Py_XDECREF(mask);
    return done;
}

static PyMethodDef runner_methods[] = {
    {"run", (PyCFunction)(void (*)(void))runner_run, METH_METHOD | METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("run($self, operation, /)\n--\n\n"
               "Run an operation to its end and return what it returns: to be awaited.")},
    {"_advance", runner_advance, METH_O,
     PyDoc_STR("_advance($self, what, /)\n--\n\n"
               "Resume the operation with a mask, or an exception; wake the task at its end.")},
    {"_readable", (PyCFunction)(void (*)(void))runner_readable,
     METH_METHOD | METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("_readable($self, /)\n--\n\n"
               "Is called when the connection's own descriptor is readable.")},
    {NULL, NULL, 0, NULL},
};

static PyObject *
run_with(PyObject *module, PyObject *get_running_loop)
{
    wire_state *state = PyModule_GetState(module);

    Py_XSETREF(state->get_running_loop, Py_NewRef(get_running_loop));
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"run_with", run_with, METH_O,
     PyDoc_STR("run_with($module, get_running_loop, /)\n--\n\nSay which loop is running.")},
    {NULL, NULL, 0, NULL},
};

int
wire_add_run(PyObject *module)
{
    wire_state *state = PyModule_GetState(module);

    state->RunnerFields =
        wire_add_record(module, "mariadb_nb._wire.RunnerFields",
                        PyDoc_STR("A runner on asyncio, as far as C has it: see its Runner."),
                        RUNNER_FIELDS, runner_members, runner_methods);
    state->Run = (PyTypeObject *)PyType_FromModuleAndSpec(module, &run_spec, NULL);
    if (state->RunnerFields == NULL || state->Run == NULL ||
        PyModule_AddType(module, state->Run) < 0) {
        return -1;
    }
    return PyModule_AddFunctions(module, functions);
}
