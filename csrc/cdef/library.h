/*
 * library.h - the client library itself: start and end, versions, character
 * sets, texts, plug-ins.  Nothing here belongs to a connection.
 */

/* Variables of the library. */
extern unsigned int mariadb_deinitialize_ssl;

/*
 * Initialize the client library, once per process; mysql_init() does it by
 * itself. All three arguments are ignored.
 *
 * waits: nothing; but the first call asks the system's name service for the
 *   port of "mysql"
 * returns: 0, or non-zero on error
 * keeps: nothing after it returns
 * manual: mysql_server_init
 * null: argv groups
 */
int mysql_server_init(int argc, char **argv, char **groups);

/*
 * Release what the library holds for the whole process: plug-ins, TLS, file
 * names. Close every handle before; mysql_init() starts the library again.
 *
 * waits: nothing
 * manual: mysql_server_end
 * guard: own
 */
void mysql_server_end(void);

/*
 * Name that newer programs use for mysql_server_init().
 *
 * waits: nothing
 * returns: 0, or non-zero when the library could not be initialised
 * guard: alias
 * null: argv groups
 */
int mysql_library_init(int argc, char **argv, char **groups);

/*
 * Name that newer programs use for mysql_server_end().
 *
 * waits: nothing
 * guard: alias
 */
void mysql_library_end(void);

/*
 * Do nothing: a thread needs no preparation to use this library.
 *
 * waits: nothing
 * returns: 0
 * manual: mysql_thread_init
 */
my_bool mysql_thread_init(void);

/*
 * Do nothing: a thread leaves nothing behind in this library.
 *
 * waits: nothing
 * manual: mysql_thread_end
 */
void mysql_thread_end(void);

/*
 * Tell whether the library was built for programs with several threads.
 *
 * waits: nothing
 * returns: 1 if it was, else 0
 * manual: mysql_thread_safe
 */
unsigned int mysql_thread_safe(void);

/*
 * Tell whether the library contains a server.
 *
 * waits: nothing
 * returns: 0: this library never does
 */
my_bool mysql_embedded(void);

/*
 * Tell the version of the library as text, such as "3.4.9".
 *
 * waits: nothing
 * returns: the text
 * owner: the library; for ever
 * manual: mysql_get_client_info
 */
const char *mysql_get_client_info(void);

/*
 * Tell the version of the library as a number: 3.4.9 is 30409.
 *
 * waits: nothing
 * returns: the number
 * manual: mysql_get_client_version
 */
unsigned long mysql_get_client_version(void);

/*
 * Find the limits that hold for the whole library: the largest packet and the
 * size of a connection's buffer.
 *
 * waits: nothing
 * returns: a structure of pointers to the limits
 * owner: the library; for ever
 */
MYSQL_PARAMETERS *mysql_get_parameters(void);

/*
 * Do nothing: the library has no debug trace, and the name is kept for old
 * programs.
 *
 * waits: nothing
 * keeps: nothing after it returns
 * manual: mysql_debug
 */
void mysql_debug(const char *debug);

/*
 * Find a character set by its name, such as "utf8mb4".
 *
 * waits: nothing
 * returns: its description, or NULL if there is none of that name
 * owner: the library; for ever
 * keeps: nothing after it returns
 */
MARIADB_CHARSET_INFO *mariadb_get_charset_by_name(const char *csname);

/*
 * Find a character set by the number of one of its collations, such as 45.
 *
 * waits: nothing
 * returns: its description, or NULL if there is none of that number
 * owner: the library; for ever
 */
MARIADB_CHARSET_INFO *mariadb_get_charset_by_nr(unsigned int csnr);

/*
 * Convert a text to another character set. *from_len and *to_len hold sizes in
 * bytes and come back as what is left of them.
 *
 * waits: nothing
 * returns: the number of bytes written to to; (size_t)-1 on error, with the
 *   system's error number in *errorcode
 * keeps: nothing after it returns
 * manual: mariadb_convert_string
 * fails: (size_t)-1
 */
size_t mariadb_convert_string(const char *from, size_t *from_len, MARIADB_CHARSET_INFO *from_cs, char *to, size_t *to_len, MARIADB_CHARSET_INFO *to_cs, int *errorcode);

/*
 * Escape a text for a quoted literal in the library's default character set.
 * mysql_real_escape_string() knows the connection's. to needs 2 * from_length
 * + 1 bytes.
 *
 * waits: nothing
 * returns: the length of the escaped text without its final NUL; (unsigned
 *   long)-1 on error
 * keeps: nothing after it returns
 * manual: mysql_escape_string
 */
unsigned long mysql_escape_string(char *to, const char *from, unsigned long from_length);

/*
 * Write each byte as two hexadecimal digits, and a NUL behind them. to needs 2
 * * len + 1 bytes.
 *
 * waits: nothing
 * returns: the number of digits
 * keeps: nothing after it returns
 * manual: mysql_hex_string
 */
unsigned long mysql_hex_string(char *to, const char *from, unsigned long len);

/*
 * Read a length as the protocol encodes it, and move *packet behind it.
 *
 * waits: nothing
 * returns: the length; (unsigned long)-1 for the mark of an SQL NULL
 * keeps: nothing after it returns
 * manual: mysql_net_field_length
 */
unsigned long mysql_net_field_length(unsigned char **packet);

/*
 * Find a client plug-in by its name and type, and load it from the plug-in
 * folder if it is not there yet.
 *
 * waits: nothing; it may load a file
 * returns: the plug-in, or NULL on error
 * owner: the library; until mysql_server_end()
 * keeps: nothing after it returns
 * manual: mysql_client_find_plugin
 * guard: change
 */
struct st_mysql_client_plugin *mysql_client_find_plugin(MYSQL *mysql, const char *name, int type);

/*
 * Add a plug-in that is part of the program to those of the library.
 *
 * waits: nothing
 * returns: the plug-in, or the one of the same name and type that was there
 *   before; NULL on error
 * owner: the caller, whose structure it is, or the library; until
 *   mysql_server_end()
 * keeps: plugin with its texts and functions, until mysql_server_end()
 * guard: change
 */
struct st_mysql_client_plugin *mysql_client_register_plugin(MYSQL *mysql, struct st_mysql_client_plugin *plugin);

/*
 * Load a plug-in from the plug-in folder and hand it argc more arguments; type
 * is -1 if it does not matter.
 *
 * waits: nothing; it loads a file
 * returns: the plug-in; NULL on error, and if it is loaded already
 * owner: the library; until mysql_server_end()
 * keeps: nothing after it returns, unless the plug-in says otherwise
 * manual: mysql_load_plugin
 * guard: own
 */
struct st_mysql_client_plugin *mysql_load_plugin(MYSQL *mysql, const char *name, int type, int argc, ...);
