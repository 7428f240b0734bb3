/*
 * guard.c - whether a call may go ahead, and the refusal when it may not.
 *
 * Owns the order of the rules, the turns and the refusals.  Which rows may be
 * read by whom is in guard_replies.c.
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

/*
 * The last refusals of this thread, a handle each: enough for a loop that asks
 * for the error of many handles after the last of its calls.
 */
#define REFUSALS 8
#define ANYBODY ((const void *)refusals) /* in place of a connection that is not known */

static NB_THREAD_LOCAL struct nb_refusal {
    const void *address;    /* the handle of the refused call */
    const void *connection; /* and its connection, so that mysql_errno() tells too */
    unsigned int code;      /* 0: this one is free */
    char text[232];
} refusals[REFUSALS];
static NB_THREAD_LOCAL unsigned int refused;  /* how many are in use */
static NB_THREAD_LOCAL unsigned int youngest; /* where the last one is */

static bool
is_about(const struct nb_refusal *refusal, const void *address)
{
    return refusal->code != 0 && (refusal->address == address || refusal->connection == address ||
                                  refusal->connection == ANYBODY);
}

/* The last refusal about a handle, or NULL. */
static struct nb_refusal *
find_refusal(const void *address)
{
    for (unsigned int i = 0; refused != 0 && i < REFUSALS; i++) {
        struct nb_refusal *refusal = &refusals[(youngest + REFUSALS - i) % REFUSALS];
        if (is_about(refusal, address)) {
            return refusal;
        }
    }
    return NULL;
}

/* Remembers why a call is refused.  Always returns -1. */
static int
refuse(const nb_function *function, const void *address, const void *connection, unsigned int code,
       const char *why)
{
    struct nb_refusal *refusal;

    nb_forget_refusal(address);
    youngest = (youngest + 1) % REFUSALS;
    refusal = &refusals[youngest];
    refused += refusal->code == 0;
    refusal->address = address;
    refusal->connection = connection;
    refusal->code = code;
    snprintf(refusal->text, sizeof(refusal->text), "%s() refused: %s", function->name, why);
    return -1;
}

int
nb_refuse(const nb_function *function, const void *address, unsigned int code, const char *why)
{
    /* Of a result, only mysql_errno() can tell; of which connection is not known. */
    return refuse(function, address, function->kind == NB_RESULT ? ANYBODY : NULL, code, why);
}

/*
 * Refuses, and lets the connection's mysql_errno() tell too.  Not of a statement whose
 * connection was closed: it tells itself, and the address may be another's by now.
 * Returns -1.
 */
int
nb_refuse_on(nb_call *call, unsigned int code, const char *why)
{
    bool alone = call->turn->closed && call->handle->kind == NB_STATEMENT;
    const void *connection = alone ? NULL : call->turn->address;

    return refuse(call->function, call->handle->address, connection, code, why);
}

int
nb_refuse_null(const nb_function *function, const void *address, const char *parameter)
{
    char why[64];

    snprintf(why, sizeof(why), "%s is NULL", parameter);
    return nb_refuse(function, address, CR_INVALID_PARAMETER, why);
}

/* The code of this thread's last refusal if it was about this handle, or 0. */
unsigned int
nb_refusal_code(const void *address)
{
    const struct nb_refusal *refusal = find_refusal(address);
    return refusal != NULL ? refusal->code : 0;
}

const char *
nb_refusal_text(const void *address)
{
    const struct nb_refusal *refusal = find_refusal(address);
    return refusal != NULL ? refusal->text : "";
}

/* A new call on the handle, its connection or what belongs to it went ahead. */
void
nb_forget_refusal(const void *address)
{
    struct nb_refusal *refusal;

    while ((refusal = find_refusal(address)) != NULL) {
        refusal->code = 0;
        refused--;
    }
}

/* ---- The rules ------------------------------------------------------------ */

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
    return nb_refuse_on(call, CR_COMMANDS_OUT_OF_SYNC, why);
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
    return nb_refuse_on(call, CR_ASYNC_NOT_SUPPORTED,
                        "MYSQL_OPT_NONBLOCK is not set; set it with mysql_options(mysql, "
                        "MYSQL_OPT_NONBLOCK, NULL)");
}

static int
check(nb_call *call)
{
    const nb_function *function = call->function;
    nb_handle *turn = call->turn;
    int status = 0;

    if (function->effects & NB_ENDS && function->rule != NB_CONT) {
        return 0;
    }
    if (turn->foreign && !(function->effects & (NB_FREES | NB_ENDS))) {
        return nb_refuse_on(call, CR_SERVER_GONE_ERROR,
                            "the connection belongs to the parent process");
    }
    if (turn->broken && function->rule != NB_LOOK && function->rule != NB_CONT &&
        !(function->effects & NB_FREES)) {
        return nb_refuse_on(call, CR_SERVER_GONE_ERROR,
                            "the connection was lost between two commands that the library sends "
                            "in one, and it cannot send any more; mysql_close() it");
    }
    if (function->rule == NB_CONT) {
        if (turn->operation != function->operation || turn->target != call->handle) {
            return refuse_out_of_turn(call);
        }
        return 0;
    }
    if (function->effects & NB_CONNECTED && ((MYSQL *)turn->address)->server_version == NULL) {
        return nb_refuse_on(call, CR_SERVER_GONE_ERROR, "the handle is not connected");
    }
    if (turn->operation != NULL && function->rule >= NB_CHANGE && call->handle->statement == NULL) {
        return refuse_out_of_turn(call);
    }
    switch (call->handle->kind) {
    case NB_CONNECTION:
        status = function->rule == NB_START ? check_start(call) : 0;
        if (status == 0) {
            status = nb_check_connection(call);
        }
        return status;
    case NB_STATEMENT:
        status = nb_check_statement(call);
        break;
    case NB_RESULT:
        status = nb_check_result(call);
        break;
    case NB_NOTHING:
        break;
    }
    return status == 0 && function->rule == NB_START ? check_start(call) : status;
}

/* ---- Calls ---------------------------------------------------------------- */

/* Before a call that may read or write: what TLS needs. */
static void
prepare_tls(nb_call *call)
{
    const nb_function *function = call->function;

    if (function->effects & NB_CONNECTS) {
        nb_tls_forget_errors();
    }
    else if (call->turn->tls) {
        nb_tls_forget_errors();
        nb_socket_nonblocking(call->turn, function->rule != NB_BLOCK);
    }
}

/* Begins a call.  Returns 0 with the turn taken, or -1: refused. */
int
nb_enter(nb_call *call, const nb_function *function, const void *address)
{
    const void *busy;

    call->function = function;
    call->restore = -1;
    call->replies = 0;
    call->failed = false;
    if (address == NULL) {
        return nb_refuse(function, address, CR_INVALID_PARAMETER, "the handle is NULL");
    }
    call->handle = nb_table_take(function->kind, address, &call->turn, &busy);
    if (call->handle == NULL) {
        if (busy != NULL) {
            return refuse(function, address, busy, CR_COMMANDS_OUT_OF_SYNC,
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
        nb_forget_refusal(address);
        nb_forget_refusal(call->turn->address);
        if (function->effects & NB_SEEKS) {
            call->handle->row = false;
        }
        if (function->rule >= NB_BLOCK) {
            prepare_tls(call);
        }
    }
    return 0;
}

/* The metadata of a statement has its connection's turn, and no part in what goes on there. */
static bool
is_metadata(const nb_handle *handle)
{
    return handle != NULL && handle->statement != NULL;
}

/* Ends a call: events is what its operation waits for, or 0. */
void
nb_leave(nb_call *call, int events)
{
    const nb_function *function = call->function;
    nb_handle *turn = call->turn;

    if (function->rule >= NB_BLOCK && turn->kind == NB_CONNECTION && !turn->closed &&
        !is_metadata(call->handle)) {
        if (function->operation != NULL) {
            turn->operation = events ? function->operation : NULL;
            turn->target = events ? call->handle : NULL;
            turn->events = events;
            if (!events) {
                nb_drop_kept(turn, function->effects & NB_SECRET);
            }
        }
        nb_socket_settle(turn, events && function->effects & NB_CONNECTS);
        if (!events) { /* after the socket: the call may have connected anew */
            nb_settle_replies(call);
            nb_note_facts(turn);
        }
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
        nb_forget_facts(handle);
        nb_drop_kept(handle, true);
        nb_forget_connection();
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
    if (turn->owner == handle) {
        turn->owner = NULL;
    }
    handle->closed = true;
    atomic_fetch_add(&turn->references, 1);
    if (is_metadata(handle)) {
        nb_table_remove(handle);
        atomic_store_explicit(&turn->taken, 0, memory_order_release);
    }
    else {
        nb_table_remove(handle);
        call->handle = NULL;
        nb_leave(call, 0);
    }
    nb_release(turn);
}
