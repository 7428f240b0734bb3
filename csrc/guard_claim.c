/*
 * guard_claim.c - the turn of a connection for whoever steps the library itself.
 *
 * While it is claimed, every call of the C API that needs the turn is refused
 * as if another thread were inside a call.  Owns nothing else: what is done
 * with the connection meanwhile is the claimer's business, and it gives the
 * turn back with no reply under way.
 */

#include "guard.h"

static enum nb_claim_result
check_claim(const nb_handle *connection)
{
    if (connection->closed) {
        return NB_CLAIM_CLOSED;
    }
    if (connection->foreign) {
        return NB_CLAIM_FOREIGN;
    }
    if (connection->operation != NULL) {
        return NB_CLAIM_SUSPENDED;
    }
    return connection->broken || nb_is_under_way(connection) ? NB_CLAIM_UNREAD : NB_CLAIMED;
}

static enum nb_claim_result
claim(nb_handle *connection)
{
    enum nb_claim_result result;

    if (atomic_exchange_explicit(&connection->taken, 1, memory_order_acquire)) {
        return connection->foreign ? NB_CLAIM_FOREIGN : NB_CLAIM_BUSY;
    }
    result = check_claim(connection);
    if (result == NB_CLAIMED) {
        connection->claimed = true;
    }
    else {
        atomic_store_explicit(&connection->taken, 0, memory_order_release);
    }
    return result;
}

/* Whatever is unread, suspended in the parent process or of no use. */
static enum nb_claim_result
claim_to_close(nb_handle *connection)
{
    enum nb_claim_result result = NB_CLAIMED;

    if (atomic_exchange_explicit(&connection->taken, 1, memory_order_acquire)) {
        return connection->foreign ? NB_CLAIM_FOREIGN : NB_CLAIM_BUSY;
    }
    if (connection->closed) {
        result = NB_CLAIM_CLOSED;
    }
    else if (connection->operation != NULL && !connection->foreign) {
        result = NB_CLAIM_SUSPENDED;
    }
    if (result != NB_CLAIMED) {
        atomic_store_explicit(&connection->taken, 0, memory_order_release);
    }
    return result;
}

static void
note(nb_handle *connection)
{
    /* A lost connection has no socket any more, a new one has another. */
    nb_socket_settle(connection, false);
    nb_note_facts(connection);
}

static void
unclaim(nb_handle *connection)
{
    note(connection);
    connection->owner = NULL;
    connection->reading = NULL;
    connection->claimed = false;
    atomic_store_explicit(&connection->taken, 0, memory_order_release);
}

static void
prepare(nb_handle *connection)
{
    if (connection->tls) {
        nb_tls_forget_errors();
        nb_socket_nonblocking(connection, true);
    }
}

static void
close_claimed(nb_handle *connection)
{
    nb_call call = {.handle = connection, .turn = connection};
    MYSQL *mysql = (MYSQL *)connection->address;

    nb_socket_hurry(mysql);
    mysql_close(mysql);
    connection->claimed = false;
    nb_leave_freed(&call);
}

static void
cut(nb_handle *connection)
{
    if (!connection->foreign) {
        nb_socket_cut(atomic_load_explicit(&connection->fd, memory_order_relaxed),
                      atomic_load_explicit(&connection->inode, memory_order_relaxed));
    }
}

static nb_handle *
find_connection(const void *mysql)
{
    return nb_table_find(NB_CONNECTION, mysql);
}

const nb_claims nb_guard_functions = {
    .size = sizeof(nb_claims),
    .find = find_connection,
    .release = nb_release,
    .claim = claim,
    .unclaim = unclaim,
    .claim_to_close = claim_to_close,
    .prepare = prepare,
    .note = note,
    .close = close_claimed,
    .cut = cut,
    .copy_database = nb_copy_database,
};
