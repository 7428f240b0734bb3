/*
 * options.h - what mysql_options() and mariadb_get_infov() take, and the
 * functions that set and read options.  None of them waits for the network.
 */

enum mysql_option {
    MYSQL_OPT_CONNECT_TIMEOUT,
    MYSQL_OPT_COMPRESS,
    MYSQL_OPT_NAMED_PIPE,
    MYSQL_INIT_COMMAND,
    MYSQL_READ_DEFAULT_FILE,
    MYSQL_READ_DEFAULT_GROUP,
    MYSQL_SET_CHARSET_DIR,
    MYSQL_SET_CHARSET_NAME,
    MYSQL_OPT_LOCAL_INFILE,
    MYSQL_OPT_PROTOCOL,
    MYSQL_SHARED_MEMORY_BASE_NAME,
    MYSQL_OPT_READ_TIMEOUT,
    MYSQL_OPT_WRITE_TIMEOUT,
    MYSQL_OPT_USE_RESULT,
    MYSQL_OPT_USE_REMOTE_CONNECTION,
    MYSQL_OPT_USE_EMBEDDED_CONNECTION,
    MYSQL_OPT_GUESS_CONNECTION,
    MYSQL_SET_CLIENT_IP,
    MYSQL_SECURE_AUTH,
    MYSQL_REPORT_DATA_TRUNCATION,
    MYSQL_OPT_RECONNECT,
    MYSQL_OPT_SSL_VERIFY_SERVER_CERT,
    MYSQL_PLUGIN_DIR,
    MYSQL_DEFAULT_AUTH,
    MYSQL_OPT_BIND,
    MYSQL_OPT_SSL_KEY,
    MYSQL_OPT_SSL_CERT,
    MYSQL_OPT_SSL_CA,
    MYSQL_OPT_SSL_CAPATH,
    MYSQL_OPT_SSL_CIPHER,
    MYSQL_OPT_SSL_CRL,
    MYSQL_OPT_SSL_CRLPATH,
    MYSQL_OPT_CONNECT_ATTR_RESET,
    MYSQL_OPT_CONNECT_ATTR_ADD,
    MYSQL_OPT_CONNECT_ATTR_DELETE,
    MYSQL_SERVER_PUBLIC_KEY,
    MYSQL_ENABLE_CLEARTEXT_PLUGIN,
    MYSQL_OPT_CAN_HANDLE_EXPIRED_PASSWORDS,
    MYSQL_OPT_SSL_ENFORCE,
    MYSQL_OPT_MAX_ALLOWED_PACKET,
    MYSQL_OPT_NET_BUFFER_LENGTH,
    MYSQL_OPT_TLS_VERSION,
    MYSQL_OPT_ZSTD_COMPRESSION_LEVEL,
    MYSQL_PROGRESS_CALLBACK,
    MYSQL_OPT_NONBLOCK,
    MYSQL_DATABASE_DRIVER,
    MARIADB_OPT_SSL_FP,
    MARIADB_OPT_SSL_FP_LIST,
    MARIADB_OPT_TLS_PASSPHRASE,
    MARIADB_OPT_TLS_CIPHER_STRENGTH,
    MARIADB_OPT_TLS_VERSION,
    MARIADB_OPT_TLS_PEER_FP,
    MARIADB_OPT_TLS_PEER_FP_LIST,
    MARIADB_OPT_CONNECTION_READ_ONLY,
    MYSQL_OPT_CONNECT_ATTRS,
    MARIADB_OPT_USERDATA,
    MARIADB_OPT_CONNECTION_HANDLER,
    MARIADB_OPT_PORT,
    MARIADB_OPT_UNIXSOCKET,
    MARIADB_OPT_PASSWORD,
    MARIADB_OPT_HOST,
    MARIADB_OPT_USER,
    MARIADB_OPT_SCHEMA,
    MARIADB_OPT_DEBUG,
    MARIADB_OPT_FOUND_ROWS,
    MARIADB_OPT_MULTI_RESULTS,
    MARIADB_OPT_MULTI_STATEMENTS,
    MARIADB_OPT_INTERACTIVE,
    MARIADB_OPT_PROXY_HEADER,
    MARIADB_OPT_IO_WAIT,
    MARIADB_OPT_SKIP_READ_RESPONSE,
    MARIADB_OPT_RESTRICTED_AUTH,
    MARIADB_OPT_RPL_REGISTER_REPLICA,
    MARIADB_OPT_STATUS_CALLBACK,
    MARIADB_OPT_SERVER_PLUGINS,
    MARIADB_OPT_BULK_UNIT_RESULTS,
    MARIADB_OPT_TLS_VERIFICATION_CALLBACK,
    ...
};

enum mariadb_value {
    MARIADB_CHARSET_ID,
    MARIADB_CHARSET_NAME,
    MARIADB_CLIENT_ERRORS,
    MARIADB_CLIENT_VERSION,
    MARIADB_CLIENT_VERSION_ID,
    MARIADB_CONNECTION_ASYNC_TIMEOUT,
    MARIADB_CONNECTION_ASYNC_TIMEOUT_MS,
    MARIADB_CONNECTION_MARIADB_CHARSET_INFO,
    MARIADB_CONNECTION_ERROR,
    MARIADB_CONNECTION_ERROR_ID,
    MARIADB_CONNECTION_HOST,
    MARIADB_CONNECTION_INFO,
    MARIADB_CONNECTION_PORT,
    MARIADB_CONNECTION_PROTOCOL_VERSION_ID,
    MARIADB_CONNECTION_PVIO_TYPE,
    MARIADB_CONNECTION_SCHEMA,
    MARIADB_CONNECTION_SERVER_TYPE,
    MARIADB_CONNECTION_SERVER_VERSION,
    MARIADB_CONNECTION_SERVER_VERSION_ID,
    MARIADB_CONNECTION_SOCKET,
    MARIADB_CONNECTION_SQLSTATE,
    MARIADB_CONNECTION_SSL_CIPHER,
    MARIADB_TLS_LIBRARY,
    MARIADB_CONNECTION_TLS_VERSION,
    MARIADB_CONNECTION_TLS_VERSION_ID,
    MARIADB_CONNECTION_TYPE,
    MARIADB_CONNECTION_UNIX_SOCKET,
    MARIADB_CONNECTION_USER,
    MARIADB_MAX_ALLOWED_PACKET,
    MARIADB_NET_BUFFER_LENGTH,
    MARIADB_CONNECTION_SERVER_STATUS,
    MARIADB_CONNECTION_SERVER_CAPABILITIES,
    MARIADB_CONNECTION_EXTENDED_SERVER_CAPABILITIES,
    MARIADB_CONNECTION_CLIENT_CAPABILITIES,
    MARIADB_CONNECTION_BYTES_READ,
    MARIADB_CONNECTION_BYTES_SENT,
    MARIADB_TLS_PEER_CERT_INFO,
    MARIADB_TLS_VERIFY_STATUS,
    ...
};

enum mysql_protocol_type {
    MYSQL_PROTOCOL_DEFAULT,
    MYSQL_PROTOCOL_TCP,
    MYSQL_PROTOCOL_SOCKET,
    MYSQL_PROTOCOL_PIPE,
    MYSQL_PROTOCOL_MEMORY,
    ...
};

/*
 * Set an option that takes one argument, or none; most count only when set
 * before the connect.
 *
 * waits: nothing
 * returns: 0, or non-zero on error
 * keeps: callbacks, until mysql_close(); texts and numbers are copied
 * manual: mysql_options
 * guard: own
 * null: arg
 */
int mysql_options(MYSQL *mysql, enum mysql_option option, const void *arg);

/*
 * Set an option that takes two arguments, such as MYSQL_OPT_CONNECT_ATTR_ADD.
 *
 * waits: nothing
 * returns: 0, or non-zero on error
 * keeps: callbacks, and the pointers of MARIADB_OPT_STATUS_CALLBACK and
 *   MARIADB_OPT_USERDATA, until mysql_close(); texts are copied
 * manual: mysql_options4
 * guard: own
 * null: arg1 arg2
 */
int mysql_options4(MYSQL *mysql, enum mysql_option option, const void *arg1, const void *arg2);

/*
 * Set an option with as many arguments as it takes.
 *
 * waits: nothing
 * returns: 0, or non-zero on error
 * keeps: callbacks, and the pointers of MARIADB_OPT_STATUS_CALLBACK and
 *   MARIADB_OPT_USERDATA, until mysql_close(); texts and numbers are copied
 * manual: mysql_optionsv
 * guard: own
 */
int mysql_optionsv(MYSQL *mysql, enum mysql_option option, ...);

/*
 * Fetch the value of an option into *arg, whose type the option decides.
 * Options of more than one value need mysql_get_optionv().
 *
 * waits: nothing
 * returns: 0, or non-zero for an option that cannot be read
 * owner: texts: the connection; until the option is set again or mysql_close()
 * keeps: nothing after it returns
 * manual: mysql_get_optionv
 * guard: own
 */
int mysql_get_option(MYSQL *mysql, enum mysql_option option, void *arg);

/*
 * Fetch the value of an option into *arg, and what else belongs to it into the
 * pointers that follow.
 *
 * waits: nothing
 * returns: 0, or non-zero for an option that cannot be read
 * owner: texts: the connection; until the option is set again or mysql_close()
 * keeps: nothing after it returns
 * manual: mysql_get_optionv
 * guard: own
 */
int mysql_get_optionv(MYSQL *mysql, enum mysql_option option, void *arg, ...);

/*
 * Ask for TLS, and name the files of key, certificate and CA, the folder of
 * CAs and the ciphers; NULL takes a name back.
 *
 * waits: nothing
 * returns: 0, or 1 on error
 * keeps: nothing after it returns
 * manual: mysql_ssl_set
 * guard: change
 * null: key cert ca capath cipher
 */
int mysql_ssl_set(MYSQL *mysql, const char *key, const char *cert, const char *ca, const char *capath, const char *cipher);

/*
 * Say which functions deliver the data of LOAD DATA LOCAL INFILE. In a _start
 * or _cont they run on the operation's own small stack: no Python there.
 *
 * waits: nothing
 * keeps: the functions and userdata, until others are set or mysql_close()
 * manual: mysql_set_local_infile_handler
 * guard: change
 * null: local_infile_init local_infile_read local_infile_end local_infile_error userdata
 */
void mysql_set_local_infile_handler(MYSQL *mysql, int (*local_infile_init)(void **, const char *, void *), int (*local_infile_read)(void *, char *, unsigned int), void (*local_infile_end)(void *), int (*local_infile_error)(void *, char *, unsigned int), void *userdata);

/*
 * Let the library deliver the data of LOAD DATA LOCAL INFILE: it opens
 * whatever file the server names.
 *
 * waits: nothing
 * manual: mysql_set_local_infile_default
 * guard: change
 */
void mysql_set_local_infile_default(MYSQL *mysql);
