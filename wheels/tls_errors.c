/*
 * tls_errors.c - a way to OpenSSL's queue of errors, for whoever links libmariadb.
 *
 * OpenSSL is inside of the library and none of its functions is exported, but
 * csrc/guard_tls.c has to empty the queue, which Connector/C never does.
 */

#include <openssl/err.h>

void mariadb_nb_clear_tls_errors(void);

void
mariadb_nb_clear_tls_errors(void)
{
    ERR_clear_error();
}
