/*
 * channel.h - what channel.c, claim.c, step.c, text.c, execute.c, statement.c, pipeline.c,
 * infile.c, mode.c, facts.c and reply.c know of each other.
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
    PyObject_HEAD MYSQL_RES *result; /* owned; its fields live as long as this; NULL: no rows,
                                        or those of a prepared statement */
    wire_plan *plan;                 /* owned; until the last row is there */
    PyObject *rows;                  /* owned: a list; NULL: no rows, or they stream.  Of
                                        columns that stream: a batch without rows */
    PyObject *columns;               /* owned; made when it is asked for */
    PyObject *info;                  /* owned; NULL: None */
    PyObject *changes;               /* owned; NULL: None */
    unsigned long long affected_rows;
    unsigned long long insert_id;
    unsigned int warning_count;
    unsigned int server_status;
    bool has_rows;       /* set before anybody has the reply */
    uint64_t unsettled;  /* what it adds to the channel's epoch */
    bool tells_charset;  /* it tells in which character set statements are read from now on */
    atomic_bool settled; /* from now on nothing changes, but for columns */
} wire_reply;

/* What a change adds to the epoch after which statements may mean something else. */
#define WIRE_UNSETTLED ((uint64_t)1 << 32)

wire_reply *wire_reply_new(wire_state *state, MYSQL_RES *result);
/* Gets ready for rows, once there is a plan.  Returns 0, or -1 with an exception. */
int wire_reply_expect(wire_reply *reply, bool stream);
/* Notes how the statement ended.  Returns 0, or -1 with an exception. */
int wire_reply_settle(wire_reply *reply, MYSQL *mysql);
/* Sets the exception for the library's last error on the connection. */
void wire_raise(wire_state *state, MYSQL *mysql);

int wire_add_reply(PyObject *module);

/* ---- the types Statement and Bound ------------------------------------------------- */

typedef struct wire_channel wire_channel;

/* What is to be closed: a channel and its statements share it.  Any thread adds to it. */
typedef struct wire_dropped {
    atomic_long references;
    _Atomic(MYSQL_STMT *) first; /* each is linked to the next by user_data */
} wire_dropped;

wire_dropped *wire_dropped_new(void); /* NULL without memory */
/* Frees what a closed connection has left, each linked to the next. */
void wire_statements_free(MYSQL_STMT *first);
void wire_dropped_free(wire_dropped *dropped);
void wire_dropped_release(wire_dropped *dropped); /* NULL is fine */

/* A statement that the server has prepared.  Its parts belong to the channel's call. */
typedef struct wire_statement {
    PyObject_HEAD wire_dropped *dropped; /* owned reference; its channel has the same */
    MYSQL_STMT *stmt;                    /* owned, until this is dropped */
    PyObject *columns;  /* owned: a tuple as of its preparation; NULL: none; constant */
    Py_ssize_t markers; /* how many parameters the server counts; constant */
    bool is_load;       /* it may ask for a file; constant */
    int may_set;        /* bits of wire_setting; constant */
    PyObject *shown;    /* owned: the columns of its last result, or NULL */
    wire_plan *plan;    /* owned: for those columns, if it was used before; or NULL */
    bool pieces;        /* the server has pieces of parameters that were not executed */
    bool executed;      /* at least once */
} wire_statement;

/* Parameters as the library binds them; but for spent, never changed once they are made. */
typedef struct wire_bound {
    PyObject_VAR_HEAD atomic_bool spent; /* what is read piece by piece was read */
    bool sources;                        /* there is such a parameter: extension is its read() */
    MYSQL_BIND binds[];
} wire_bound;

/* Makes one that is not prepared yet; the caller has the claim. */
wire_statement *wire_statement_new(wire_channel *channel);
/* Describes the columns after the preparation.  Returns 0, or -1 with an exception. */
int wire_statement_prepared(wire_statement *self);
/* Gives a reply its columns and plan, for the rows that follow. */
int wire_statement_expect(wire_statement *self, wire_reply *reply, PyObject *reading);
/* Takes the plan back for the next time. */
void wire_statement_keep(wire_statement *self, wire_reply *reply);
int wire_add_statement(PyObject *module);

/* ---- the type Channel -------------------------------------------------------- */

enum wire_phase {
    IDLE,       /* nothing is under way */
    CLOSING,    /* mysql_stmt_close, before the command that was asked for */
    QUERY,      /* mysql_real_query */
    PREPARE,    /* mysql_stmt_prepare */
    RESET,      /* mysql_stmt_reset, to begin with */
    PIECE,      /* mysql_stmt_send_long_data */
    EXECUTE,    /* mysql_stmt_execute */
    NEXT,       /* mysql_next_result, mysql_stmt_next_result */
    ROWS,       /* mysql_fetch_row, mysql_stmt_fetch */
    BETWEEN,    /* a result was read that streams, and more results follow */
    SEND,       /* mysql_send_query */
    SEND_RESET, /* mysql_reset_connection, but for its reply */
    ANSWER,     /* mysql_read_query_result */
};

/* The calls that read replies; they differ between text and prepared statements. */
typedef struct wire_protocol {
    /* Each starts a call or goes on with it, and returns what it waits for. */
    int (*start_next)(wire_channel *self);
    int (*resume_next)(wire_channel *self, int ready);
    int (*start_row)(wire_channel *self);
    int (*resume_row)(wire_channel *self, int ready);
    /* Whether the row is there that was asked for: 0 at the end, -1 after an error. */
    int (*has_row)(wire_channel *self);
    /* Takes that row.  Returns 0, or -1 with an exception. */
    int (*take)(wire_channel *self, PyObject *rows);
    /* A reply to a head that has been read: NULL with an exception, or after an error
       of the library without. */
    wire_reply *(*reply)(wire_channel *self);
    /* Makes the plan for its rows.  Returns 0, or -1 with an exception. */
    int (*expect)(wire_channel *self);
    /* The reply's last row was read: whether another follows. */
    bool (*end)(wire_channel *self);
} wire_protocol;

extern const wire_protocol wire_text_protocol;
extern const wire_protocol wire_binary_protocol;

/* How a channel stands after a call. */
enum wire_standing {
    WIRE_CLAIMED = 1,   /* a statement is not through */
    WIRE_BROKEN = 2,    /* only close() is of use any more */
    WIRE_STREAMING = 4, /* rows are left to fetch() */
    WIRE_MORE = 8,      /* another result is left for next() */
    WIRE_MIDWAY = 16,   /* the last call is to be resumed */
    WIRE_AHEAD = 32,    /* more statements were sent than the one at work */
    WIRE_CURSOR = 64    /* what is left of a stream is kept by the server */
};

/* What a server gets that asks for a file in reply to this statement. */
typedef struct wire_infile {
    PyObject *bytes; /* owned; NULL: it is in the file */
    int file;        /* its descriptor, the caller's */
    long long at;    /* how far it has been read */
    int error;       /* why it could not be */
    bool given;      /* there is something */
    bool asked;      /* it was asked for */
    bool refused;    /* something was asked for that is not there */
} wire_infile;

struct wire_channel {
    PyObject_HEAD wire_state *state; /* of the module, which the type keeps */
    nb_handle *handle;               /* owned reference */
    atomic_int inside;               /* a call is going on */
    atomic_int standing;             /* WIRE_* bits as of the last call; any thread may read it */
    wire_dropped *dropped;           /* owned reference */
    _Atomic(uint64_t) epoch;         /* see facts.c */
    atomic_int mode;                 /* WIRE_* bits of a mode; any thread may read it */
    atomic_bool doubts_charset;      /* statements may be read in another one, unnoticed */
    bool takes_bulks;                /* the server does; never changes */

    /* The rest belongs to the call that is going on. */

    MYSQL *mysql; /* NULL: closed */
    enum wire_phase phase;
    bool tells_charset; /* the server does, where a statement changes it */
    bool claimed;
    bool broken;
    bool midway;                   /* the last call returned before it was through: resume() */
    bool stream;                   /* rows are asked for in pieces */
    bool ended;                    /* by an error that the next fetch() raises */
    bool discarding;               /* nobody wants the rest */
    int events;                    /* what the suspended call waits for; 0: none is */
    Py_ssize_t wanted;             /* how many rows, of a stream */
    const wire_protocol *protocol; /* in which the replies come */
    void (*command)(wire_channel *self); /* starts what was asked for, after CLOSING */
    MYSQL_STMT *closing;                 /* taken from dropped */
    MYSQL_STMT *gone;                    /* its close is under way */
    wire_statement *statement;           /* owned: the one that is prepared or executed */
    PyObject *bound;        /* owned: its parameters; the library has their addresses */
    unsigned long prefetch; /* rows of a server's cursor that are sent at once; 0: no cursor */
    Py_ssize_t parameter;   /* whose pieces are being sent */
    PyObject *chunk;        /* owned: such a piece; the library has its address */
    PyObject *sql;          /* owned: bytes or an ASCII str; the library has its address */
    PyObject *reading;      /* owned */
    PyObject *replies;      /* owned list; NULL for a stream */
    PyObject *piece;        /* owned: rows of a stream, in a list or a batch */
    PyObject *failure;      /* owned: the first exception */
    wire_reply *reply;      /* owned: the one whose rows are being read */
    wire_infile infile;
    int status;      /* where mysql_x_cont puts its result */
    my_bool refused; /* likewise, of mysql_stmt_close_cont, mysql_read_query_result_cont */
    MYSQL_ROW row;
    wire_packet ahead; /* the row of a prepared statement; start: NULL: a call has fetched it */

    /* Of a pipeline. */
    PyObject *statements;      /* owned tuple; NULL: it is none */
    PyObject *answers;         /* owned list: the caller's */
    Py_ssize_t sent;           /* the last one perhaps in part */
    Py_ssize_t answered;       /* to the end */
    size_t room;               /* how much more the kernel takes without waiting */
    size_t room_when_writable; /* and if its socket is writable */
};

/* ---- channel.c ------------------------------------------------------------------ */

/* One call at a time.  Ends in -1 with an exception, or in 0 and must be followed by
   wire_leave(). */
int wire_enter(wire_channel *self);
void wire_leave(wire_channel *self);

/* ---- claim.c ------------------------------------------------------------------ */

/* The guard's functions; set once, and the same for every interpreter. */
extern const nb_claims *wire_guard;

/* Takes the connection's turn for a statement and all its replies. */
int wire_claim(wire_channel *self);
/* Says why the turn is not to be had; returns -1. */
int wire_refuse_claim(wire_channel *self, enum nb_claim_result why);
int wire_add_claim(PyObject *module);

/* ---- step.c ------------------------------------------------------------------- */

/* Begins a command: closes what was dropped, starts it and advances. */
PyObject *wire_begin(wire_channel *self, void (*command)(wire_channel *self));
/* Forgets the statement; the connection is ready for the next, or broken. */
void wire_finish(wire_channel *self);
PyObject *wire_raise_failure(wire_channel *self);
/* All has been read: gives what came of it, or raises. */
PyObject *wire_complete(wire_channel *self);
/* The statement failed: raises the library's error, or an earlier one. */
PyObject *wire_fail(wire_channel *self);
/* Goes on with the library's call that is suspended. */
int wire_resume_call(wire_channel *self, int ready);
void wire_start_next(wire_channel *self);
void wire_start_row(wire_channel *self);
/* Goes on for as long as the library need not wait; see channel.c. */
PyObject *wire_advance(wire_channel *self);

/* ---- text.c -------------------------------------------------------------------- */

void wire_start_query(wire_channel *self);

/* The text of a statement: bytes, or a str that is ASCII. */
const char *wire_sql_text(PyObject *sql, size_t *length);
int wire_resume_query(wire_channel *self, int ready);

/* The method query(). */
extern const char wire_query_doc[];
PyObject *wire_channel_query(wire_channel *self, PyObject *const *arguments, Py_ssize_t count);

/* ---- execute.c ------------------------------------------------------------------- */

/* Whether there are statements that nobody has any more; then starts to close one. */
bool wire_take_dropped(wire_channel *self);
void wire_start_close(wire_channel *self);
int wire_resume_close(wire_channel *self, int ready);
int wire_resume_prepare(wire_channel *self, int ready);
int wire_resume_execute(wire_channel *self, int ready);
void wire_start_execute(wire_channel *self);
/* The same once the parameters are bound. */
void wire_send_execute(wire_channel *self);
/* Brings a statement's error to where the connection's own errors are. */
void wire_show_error(wire_channel *self);

/* Methods of Channel. */
extern const char wire_prepare_doc[];
extern const char wire_execute_doc[];
PyObject *wire_channel_prepare(wire_channel *self, PyObject *sql);
PyObject *wire_channel_resume(wire_channel *self, PyObject *argument);
PyObject *wire_channel_execute(wire_channel *self, PyObject *const *arguments, Py_ssize_t count);

/* ---- read_ahead.c -------------------------------------------------------------- */

/* Takes the next row of a prepared statement, if it is there; else it is to be fetched. */
bool wire_take_read_ahead(wire_channel *self);

/* ---- pieces.c ------------------------------------------------------------------ */

/* The next piece of what is read, as bytes; empty at the end. */
PyObject *wire_read_piece(const wire_state *state, PyObject *read, bool *text);
void wire_start_pieces(wire_channel *self);
int wire_resume_piece(wire_channel *self, int ready);
PyObject *wire_end_piece(wire_channel *self, int64_t until);
void wire_start_reset(wire_channel *self);
int wire_resume_reset(wire_channel *self, int ready);
PyObject *wire_end_reset(wire_channel *self, int64_t until);

/* ---- pipeline.c --------------------------------------------------------------- */

int wire_resume_send(wire_channel *self, int ready);
int wire_resume_send_reset(wire_channel *self, int ready);
int wire_resume_answer(wire_channel *self, int ready);
/* A statement has been sent, or answered.  Both return an outcome, or NULL to go on. */
PyObject *wire_pipeline_sent(wire_channel *self, int64_t until);
PyObject *wire_pipeline_answered(wire_channel *self);
/* The method pipeline(). */
PyObject *wire_channel_pipeline(wire_channel *self, PyObject *const *arguments, Py_ssize_t count);
extern const char wire_pipeline_doc[];
/* ---- infile.c ----------------------------------------------------------------- */

/* Lets nobody but the channel answer when the server asks for a file; NULL: nobody at all. */
void wire_infile_answer(MYSQL *mysql, wire_channel *channel);
/* Reads bytes, which are borrowed then, (descriptor, place) of a file, or None.  0, or -1. */
int wire_infile_read(PyObject *source, wire_infile *infile);
void wire_infile_forget(wire_channel *self);
/* Whether a word of the statement is LOAD. */
bool wire_is_load(PyObject *sql);
/* Whether the statement got what it asked for, and asked for what it was given.  0 or -1. */
int wire_infile_check(wire_channel *self);

/* ---- mode.c -------------------------------------------------------------------- */

/* What a statement may set. */
enum wire_setting { WIRE_SETS_MODE = 1, WIRE_SETS_CHARSET = 2 };

int wire_may_set(PyObject *sql);
/* Notes what a reply says of these, at its end. */
void wire_note_settings(wire_channel *self);
/* The statement failed: notes that they may be others by now. */
void wire_doubt_settings(wire_channel *self);
/* The method trust_charset(). */
extern const char wire_trust_charset_doc[];
PyObject *wire_channel_trust_charset(PyObject *self, PyObject *ignored);

/* ---- facts.c ------------------------------------------------------------------ */

extern PyGetSetDef wire_channel_facts[];
/* What the server said when it was connected: for when a Channel is made. */
bool wire_server_takes_bulks(MYSQL *mysql);

#endif
