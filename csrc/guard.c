/*
 * guard.c - whether a call may go ahead, and the refusal when it may not.
 *
 * Owns the rules: what each kind of call needs of its handle (guard.h lists
 * the kinds), what a finished or suspended call leaves behind, the copies of
 * the arguments of an operation, and the refusals.
 */

#include "guard.h"

#include <errmsg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef _MSC_VER
#define NB_THREAD_LOCAL __declspec(thread)
#else
#define NB_THREAD_LOCAL _Thread_local
#endif

/* ---- Refusals ----------------------------------------------------------- */

/* The last refusal of this thread: code 0 when there is none. */
static NB_THREAD_LOCAL struct {
    const void *address;    /* the handle of the refused call */
    const void *connection; /* and its connection, so that mysql_errno() tells too */
    unsigned int code;
    char text[256];
} refusal;

/* Remembers why a call is refused.  Always returns -1. */
int
nb_refuse(const nb_function *function, const void *address, unsigned int code, const char *why)
{
    refusal.address = address;
    refusal.connection = NULL;
    refusal.code = code;
    snprintf(refusal.text, sizeof(refusal.text), "%s() refused: %s", function->name, why);
    return -1;
}

int
nb_refuse_null(const nb_function *function, const void *address, const char *parameter)
{
    char why[64];

    snprintf(why, sizeof(why), "%s is NULL", parameter);
    return nb_refuse(function, address, CR_INVALID_PARAMETER, why);
}

/* The code of this thread's refusal if it was about this handle, or 0. */
unsigned int
nb_refusal_code(const void *address)
{
    bool mine = refusal.address == address || (address != NULL && refusal.connection == address);
    return mine ? refusal.code : 0;
}

const char *
nb_refusal_text(const void *address)
{
    return nb_refusal_code(address) ? refusal.text : "";
}

/* ---- The copies of an operation's arguments ------------------------------- */

/*
 * The library keeps the pointers that a _start was given until the operation
 * is over.  A Python caller's bytes are gone by then, so it gets copies.
 */
struct nb_chunk {
    struct nb_chunk *next;
    size_t size;
    size_t used;
    char data[];
};

#define FIRST_CHUNK 480 /* kept between operations: enough for most statements */

/* The length of a statement: for 0 and -1 the library looks for its NUL. */
size_t
nb_length(const char *text, unsigned long length)
{
    return length == 0 || length == (unsigned long)-1 ? strlen(text) : length;
}

/* Copies an argument for the running operation.  NULL: no memory, refused. */
const char *
nb_keep(nb_call *call, const char *text, size_t length)
{
    struct nb_chunk *chunk = call->turn->kept;

    if (text == NULL) {
        return NULL;
    }
    if (chunk == NULL || chunk->size - chunk->used <= length) {
        size_t size = length < FIRST_CHUNK ? FIRST_CHUNK : length + 1;
        chunk = length < SIZE_MAX / 2 ? malloc(sizeof(*chunk) + size) : NULL;
        if (chunk == NULL) {
            nb_refuse(call->function, call->handle->address, CR_OUT_OF_MEMORY,
                      "no memory for a copy of its arguments");
            return NULL;
        }
        chunk->next = call->turn->kept;
        chunk->size = size;
        chunk->used = 0;
        call->turn->kept = chunk;
    }
    char *copy = chunk->data + chunk->used;
    memcpy(copy, text, length);
    copy[length] = '\0';
    chunk->used += length + 1;
    return copy;
}

/* Forgets the copies; one small chunk stays for the next operation. */
static void
drop_kept(nb_handle *connection, bool secret)
{
    struct nb_chunk *chunk = connection->kept;

    connection->kept = NULL;
    while (chunk != NULL) {
        struct nb_chunk *next = chunk->next;
        if (secret) {
            /* Volatile: the compiler must not think this useless. */
            volatile char *byte = chunk->data;
            for (size_t i = 0; i < chunk->used; i++) {
                byte[i] = 0;
            }
        }
        if (connection->kept == NULL && chunk->size == FIRST_CHUNK && !connection->closed) {
            chunk->used = 0;
            chunk->next = NULL;
            connection->kept = chunk;
        }
        else {
            free(chunk);
        }
        chunk = next;
    }
}

/* ---- Handles come ------------------------------------------------------- */

static nb_handle *
add(enum nb_kind kind, const void *address, nb_handle *connection, nb_handle *statement)
{
    nb_handle *handle = calloc(1, sizeof(*handle));

    if (handle == NULL) {
        return NULL;
    }
    handle->address = address;
    handle->kind = kind;
    atomic_init(&handle->references, 1);
    atomic_init(&handle->taken, 0);
    atomic_init(&handle->fd, NB_NO_SOCKET);
    if (connection != NULL) {
        atomic_fetch_add(&connection->references, 1);
        handle->connection = connection;
    }
    if (statement != NULL) {
        atomic_fetch_add(&statement->references, 1);
        handle->statement = statement;
    }
    if (nb_table_add(handle) < 0) {
        nb_release(handle);
        return NULL;
    }
    return handle;
}

static atomic_long live_connections;

int
nb_add_connection(MYSQL *mysql)
{
    if (add(NB_CONNECTION, mysql, NULL, NULL) == NULL) {
        return -1;
    }
    atomic_fetch_add(&live_connections, 1);
    return 0;
}

long
nb_live_connections(void)
{
    return atomic_load(&live_connections);
}

bool
nb_is_connection(const MYSQL *mysql)
{
    nb_handle *turn;
    bool busy;
    nb_handle *handle = nb_table_take(NB_CONNECTION, mysql, &turn, &busy);

    if (handle != NULL) {
        atomic_store_explicit(&turn->taken, 0, memory_order_release);
    }
    return handle != NULL || busy;
}

/*
 * A function has delivered a result: rows that are still on their way belong
 * to the connection, the metadata of a statement to the statement, and a
 * stored result to nobody.  Returns it, or NULL without memory.
 */
MYSQL_RES *
nb_add_result(nb_call *call, MYSQL_RES *result)
{
    nb_handle *connection = NULL;
    nb_handle *statement = NULL;

    if (result == NULL) {
        return NULL;
    }
    if (call->handle->kind == NB_STATEMENT) {
        statement = call->handle;
    }
    else if (result->handle != NULL) {
        connection = call->turn;
    }
    if (add(NB_RESULT, result, connection, statement) == NULL) {
        /* Freeing a mysql_use_result() here would wait: cut it off instead. */
        nb_refuse(call->function, call->handle->address, CR_OUT_OF_MEMORY,
                  "no memory to keep track of the result");
        result->handle = NULL;
        mysql_free_result(result);
        return NULL;
    }
    if (connection != NULL) {
        connection->reading = result;
    }
    return result;
}

/*
 * Whether mysql_stmt_close() left its statement alone: it does when another
 * statement has rows to fetch.  Its result does not tell; the list of the
 * connection's statements does.
 */
bool
nb_statement_lives(const nb_call *call)
{
    if (call->turn->closed) {
        return false;
    }
    for (LIST *item = ((MYSQL *)call->turn->address)->stmts; item != NULL; item = item->next) {
        if (item->data == call->handle->address) {
            return true;
        }
    }
    return false;
}

MYSQL_STMT *
nb_add_statement(nb_call *call, MYSQL_STMT *stmt)
{
    if (stmt != NULL && add(NB_STATEMENT, stmt, call->turn, NULL) == NULL) {
        nb_refuse(call->function, call->handle->address, CR_OUT_OF_MEMORY,
                  "no memory to keep track of the statement");
        mysql_stmt_close(stmt);
        return NULL;
    }
    return stmt;
}

/* ---- The rules ------------------------------------------------------------ */

/* Refuses, and lets the connection's mysql_errno() tell too. */
static int
refuse_on(nb_call *call, unsigned int code, const char *why)
{
    nb_refuse(call->function, call->handle->address, code, why);
    refusal.connection = call->turn->address;
    return -1;
}

/* Whether a result may be used: its rows, or the fields of its statement. */
static int
check_result(nb_call *call)
{
    nb_handle *handle = call->handle;
    MYSQL_RES *result = (MYSQL_RES *)handle->address;
    bool frees = call->function->effects & NB_FREES;

    if (handle->connection != NULL && (call->turn->closed || call->turn->reading != result)) {
        if (result->handle != NULL) {
            /* Its rows are gone; what comes on the connection is another's. */
            result->handle = NULL;
            handle->stale = true;
        }
        if (handle->stale && !frees && call->function->rule >= NB_BLOCK) {
            return refuse_on(call, CR_COMMANDS_OUT_OF_SYNC,
                             "the rest of its rows is gone: its connection was closed, reset or "
                             "put to other use");
        }
    }
    if (handle->statement != NULL && !frees) {
        /* Borrowed fields: gone with the statement, or replaced by it. */
        nb_handle *turn;
        bool busy;
        nb_handle *parent = nb_table_take(NB_STATEMENT, handle->statement->address, &turn, &busy);
        bool usable = parent == handle->statement &&
                      ((MYSQL_STMT *)parent->address)->fields == result->fields;
        if (parent != NULL) {
            atomic_store_explicit(&turn->taken, 0, memory_order_release);
        }
        if (!usable) {
            return refuse_on(call, CR_COMMANDS_OUT_OF_SYNC,
                             busy ? "another thread is using its statement"
                                  : "its statement was closed or prepared anew");
        }
    }
    return 0;
}

/*
 * Whether rows are on their way to somebody else.  The library checks that in
 * some calls only, and not in all releases; the others eat those rows, crash
 * at the next fetch or wait for ever.
 */
static bool
has_rows_of_another(nb_call *call)
{
    MYSQL *mysql = (MYSQL *)call->turn->address;

    return mysql->net.pvio != NULL && mysql->status != MYSQL_STATUS_READY &&
           call->turn->reading != call->handle->address;
}

static int
check_statement(nb_call *call)
{
    const nb_function *function = call->function;
    MYSQL_STMT *stmt = (MYSQL_STMT *)call->handle->address;

    if (function->rule == NB_LOOK) {
        return 0;
    }
    if (stmt->mysql == NULL) {
        if (function->effects & NB_FREES) {
            return 0;
        }
        return refuse_on(
            call, CR_STMT_CLOSED,
            "its connection was closed or reset; mysql_stmt_close() it and prepare it again");
    }
    if (function->rule >= NB_BLOCK && !(function->effects & NB_READS) &&
        has_rows_of_another(call)) {
        return refuse_on(
            call, CR_COMMANDS_OUT_OF_SYNC,
            "rows of another statement or result are on their way; fetch or free those first");
    }
    return 0;
}

static int
refuse_out_of_turn(nb_call *call)
{
    const nb_operation *waiting = call->turn->operation;
    char why[200];

    if (waiting == NULL) {
        snprintf(why, sizeof(why), "no %s_start() is waiting", call->function->operation->name);
    }
    else {
        snprintf(why, sizeof(why),
                 "%s_start() %s waiting; go on with its %s_cont() until that returns 0",
                 waiting->name,
                 call->function->rule == NB_CONT && waiting == call->function->operation
                     ? "of another handle is"
                     : "is",
                 waiting->name);
    }
    return refuse_on(call, CR_COMMANDS_OUT_OF_SYNC, why);
}

/* Whether the library could suspend the operation: it crashes if it cannot. */
static int
check_start(nb_call *call)
{
    MYSQL *mysql = call->handle->kind == NB_RESULT ? ((MYSQL_RES *)call->handle->address)->handle
                   : call->handle->kind == NB_STATEMENT
                       ? ((MYSQL_STMT *)call->handle->address)->mysql
                       : (MYSQL *)call->handle->address;

    if (mysql == NULL || nb_is_nonblocking(mysql)) {
        return 0;
    }
    return refuse_on(call, CR_ASYNC_NOT_SUPPORTED,
                     "MYSQL_OPT_NONBLOCK is not set; set it with mysql_options(mysql, "
                     "MYSQL_OPT_NONBLOCK, NULL)");
}

/*
 * Whether the last reply has been read.  The library checks that too, but
 * only after it has freed the columns of the unread result: from then on the
 * rows cannot be fetched and nothing else can be sent.
 */
static int
check_reply_was_read(nb_call *call)
{
    MYSQL *mysql = (MYSQL *)call->turn->address;

    if (mysql->net.pvio != NULL &&
        (mysql->status != MYSQL_STATUS_READY || mysql->server_status & SERVER_MORE_RESULTS_EXIST)) {
        return refuse_on(call, CR_COMMANDS_OUT_OF_SYNC,
                         "the last result has not been read; fetch its rows, free it and call "
                         "mysql_next_result() first");
    }
    return 0;
}

static int
check(nb_call *call)
{
    const nb_function *function = call->function;
    nb_handle *turn = call->turn;

    if (function->effects & NB_ENDS && function->rule != NB_CONT) {
        return 0;
    }
    if (turn->foreign && !(function->effects & (NB_FREES | NB_ENDS))) {
        return refuse_on(call, CR_SERVER_GONE_ERROR,
                         "the connection belongs to the parent process");
    }
    if (function->rule == NB_CONT) {
        if (turn->operation != function->operation || turn->target != call->handle) {
            return refuse_out_of_turn(call);
        }
        return 0;
    }
    if (function->effects & NB_CONNECTED && ((MYSQL *)turn->address)->server_version == NULL) {
        return refuse_on(call, CR_SERVER_GONE_ERROR, "the handle is not connected");
    }
    if (turn->operation != NULL && function->rule >= NB_CHANGE) {
        return refuse_out_of_turn(call);
    }
    if (function->effects & NB_QUERIES && check_reply_was_read(call) < 0) {
        return -1;
    }
    if (call->handle->kind == NB_RESULT && check_result(call) < 0) {
        return -1;
    }
    if (call->handle->kind == NB_STATEMENT && check_statement(call) < 0) {
        return -1;
    }
    return function->rule == NB_START ? check_start(call) : 0;
}

/* ---- Calls ---------------------------------------------------------------- */

/* Begins a call.  Returns 0 with the turn taken, or -1: refused. */
int
nb_enter(nb_call *call, const nb_function *function, const void *address)
{
    bool busy;

    call->function = function;
    if (address == NULL) {
        return nb_refuse(function, address, CR_INVALID_PARAMETER, "the handle is NULL");
    }
    call->handle = nb_table_take(function->kind, address, &call->turn, &busy);
    if (call->handle == NULL) {
        if (busy) {
            return nb_refuse(function, address, CR_COMMANDS_OUT_OF_SYNC,
                             "another thread is using the connection");
        }
        return nb_refuse(function, address, CR_INVALID_PARAMETER,
                         "the handle is not one that is open: closed, freed or never made here");
    }
    if (check(call) < 0) {
        atomic_store_explicit(&call->turn->taken, 0, memory_order_release);
        return -1;
    }
    if (function->rule != NB_LOOK) {
        if (nb_refusal_code(address) != 0) {
            refusal.code = 0;
        }
        if (function->effects & NB_RESETS) {
            call->turn->reading = NULL;
        }
        if (call->turn->tls && function->rule >= NB_BLOCK) {
            nb_socket_nonblocking(call->turn, function->rule != NB_BLOCK);
        }
    }
    return 0;
}

/* After a call on a statement: whether rows of it are on their way now. */
static void
settle_rows(nb_call *call)
{
    nb_handle *turn = call->turn;

    if (((MYSQL *)turn->address)->status == MYSQL_STATUS_READY) {
        turn->reading = NULL;
    }
    else if (turn->reading == NULL || !(call->function->effects & NB_READS)) {
        turn->reading = call->handle->address;
    }
}

/* Ends a call: events is what its operation waits for, or 0. */
void
nb_leave(nb_call *call, int events)
{
    const nb_function *function = call->function;
    nb_handle *turn = call->turn;

    if (function->rule >= NB_BLOCK && turn->kind == NB_CONNECTION && !turn->closed) {
        if (function->operation != NULL) {
            turn->operation = events ? function->operation : NULL;
            turn->target = events ? call->handle : NULL;
            turn->events = events;
            if (!events && turn->kept != NULL && turn->kept->used != 0) {
                drop_kept(turn, function->effects & NB_SECRET);
            }
        }
        if (function->kind == NB_STATEMENT && call->handle != NULL) {
            settle_rows(call);
        }
        nb_socket_settle(turn, events && function->effects & NB_CONNECTS);
    }
    atomic_store_explicit(&turn->taken, 0, memory_order_release);
}

/* Ends a call that has freed its handle. */
void
nb_leave_freed(nb_call *call)
{
    nb_handle *handle = call->handle;
    nb_handle *turn = call->turn;

    if (handle->kind == NB_CONNECTION) {
        handle->closed = true;
        handle->operation = NULL;
        handle->fd = NB_NO_SOCKET;
        drop_kept(handle, true);
        atomic_fetch_sub(&live_connections, 1);
        /* Children may come after it for its turn: keep it for this call. */
        atomic_fetch_add(&turn->references, 1);
        nb_table_remove(handle);
        atomic_store_explicit(&turn->taken, 0, memory_order_release);
        nb_release(turn);
        return;
    }
    if (turn->reading == handle->address) {
        turn->reading = NULL;
    }
    atomic_fetch_add(&turn->references, 1);
    nb_table_remove(handle);
    call->handle = NULL;
    nb_leave(call, 0);
    nb_release(turn);
}
