/*
 * connect_thread.c - mysql_real_connect() in a thread that can be given up.
 *
 * The lookup of a host's name, the handshake of TLS and some authentication
 * plug-ins wait inside the library, so a thread makes the call.  It never runs
 * Python.
 *
 * Whoever gives a connect up does not wait for the thread, and does not touch
 * its socket: the library may have closed it, and its number may be somebody
 * else's by now.  Instead all waiting for a socket is done in wait_io()
 * (MARIADB_OPT_IO_WAIT), for the socket and for the other end of the pair.
 * Plain connections wait there anyway.  OpenSSL only lets others wait if the
 * socket does not block; the library makes it block when it is connected, so
 * between that and the handshake it is made not to (prepare_socket()).
 *
 * It is not mysql_real_connect_start() for two reasons.  After a connect() that
 * fails at once, this closes the socket twice, and the second time may hit what
 * another thread has just opened.  And it would have to be continued to its end
 * when it is given up; here the library goes the way of every failed connect.
 */

#include "connect_thread.h"

#include <errmsg.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* What the C libraries give a thread by themselves is 128 KiB to 8 MiB. */
#define STACK_SIZE ((size_t)1024 * 1024)

/* Writes over a text that is a secret. */
static void
wipe(char *text)
{
    for (volatile char *at = text; at != NULL && *at != '\0'; at++) {
        *at = '\0';
    }
}

wire_connect *
wire_connect_new(void)
{
    wire_connect *self = calloc(1, sizeof(*self));

    if (self != NULL) {
        atomic_init(&self->references, 1);
        atomic_init(&self->progress, WIRE_CONNECTING);
        self->near_end = self->far_end = -1;
        self->process = getpid();
    }
    return self;
}

void
wire_connect_drop(wire_connect *self)
{
    if (atomic_fetch_sub(&self->references, 1) == 1) {
        wipe(self->password);
        free(self->host);
        free(self->user);
        free(self->password);
        free(self->database);
        free(self->unix_socket);
        free(self);
    }
}

void
wire_connect_close(wire_connect *self)
{
    if (self->handle != NULL) {
        self->guard->close(self->handle);
        self->guard->release(self->handle);
        self->handle = NULL;
    }
}

/* ---- The end of the process --------------------------------------------------- */

/*
 * OpenSSL takes itself apart in exit(), and a thread that is in it then can
 * crash the process.  So before that the threads that wait are made to stay
 * where they are, and the others get the time to come there.
 */
static atomic_int threads_inside; /* the library, and perhaps OpenSSL */
static atomic_bool exiting;

static void
go_outside(wire_connect *self)
{
    if (self->inside) {
        self->inside = false;
        atomic_fetch_sub(&threads_inside, 1);
    }
}

static void
go_inside(wire_connect *self)
{
    if (self->inside) {
        return;
    }
    self->inside = true;
    atomic_fetch_add(&threads_inside, 1);
    if (atomic_load(&exiting)) {
        go_outside(self);
        for (;;) {
            pause();
        }
    }
}

static void
at_exit(void)
{
    const struct timespec millisecond = {.tv_nsec = 1000000};

    atomic_store(&exiting, true);
    for (int i = 0; i < 1000 && atomic_load(&threads_inside) > 0; i++) {
        nanosleep(&millisecond, NULL);
    }
}

static void
after_fork_in_child(void)
{
    atomic_store(&threads_inside, 0); /* they are the parent's */
}

/* ---- What the library calls --------------------------------------------------- */

static _Thread_local wire_connect *current; /* of a connect's thread; NULL in all others */

static void
prepare_socket(my_socket fd)
{
    int flags = fcntl(fd, F_GETFL);

    fcntl(fd, F_SETFD, FD_CLOEXEC);
    if (flags >= 0 && !(flags & O_NONBLOCK)) {
        fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    }
}

/*
 * The library has to wait.  Returns 1 when it may go on, 0 when it must not.
 * How long it means to wait does not count: in a handshake that is 5 ms, or
 * seconds taken for milliseconds, and the caller has a deadline of its own.
 */
static int
wait_io(my_socket fd, my_bool is_read, int timeout)
{
    wire_connect *self = current;
    struct pollfd waits[] = {{.fd = fd, .events = POLLOUT},
                             {.fd = self->far_end, .events = POLLIN}};
    int ready;

    (void)timeout;
    prepare_socket(fd);
    if (is_read) {
        /* In a handshake it says so too when OpenSSL has something to write. */
        bool full = poll(waits, 1, 0) == 0;
        waits[0].events = full ? POLLIN | POLLOUT : POLLIN;
    }
    go_outside(self);
    do {
        ready = poll(waits, 2, -1);
    } while (ready < 0 && errno == EINTR);
    go_inside(self);
    return ready > 0 && waits[1].revents == 0;
}

/* The library exports it, but has it in none of its headers. */
extern int ma_pvio_register_callback(my_bool on,
                                     void (*callback)(int mode, MYSQL *mysql,
                                                      const unsigned char *buffer, size_t length));

/*
 * The library has read or written something, on any connection and in any
 * thread.  If the server's greeting is there already, there is no wait between
 * the connect and the handshake: then this comes just in time.
 */
static void
after_io(int mode, MYSQL *mysql, const unsigned char *buffer, size_t length)
{
    wire_connect *self = current;
    int kept = errno; /* the library has not looked at it yet */

    (void)mode;
    (void)buffer;
    (void)length;
    if (self != NULL && self->mysql == mysql) {
        prepare_socket(mysql_get_socket(mysql));
        go_inside(self); /* from now on OpenSSL may be used */
    }
    errno = kept;
}

/* ---- The thread --------------------------------------------------------------- */

/* Notes what came of it: afterwards the MYSQL may be somebody else's. */
static void
settle(wire_connect *self, bool connected)
{
    const char *message = mysql_error(self->mysql);

    self->connected = connected;
    self->code = mysql_errno(self->mysql);
    memcpy(self->sqlstate, mysql_sqlstate(self->mysql), SQLSTATE_LENGTH);
    if (!connected && self->code == 0) {
        self->code = CR_SERVER_LOST;
        memcpy(self->sqlstate, "HY000", SQLSTATE_LENGTH);
        message = "the client library could not connect and does not say why";
    }
    strncpy(self->message, message, sizeof(self->message) - 1);
}

static void *
run(void *argument)
{
    wire_connect *self = argument; /* owned reference */
    int connecting = WIRE_CONNECTING;
    MYSQL *connected;

    current = self;
    mysql_optionsv(self->mysql, MARIADB_OPT_IO_WAIT, wait_io);
    connected = mysql_real_connect(self->mysql, self->host, self->user, self->password,
                                   self->database, self->port, self->unix_socket, self->flags);
    wipe(self->password);
    settle(self, connected != NULL);
    mysql_optionsv(self->mysql, MARIADB_OPT_IO_WAIT, NULL);
    if (!atomic_compare_exchange_strong(&self->progress, &connecting, WIRE_OVER)) {
        wire_connect_close(self);
    }
    current = NULL;
    go_outside(self);
    shutdown(self->far_end, SHUT_WR);
    close(self->far_end);
    wire_connect_drop(self);
    return NULL;
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool set_up_failed;

/* Not before the first connect: exit() undoes in reverse order, and OpenSSL is set up by then. */
static void
set_up(void)
{
    set_up_failed = ma_pvio_register_callback(1, after_io) != 0 || atexit(at_exit) != 0 ||
                    pthread_atfork(NULL, NULL, after_fork_in_child) != 0;
}

static int
make_pair(wire_connect *self)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0) {
        return errno;
    }
    self->near_end = ends[0];
    self->far_end = ends[1];
    fcntl(self->near_end, F_SETFD, FD_CLOEXEC);
    fcntl(self->far_end, F_SETFD, FD_CLOEXEC);
    return 0;
}

static int
start_thread(wire_connect *self)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all;
    sigset_t before;
    int failure = pthread_attr_init(&attributes);

    if (failure != 0) {
        return failure;
    }
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    /* Signals are for the threads of Python, whose waits they have to interrupt. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    failure = pthread_create(&thread, &attributes, run, self);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return failure;
}

int
wire_connect_start(wire_connect *self)
{
    int failure;

    pthread_once(&once, set_up);
    if (set_up_failed) {
        return ENOMEM;
    }
    failure = make_pair(self);
    if (failure != 0) {
        return failure;
    }
    atomic_store(&self->references, 2);
    failure = start_thread(self);
    if (failure != 0) {
        atomic_store(&self->references, 1);
        close(self->near_end);
        close(self->far_end);
    }
    return failure;
}

void
wire_connect_abandon(wire_connect *self)
{
    int connecting = WIRE_CONNECTING;

    /* In a forked child the thread, its end of the pair and the MYSQL are the parent's. */
    if (getpid() == self->process) {
        if (atomic_compare_exchange_strong(&self->progress, &connecting, WIRE_GIVEN_UP)) {
            shutdown(self->near_end, SHUT_WR);
        }
        else {
            wire_connect_close(self);
        }
    }
    close(self->near_end);
}
