/*
 * guard_replies.c - whose reply is being read, and who may read on in it.
 *
 * A connection delivers one reply at a time.  The library checks in some calls
 * and in some releases that nobody reads in another's; the other calls eat
 * those rows, give them to the wrong one, crash at the next fetch or wait for
 * ever.  So this knows for each connection who owns the reply that is under
 * way, and for each statement what of it may still be used.
 */

#include "guard.h"

#include <errmsg.h>

static MYSQL *
mysql_of(const nb_handle *connection)
{
    return (MYSQL *)connection->address;
}

/* Whether a reply has been asked for and not been read to its end. */
bool
nb_is_under_way(const nb_handle *connection)
{
    const MYSQL *mysql = mysql_of(connection);

    return mysql->net.pvio != NULL &&
           (mysql->status != MYSQL_STATUS_READY ||
            mysql->server_status & SERVER_MORE_RESULTS_EXIST || connection->owed != 0);
}

int
nb_check_connection(nb_call *call)
{
    const nb_function *function = call->function;
    const nb_handle *turn = call->turn;
    bool under_way = nb_is_under_way(turn);

    if (function->effects & NB_DELIVERS) {
        if (turn->owner != NULL && under_way) {
            return nb_refuse_on(call, CR_COMMANDS_OUT_OF_SYNC,
                                "the reply that is being read is a prepared statement's");
        }
        return 0;
    }
    if (function->effects & NB_REPLIES) {
        const MYSQL *mysql = mysql_of(turn);
        if (mysql->net.pvio == NULL) {
            return 0; /* the library says so */
        }
        if (turn->owed == 0) {
            return nb_refuse_on(call, CR_COMMANDS_OUT_OF_SYNC,
                                "there is no reply to read; mysql_send_query() first");
        }
        under_way =
            mysql->status != MYSQL_STATUS_READY || mysql->server_status & SERVER_MORE_RESULTS_EXIST;
    }
    if (under_way && function->rule >= NB_BLOCK &&
        !(function->effects & (NB_SENDS | NB_CONNECTS))) {
        return nb_refuse_on(call, CR_COMMANDS_OUT_OF_SYNC,
                            "the last reply has not been read: fetch and free its rows, and call "
                            "mysql_next_result() or mysql_read_query_result() for what follows");
    }
    return 0;
}

/* ---- Statements ------------------------------------------------------------ */

/* Whether a statement has rows of its own to fetch from the connection. */
static bool
expects_rows(const MYSQL_STMT *stmt)
{
    return stmt->state >= MYSQL_STMT_WAITING_USE_OR_STORE && stmt->state < MYSQL_STMT_FETCH_DONE;
}

/*
 * After a new connect the server knows nothing of the statement, and its
 * number may be another one's.  It is as if it had never been prepared.
 */
static int
void_statement(nb_call *call, MYSQL_STMT *stmt)
{
    nb_handle *handle = call->handle;

    stmt->state = MYSQL_STMT_INITTED;
    stmt->stmt_id = 0;
    handle->session = call->turn->session;
    handle->stored = handle->row = false;
    if (call->function->effects & (NB_FREES | NB_PREPARES)) {
        return 0;
    }
    return nb_refuse_on(call, CR_STMT_CLOSED,
                        "its connection was connected anew; prepare it again");
}

/*
 * Release 3.4 looks before it resets a statement whether another one waits to be
 * fetched, and if so gives up, perhaps in the middle of a batch.  It takes for
 * waiting what is not: rows that went with their connection, and those of a cursor
 * when the statement was told since to open none.  As nobody else's rows are under
 * way, the first are no more to be fetched, and the second begin as their first
 * fetch would.
 */
static void
settle_others(const nb_call *call, const MYSQL_STMT *stmt)
{
    MYSQL *mysql = mysql_of(call->turn);
    enum mysql_status status = mysql->status;

    mysql->status = MYSQL_STATUS_READY; /* as it is for a cursor */
    for (LIST *item = mysql->stmts; item != NULL; item = item->next) {
        MYSQL_STMT *other = item->data;
        if (other == stmt || other->state != MYSQL_STMT_WAITING_USE_OR_STORE) {
            continue;
        }
        if (other->cursor_exists) {
            other->default_rset_handler(other);
        }
        else {
            other->state = MYSQL_STMT_PREPARED;
        }
    }
    mysql->status = status;
}

static int
check_fetch(nb_call *call, MYSQL_STMT *stmt, bool of_another)
{
    nb_handle *handle = call->handle;

    if (stmt->bind_result_done &&
        (handle->bound != stmt->bind || handle->bound_columns != stmt->field_count ||
         handle->bound_epoch != handle->epoch)) {
        return nb_refuse_on(call, CR_COMMANDS_OUT_OF_SYNC,
                            "it has other columns since they were bound; mysql_stmt_bind_result() "
                            "them again");
    }
    if (of_another && (handle->stored || !expects_rows(stmt))) {
        /* Nothing is read; but at the end of the rows the library says "ready". */
        call->restore = (int)mysql_of(call->turn)->status;
        return 0;
    }
    if (of_another) {
        return nb_refuse_on(call, CR_COMMANDS_OUT_OF_SYNC,
                            "rows of another statement or result are on their way");
    }
    return 0;
}

/* Whether a call that may send or read something fits what is under way. */
static int
check_exchange(nb_call *call, MYSQL_STMT *stmt)
{
    const nb_function *function = call->function;
    const MYSQL *mysql = mysql_of(call->turn);
    nb_handle *handle = call->handle;
    bool under_way = nb_is_under_way(call->turn);
    bool of_another = under_way && call->turn->owner != handle;

    handle->reads_own = under_way && !of_another;
    handle->in_sync = !under_way && stmt->state >= MYSQL_STMT_PREPARED;
    handle->batches = function->effects & NB_DIRECT ||
                      (function->effects & NB_PREPARES && stmt->state > MYSQL_STMT_INITTED);
    stmt->last_errno = 0; /* so that it tells how this call went */
    if (handle->batches && mysql->net.pvio == NULL) {
        /* The library would begin a batch of commands and never send it. */
        return nb_refuse_on(call, CR_SERVER_GONE_ERROR, "the connection is lost");
    }
    if (handle->reads_own && function->effects & NB_DIRECT) {
        return nb_refuse_on(call, CR_COMMANDS_OUT_OF_SYNC,
                            "its last rows have not been read: mysql_stmt_free_result() first");
    }
    if (handle->reads_own && function->effects & NB_EXECUTES &&
        mysql->server_status & (SERVER_MORE_RESULTS_EXIST | SERVER_PS_OUT_PARAMS)) {
        /* The library would look for their end for ever if the connection is lost. */
        return nb_refuse_on(call, CR_COMMANDS_OUT_OF_SYNC,
                            "its last execution has more results: mysql_stmt_next_result() until "
                            "it returns -1");
    }
    if (function->effects & NB_FETCHES) {
        return check_fetch(call, stmt, of_another);
    }
    if (of_another) {
        return nb_refuse_on(call, CR_COMMANDS_OUT_OF_SYNC,
                            "rows of another statement or result are on their way; fetch or free "
                            "those first");
    }
    if (mysql->net.pvio != NULL) {
        settle_others(call, stmt);
    }
    return 0;
}

int
nb_check_statement(nb_call *call)
{
    const nb_function *function = call->function;
    nb_handle *handle = call->handle;
    MYSQL_STMT *stmt = (MYSQL_STMT *)handle->address;

    if (function->rule == NB_LOOK) {
        return 0;
    }
    if (stmt->mysql == NULL) {
        if (function->effects & NB_FREES) {
            return 0;
        }
        return nb_refuse_on(call, CR_STMT_CLOSED,
                            "its connection was closed or reset; mysql_stmt_close() it and "
                            "prepare it again");
    }
    if (handle->session != call->turn->session && stmt->state > MYSQL_STMT_INITTED &&
        void_statement(call, stmt) < 0) {
        return -1;
    }
    if (function->effects & NB_SEEKS && !handle->stored) {
        return nb_refuse_on(call, CR_NO_DATA, "its rows are not stored; mysql_stmt_store_result()");
    }
    if (function->effects & NB_ROW && !handle->row) {
        return nb_refuse_on(call, CR_NO_DATA, "no row has been fetched");
    }
    return function->rule < NB_BLOCK ? 0 : check_exchange(call, stmt);
}

/* Remembers where the columns of a statement were bound. */
void
nb_bound(nb_call *call)
{
    nb_handle *handle = call->handle;
    const MYSQL_STMT *stmt = (MYSQL_STMT *)handle->address;

    handle->bound = stmt->bind;
    handle->bound_columns = stmt->field_count;
    handle->bound_epoch = handle->epoch;
    handle->row = false; /* its place in the packet is forgotten */
}

/*
 * What comes now would be taken for something else, so nothing may come: the
 * next call finds a lost connection, and does not look for the rest of a reply.
 */
static void
cut_off(nb_handle *connection)
{
    MYSQL *mysql = mysql_of(connection);

    nb_socket_shutdown(mysql_get_socket(mysql));
    mysql->status = MYSQL_STATUS_READY;
    mysql->server_status &= ~(unsigned int)SERVER_MORE_RESULTS_EXIST;
}

/* The errors after which the library does not know what it is reading. */
static bool
is_lost(unsigned int code)
{
    return code == CR_COMMANDS_OUT_OF_SYNC || code == CR_MALFORMED_PACKET ||
           code == CR_UNKNOWN_ERROR;
}

/* Whether an error was the server's answer, and not the library's own. */
static bool
is_from_server(unsigned int code)
{
    /* A program in the server may raise any other number. */
    return code != 0 && (code < CR_MIN_ERROR || code > CR_MAX_ERROR) &&
           (code < CER_MIN_ERROR || code >= CER_MIN_ERROR + 100);
}

/*
 * Whether the library has lost its place in the reply to a statement, although
 * nobody disturbed it: it does with a cursor on a statement that can have none,
 * and with rows of a statement that had a cursor when it ran before.
 */
static bool
has_lost_its_place(const nb_call *call, const MYSQL_STMT *stmt)
{
    const nb_handle *handle = call->handle;
    bool executed = call->function->effects & NB_EXECUTES && handle->in_sync;
    bool unexplained = call->failed && stmt->last_errno == 0;
    bool gave_up = handle->reads_own && !nb_is_under_way(call->turn);

    return (executed || gave_up) && (unexplained || is_lost(stmt->last_errno));
}

static void
settle_statement(nb_call *call)
{
    int effects = call->function->effects;
    nb_handle *handle = call->handle;
    MYSQL_STMT *stmt = (MYSQL_STMT *)handle->address;

    if (mysql_of(call->turn)->status == MYSQL_STATUS_STMT_RESULT) {
        stmt->cursor_exists = 0; /* rows follow; the library forgets that they once did not */
    }
    if (has_lost_its_place(call, stmt)) {
        cut_off(call->turn);
        stmt->state = MYSQL_STMT_PREPARED;
    }
    if (handle->batches && call->failed && !is_from_server(stmt->last_errno) &&
        stmt->last_errno != CR_INVALID_PARAMETER_NO) { /* found in the server's answer */
        /* Perhaps the batch was not ended: the library would go on to add to it. */
        cut_off(call->turn);
        call->turn->broken = true;
    }
    if (effects & NB_PREPARES && stmt->last_errno != 0) {
        if (handle->reads_own && nb_is_under_way(call->turn)) {
            cut_off(call->turn); /* nobody could read its rows any more */
        }
        /* What it was before is gone, in some releases with its columns. */
        stmt->state = MYSQL_STMT_INITTED;
        stmt->field_count = 0;
        stmt->param_count = 0;
    }
    if (effects & (NB_PREPARES | NB_NEXT)) {
        handle->epoch++;
        handle->session = call->turn->session;
    }
    if (effects & NB_FETCHES) {
        handle->row = stmt->state == MYSQL_STMT_USER_FETCHING;
    }
    else if (!(effects & NB_KEEPS)) {
        handle->row = false;
        handle->stored = effects & NB_STORES && stmt->state == MYSQL_STMT_USE_OR_STORE_CALLED;
        if (handle->stored && stmt->result.data == NULL) {
            /* Else the next mysql_stmt_execute() waits for rows that were all fetched before. */
            stmt->state = MYSQL_STMT_FETCH_DONE;
        }
    }
}

/* ---- Results ----------------------------------------------------------------- */

/*
 * Whether the fields that a statement's metadata borrows are still those.  It
 * has its connection's turn, so they stay what they are during the call.
 */
static int
check_metadata(nb_call *call, const MYSQL_RES *result)
{
    const nb_handle *statement = call->handle->statement;

    if (!statement->closed) {
        const MYSQL_STMT *stmt = (MYSQL_STMT *)statement->address;
        if (statement->epoch == call->handle->epoch && stmt->fields == result->fields &&
            stmt->field_count == result->field_count) {
            return 0;
        }
    }
    return nb_refuse_on(call, CR_COMMANDS_OUT_OF_SYNC,
                        "its statement was closed or has other columns now");
}

/* Whether a result may be used: its rows, or the fields of its statement. */
int
nb_check_result(nb_call *call)
{
    nb_handle *handle = call->handle;
    MYSQL_RES *result = (MYSQL_RES *)handle->address;
    bool frees = call->function->effects & NB_FREES;

    if (handle->statement != NULL) {
        return frees ? 0 : check_metadata(call, result);
    }
    if (handle->connection != NULL && (call->turn->closed || call->turn->reading != result)) {
        if (result->handle != NULL) {
            /* Its rows are gone; what comes on the connection is another's. */
            result->handle = NULL;
            handle->stale = true;
        }
        if (handle->stale && !frees && call->function->rule >= NB_BLOCK) {
            return nb_refuse_on(call, CR_COMMANDS_OUT_OF_SYNC,
                                "the rest of its rows is gone: its connection was closed or "
                                "connected anew");
        }
    }
    return 0;
}

/* ---- After a call ------------------------------------------------------------ */

/* Counts replies that are left to read (1) or have been read (-1). */
void
nb_owe(nb_call *call, int replies)
{
    call->replies = replies;
}

/* A call on the connection or a statement is over: whose is the reply now? */
void
nb_settle_replies(nb_call *call)
{
    nb_handle *turn = call->turn;
    bool of_statement = call->handle != NULL && call->handle->kind == NB_STATEMENT;

    if (call->replies > 0 || turn->owed > 0) {
        turn->owed += (unsigned int)call->replies;
    }
    if (of_statement) {
        settle_statement(call);
    }
    else if (mysql_of(turn)->net.last_errno == CR_MALFORMED_PACKET) {
        cut_off(turn);
    }
    if (call->restore >= 0) {
        mysql_of(turn)->status = (enum mysql_status)call->restore;
    }
    else if (of_statement || !nb_is_under_way(turn)) {
        turn->owner = of_statement && nb_is_under_way(turn) ? call->handle : NULL;
    }
}
