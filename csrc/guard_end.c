/*
 * guard_end.c - the end of an operation that waits, and of the process that
 * made a handle.
 *
 * The library has no way to end an operation early.  What works on every
 * version: shut the socket down, then go on with the operation until it fails
 * by itself.  Just closing the handle would leak whatever the suspended call
 * owns, and can wait for a full send buffer for ever.
 */

#include "guard.h"

#ifndef _WIN32
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>
#endif

/* Each address of a host is one round; more than this is no operation's end. */
#define MAX_ROUNDS 64

/*
 * Ends the operation that waits on a connection, whose turn the caller has.
 * Returns false when it would not end: then its memory must be left alone.
 */
bool
nb_abandon(nb_handle *connection)
{
    MYSQL *mysql = (MYSQL *)connection->address;
    const nb_operation *operation = connection->operation;
    nb_handle *target = connection->target;

    for (int i = 0; connection->events != 0 && i < MAX_ROUNDS; i++) {
        nb_socket_shutdown(mysql_get_socket(mysql));
        connection->events = operation->abandon((void *)target->address, connection->events);
    }
    if (connection->events != 0) {
        return false;
    }
    connection->operation = NULL;
    connection->target = NULL;
    if (operation->frees && target != connection) {
        target->closed = true;
        nb_table_remove(target);
    }
    return true;
}

#ifndef _WIN32

static int devnull = -1; /* only in a forked child, while it starts */

/*
 * In the child a connection is the parent's: its socket is replaced by one
 * that leads nowhere, so that nothing the child does, its exit included, says
 * a word to the server.  A connection that another thread was using while the
 * process forked stays taken for ever: its memory is in an unknown state.
 */
static void
disown(nb_handle *handle)
{
    handle->foreign = true;
    my_socket fd = atomic_load(&handle->fd);
    if (handle->kind == NB_CONNECTION && (handle->claimed || !atomic_load(&handle->taken)) &&
        devnull >= 0 && fd != NB_NO_SOCKET && nb_socket_inode(fd) == atomic_load(&handle->inode)) {
        if (dup2(devnull, fd) == fd) {
            fcntl(fd, F_SETFD, FD_CLOEXEC);
        }
    }
}

static void
after_fork_in_child(void)
{
    devnull = open("/dev/null", O_RDWR | O_CLOEXEC);
    nb_table_each(disown);
    if (devnull >= 0) {
        close(devnull);
        devnull = -1;
    }
    nb_table_unlock_all();
}

int
nb_guard_init(void)
{
    return pthread_atfork(nb_table_lock_all, nb_table_unlock_all, after_fork_in_child);
}

#else

int
nb_guard_init(void)
{
    return 0;
}

#endif
