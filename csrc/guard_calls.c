/*
 * guard_calls.c - the wrapped functions that the generated ones do not fit:
 * the life of a connection, what is answered while it is busy, and its errors.
 *
 * Each nb_x() here takes the place of x(); build_ffi.py sees to that.
 */

#include "guard.h"

#include <errmsg.h>

/* ---- The life of a connection ---------------------------------------------- */

static int
abandon_close(void *handle, int status)
{
    return mysql_close_cont(handle, status);
}

static const nb_operation close_operation = {"mysql_close", abandon_close, true};
static const nb_function init_function = {"mysql_init", NB_CONNECTION, NB_CHANGE, 0, NULL};
static const nb_function close_function = {"mysql_close", NB_CONNECTION, NB_BLOCK, NB_ENDS, NULL};
static const nb_function close_start = {"mysql_close_start", NB_CONNECTION, NB_START, NB_ENDS,
                                        &close_operation};
static const nb_function close_cont = {"mysql_close_cont", NB_CONNECTION, NB_CONT, NB_ENDS,
                                       &close_operation};

MYSQL *
nb_mysql_init(MYSQL *mysql)
{
    static atomic_int initialized;
    MYSQL *result;

    if (!atomic_exchange(&initialized, 1) && nb_guard_init() != 0) {
        atomic_store(&initialized, 0);
        return NULL;
    }
    /*
     * A caller's own MYSQL that was never closed: an open one, unless its
     * memory was given back and is used anew, which ffi.new() sets to zero.
     */
    if (mysql != NULL && mysql->methods != NULL && nb_is_connection(mysql)) {
        nb_refuse(&init_function, mysql, CR_INVALID_PARAMETER,
                  "the handle is in use; mysql_close() it first");
        return NULL;
    }
    result = mysql_init(mysql);
    if (result != NULL && nb_add_connection(result) < 0) {
        mysql_close(result);
        result = NULL;
    }
    return result;
}

/*
 * Closes a connection without waiting: what is suspended is ended first, and
 * the farewell is only said if the socket takes it at once.
 */
static void
close_at_once(nb_call *call, MYSQL *mysql)
{
    const nb_operation *waiting = call->turn->operation;

    if (waiting != NULL) {
        bool ended = nb_abandon(call->turn);
        if (!ended || waiting == &close_operation) {
            /* Closed already, or unsafe to touch: better a leak than a crash. */
            nb_leave_freed(call);
            return;
        }
    }
    else {
        nb_socket_hurry(mysql);
    }
    mysql_close(mysql);
    nb_leave_freed(call);
}

void
nb_mysql_close(MYSQL *sock)
{
    nb_call call;

    if (sock != NULL && nb_enter(&call, &close_function, sock) == 0) {
        close_at_once(&call, sock);
    }
}

int
nb_mysql_close_start(MYSQL *sock)
{
    nb_call call;
    int events;

    if (sock == NULL || nb_enter(&call, &close_start, sock) < 0) {
        return 0;
    }
    if (call.turn->operation != NULL || !nb_is_nonblocking(sock)) {
        close_at_once(&call, sock);
        return 0;
    }
    events = mysql_close_start(sock);
    if (events == 0) {
        nb_leave_freed(&call);
    }
    else {
        nb_leave(&call, events);
    }
    return events;
}

int
nb_mysql_close_cont(MYSQL *sock, int status)
{
    nb_call call;
    int events;

    if (nb_enter(&call, &close_cont, sock) < 0) {
        return 0;
    }
    events = mysql_close_cont(sock, status);
    if (events == 0) {
        nb_leave_freed(&call);
    }
    else {
        nb_leave(&call, events);
    }
    return events;
}

void
nb_mysql_server_end(void)
{
    static const nb_function function = {"mysql_server_end", NB_NOTHING, NB_CHANGE, 0, NULL};

    if (nb_live_connections() > 0) {
        nb_refuse(&function, NULL, CR_COMMANDS_OUT_OF_SYNC,
                  "there are connections that are not closed");
        return;
    }
    mysql_server_end();
}

/* ---- Answered while another thread uses the connection ---------------------- */

my_socket
nb_mysql_get_socket(MYSQL *mysql)
{
    static const nb_function function = {"mysql_get_socket", NB_CONNECTION, NB_LOOK, 0, NULL};
    nb_peeked peeked;

    if (!nb_table_peek(mysql, &peeked)) {
        nb_refuse(&function, mysql, CR_INVALID_PARAMETER,
                  "the handle is NULL or not one that is open");
    }
    return peeked.fd;
}

unsigned long
nb_mysql_thread_id(MYSQL *mysql)
{
    static const nb_function function = {"mysql_thread_id", NB_CONNECTION, NB_LOOK, 0, NULL};
    nb_call call;
    nb_peeked peeked;
    unsigned long thread_id;

    if (nb_enter(&call, &function, mysql) < 0) {
        nb_table_peek(mysql, &peeked);
        return peeked.thread_id;
    }
    thread_id = mysql_thread_id(mysql);
    nb_leave(&call, 0);
    return thread_id;
}

/*
 * As the library: shutdown(2) and nothing else; 1 when there is no socket.
 * While another thread is inside a call, the library may have closed the
 * socket, and its number may be somebody else's: then it is left alone.
 */
int
nb_mariadb_cancel(MYSQL *mysql)
{
    static const nb_function function = {"mariadb_cancel", NB_CONNECTION, NB_LOOK, 0, NULL};
    nb_peeked peeked;

    if (!nb_table_peek(mysql, &peeked)) {
        nb_refuse(&function, mysql, CR_INVALID_PARAMETER,
                  "the handle is NULL or not one that is open");
    }
    return nb_socket_cut(peeked.fd, peeked.inode) ? -1 : 1;
}

/* ---- Errors --------------------------------------------------------------- */

#define REFUSED_STATE "HY000"

static const nb_function errno_function = {"mysql_errno", NB_CONNECTION, NB_LOOK, 0, NULL};
static const nb_function stmt_errno_function = {"mysql_stmt_errno", NB_STATEMENT, NB_LOOK, 0, NULL};

unsigned int
nb_mysql_errno(MYSQL *mysql)
{
    nb_call call;
    unsigned int code = nb_refusal_code(mysql);

    if (code == 0) {
        if (nb_enter(&call, &errno_function, mysql) < 0) {
            return nb_refusal_code(mysql);
        }
        code = mysql_errno(mysql);
        nb_leave(&call, 0);
    }
    return code;
}

const char *
nb_mysql_error(MYSQL *mysql)
{
    nb_call call;
    const char *text;

    if (nb_refusal_code(mysql) != 0 || nb_enter(&call, &errno_function, mysql) < 0) {
        return nb_refusal_text(mysql);
    }
    text = mysql_error(mysql);
    nb_leave(&call, 0);
    return text;
}

const char *
nb_mysql_sqlstate(MYSQL *mysql)
{
    nb_call call;
    const char *state;

    if (nb_refusal_code(mysql) != 0 || nb_enter(&call, &errno_function, mysql) < 0) {
        return REFUSED_STATE;
    }
    state = mysql_sqlstate(mysql);
    nb_leave(&call, 0);
    return state;
}

unsigned int
nb_mysql_stmt_errno(MYSQL_STMT *stmt)
{
    nb_call call;
    unsigned int code = nb_refusal_code(stmt);

    if (code == 0) {
        if (nb_enter(&call, &stmt_errno_function, stmt) < 0) {
            return nb_refusal_code(stmt);
        }
        code = mysql_stmt_errno(stmt);
        nb_leave(&call, 0);
    }
    return code;
}

const char *
nb_mysql_stmt_error(MYSQL_STMT *stmt)
{
    nb_call call;
    const char *text;

    if (nb_refusal_code(stmt) != 0 || nb_enter(&call, &stmt_errno_function, stmt) < 0) {
        return nb_refusal_text(stmt);
    }
    text = mysql_stmt_error(stmt);
    nb_leave(&call, 0);
    return text;
}

const char *
nb_mysql_stmt_sqlstate(MYSQL_STMT *stmt)
{
    nb_call call;
    const char *state;

    if (nb_refusal_code(stmt) != 0 || nb_enter(&call, &stmt_errno_function, stmt) < 0) {
        return REFUSED_STATE;
    }
    state = mysql_stmt_sqlstate(stmt);
    nb_leave(&call, 0);
    return state;
}
