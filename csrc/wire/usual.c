/*
 * usual.c - a cursor executes a statement that is prepared already: the usual path.
 *
 * Owns the question whether all is as usual, and the operation if it is.  What is to be done
 * otherwise is in mariadb_nb._cursor, which asks here first; nothing has changed then.
 */

#include "channel.h"
#include "record.h"
#include "template.h"

/* ---- What is looked at --------------------------------------------------------------- */

enum { KNOWN_EPOCH, KNOWN_ENTRIES, KNOWN_ORDER, KNOWN_FIELDS };

static PyMemberDef known_members[] = {
    WIRE_MEMBER("epoch", KNOWN_EPOCH),
    WIRE_MEMBER("entries", KNOWN_ENTRIES),
    WIRE_MEMBER("order", KNOWN_ORDER),
    {NULL, 0, 0, 0, NULL},
};

enum { ENTRY_AUTOMATIC, ENTRY_TEMPLATE, ENTRY_STATEMENT, ENTRY_USED, ENTRY_FIELDS };

static PyMemberDef entry_members[] = {
    WIRE_MEMBER("automatic", ENTRY_AUTOMATIC),
    WIRE_MEMBER("template", ENTRY_TEMPLATE),
    WIRE_MEMBER("statement", ENTRY_STATEMENT),
    WIRE_MEMBER("used", ENTRY_USED),
    {NULL, 0, 0, 0, NULL},
};

/* ---- Whether all is as usual ---------------------------------------------------------- */

/* What a cursor is to do, and what that takes; all owned, NULL: not known yet. */
typedef struct {
    PyObject *cursor, *sql, *params, *timeout; /* borrowed: the arguments */
    PyObject *session, *channel, *connection, *statements, *entry, *template, *statement;
    PyObject *bound, *deadline;
} task;

/* Whether the session is ready for a statement, on a channel that is not a test's. */
static bool
is_ready(const wire_state *state, task *todo)
{
    todo->session = wire_get(todo->cursor, CURSOR_SESSION);
    if (todo->session == NULL || !PyObject_TypeCheck(todo->session, state->Turn) ||
        !wire_is(todo->session, TURN_STATE, state->READY)) {
        return 0;
    }
    todo->channel = wire_get(todo->session, TURN_CHANNEL);
    todo->statements = wire_get(todo->session, TURN_STATEMENTS);
    return todo->channel != NULL && Py_IS_TYPE(todo->channel, state->Channel) &&
           todo->statements != NULL && PyObject_TypeCheck(todo->statements, state->Known);
}

/* Whether nothing was told since the statements were looked at last. */
static int
is_up_to_date(const task *todo)
{
    PyObject *noted = wire_get(todo->statements, KNOWN_EPOCH); /* new */
    const uint64_t epoch =
        atomic_load_explicit(&((wire_channel *)todo->channel)->epoch, memory_order_relaxed);
    unsigned long long number;

    if (noted == NULL) {
        return 0;
    }
    number = PyLong_AsUnsignedLongLongMask(noted); /* -1, if it is not known: never reached */
    Py_DECREF(noted);
    return PyErr_Occurred() ? -1 : number == epoch;
}

/* Whether the statement is prepared and may be executed as it is; -1 with an exception. */
static int
is_prepared(const wire_state *state, task *todo)
{
    PyObject *entries = wire_get(todo->statements, KNOWN_ENTRIES); /* new */

#if PY_VERSION_HEX >= 0x030D0000
    if (entries != NULL && PyDict_GetItemRef(entries, todo->sql, &todo->entry) < 0) {
        Py_DECREF(entries);
        return -1;
    }
#else
    todo->entry = entries != NULL ? Py_XNewRef(PyDict_GetItemWithError(entries, todo->sql)) : NULL;
#endif
    Py_XDECREF(entries);
    if (todo->entry == NULL || !PyObject_TypeCheck(todo->entry, state->Entry)) {
        return PyErr_Occurred() ? -1 : 0;
    }
    todo->template = wire_get(todo->entry, ENTRY_TEMPLATE);
    todo->statement = wire_get(todo->entry, ENTRY_STATEMENT);
    return wire_is(todo->entry, ENTRY_AUTOMATIC, Py_True) && todo->template != NULL &&
           Py_IS_TYPE(todo->template, state->Template) && todo->statement != NULL &&
           Py_IS_TYPE(todo->statement, state->Statement) &&
           (todo->params != Py_None || ((wire_template *)todo->template)->count == 0);
}

/* Whether all is as usual; -1 with an exception.  prepare: what the application wants. */
static int
is_usual(const wire_state *state, task *todo, PyObject *prepare)
{
    int usual;

    if (!PyObject_TypeCheck(todo->cursor, state->CursorFields) ||
        !PyUnicode_CheckExact(todo->sql) || prepare == Py_False ||
        (prepare == Py_None && wire_is(todo->cursor, CURSOR_PREPARE, Py_False)) ||
        !wire_is(todo->cursor, CURSOR_CLOSED, Py_False) ||
        !wire_is(todo->cursor, CURSOR_STREAM, Py_False) ||
        /* It may be doubtful how the server reads a backslash. */
        PyUnicode_FindChar(todo->sql, '\\', 0, PyUnicode_GET_LENGTH(todo->sql), 1) != -1 ||
        !is_ready(state, todo)) {
        return 0;
    }
    todo->connection = wire_get(todo->cursor, CURSOR_CONNECTION);
    if (todo->connection == NULL || (usual = is_up_to_date(todo)) == 0) {
        return 0;
    }
    return usual < 0 ? -1 : is_prepared(state, todo);
}

/* ---- What is done ---------------------------------------------------------------------- */

/* Counts the execution, as Preparing.chosen() does.  Returns 0, or -1 with an exception. */
static int
count_execution(const task *todo)
{
    PyObject *before = wire_get(todo->statements, KNOWN_ORDER); /* new */
    const long long number = before != NULL ? PyLong_AsLongLong(before) : 0;
    PyObject *order = PyErr_Occurred() ? NULL : PyLong_FromLongLong(number + 1); /* new */

    Py_XDECREF(before);
    if (order == NULL) {
        return -1;
    }
    wire_set(todo->statements, KNOWN_ORDER, order);
    wire_set(todo->entry, ENTRY_USED, order);
    Py_DECREF(order);
    return 0;
}

/* Binds the parameters, if there are any; None if they can only be written.  0, or -1. */
static int
bind_parameters(const wire_state *state, task *todo)
{
    PyObject *encoders; /* new */

    if (todo->params == Py_None) {
        todo->bound = Py_NewRef(Py_None);
        return 0;
    }
    encoders = PyObject_GetAttr(todo->connection, state->encoders);
    if (encoders != NULL) {
        todo->bound =
            PyObject_CallMethodObjArgs(todo->template, state->bind, todo->params, encoders, NULL);
    }
    Py_XDECREF(encoders);
    return todo->bound == NULL ? -1 : 0;
}

/* Whether they can be sent with the statement as they are. */
static bool
is_bound(const wire_state *state, const task *todo)
{
    return todo->params == Py_None ||
           (Py_IS_TYPE(todo->bound, state->Bound) && !((wire_bound *)todo->bound)->sources);
}

/* Finds out when the operation has to be over.  Returns 0, or -1 with an exception. */
static int
find_deadline(const wire_state *state, task *todo)
{
    PyObject *timeout = todo->timeout == state->UNSET
                            ? PyObject_GetAttr(todo->connection, state->timeout)
                            : Py_NewRef(todo->timeout); /* new */

    if (timeout == NULL) {
        return -1;
    }
    todo->deadline = timeout == Py_None ? Py_NewRef(Py_None)
                                        : PyObject_CallMethodOneArg(todo->connection,
                                                                    state->deadline, todo->timeout);
    Py_DECREF(timeout);
    return todo->deadline == NULL ? -1 : 0;
}

/* Forgets the cursor's last results, as Results._forget() does. */
static void
forget(const wire_state *state, const task *todo)
{
    wire_set(todo->cursor, CURSOR_REPLY, Py_None);
    wire_set(todo->cursor, CURSOR_ROWS, Py_None);
    wire_set(todo->cursor, CURSOR_MANY, Py_None);
    wire_set(todo->cursor, CURSOR_LIVE, Py_False);
    wire_set(todo->cursor, CURSOR_PLACE, state->zero);
    wire_set(todo->cursor, CURSOR_INDEX, state->zero);
}

/* Whether code in Python, of an encoder or of what was a row, has left all as it was. */
static bool
is_as_before(const wire_state *state, const task *todo)
{
    return wire_is(todo->session, TURN_STATE, state->READY) &&
           wire_is(todo->session, TURN_CHANNEL, todo->channel) &&
           wire_is(todo->entry, ENTRY_STATEMENT, todo->statement);
}

/* The operation: new. */
static PyObject *
make(wire_state *state, task *todo)
{
    PyObject *reading = wire_get(todo->cursor, CURSOR_READING);       /* new */
    PyObject *unless = PyObject_GetAttr(todo->cursor, state->unless); /* new */
    PyObject *arguments = NULL;                                       /* new */
    PyObject *otherwise = NULL;                                       /* new */
    PyObject *operation = NULL;                                       /* new */

    if (reading != NULL && unless != NULL) {
        arguments = PyTuple_Pack(5, todo->channel, todo->statement, todo->bound, reading, Py_False);
        otherwise = PyTuple_Pack(6, unless, todo->cursor, todo->entry, todo->sql, todo->params,
                                 todo->deadline);
    }
    if (arguments != NULL && otherwise != NULL) {
        PyObject *const all[] = {todo->session, state->START,  state->execute_channel,
                                 arguments,     todo->channel, todo->deadline,
                                 otherwise};
        operation = wire_drive_new(state, all, 7);
    }
    Py_XDECREF(reading);
    Py_XDECREF(unless);
    Py_XDECREF(arguments);
    Py_XDECREF(otherwise);
    return operation;
}

/*
 * Leaves to Python what cannot be sent as it is.  It is not bound a second time: what a
 * parameter is read from may have been read from already.
 */
static PyObject *
execute_bound(const wire_state *state, const task *todo, PyObject *prepare)
{
    PyObject *asked =
        prepare == Py_None ? wire_get(todo->cursor, CURSOR_PREPARE) : Py_NewRef(prepare); /* new */
    PyObject *operation;                                                                  /* new */

    operation =
        PyObject_CallMethodObjArgs(todo->cursor, state->execute_bound, todo->sql, todo->params,
                                   todo->timeout, asked, todo->entry, todo->bound, NULL);
    Py_XDECREF(asked);
    return operation;
}

/* The operation that executes what was chosen: new. */
static PyObject *
execute(wire_state *state, task *todo, PyObject *prepare)
{
    if (count_execution(todo) < 0 || bind_parameters(state, todo) < 0) {
        return NULL;
    }
    if (is_bound(state, todo)) {
        if (find_deadline(state, todo) < 0) {
            return NULL;
        }
        forget(state, todo);
        if (is_as_before(state, todo)) {
            return make(state, todo);
        }
    }
    return execute_bound(state, todo, prepare);
}

static PyObject *
execution(PyObject *module, PyObject *const *arguments, Py_ssize_t given)
{
    wire_state *state = PyModule_GetState(module);
    PyObject *operation = NULL; /* new */
    task todo = {.cursor = NULL};
    int usual;

    if (given != 5) {
        PyErr_SetString(PyExc_TypeError,
                        "execution() takes a cursor, a statement, parameters, a "
                        "timeout and whether to prepare it");
        return NULL;
    }
    todo.cursor = arguments[0];
    todo.sql = arguments[1];
    todo.params = arguments[2];
    todo.timeout = arguments[3];
    usual = is_usual(state, &todo, arguments[4]);
    if (usual == 0) {
        operation = Py_NewRef(Py_None);
    }
    else if (usual > 0) {
        operation = execute(state, &todo, arguments[4]);
    }
    Py_XDECREF(todo.session);
    Py_XDECREF(todo.channel);
    Py_XDECREF(todo.connection);
    Py_XDECREF(todo.statements);
    Py_XDECREF(todo.entry);
    Py_XDECREF(todo.template);
    Py_XDECREF(todo.statement);
    Py_XDECREF(todo.bound);
    Py_XDECREF(todo.deadline);
    return operation;
}

static PyMethodDef functions[] = {
    {"execution", (PyCFunction)(void (*)(void))execution, METH_FASTCALL,
     PyDoc_STR("execution($module, cursor, sql, params, timeout, prepare, /)\n--\n\n"
               "The operation of a cursor that executes what is prepared; None if that is not\n"
               "all there is to it.")},
    {NULL, NULL, 0, NULL},
};

int
wire_add_usual(PyObject *module)
{
    wire_state *state = PyModule_GetState(module);

    state->Known = wire_add_record(module, "mariadb_nb._wire.StatementsFields",
                                   PyDoc_STR("What C has to know of Statements."), KNOWN_FIELDS,
                                   known_members, NULL);
    state->Entry = wire_add_record(module, "mariadb_nb._wire.EntryFields",
                                   PyDoc_STR("What C has to know of an Entry."), ENTRY_FIELDS,
                                   entry_members, NULL);
    if (state->Known == NULL || state->Entry == NULL) {
        return -1;
    }
    state->execute_channel = PyObject_GetAttr((PyObject *)state->Channel, state->execute);
    state->zero = PyLong_FromLong(0);
    state->UNSET = PyObject_CallNoArgs((PyObject *)&PyBaseObject_Type);
    if (state->execute_channel == NULL || state->zero == NULL || state->UNSET == NULL ||
        PyModule_AddObjectRef(module, "UNSET", state->UNSET) < 0) {
        return -1;
    }
    return PyModule_AddFunctions(module, functions);
}
