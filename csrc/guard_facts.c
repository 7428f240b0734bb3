/*
 * guard_facts.c - what any thread may know of a connection while another uses it.
 *
 * The library's structures belong to whoever has the turn, and to look at them takes
 * it: then a mere look would have another thread's call refused.  So at the end of each
 * call what others ask for is noted in the handle, which outlives the connection.  Owns
 * these notes; the socket's are guard_socket.c's.
 */

#include "guard.h"

#include <string.h>

/* The caller has the turn: nobody else writes, so only the change needs the lock. */
static void
note_database(nb_handle *connection, const char *name)
{
    if (strncmp(connection->database, name, NB_DATABASE_SIZE - 1) != 0) {
        nb_table_lock(connection);
        strncpy(connection->database, name, NB_DATABASE_SIZE - 1);
        nb_table_unlock(connection);
    }
}

/* Notes how the connection stands; the caller has its turn. */
void
nb_note_facts(nb_handle *connection)
{
    const MYSQL *mysql = (const MYSQL *)connection->address;

    atomic_store_explicit(&connection->server_status, mysql->server_status, memory_order_relaxed);
    atomic_store_explicit(&connection->charset, mysql->charset, memory_order_relaxed);
    note_database(connection, mysql->db != NULL ? mysql->db : "");
}

/* Notes that there is no connection any more; the caller has its turn. */
void
nb_forget_facts(nb_handle *connection)
{
    atomic_store_explicit(&connection->fd, NB_NO_SOCKET, memory_order_relaxed);
    atomic_store_explicit(&connection->server_status, 0, memory_order_relaxed);
    atomic_store_explicit(&connection->charset, NULL, memory_order_relaxed);
    note_database(connection, "");
}

void
nb_copy_database(const nb_handle *connection, char copy[NB_DATABASE_SIZE])
{
    nb_table_lock(connection);
    memcpy(copy, connection->database, NB_DATABASE_SIZE);
    nb_table_unlock(connection);
}
