/*
 * drive.c - the type Drive: an operation on a connection, to what comes of it.
 *
 * Owns the usual path: the connection is ready, all that is waited for is something to
 * read, and it comes in time.  Whatever else happens (an error, an interruption, the end of
 * the time, a turn for the loop, a wait until something can be sent) is handed to
 * mariadb_nb.operations._go_on(), a generator in Python that goes on from there; from then on
 * a Drive only passes on what it is told.  Knows no loop, and no statement.
 */

#include "channel.h"
#include "record.h"

enum stage {
    NEW,
    WAITING,
    ELSEWHERE, /* it goes on in Python */
    OVER
};

/* What a Drive has; all gone once it is over. */
enum {
    SESSION,
    EVENT,
    START,
    ARGUMENTS,
    RESUME,   /* a function, or the Channel whose resume() it is */
    DEADLINE, /* a float of the monotonic clock, or None */
    OTHERWISE,
    OWNER, /* who has the turn: nobody else knows it */
    WAIT,  /* what was asked for last */
    REST,  /* the generator that goes on */
    FIELDS
};

typedef struct {
    PyObject_HEAD PyObject *fields[FIELDS];
    wire_state *state; /* of the module, which the type keeps */
    int events;        /* what the call waits for */
    enum stage stage;
    atomic_int inside; /* it is being resumed, closed or the like */
} wire_drive;

/* ---- What is not usual ------------------------------------------------------------ */

/* It is over. */
static PySendResult
end(wire_drive *self, PySendResult how)
{
    self->stage = OVER;
    wire_fields_clear(self->fields, FIELDS);
    return how;
}

/* Has the generator go on; done: it has been told something. */
static PySendResult
go_on(wire_drive *self, PyObject *value, PyObject **outcome)
{
    const PySendResult how = PyIter_Send(self->fields[REST], value, outcome);

    return how == PYGEN_NEXT ? how : end(self, how);
}

/*
 * Ends what has begun, at once: the connection is broken then.  An exception that is set
 * stays; if ending it raises another one, that has it as its context.
 */
static int
abandon(wire_drive *self)
{
    PyObject *error = wire_take_exception(); /* new, or NULL */
    PyObject *done = NULL;                   /* new */

    for (int i = 0; done == NULL && i < 2; i++) { /* a signal may come before it has begun */
        done = PyObject_CallMethodOneArg(self->fields[SESSION], self->state->abort,
                                         self->fields[OWNER]);
        if (done == NULL) {
            error = wire_take_exception_after(error);
        }
    }
    Py_XDECREF(done);
    wire_set_exception(error);
    return error == NULL ? 0 : -1;
}

/* Goes on in Python: from events that are waited for, stolen; or NULL: from an exception. */
static PySendResult
hand_over(wire_drive *self, PyObject *events, PyObject **outcome)
{
    PyObject *from = events != NULL ? events : wire_take_exception(); /* new */
    PySendResult how = PYGEN_ERROR;

    self->stage = ELSEWHERE;
    self->fields[REST] = PyObject_CallFunctionObjArgs(
        self->state->go_on, self->fields[SESSION], self->fields[OWNER], from, self->fields[RESUME],
        self->fields[DEADLINE], self->fields[OTHERWISE], NULL);
    Py_XDECREF(from);
    if (self->fields[REST] != NULL) {
        how = PyIter_Send(self->fields[REST], Py_None, outcome);
    }
    if (how == PYGEN_ERROR) {
        abandon(self); /* a signal may come before the generator has begun */
    }
    return how == PYGEN_NEXT ? how : end(self, how);
}

/* Whether the deadline has passed; -1 with an exception. */
static int
is_late(const wire_drive *self)
{
    PyObject *late; /* new */
    int truth;

    if (self->fields[DEADLINE] == Py_None) {
        return 0;
    }
    late = PyObject_CallOneArg(self->state->is_late, self->fields[DEADLINE]);
    truth = late == NULL ? -1 : PyObject_IsTrue(late);
    Py_XDECREF(late);
    return truth;
}

/* The request to wait for the events: new. */
static PyObject *
request(const wire_drive *self, PyObject *events)
{
    PyObject *waits = PyObject_TypeCheck(self->fields[SESSION], self->state->Turn)
                          ? wire_get(self->fields[SESSION], TURN_WAITS)
                          : NULL; /* new */
    PyObject *plain;              /* new */
    PyObject *fields;             /* new: the only argument of tuple() */

    if (waits == NULL) {
        waits = PyObject_GetAttr(self->fields[SESSION], self->state->waits);
    }
    plain = waits != NULL ? PyObject_GetItem(waits, events) : NULL;
    Py_XDECREF(waits);
    if (self->fields[DEADLINE] == Py_None || plain == NULL) {
        return plain;
    }
    if (!PyTuple_Check(plain) || PyTuple_GET_SIZE(plain) != 3) {
        PyErr_SetString(PyExc_TypeError, "a session's waits are of Wait(fd, events, deadline)");
        Py_DECREF(plain);
        return NULL;
    }
    fields = Py_BuildValue("((OOO))", PyTuple_GET_ITEM(plain, 0), PyTuple_GET_ITEM(plain, 1),
                           self->fields[DEADLINE]);
    Py_SETREF(plain, fields != NULL ? PyTuple_Type.tp_new(Py_TYPE(plain), fields, NULL) : NULL);
    Py_XDECREF(fields);
    return plain;
}

/* Takes what start() or resume() has returned; stolen. */
static PySendResult
take(wire_drive *self, PyObject *got, PyObject **outcome)
{
    int late;

    if (got == NULL) {
        return hand_over(self, NULL, outcome);
    }
    if (!PyLong_CheckExact(got)) {
        if (wire_turn_leave(self->state, self->fields[SESSION]) < 0) {
            Py_DECREF(got);
            return hand_over(self, NULL, outcome);
        }
        *outcome = got;
        return end(self, PYGEN_RETURN);
    }
    self->events = (int)PyLong_AsLong(got);
    late = is_late(self);
    if (late != 0 || self->events == 0 || self->events == WIRE_WRITE) {
        if (late < 0) {
            Py_CLEAR(got);
        }
        return hand_over(self, got, outcome); /* where the time is looked at again */
    }
    Py_XSETREF(self->fields[WAIT], request(self, got));
    Py_DECREF(got);
    if (self->fields[WAIT] == NULL) {
        return hand_over(self, NULL, outcome);
    }
    self->stage = WAITING;
    *outcome = Py_NewRef(self->fields[WAIT]);
    return PYGEN_NEXT;
}

static PySendResult
begin(wire_drive *self, PyObject **outcome)
{
    int late;

    self->fields[OWNER] = PyBaseObject_Type.tp_alloc(&PyBaseObject_Type, 0);
    if (self->fields[OWNER] == NULL) {
        return end(self, PYGEN_ERROR);
    }
    if (wire_turn_enter(self->state, self->fields[SESSION], self->fields[EVENT],
                        self->fields[OWNER]) < 0 ||
        (late = is_late(self)) < 0) {
        return hand_over(self, NULL, outcome);
    }
    if (late) {
        return hand_over(self, PyLong_FromLong(WIRE_TIMEOUT), outcome); /* where that is raised */
    }
    return take(self, PyObject_Call(self->fields[START], self->fields[ARGUMENTS], NULL), outcome);
}

/* Goes on after a wait. */
static PySendResult
resume(wire_drive *self, PyObject *mask, PyObject **outcome)
{
    const long ready = PyLong_AsLong(mask);

    if (ready == -1 && PyErr_Occurred()) {
        return hand_over(self, NULL, outcome);
    }
    if (ready & WIRE_TIMEOUT) {
        return hand_over(self, PyLong_FromLong(WIRE_TIMEOUT), outcome);
    }
    if (ready == 0) {
        return take(self, PyLong_FromLong(self->events), outcome);
    }
    if (Py_IS_TYPE(self->fields[RESUME], self->state->Channel)) {
        return take(self, wire_channel_resume((wire_channel *)self->fields[RESUME], mask), outcome);
    }
    return take(self, PyObject_CallOneArg(self->fields[RESUME], mask), outcome);
}

/* ---- The type ---------------------------------------------------------------------- */

static int
go_inside(wire_drive *self)
{
    if (atomic_exchange_explicit(&self->inside, 1, memory_order_acquire)) {
        PyErr_SetString(PyExc_ValueError, "the operation is being run already");
        return -1;
    }
    return 0;
}

static PySendResult
drive_am_send(wire_drive *self, PyObject *value, PyObject **outcome)
{
    PySendResult how = PYGEN_RETURN;

    *outcome = NULL;
    if (go_inside(self) < 0) {
        return PYGEN_ERROR;
    }
    switch (self->stage) {
    case NEW:
        how = begin(self, outcome);
        break;
    case WAITING:
        how = resume(self, value, outcome);
        break;
    case ELSEWHERE:
        how = go_on(self, value, outcome);
        break;
    case OVER:
        *outcome = Py_NewRef(Py_None);
    }
    self->inside = 0;
    return how;
}

static PyObject *
drive_send(wire_drive *self, PyObject *value)
{
    PyObject *outcome;
    const PySendResult how = drive_am_send(self, value, &outcome);

    return wire_as_generator(how, outcome);
}

static PyObject *
drive_next(wire_drive *self)
{
    return drive_send(self, Py_None);
}

static PyObject *
drive_throw(wire_drive *self, PyObject *const *arguments, Py_ssize_t count)
{
    PyObject *outcome = NULL; /* new */
    PySendResult how = PYGEN_ERROR;

    if (go_inside(self) < 0) {
        return NULL;
    }
    if (wire_raise_thrown(arguments, count) == 0) {
        if (self->stage == WAITING) {
            how = hand_over(self, NULL, &outcome);
        }
        else if (self->stage == ELSEWHERE) {
            PyObject *error = wire_take_exception(); /* new */
            outcome = PyObject_CallMethodOneArg(self->fields[REST], self->state->throw, error);
            how = outcome != NULL ? PYGEN_NEXT : end(self, PYGEN_ERROR);
            Py_DECREF(error);
        }
        else { /* nothing has begun, or all is over */
            end(self, PYGEN_ERROR);
        }
    }
    self->inside = 0;
    return wire_as_generator(how, outcome);
}

static PyObject *
drive_close(wire_drive *self, PyObject *Py_UNUSED(ignored))
{
    int status = 0;

    if (go_inside(self) < 0) {
        return NULL;
    }
    if (self->stage == ELSEWHERE) {
        PyObject *closed =
            PyObject_CallMethodNoArgs(self->fields[REST], self->state->close); /* new */
        status = closed == NULL ? -1 : 0;
        Py_XDECREF(closed);
    }
    if (self->stage == WAITING || status < 0) {
        status = abandon(self);
    }
    end(self, PYGEN_RETURN);
    self->inside = 0;
    return status < 0 ? NULL : Py_NewRef(Py_None);
}

/* Nobody runs it any more.  A generator sees to itself. */
static void
drive_finalize(PyObject *object)
{
    wire_drive *self = (wire_drive *)object;
    PyObject *before; /* new, or NULL: the exception of whoever let go of it */

    if (self->stage == WAITING) {
        self->stage = OVER;
        before = wire_take_exception();
        if (abandon(self) < 0) {
            PyErr_WriteUnraisable(object);
        }
        wire_set_exception(before);
    }
}

static int
drive_traverse(wire_drive *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    return wire_fields_traverse(self->fields, FIELDS, visit, arg);
}

static int
drive_clear(wire_drive *self)
{
    wire_fields_clear(self->fields, FIELDS);
    return 0;
}

static void
drive_dealloc(wire_drive *self)
{
    PyTypeObject *type = Py_TYPE(self);

    if (self->stage == WAITING && PyObject_CallFinalizerFromDealloc((PyObject *)self) < 0) {
        return;
    }
    PyObject_GC_UnTrack(self);
    drive_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

/* What runners ask a generator for, to know whether it has ended. */
static PyObject *
drive_frame(wire_drive *self, void *Py_UNUSED(closure))
{
    return Py_NewRef(self->stage == OVER ? Py_None : Py_True);
}

static PyMethodDef drive_methods[] = {
    {"send", (PyCFunction)drive_send, METH_O,
     PyDoc_STR("send($self, ready, /)\n--\n\nGo on after a wait.")},
    {"throw", (PyCFunction)(void (*)(void))drive_throw, METH_FASTCALL,
     PyDoc_STR("throw($self, error, value=None, traceback=None, /)\n--\n\n"
               "Go on with an exception.")},
    {"close", (PyCFunction)drive_close, METH_NOARGS,
     PyDoc_STR("close($self, /)\n--\n\nEnd it at once.")},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef drive_getset[] = {
    {"gi_frame", (getter)drive_frame, NULL, PyDoc_STR("None once it has ended."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot drive_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("An operation that drive() has made; as a generator.")},
    {Py_tp_dealloc, drive_dealloc},
    {Py_tp_finalize, drive_finalize},
    {Py_tp_traverse, drive_traverse},
    {Py_tp_clear, drive_clear},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, drive_next},
    {Py_am_send, drive_am_send},
    {Py_tp_methods, drive_methods},
    {Py_tp_getset, drive_getset},
    {0, NULL},
};

static PyType_Spec drive_spec = {
    .name = "mariadb_nb._wire.Drive",
    .basicsize = sizeof(wire_drive),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = drive_slots,
};

PyObject *
wire_drive_new(wire_state *state, PyObject *const *arguments, Py_ssize_t count)
{
    wire_drive *self;

    if (count < 5 || count > 7 || !PyTuple_Check(arguments[3])) {
        PyErr_SetString(PyExc_TypeError,
                        "drive() takes a session, an event, a function, a tuple, "
                        "another function, a deadline and a tuple or None");
        return NULL;
    }
    self = (wire_drive *)state->Drive->tp_alloc(state->Drive, 0);
    if (self == NULL) {
        return NULL;
    }
    self->state = state;
    for (Py_ssize_t i = 0; i <= OTHERWISE; i++) {
        self->fields[i] = Py_NewRef(i < count ? arguments[i] : Py_None);
    }
    return (PyObject *)self;
}

static PyObject *
drive(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    return wire_drive_new(PyModule_GetState(module), arguments, count);
}

static PyObject *
drive_with(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    wire_state *state = PyModule_GetState(module);

    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "drive_with() takes two functions");
        return NULL;
    }
    Py_XSETREF(state->go_on, Py_NewRef(arguments[0]));
    Py_XSETREF(state->is_late, Py_NewRef(arguments[1]));
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"drive", (PyCFunction)(void (*)(void))drive, METH_FASTCALL,
     PyDoc_STR("drive($module, session, event, start, arguments, resume, deadline=None,\n"
               "      otherwise=None, /)\n--\n\n"
               "Drive an operation to its end, whatever becomes of it.")},
    {"drive_with", (PyCFunction)(void (*)(void))drive_with, METH_FASTCALL,
     PyDoc_STR("drive_with($module, go_on, is_late, /)\n--\n\n"
               "Say how an operation goes on that is not usual, and what tells the time.")},
    {NULL, NULL, 0, NULL},
};

int
wire_add_drive(PyObject *module)
{
    wire_state *state = PyModule_GetState(module);

    state->Drive = (PyTypeObject *)PyType_FromModuleAndSpec(module, &drive_spec, NULL);
    if (state->Drive == NULL || PyModule_AddType(module, state->Drive) < 0) {
        return -1;
    }
    return PyModule_AddFunctions(module, functions);
}
