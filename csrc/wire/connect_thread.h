/*
 * connect_thread.h - one connect: what connector.c, which is Python's side of
 * it, and connect_thread.c, which knows no Python, have in common.
 */

#ifndef WIRE_CONNECT_THREAD_H
#define WIRE_CONNECT_THREAD_H

#include "../guard.h"

#include <sys/types.h>

enum wire_progress {
    WIRE_CONNECTING, /* the MYSQL is the thread's */
    WIRE_OVER,       /* the MYSQL is the Connector's */
    WIRE_GIVEN_UP    /* the MYSQL is the thread's, which closes it at its end */
};

/* Shared by the Connector and the thread. */
typedef struct wire_connect {
    atomic_int references;
    atomic_int progress;
    const nb_claims *guard;
    nb_handle *handle; /* owned reference, claimed; NULL: closed, or handed back */
    MYSQL *mysql;
    /*
     * The ends of a socket pair, each closed by its owner.  Shutting one down
     * tells the other side: it is over, or given up.  (Closing it would not: a
     * process that was forked meanwhile has it too.)
     */
    int near_end;
    int far_end; /* the thread's */
    pid_t process;
    /* What mysql_real_connect() is called with; owned, NULL is fine. */
    char *host;
    char *user;
    char *password;
    char *database;
    char *unix_socket;
    unsigned int port;
    unsigned long flags;
    /* What came of it; set before WIRE_OVER. */
    bool connected;
    unsigned int code;
    char sqlstate[SQLSTATE_LENGTH + 1];
    char message[MYSQL_ERRMSG_SIZE];
    bool inside; /* the thread's: it is counted as being inside the library */
} wire_connect;

/* Returns one reference, or NULL without memory. */
wire_connect *wire_connect_new(void);
void wire_connect_drop(wire_connect *self);

/* Starts the thread; what it needs has been filled in.  Returns 0 or an errno. */
int wire_connect_start(wire_connect *self);

/* Gives the connect up, and the MYSQL unless it was handed back; never waits. */
void wire_connect_abandon(wire_connect *self);

/* Closes the MYSQL of a connect that is over; does nothing when it was handed back. */
void wire_connect_close(wire_connect *self);

#endif
