/*
 * guard_handles.c - handles that the library makes are put into the table.
 *
 * Owns what belongs to whom: a statement and rows that are on their way to
 * their connection, the metadata of a statement to the statement, and a stored
 * result to nobody.
 */

#include "guard.h"

#include <errmsg.h>
#include <stdlib.h>

static nb_handle *
add(enum nb_kind kind, const void *address, nb_handle *connection, nb_handle *statement)
{
    const size_t room = kind == NB_CONNECTION ? NB_DATABASE_SIZE : 0;
    nb_handle *handle = calloc(1, sizeof(*handle) + room);

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
        handle->epoch = statement->epoch;
    }
    if (nb_table_add(handle) < 0) {
        nb_release(handle);
        return NULL;
    }
    nb_forget_refusal(address); /* it was about what had this address before */
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

void
nb_forget_connection(void)
{
    atomic_fetch_sub(&live_connections, 1);
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
    const void *busy;
    nb_handle *handle = nb_table_take(NB_CONNECTION, mysql, &turn, &busy);

    if (handle != NULL) {
        atomic_store_explicit(&turn->taken, 0, memory_order_release);
    }
    return handle != NULL || busy != NULL;
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
        connection = call->turn;
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
    if (connection != NULL && statement == NULL) {
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
