/*
 * connect.h - the life of a connection: made, opened, asked about itself,
 * handed to another user, closed.
 */

/*
 * Make a connection handle, or make one of the memory that mysql points to;
 * with NULL the library allocates it.
 *
 * waits: nothing
 * returns: the handle, or NULL when there is no memory
 * owner: the caller; free with mysql_close()
 * keeps: memory that was passed as mysql, until mysql_close()
 * manual: mysql_init
 * guard: own
 * null: mysql
 */
MYSQL *mysql_init(MYSQL *mysql);

/*
 * Connect to a server and log in. NULL, and 0 for port, stand for what the
 * options say. A host with ";" or "=" in it is read as a list of options.
 *
 * waits: write, then read, for connect and log-in; the look-up of a host name
 *   and the TLS handshake block even in _start and _cont
 * returns: mysql, or NULL on error; the options outlast an error only with
 *   MYSQL_OPT_NONBLOCK or CLIENT_REMEMBER_OPTIONS
 * owner: the caller, as before: it is the same handle, and mysql_close() frees
 *   it, after an error too
 * keeps: nothing after it returns; a _start call copies its strings
 * manual: mysql_real_connect
 * null: host user passwd db unix_socket
 */
MYSQL *mysql_real_connect(MYSQL *mysql, const char *host, const char *user, const char *passwd, const char *db, unsigned int port, const char *unix_socket, unsigned long clientflag);

/*
 * Connect as a connection string says ("host=...;user=...;password=..."):
 * mysql_real_connect() with the string in place of the host.
 *
 * waits: write and read, several times; blocks the thread
 * returns: the handle, or NULL with mysql_errno() set
 * owner: the caller still owns the handle; close it with mysql_close()
 * keeps: nothing after it returns
 * manual: mysql_real_connect
 * guard: alias
 */
MYSQL *mariadb_connect(MYSQL *mysql, const char *connection_string);

/*
 * Tell the server goodbye, close the connection and free the handle; an
 * operation that waits is aborted first. Statements live on without a
 * connection until mysql_stmt_close().
 *
 * waits: write
 * manual: mysql_close
 * guard: own
 * null: sock
 */
void mysql_close(MYSQL *sock);

/*
 * Log in as another user on the same connection and begin a new session in db.
 * The statements of the connection are lost even when it fails; close them.
 *
 * waits: write, then read
 * returns: 0, or non-zero on error
 * keeps: nothing after it returns; a _start call copies its strings
 * manual: mysql_change_user
 * null: user passwd db
 */
my_bool mysql_change_user(MYSQL *mysql, const char *user, const char *passwd, const char *db);

/*
 * Begin a new session on the same connection without another log-in. Unread
 * rows and the statements of the connection are lost; close the statements.
 *
 * waits: write, then read; before that it reads what is left of a result
 * returns: 0, or 1 on error
 * manual: mysql_reset_connection
 */
int mysql_reset_connection(MYSQL *mysql);

/*
 * Connect and log in again as mysql_real_connect() did, if MYSQL_OPT_RECONNECT
 * is set and no transaction is open. The session is new, and statements must
 * be prepared again.
 *
 * waits: write, then read; it blocks: there is no pair
 * returns: 0, or 1 on error
 * manual: mariadb_reconnect
 * guard: block
 */
my_bool mariadb_reconnect(MYSQL *mysql);

/*
 * Ask the server for a sign of life.
 *
 * waits: write, then read
 * returns: 0, or non-zero on error
 * manual: mysql_ping
 */
int mysql_ping(MYSQL *mysql);

/*
 * Make a database the default of the session.
 *
 * waits: write, then read
 * returns: 0, or non-zero on error
 * keeps: nothing after it returns; a _start call copies its strings
 * manual: mysql_select_db
 */
int mysql_select_db(MYSQL *mysql, const char *db);

/*
 * Set the character set of the session, and that of the client with it:
 * mysql_real_escape_string() follows.
 *
 * waits: write, then read; nothing when the library does not know the name
 * returns: 0, or the number of the error
 * keeps: nothing after it returns; a _start call copies its strings
 * manual: mysql_set_character_set
 */
int mysql_set_character_set(MYSQL *mysql, const char *csname);

/*
 * Allow or forbid several statements in one query:
 * MYSQL_OPTION_MULTI_STATEMENTS_ON or _OFF.
 *
 * waits: write, then read
 * returns: 0, or non-zero on error
 * manual: mysql_set_server_option
 */
int mysql_set_server_option(MYSQL *mysql, enum enum_mysql_set_option option);

/*
 * Ask the server to shut down; this takes the SHUTDOWN privilege.
 *
 * waits: write, then read
 * returns: 0, or non-zero on error
 * manual: mysql_shutdown
 */
int mysql_shutdown(MYSQL *mysql, enum mysql_enum_shutdown_level shutdown_level);

/*
 * Flush or reset tables, logs, caches or counters of the server, as the bits
 * of REFRESH_* say; this takes the RELOAD privilege.
 *
 * waits: write, then read
 * returns: 0, or non-zero on error
 * manual: mysql_refresh
 */
int mysql_refresh(MYSQL *mysql, unsigned int refresh_options);

/*
 * Make the server read its grant tables again: mysql_refresh() with
 * REFRESH_GRANT.
 *
 * waits: write, then read
 * returns: 0, or non-zero with mysql_errno() set
 * manual: mysql_refresh
 * guard: alias
 */
int mysql_reload(MYSQL *mysql);

/*
 * End a connection by its number on the server, see mysql_thread_id().
 *
 * waits: write, then read; nothing when pid has more than 32 bits
 * returns: 0, or non-zero on error
 * manual: mysql_kill
 */
int mysql_kill(MYSQL *mysql, unsigned long pid);

/*
 * Make the server write what it knows for debugging to its error log; this
 * takes the SUPER privilege.
 *
 * waits: write, then read
 * returns: 0, or non-zero on error
 * manual: mysql_dump_debug_info
 */
int mysql_dump_debug_info(MYSQL *mysql);

/*
 * Ask the server how it is: uptime, threads, questions and more in one line.
 *
 * waits: write, then read
 * returns: the line; on error what mysql_error() returns instead, so that only
 *   mysql_errno() tells
 * owner: the connection; until the next call on it
 * manual: mysql_stat
 */
char *mysql_stat(MYSQL *mysql);

/*
 * Shut the socket down, so that whatever waits for it fails at once. The
 * server is not told, and mysql_close() is still to come.
 *
 * waits: nothing
 * returns: -1 when it was shut down, 1 without a connection
 * manual: mariadb_cancel
 * guard: own
 */
int mariadb_cancel(MYSQL *mysql);

/*
 * Tell which socket to wait for. Ask again after every _start and _cont:
 * connecting, reconnecting and a lost connection change it.
 *
 * waits: nothing
 * returns: the file descriptor; MARIADB_INVALID_SOCKET without a connection
 * owner: the connection; it alone closes it
 * manual: mysql_get_socket
 * guard: own
 * fails: MARIADB_INVALID_SOCKET
 */
my_socket mysql_get_socket(MYSQL *mysql);

/*
 * Tell how long to wait at most, when the mask that _start or _cont returned
 * has MYSQL_WAIT_TIMEOUT; otherwise the number means nothing.
 *
 * waits: nothing
 * returns: seconds, rounded up
 * manual: mysql_get_timeout_value
 */
unsigned int mysql_get_timeout_value(const MYSQL *mysql);

/*
 * Tell how long to wait at most, when the mask that _start or _cont returned
 * has MYSQL_WAIT_TIMEOUT; otherwise the number means nothing.
 *
 * waits: nothing
 * returns: milliseconds
 * manual: mysql_get_timeout_value_ms
 */
unsigned int mysql_get_timeout_value_ms(const MYSQL *mysql);

/*
 * Tell the connection's number on the server; it changes when the connection
 * is made again.
 *
 * waits: nothing
 * returns: the number; 0 before the first connect
 * manual: mysql_thread_id
 * guard: own
 */
unsigned long mysql_thread_id(MYSQL *mysql);

/*
 * Tell whether the server calls itself MariaDB.
 *
 * waits: nothing
 * returns: 1 if it does, else 0
 * manual: mariadb_connection
 * fails: 0
 */
my_bool mariadb_connection(MYSQL *mysql);

/*
 * Tell the name of the client's character set.
 *
 * waits: nothing
 * returns: the name
 * owner: the library; for ever
 * manual: mysql_character_set_name
 */
const char *mysql_character_set_name(MYSQL *mysql);

/*
 * Describe the client's character set and collation in *cs.
 *
 * waits: nothing
 * owner: the texts in *cs: the library; for ever
 * keeps: nothing after it returns
 * manual: mysql_get_character_set_info
 */
void mysql_get_character_set_info(MYSQL *mysql, MY_CHARSET_INFO *cs);

/*
 * Tell the TLS cipher of the connection.
 *
 * waits: nothing
 * returns: its name, or NULL without TLS
 * owner: the connection; until it is closed
 * manual: mysql_get_ssl_cipher
 */
const char *mysql_get_ssl_cipher(MYSQL *mysql);

/*
 * Tell the kind of the server: "MariaDB" or "MySQL".
 *
 * waits: nothing
 * returns: the name
 * owner: the library; for ever
 */
const char *mysql_get_server_name(MYSQL *mysql);

/*
 * Tell the version of the server as text, such as "10.11.19-MariaDB".
 *
 * waits: nothing
 * returns: the text; NULL before the first connect
 * owner: the connection; until it is closed or made again
 * manual: mysql_get_server_info
 */
char *mysql_get_server_info(MYSQL *mysql);

/*
 * Tell the version of the server as a number: 10.11.19 is 101119.
 *
 * waits: nothing
 * returns: the number; 0 before the first connect
 * manual: mysql_get_server_version
 */
unsigned long mysql_get_server_version(MYSQL *mysql);

/*
 * Tell which host the connection leads to and how, such as "Localhost via UNIX
 * socket".
 *
 * waits: nothing
 * returns: the text; NULL before the first connect
 * owner: the connection; until it is closed or made again
 * manual: mysql_get_host_info
 */
char *mysql_get_host_info(MYSQL *mysql);

/*
 * Tell the version of the protocol that the server speaks.
 *
 * waits: nothing
 * returns: the number; 0 before the first connect
 * manual: mysql_get_proto_info
 */
unsigned int mysql_get_proto_info(MYSQL *mysql);

/*
 * Fetch a value about the library or the connection into *arg, whose type the
 * value decides. Values that take more arguments need mariadb_get_infov().
 *
 * waits: nothing
 * returns: 0, or non-zero on error
 * owner: pointers that it delivers: the connection or the library; until the
 *   next call on the connection
 * keeps: nothing after it returns
 * manual: mariadb_get_info
 * guard: own
 */
my_bool mariadb_get_info(MYSQL *mysql, enum mariadb_value value, void *arg);

/*
 * Fetch a value about the library or the connection into *arg, whose type the
 * value decides; a few values take one more argument.
 *
 * waits: nothing
 * returns: 0, or non-zero on error
 * owner: pointers that it delivers: the connection or the library; until the
 *   next call on the connection
 * keeps: nothing after it returns
 * manual: mariadb_get_infov
 * guard: own
 */
my_bool mariadb_get_infov(MYSQL *mysql, enum mariadb_value value, void *arg, ...);

/*
 * Fetch the first change of one kind that the last reply reported of the
 * session. The server reports what its session_track_* variables say.
 *
 * waits: nothing
 * returns: 0 with *data and *length set, 1 if there is none
 * owner: the connection; until the next call that reads from the server. No
 *   NUL ends the text
 * keeps: nothing after it returns
 * manual: mysql_session_track_get_first
 * guard: own
 */
int mysql_session_track_get_first(MYSQL *mysql, enum enum_session_state_type type, const char **data, size_t *length);

/*
 * Fetch the next change after mysql_session_track_get_first(). A system
 * variable is two of them: its name, then its value.
 *
 * waits: nothing
 * returns: 0 with *data and *length set, 1 if there are no more
 * owner: the connection; until the next call that reads from the server. No
 *   NUL ends the text
 * keeps: nothing after it returns
 * manual: mysql_session_track_get_next
 * guard: own
 */
int mysql_session_track_get_next(MYSQL *mysql, enum enum_session_state_type type, const char **data, size_t *length);
