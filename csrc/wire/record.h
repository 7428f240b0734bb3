/*
 * record.h - the objects of the driver whose attributes C reads as fields; and what the
 * files share that have the usual path of a statement: turn.c, drive.c and usual.c.
 *
 * A record is the base of a class in Python, which sees the fields as attributes and does
 * all that is not usual.  Nobody but the record owns what is in a field.
 */

#ifndef WIRE_RECORD_H
#define WIRE_RECORD_H

#include "wire.h"

#include <stdatomic.h>
#include <structmember.h>

typedef struct wire_record {
    PyObject_HEAD PyObject *fields[1]; /* owned, or NULL: there is no such attribute */
} wire_record;

#define WIRE_RECORD_SIZE(count) (offsetof(wire_record, fields) + (count) * sizeof(PyObject *))
#define WIRE_MEMBER(name, field) {name, T_OBJECT_EX, WIRE_RECORD_SIZE(field), 0, NULL}

/* Makes the type of a record and adds it to the module. */
PyTypeObject *wire_add_record(PyObject *module, const char *name, const char *doc, int count,
                              PyMemberDef *members, PyMethodDef *methods);

/* For objects that have more than fields.  An exception that is set stays set. */
int wire_fields_traverse(PyObject **fields, Py_ssize_t count, visitproc visit, void *arg);
void wire_fields_clear(PyObject **fields, Py_ssize_t count);

/* The exception that is set, which is none any more: new, or NULL. */
PyObject *wire_take_exception(void);
/* The same of one that came after another, which is its context then; that is stolen. */
PyObject *wire_take_exception_after(PyObject *before);
/* Sets it again as it was, NULL for none; stolen. */
void wire_set_exception(PyObject *error);

/* Sets the exception that throw() has been called with.  Returns 0, or -1: it was none. */
int wire_raise_thrown(PyObject *const *arguments, Py_ssize_t count);

/* What a method of generators returns, from what PyIter_Send() does, and the other way. */
PyObject *wire_as_generator(PySendResult how, PyObject *outcome);
PySendResult wire_as_sent(PyObject **outcome);

/* What is in a field: new, or NULL without an exception. */
static inline PyObject *
wire_get(PyObject *self, int field)
{
    PyObject *value;

    Py_BEGIN_CRITICAL_SECTION(self);
    value = Py_XNewRef(((wire_record *)self)->fields[field]);
    Py_END_CRITICAL_SECTION();
    return value;
}

/* Whether that is in a field: only looked at as an address. */
static inline bool
wire_is(PyObject *self, int field, const PyObject *value)
{
    return *(PyObject *volatile *)&((wire_record *)self)->fields[field] == value;
}

static inline void
wire_set(PyObject *self, int field, PyObject *value)
{
    PyObject *old;

    Py_INCREF(value);
    Py_BEGIN_CRITICAL_SECTION(self);
    old = ((wire_record *)self)->fields[field];
#ifdef Py_GIL_DISABLED
    atomic_thread_fence(memory_order_release); /* who reads an attribute takes no lock */
#endif
    ((wire_record *)self)->fields[field] = value;
    Py_END_CRITICAL_SECTION();
    Py_XDECREF(old); /* which may run code in Python */
}

/* What can be waited for, as mariadb_nb.wait has it. */
enum { WIRE_READ = 1, WIRE_WRITE = 2, WIRE_TIMEOUT = 8 };

/* ---- turn.c, drive.c -------------------------------------------------------------- */

enum wire_turn_field {
    TURN_STATE,
    TURN_READER,
    TURN_QUEUED,
    TURN_AS_NEW,
    TURN_TURN,
    TURN_ENDING,
    TURN_STATUS_IS_OLD,
    TURN_CHANNEL,
    TURN_WAITS,
    TURN_STATEMENTS,
    TURN_FIELDS
};

enum wire_cursor_field {
    CURSOR_SESSION,
    CURSOR_CONNECTION,
    CURSOR_READING,
    CURSOR_PREPARE,
    CURSOR_STREAM,
    CURSOR_CLOSED,
    CURSOR_LIVE,
    CURSOR_REPLY,
    CURSOR_ROWS,
    CURSOR_MANY,
    CURSOR_REPLIES,
    CURSOR_PLACE,
    CURSOR_INDEX,
    CURSOR_FIELDS
};

/* Begins an operation as Turns.enter() does, and ends it as leave() does: 0, or -1. */
int wire_turn_enter(const wire_state *state, PyObject *session, PyObject *event, PyObject *owner);
int wire_turn_leave(const wire_state *state, PyObject *session);

/* What drive() makes. */
PyObject *wire_drive_new(wire_state *state, PyObject *const *arguments, Py_ssize_t count);

#endif
