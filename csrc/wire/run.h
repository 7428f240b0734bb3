/*
 * run.h - what run.c and runner.c know of each other: an operation that is awaited on asyncio,
 * and the runner that has it resumed.
 */

#ifndef WIRE_RUN_H
#define WIRE_RUN_H

#include "record.h"

enum wire_runner_field {
    RUNNER_LOOP,
    RUNNER_CURRENT, /* the Run under way, or None */
    RUNNER_WAIT,    /* what it waits for, or None */
    RUNNER_USUAL,   /* the wait for which nothing has to be registered, or None */
    RUNNER_READS,   /* whether it waits until the connection's own descriptor can be read */
    RUNNER_ONCE,    /* what is registered for this wait alone, or None */
    RUNNER_ERROR,   /* the exception that the operation ended with, or None */
    RUNNER_INTERRUPTION,
    RUNNER_FIELDS
};

enum wire_run_stage {
    RUN_NEW,
    RUN_BEGINNING,
    RUN_WAITING,
    RUN_DONE, /* the operation has ended, which the task does not know yet */
    RUN_OVER
};

/* What a Run has; only the first two before it waits, and none once it is over. */
enum wire_run_field { RUN_RUNNER, RUN_OPERATION, RUN_WAKEUP, RUN_CONTEXT, RUN_OUTCOME, RUN_FIELDS };

typedef struct {
    PyObject_HEAD PyObject *fields[RUN_FIELDS];
    wire_state *state; /* of the module, which the type keeps */
    enum wire_run_stage stage;
    bool blocking; /* for the task: it was awaited, not yielded */
} wire_run;

/* What a runner's run() returns: new. */
PyObject *wire_run_new(wire_state *state, PyObject *runner, PyObject *operation);

/* Has the operation resumed when what it asks for is there; stolen.  Returns 0, or -1. */
int wire_runner_ask(const wire_state *state, PyObject *runner, PyObject *wait);
/* Calls a method of the runner; keeps an exception that is set.  Returns 0, or -1. */
int wire_runner_tell(PyObject *runner, PyObject *name);

#endif
