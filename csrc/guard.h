/*
 * guard.h - stands between the callers and the library: one operation per
 * MYSQL, and it is the one that was started.
 *
 * Every wrapped function enters, calls the library and leaves:
 *
 *     nb_call call;
 *     if (nb_enter(&call, &FUNCTION, mysql) < 0) {
 *         return the function's error value;
 *     }
 *     result = mysql_ping(mysql);
 *     nb_leave(&call, 0);
 *
 * nb_enter() looks the address up in the table of live handles and takes the
 * turn of its connection: a handle is used by one thread at a time, and a
 * second one is refused at once.  A refusal is remembered for the thread that
 * got it and the handle it was about; mysql_errno() and its like report it
 * until the next call on that handle that is let through.  The handle itself
 * is not touched, so the operation that waits is not disturbed.
 *
 * Nothing here knows Python: no function needs the interpreter, and all may be
 * called from any thread.
 */

#ifndef NB_GUARD_H
#define NB_GUARD_H

#include <mysql.h>
#include <stdbool.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum nb_kind { NB_NOTHING, NB_CONNECTION, NB_RESULT, NB_STATEMENT };

/* What a call does, from harmless to harmful. */
enum nb_rule {
    NB_LOOK,   /* reads what the handle knows: allowed while an operation waits */
    NB_CHANGE, /* changes the handle without the network: nothing may be waiting */
    NB_BLOCK,  /* may wait for the network: nothing may be waiting */
    NB_START,  /* starts an operation: nothing may be waiting */
    NB_CONT    /* goes on with the operation that was started */
};

/* What a function does beside that. */
enum nb_effect {
    /* of any handle */
    NB_FREES = 1 << 0, /* frees it: allowed after its connection is gone */

    /* of connections */
    NB_CONNECTS = 1 << 1,  /* opens it */
    NB_ENDS = 1 << 2,      /* closes it: allowed in a forked child */
    NB_CONNECTED = 1 << 3, /* needs one that was open once */
    NB_SECRET = 1 << 4,    /* has a password among its arguments */
    NB_SENDS = 1 << 5,     /* sends a statement and leaves the reply */
    NB_REPLIES = 1 << 6,   /* reads the head of a reply that was left */
    NB_DELIVERS = 1 << 7,  /* reads on in the reply that is being read */

    /* of statements */
    NB_PREPARES = 1 << 8,  /* makes it another statement */
    NB_FETCHES = 1 << 9,   /* reads a row, of its own or from memory */
    NB_STORES = 1 << 10,   /* reads its rows into memory */
    NB_NEXT = 1 << 11,     /* goes on to its next result */
    NB_SEEKS = 1 << 12,    /* moves among stored rows */
    NB_ROW = 1 << 13,      /* looks at the row that was fetched */
    NB_KEEPS = 1 << 14,    /* leaves its rows alone */
    NB_EXECUTES = 1 << 15, /* sends it and reads the head of the reply */
    NB_DIRECT = 1 << 16    /* prepares and executes it in one */
};

/* One non-blocking operation: the mysql_x of mysql_x_start and mysql_x_cont. */
typedef struct nb_operation {
    const char *name;
    /* Calls mysql_x_cont and throws away what it delivers. */
    int (*abandon)(void *handle, int status);
    bool frees; /* the handle that it was started with */
} nb_operation;

/* One wrapped function. */
typedef struct nb_function {
    const char *name;
    enum nb_kind kind;
    enum nb_rule rule;
    int effects;
    const nb_operation *operation; /* of NB_START and NB_CONT */
} nb_function;

typedef struct nb_handle nb_handle;

typedef struct nb_call {
    const nb_function *function;
    nb_handle *handle; /* what the function was called with */
    nb_handle *turn;   /* whose turn is taken: its connection, or itself */
    int restore;       /* the status that the connection gets back, or -1 */
    int replies;       /* how many more are owed after it */
    bool failed;       /* the statement was not executed */
} nb_call;

/* guard.c: calls */
int nb_enter(nb_call *call, const nb_function *function, const void *address);
void nb_leave(nb_call *call, int events);
void nb_leave_freed(nb_call *call);

/* guard_keep.c: copies of arguments */
const char *nb_keep(nb_call *call, const char *text, size_t length);
size_t nb_length(const char *text, unsigned long length);
void nb_drop_kept(nb_handle *connection, bool secret);

/* guard_handles.c: handles come and go */
int nb_add_connection(MYSQL *mysql);
MYSQL_RES *nb_add_result(nb_call *call, MYSQL_RES *result);
MYSQL_STMT *nb_add_statement(nb_call *call, MYSQL_STMT *stmt);
bool nb_is_connection(const MYSQL *mysql);
bool nb_statement_lives(const nb_call *call);
void nb_forget_connection(void);
long nb_live_connections(void);

/* guard_replies.c: whose rows are on their way */
bool nb_is_under_way(const nb_handle *connection);
int nb_check_connection(nb_call *call);
int nb_check_statement(nb_call *call);
int nb_check_result(nb_call *call);
void nb_settle_replies(nb_call *call);
void nb_owe(nb_call *call, int replies);
void nb_bound(nb_call *call);

/* guard.c: refusals */
int nb_refuse_on(nb_call *call, unsigned int code, const char *why);
void nb_forget_refusal(const void *address);
int nb_refuse(const nb_function *function, const void *address, unsigned int code, const char *why);
int nb_refuse_null(const nb_function *function, const void *address, const char *parameter);
unsigned int nb_refusal_code(const void *address);
const char *nb_refusal_text(const void *address);

/* guard_table.c: what nb_enter() looks handles up in */
struct nb_handle {
    const void *address;
    nb_handle *next;       /* in its bucket */
    nb_handle *connection; /* owned; NULL: the handle takes its own turn */
    nb_handle *statement;  /* owned; of the metadata of a statement */
    atomic_long references;
    atomic_int taken; /* a thread is inside a call */
    enum nb_kind kind;
    bool closed;  /* a connection or statement that is no more; its children keep this */
    bool foreign; /* made before a fork: it is the parent's */
    bool claimed; /* of a connection: its turn is taken from one call to the next */

    /* The rest belongs to whoever has the turn. */

    /* Of results. */
    bool stale; /* its rows are gone */

    /* Of statements, and of the metadata of one: how often it was prepared. */
    unsigned long epoch;

    /* Of statements. */
    unsigned long session;   /* of its connection when it was prepared; of a connection: the
                                number of its connects, before which all is void */
    bool stored;             /* its rows are in memory */
    bool row;                /* the last fetch got one */
    bool batches;            /* its last call sends two commands in one */
    bool in_sync;            /* when its last call began, it could be executed */
    bool reads_own;          /* or its own reply was under way */
    const MYSQL_BIND *bound; /* where its columns were bound, how many, and when */
    unsigned int bound_columns;
    unsigned long bound_epoch;

    /* Of connections. */
    const nb_operation *operation; /* that waits, or NULL */
    nb_handle *target;             /* what it was started with */
    int events;                    /* that it waits for */
    struct nb_chunk *kept;         /* the arguments of the operation */
    nb_handle *owner;              /* the statement whose reply is being read; NULL: a text one's */
    const void *reading;           /* the result of the last mysql_use_result() */
    unsigned int owed;             /* statements that were sent and whose replies were left */
    bool broken;                   /* the library would keep back what it is to send, for ever */
    bool tls;
    bool nonblocking; /* the socket is O_NONBLOCK */
    /* As of the last call; any thread may read them. */
    atomic_ulong thread_id;
    _Atomic(my_socket) fd;
    _Atomic(uint64_t) inode; /* of the socket: its number alone may be another's by now */
    atomic_uint server_status;
    _Atomic(const MARIADB_CHARSET_INFO *) charset; /* static; NULL: not connected */
    char database[]; /* NB_DATABASE_SIZE; "": none; guarded by the table's lock */
};

/* Room for the longest name of a database: 64 characters. */
#define NB_DATABASE_SIZE (64 * 4 + 1)

/* What any thread may know of a connection while another one uses it. */
typedef struct nb_peeked {
    my_socket fd;
    uint64_t inode;
    unsigned long thread_id;
} nb_peeked;

bool nb_table_peek(const void *address, nb_peeked *peeked);
void nb_table_lock(const nb_handle *handle);
void nb_table_unlock(const nb_handle *handle);
nb_handle *nb_table_find(enum nb_kind kind, const void *address);
nb_handle *nb_table_take(enum nb_kind kind, const void *address, nb_handle **turn,
                         const void **busy);
int nb_table_add(nb_handle *handle);
void nb_table_remove(nb_handle *handle);
void nb_table_each(void (*visit)(nb_handle *handle));
void nb_table_lock_all(void);
void nb_table_unlock_all(void);
void nb_release(nb_handle *handle);

/* guard_socket.c: the connection's file descriptor */
#define NB_NO_SOCKET ((my_socket)MARIADB_INVALID_SOCKET)
void nb_socket_settle(nb_handle *connection, bool connecting);
void nb_socket_nonblocking(nb_handle *connection, bool nonblocking);
void nb_socket_shutdown(my_socket fd);
bool nb_socket_cut(my_socket fd, uint64_t inode);
uint64_t nb_socket_inode(my_socket fd);
void nb_socket_hurry(MYSQL *mysql);
bool nb_is_nonblocking(MYSQL *mysql);

/* guard_facts.c: what any thread may know of a connection */
void nb_note_facts(nb_handle *connection);
void nb_forget_facts(nb_handle *connection);
void nb_copy_database(const nb_handle *connection, char copy[NB_DATABASE_SIZE]);

/* guard_tls.c: the errors that one connection leaves to the next */
void nb_tls_forget_errors(void);

/*
 * guard_claim.c: the turn of a connection for whoever steps the library itself.
 *
 * The driver's part in C (csrc/wire) does not go through the wrapped functions:
 * it takes the turn for as long as a statement and its reply last.  It is in
 * another extension module, so it gets these by pointer.
 */
enum nb_claim_result {
    NB_CLAIMED,
    NB_CLAIM_BUSY,      /* another call or claim has the turn */
    NB_CLAIM_SUSPENDED, /* an operation of the C API waits on it */
    NB_CLAIM_UNREAD,    /* a reply has not been read to its end */
    NB_CLAIM_FOREIGN,   /* it is the parent process's */
    NB_CLAIM_CLOSED     /* it is no more */
};

typedef struct nb_claims {
    size_t size; /* of this structure: both modules must be of one build */
    /* Finds an open connection; the caller owns the reference, NULL: there is none. */
    nb_handle *(*find)(const void *mysql);
    void (*release)(nb_handle *connection);
    /* Takes the turn of a connection, and gives it back. */
    enum nb_claim_result (*claim)(nb_handle *connection);
    void (*unclaim)(nb_handle *connection);
    /* Takes it for close(): an unread reply does not matter any more. */
    enum nb_claim_result (*claim_to_close)(nb_handle *connection);
    /* Before each step of whoever has the turn. */
    void (*prepare)(nb_handle *connection);
    /* Lets all threads know how it stands; the caller keeps the turn. */
    void (*note)(nb_handle *connection);
    /* Closes a connection without waiting; the caller has the turn, and nothing is suspended. */
    void (*close)(nb_handle *connection);
    /* Without the turn: ends every read and write on the socket; copies the database's name. */
    void (*cut)(nb_handle *connection);
    void (*copy_database)(const nb_handle *connection, char copy[NB_DATABASE_SIZE]);
} nb_claims;

extern const nb_claims nb_guard_functions;

/* guard_end.c: the end of an operation, of a connection, of a process */
bool nb_abandon(nb_handle *connection);
int nb_guard_init(void);

#endif
