/*
 * guard_socket.c - the connection's file descriptor: whether it blocks, and
 * that children do not inherit it.
 *
 * After a connect the library puts the socket back to blocking mode.  Plain
 * reads do not mind (they pass MSG_DONTWAIT), but OpenSSL does: every _start
 * and _cont of a TLS connection would wait inside the call (CONC-594).  So a
 * connection with MYSQL_OPT_NONBLOCK gets O_NONBLOCK as soon as it stands.  A
 * blocking call over TLS needs it off: 3.4 gives up after 5 ms otherwise, and
 * 3.3 takes seconds for milliseconds.
 *
 * Windows needs none of this: there the library switches the mode itself.
 */

#include "guard.h"

#ifdef _WIN32
#include <winsock2.h>
#else
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

bool
nb_is_nonblocking(MYSQL *mysql)
{
    my_bool on = 0;
    return mysql_get_option(mysql, MYSQL_OPT_NONBLOCK, &on) == 0 && on;
}

/* Switches the mode of the socket; does nothing when it is so already. */
void
nb_socket_nonblocking(nb_handle *connection, bool nonblocking)
{
#ifndef _WIN32
    my_socket fd = atomic_load_explicit(&connection->fd, memory_order_relaxed);
    if (fd != NB_NO_SOCKET && connection->nonblocking != nonblocking) {
        int flags = fcntl(fd, F_GETFL);
        int wanted = nonblocking ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
        if (flags >= 0 && fcntl(fd, F_SETFL, wanted) == 0) {
            connection->nonblocking = nonblocking;
        }
    }
#else
    (void)connection;
    (void)nonblocking;
#endif
}

/*
 * Looks at the socket after a call: the library may have closed it, opened
 * another (a reconnect usually gets the same number, but never the same
 * thread id) or just connected it.
 */
void
nb_socket_settle(nb_handle *connection, bool connecting)
{
    MYSQL *mysql = (MYSQL *)connection->address;
    my_socket fd = mysql_get_socket(mysql);
    bool same = fd == atomic_load_explicit(&connection->fd, memory_order_relaxed) &&
                mysql->thread_id == connection->thread_id;

    if (same && !connecting) {
        if (fd != NB_NO_SOCKET && !connection->nonblocking && nb_is_nonblocking(mysql)) {
            nb_socket_nonblocking(connection, true);
        }
        return;
    }
    atomic_store_explicit(&connection->fd, fd, memory_order_relaxed);
    atomic_store_explicit(&connection->inode, nb_socket_inode(fd), memory_order_relaxed);
    connection->nonblocking = false;
    if (fd == NB_NO_SOCKET) {
        /* Else mysql_reset_connection() looks for the rest of a reply, for ever. */
        mysql->status = MYSQL_STATUS_READY;
        mysql->server_status &= ~(unsigned int)SERVER_MORE_RESULTS_EXIST;
        connection->thread_id = 0;
        connection->tls = false;
        return;
    }
#ifndef _WIN32
    fcntl(fd, F_SETFD, FD_CLOEXEC);
#endif
    if (!connecting) {
        /* What the old connection still had to say will never come. */
        connection->session++;
        connection->owner = NULL;
        connection->reading = NULL;
        connection->owed = 0;
        connection->thread_id = mysql->thread_id;
        connection->tls = mysql_get_ssl_cipher(mysql) != NULL;
        if (nb_is_nonblocking(mysql)) {
            nb_socket_nonblocking(connection, true);
        }
    }
}

/* What tells a socket from another one with the same number; 0 for none. */
uint64_t
nb_socket_inode(my_socket fd)
{
#ifndef _WIN32
    struct stat status;
    if (fd != NB_NO_SOCKET && fstat(fd, &status) == 0) {
        return (uint64_t)status.st_ino;
    }
#else
    (void)fd;
#endif
    return 0;
}

/* Makes every read and write on the socket end at once. */
void
nb_socket_shutdown(my_socket fd)
{
    if (fd != NB_NO_SOCKET) {
#ifdef _WIN32
        shutdown(fd, SD_BOTH);
#else
        shutdown(fd, SHUT_RDWR);
#endif
    }
}

/*
 * The same for a thread that has no turn: the library may be closing the socket, and its
 * number may be somebody else's.  A descriptor of our own stays what it is while it is
 * looked at.  Returns whether it was the socket.
 */
bool
nb_socket_cut(my_socket fd, uint64_t inode)
{
#ifndef _WIN32
    int own = fd != NB_NO_SOCKET ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
    my_socket target = own >= 0 ? own : fd; /* without a descriptor left, the next best */
    bool same = inode != 0 && nb_socket_inode(target) == inode;

    if (same) {
        nb_socket_shutdown(target);
    }
    if (own >= 0) {
        close(own);
    }
    return same;
#else
    (void)inode;
    nb_socket_shutdown(fd);
    return fd != NB_NO_SOCKET;
#endif
}

/* Whether a few bytes can be sent without waiting. */
static bool
is_writable(my_socket fd)
{
#ifdef _WIN32
    WSAPOLLFD poller = {.fd = fd, .events = POLLOUT};
    return WSAPoll(&poller, 1, 0) == 1 && (poller.revents & POLLOUT);
#else
    struct pollfd poller = {.fd = fd, .events = POLLOUT};
    return poll(&poller, 1, 0) == 1 && (poller.revents & POLLOUT);
#endif
}

/* Before mysql_close(): its farewell must not wait for a full send buffer. */
void
nb_socket_hurry(MYSQL *mysql)
{
    my_socket fd = mysql_get_socket(mysql);

    if (fd != NB_NO_SOCKET && !is_writable(fd)) {
        nb_socket_shutdown(fd);
    }
}
