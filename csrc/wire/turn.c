/*
 * turn.c - how an operation begins and ends, as long as that is as usual: the type Turn.
 *
 * Owns what C looks at of a session, and changes.  What it means, and all that is not usual,
 * is in mariadb_nb.turns.
 */

#include "channel.h"
#include "record.h"

static PyMemberDef turn_members[] = {
    WIRE_MEMBER("state", TURN_STATE),
    WIRE_MEMBER("reader", TURN_READER),
    WIRE_MEMBER("queued", TURN_QUEUED),
    WIRE_MEMBER("as_new", TURN_AS_NEW),
    WIRE_MEMBER("_turn", TURN_TURN),
    WIRE_MEMBER("_ending", TURN_ENDING),
    WIRE_MEMBER("_status_is_old", TURN_STATUS_IS_OLD),
    WIRE_MEMBER("_channel", TURN_CHANNEL),
    WIRE_MEMBER("waits", TURN_WAITS),
    WIRE_MEMBER("statements", TURN_STATEMENTS),
    {NULL, 0, 0, 0, NULL},
};

/* Whether the turn is the owner's now, or was already; -1 with an exception. */
static int
take_turn(const wire_state *state, PyObject *session, PyObject *owner)
{
    PyObject *turn = wire_get(session, TURN_TURN); /* new */
    PyObject *has = NULL;                          /* new */

    if (turn == NULL || !PyDict_CheckExact(turn)) {
        Py_XDECREF(turn);
        return 0;
    }
#if PY_VERSION_HEX >= 0x030D0000
    PyDict_SetDefaultRef(turn, state->turn, owner, &has);
#else
    has = Py_XNewRef(PyDict_SetDefault(turn, state->turn, owner));
#endif
    Py_DECREF(turn);
    Py_XDECREF(has);
    return has == NULL ? -1 : has == owner;
}

int
wire_turn_enter(const wire_state *state, PyObject *session, PyObject *event, PyObject *owner)
{
    PyObject *entered; /* new */

    if (event == state->START && PyObject_TypeCheck(session, state->Turn) &&
        wire_is(session, TURN_QUEUED, Py_None)) {
        const int taken = take_turn(state, session, owner);
        if (taken < 0) {
            return -1;
        }
        if (taken && wire_is(session, TURN_STATE, state->READY)) {
            wire_set(session, TURN_STATE, state->BUSY);
            wire_set(session, TURN_AS_NEW, Py_False);
            wire_set(session, TURN_READER, Py_None);
            return 0;
        }
    }
    /* It says what is in the way; a turn that is the owner's already is no hindrance. */
    entered = PyObject_CallMethodObjArgs(session, state->enter, event, owner, NULL);
    Py_XDECREF(entered);
    return entered == NULL ? -1 : 0;
}

/* Whether nothing is left to read on a session's channel. */
static bool
is_through(const wire_state *state, PyObject *session)
{
    PyObject *channel = wire_get(session, TURN_CHANNEL); /* new */
    const bool through =
        channel != NULL && Py_IS_TYPE(channel, state->Channel) &&
        atomic_load_explicit(&((wire_channel *)channel)->standing, memory_order_relaxed) == 0;

    Py_XDECREF(channel);
    return through;
}

int
wire_turn_leave(const wire_state *state, PyObject *session)
{
    PyObject *left; /* new */

    if (!PyObject_TypeCheck(session, state->Turn) || !is_through(state, session)) {
        left = PyObject_CallMethodNoArgs(session, state->leave);
    }
    else {
        PyObject *turn = wire_get(session, TURN_TURN); /* new */
        PyObject *ending;                              /* new */
        int gone;
        wire_set(session, TURN_STATE, state->READY);
        wire_set(session, TURN_STATUS_IS_OLD, Py_False);
        gone = turn != NULL ? PyObject_DelItem(turn, state->turn) : 0;
        Py_XDECREF(turn);
        if (gone < 0 || wire_is(session, TURN_ENDING, Py_None)) {
            return gone;
        }
        ending = wire_get(session, TURN_ENDING); /* somebody has asked for it meanwhile */
        left = PyObject_CallMethodObjArgs(session, state->end, ending, NULL);
        Py_XDECREF(ending);
    }
    Py_XDECREF(left);
    return left == NULL ? -1 : 0;
}

int
wire_add_turn(PyObject *module)
{
    wire_state *state = PyModule_GetState(module);

    state->Turn = wire_add_record(module, "mariadb_nb._wire.Turn",
                                  PyDoc_STR("What C has to know of a session: see Turns."),
                                  TURN_FIELDS, turn_members, NULL);
    return state->Turn == NULL ? -1 : 0;
}
