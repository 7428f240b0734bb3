/*
 * runner.c - how an operation on asyncio goes on after each wait: the type RunnerFields.
 *
 * Owns the usual path: what is waited for is the one thing that is registered with the loop
 * already.  All else is done by the class in Python on top of it, mariadb_nb.runners.asyncio.
 * Knows no descriptor, no clock and no loop.
 */

#include "run.h"

static PyMemberDef runner_members[] = {
    WIRE_MEMBER("_loop", RUNNER_LOOP),
    WIRE_MEMBER("_current", RUNNER_CURRENT),
    WIRE_MEMBER("_wait", RUNNER_WAIT),
    WIRE_MEMBER("_usual", RUNNER_USUAL),
    WIRE_MEMBER("_reads", RUNNER_READS),
    WIRE_MEMBER("_once", RUNNER_ONCE),
    WIRE_MEMBER("_error", RUNNER_ERROR),
    WIRE_MEMBER("_interruption", RUNNER_INTERRUPTION),
    {NULL, 0, 0, 0, NULL},
};

int
wire_runner_tell(PyObject *runner, PyObject *name)
{
    PyObject *type;
    PyObject *error;
    PyObject *traceback;
    PyObject *done; /* new */

    PyErr_Fetch(&type, &error, &traceback);
    done = PyObject_CallMethodNoArgs(runner, name);
    if (done == NULL) {
        Py_XDECREF(type);
        Py_XDECREF(error);
        Py_XDECREF(traceback);
        return -1;
    }
    Py_DECREF(done);
    PyErr_Restore(type, error, traceback);
    return 0;
}

int
wire_runner_ask(const wire_state *state, PyObject *runner, PyObject *wait)
{
    PyObject *asked = Py_None; /* borrowed, or new */

    if (wire_is(runner, RUNNER_USUAL, wait)) {
        wire_set(runner, RUNNER_WAIT, wait);
        wire_set(runner, RUNNER_READS, Py_True);
    }
    else {
        asked = PyObject_CallMethodOneArg(runner, state->ask, wait);
        Py_XDECREF(asked);
    }
    Py_DECREF(wait);
    return asked == NULL ? -1 : 0;
}

/* Lets the task run; it may well begin another operation before this returns. */
static int
wake(wire_run *self)
{
    PyObject *wakeup = self->fields[RUN_WAKEUP];               /* new */
    PyObject *context = Py_XNewRef(self->fields[RUN_CONTEXT]); /* new */
    PyObject *woken = NULL;                                    /* new */
    int status = -1;

    self->fields[RUN_WAKEUP] = NULL;
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
    PyObject *operation = Py_NewRef(self->fields[RUN_OPERATION]); /* new */
    PyObject *context = Py_XNewRef(self->fields[RUN_CONTEXT]);    /* new */
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
advance(wire_run *self, PyObject *runner, PyObject *what)
{
    PyObject *outcome; /* new */
    PyObject *error;   /* new */
    PySendResult how;

    if (!wire_is(runner, RUNNER_ONCE, Py_None) &&
        wire_runner_tell(runner, self->state->unwatch) < 0) {
        return -1; /* before the operation can close this descriptor */
    }
    how = resume(self, what, &outcome);
    if (self->stage != RUN_WAITING) {
        Py_XDECREF(outcome); /* it was ended meanwhile */
        return how == PYGEN_ERROR ? -1 : 0;
    }
    if (how == PYGEN_NEXT && wire_runner_ask(self->state, runner, outcome) == 0) {
        return 0;
    }
    if (how == PYGEN_RETURN) {
        self->fields[RUN_OUTCOME] = outcome;
    }
    else {
        error = wire_take_exception();
        wire_set(runner, RUNNER_ERROR, error);
        Py_DECREF(error);
    }
    self->stage = RUN_DONE;
    return wake(self);
}

/* ---- The type RunnerFields ------------------------------------------------------------ */

/* run(operation): what is to be awaited. */
static PyObject *
runner_run(PyObject *self, PyTypeObject *type, PyObject *const *arguments, Py_ssize_t count,
           PyObject *names)
{
    if (count != 1 || names != NULL) {
        PyErr_SetString(PyExc_TypeError, "run() takes one operation");
        return NULL;
    }
    return wire_run_new(PyType_GetModuleState(type), self, arguments[0]);
}

/* _advance(what): goes on with the operation under way. */
static PyObject *
runner_advance(PyObject *self, PyObject *what)
{
    PyObject *current = wire_get(self, RUNNER_CURRENT); /* new */
    int status = 0;

    if (current != NULL && current != Py_None && ((wire_run *)current)->stage == RUN_WAITING) {
        status = advance((wire_run *)current, self, what);
    }
    Py_XDECREF(current);
    return status < 0 ? NULL : Py_NewRef(Py_None);
}

/* _readable(): the loop says so of the connection's own descriptor. */
static PyObject *
runner_readable(PyObject *self, PyTypeObject *type, PyObject *const *Py_UNUSED(arguments),
                Py_ssize_t Py_UNUSED(count), PyObject *Py_UNUSED(names))
{
    const wire_state *state = PyType_GetModuleState(type);
    PyObject *mask; /* new */
    PyObject *done; /* new */

    if (!wire_is(self, RUNNER_READS, Py_True)) {
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

/* run_with(get_running_loop): asyncio is imported where it is used, and not here. */
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
wire_add_runner(PyObject *module)
{
    wire_state *state = PyModule_GetState(module);

    state->RunnerFields =
        wire_add_record(module, "mariadb_nb._wire.RunnerFields",
                        PyDoc_STR("A runner on asyncio, as far as C has it: see its Runner."),
                        RUNNER_FIELDS, runner_members, runner_methods);
    if (state->RunnerFields == NULL) {
        return -1;
    }
    return PyModule_AddFunctions(module, functions);
}
