/*
 * guard_tls.c - OpenSSL's errors of one connection, kept from the next.
 *
 * OpenSSL has one queue of errors per thread, and asks that it is empty before
 * a read or write whose outcome is going to be looked at.  The library never
 * empties it: after one TLS connection was lost, the next read of another one
 * on the same thread that has to wait looks like a failure (2013).
 *
 * The queue that counts is that of the OpenSSL which libmariadb uses, and there
 * may be another one in the process.  So the function is looked up among what
 * libmariadb itself depends on, and not linked to.  A libmariadb that has an
 * OpenSSL inside exports another one: see wheels/tls_errors.c.
 */

#include "guard.h"

#ifdef _WIN32

void
nb_tls_forget_errors(void)
{
    /* Schannel has no such queue. */
}

#else

#include <dlfcn.h>
#include <pthread.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static void (*clear_error)(void); /* NULL: another TLS library */

static void
look_up(void)
{
    Dl_info libmariadb;
    void *library;

    if (dladdr((void *)mysql_server_init, &libmariadb) == 0) {
        return;
    }
    library = dlopen(libmariadb.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
    if (library != NULL) {
        *(void **)&clear_error = dlsym(library, "mariadb_nb_clear_tls_errors");
        if (clear_error == NULL) {
            *(void **)&clear_error = dlsym(library, "ERR_clear_error");
        }
        dlclose(library); /* it stays loaded: we are linked to it */
    }
}

void
nb_tls_forget_errors(void)
{
    pthread_once(&once, look_up);
    if (clear_error != NULL) {
        clear_error();
    }
}

#endif
