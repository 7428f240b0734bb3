/*
 * channel.h - what channel.c, claim.c, step.c, facts.c and reply.c know of each other.
 */

#ifndef WIRE_CHANNEL_H
#define WIRE_CHANNEL_H

#include "wire.h"

#include "../guard.h"

/*
 * What one statement, or one of several in a text, was answered with.  A stream's is in
 * Python's hands before its rows have been read: until it is settled, only the channel's
 * call that is going on looks at the rest.
 */
typedef struct wire_reply {
    PyObject_HEAD MYSQL_RES *result; /* owned; its fields live as long as this; NULL: no rows */
    wire_plan *plan;                 /* owned; until the last row is there */
    PyObject *rows;                  /* owned: a list; NULL: no rows, or they stream */
    PyObject *columns;               /* owned; made when it is asked for */
    PyObject *info;                  /* owned; NULL: None */
    PyObject *changes;               /* owned; NULL: None */
    unsigned long long affected_rows;
    unsigned long long insert_id;
    unsigned int warning_count;
    unsigned int server_status;
    atomic_bool settled; /* from now on nothing changes, but for columns */
} wire_reply;

wire_reply *wire_reply_new(wire_state *state, MYSQL_RES *result);
int wire_reply_expect(wire_reply *reply, PyObject *reading, bool stream);
/* Notes how the statement ended.  Returns 0, or -1 with an exception. */
int wire_reply_settle(wire_reply *reply, MYSQL *mysql);
/* Sets the exception for the library's last error on the connection. */
void wire_raise(wire_state *state, MYSQL *mysql);

int wire_add_reply(PyObject *module);

/* ---- the type Channel -------------------------------------------------------- */

enum wire_phase {
    IDLE,    /* nothing is under way */
    QUERY,   /* mysql_real_query */
    NEXT,    /* mysql_next_result */
    ROWS,    /* mysql_fetch_row */
    BETWEEN, /* a result was read that streams, and more results follow */
};

/* How a channel stands after a call. */
enum wire_standing {
    WIRE_CLAIMED = 1,   /* a statement is not through */
    WIRE_BROKEN = 2,    /* only close() is of use any more */
    WIRE_STREAMING = 4, /* rows are left to fetch() */
    WIRE_MORE = 8,      /* another result is left for next() */
    WIRE_MIDWAY = 16    /* the last call is to be resumed */
};

typedef struct {
    PyObject_HEAD wire_state *state; /* of the module, which the type keeps */
    nb_handle *handle;               /* owned reference */
    atomic_int inside;               /* a call is going on */
    atomic_int standing;             /* WIRE_* bits as of the last call; any thread may read it */

    /* The rest belongs to the call that is going on. */

    MYSQL *mysql; /* NULL: closed */
    enum wire_phase phase;
    bool claimed;
    bool broken;
    bool midway;       /* the last call returned before it was through: resume() */
    bool stream;       /* rows are asked for in pieces */
    bool ended;        /* by an error that the next fetch() raises */
    bool discarding;   /* nobody wants the rest */
    int events;        /* what the suspended call waits for; 0: none is */
    Py_ssize_t wanted; /* how many rows, of a stream */
    PyObject *sql;     /* owned; the library has its address */
    PyObject *reading; /* owned */
    PyObject *replies; /* owned list; NULL for a stream */
    PyObject *piece;   /* owned list: rows of a stream */
    PyObject *failure; /* owned: the first exception */
    wire_reply *reply; /* owned: the one whose rows are being read */
    int status;        /* where mysql_x_cont puts its result */
    MYSQL_ROW row;
} wire_channel;

/* ---- claim.c ------------------------------------------------------------------ */

/* The guard's functions; set once, and the same for every interpreter. */
extern const nb_claims *wire_guard;

/* Takes the connection's turn for a statement and all its replies. */
int wire_claim(wire_channel *self);
/* Says why the turn is not to be had; returns -1. */
int wire_refuse_claim(wire_channel *self, enum nb_claim_result why);
int wire_add_claim(PyObject *module);

/* ---- step.c ------------------------------------------------------------------- */

/* Forgets the statement; the connection is ready for the next, or broken. */
void wire_finish(wire_channel *self);
PyObject *wire_raise_failure(wire_channel *self);
/* Goes on with the library's call that is suspended. */
int wire_resume_call(wire_channel *self, int ready);
void wire_start_next(wire_channel *self);
void wire_start_row(wire_channel *self);
/* Goes on for as long as the library need not wait; see channel.c. */
PyObject *wire_advance(wire_channel *self);

/* ---- facts.c ------------------------------------------------------------------ */

extern PyGetSetDef wire_channel_facts[];

#endif
