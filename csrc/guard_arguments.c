/*
 * guard_arguments.c - the wrapped functions whose arguments the library takes
 * on trust: options, information by number, and variable arguments.
 *
 * Each nb_x() here takes the place of x(); build_ffi.py sees to that.
 */

#include "guard.h"

#include <errmsg.h>
#include <stdarg.h>

/* ---- Options -------------------------------------------------------------- */

/*
 * The default stack of a suspended operation is 60 KiB in some releases and
 * 256 KiB in others, and its end is not guarded: always the larger one, and
 * never less than a TLS connect with an option file was seen to need.
 */
#define DEFAULT_STACK (256 * 1024)
#define SMALLEST_STACK (64 * 1024)

/* Whether the library reads what the argument of the option points to. */
static bool
needs_argument(enum mysql_option option)
{
    switch (option) {
    case MYSQL_OPT_CONNECT_TIMEOUT:
    case MYSQL_INIT_COMMAND:
    case MYSQL_OPT_PROTOCOL:
    case MYSQL_OPT_READ_TIMEOUT:
    case MYSQL_OPT_WRITE_TIMEOUT:
    case MYSQL_SECURE_AUTH:
    case MYSQL_REPORT_DATA_TRUNCATION:
    case MYSQL_OPT_RECONNECT:
    case MYSQL_OPT_SSL_VERIFY_SERVER_CERT:
    case MYSQL_OPT_CONNECT_ATTR_ADD:
    case MYSQL_OPT_CAN_HANDLE_EXPIRED_PASSWORDS:
    case MYSQL_OPT_SSL_ENFORCE:
    case MYSQL_OPT_MAX_ALLOWED_PACKET:
    case MYSQL_OPT_NET_BUFFER_LENGTH:
    case MYSQL_OPT_ZSTD_COMPRESSION_LEVEL:
    case MARIADB_OPT_TLS_CIPHER_STRENGTH:
    case MARIADB_OPT_CONNECTION_READ_ONLY:
    case MARIADB_OPT_USERDATA:
    case MARIADB_OPT_PORT:
    case MARIADB_OPT_PROXY_HEADER:
    case MARIADB_OPT_SKIP_READ_RESPONSE:
    case MARIADB_OPT_RPL_REGISTER_REPLICA:
#if MARIADB_PACKAGE_VERSION_ID >= 30400
    case MARIADB_OPT_BULK_UNIT_RESULTS:
#endif
        return true;
    default:
        return false;
    }
}

static int
set_option(const nb_function *function, MYSQL *mysql, enum mysql_option option, const void *arg1,
           const void *arg2)
{
    nb_call call;
    size_t stack;
    int result;

    if (nb_enter(&call, function, mysql) < 0) {
        return 1;
    }
    if (arg1 == NULL && needs_argument(option)) {
        nb_refuse_null(function, mysql, "the option's argument");
        result = 1;
    }
    else if (option == MARIADB_OPT_SKIP_READ_RESPONSE && *(const my_bool *)arg1) {
        /* There is no call to read the replies of statements with. */
        nb_refuse(function, mysql, CR_FUNCTION_NOT_SUPPORTED,
                  "replies that nobody reads mix up what follows; use mysql_send_query()");
        result = 1;
    }
    else {
        if (option == MYSQL_OPT_NONBLOCK) {
            stack = arg1 != NULL ? *(const size_t *)arg1 : 0;
            stack = stack == 0 ? DEFAULT_STACK : stack < SMALLEST_STACK ? SMALLEST_STACK : stack;
            arg1 = &stack;
        }
        result = mysql_optionsv(mysql, option, arg1, arg2);
        if (option == MYSQL_OPT_NONBLOCK) {
            /* On a connection that stands, its socket has to follow. */
            nb_socket_settle(call.turn, false);
        }
    }
    nb_leave(&call, 0);
    return result;
}

int
nb_mysql_options(MYSQL *mysql, enum mysql_option option, const void *arg)
{
    static const nb_function function = {"mysql_options", NB_CONNECTION, NB_CHANGE, 0, NULL};
    return set_option(&function, mysql, option, arg, NULL);
}

int
nb_mysql_options4(MYSQL *mysql, enum mysql_option option, const void *arg1, const void *arg2)
{
    static const nb_function function = {"mysql_options4", NB_CONNECTION, NB_CHANGE, 0, NULL};
    return set_option(&function, mysql, option, arg1, arg2);
}

int
nb_mysql_optionsv(MYSQL *mysql, enum mysql_option option, ...)
{
    static const nb_function function = {"mysql_optionsv", NB_CONNECTION, NB_CHANGE, 0, NULL};
    va_list arguments;
    const void *arg1;
    const void *arg2 = NULL;

    va_start(arguments, option);
    arg1 = va_arg(arguments, const void *);
    if (option == MYSQL_OPT_CONNECT_ATTR_ADD || option == MARIADB_OPT_USERDATA ||
        option == MARIADB_OPT_PROXY_HEADER || option == MARIADB_OPT_RPL_REGISTER_REPLICA ||
        option == MARIADB_OPT_STATUS_CALLBACK) {
        arg2 = va_arg(arguments, const void *);
    }
    va_end(arguments);
    return set_option(&function, mysql, option, arg1, arg2);
}

static int
get_option(const nb_function *function, MYSQL *mysql, enum mysql_option option, void *arg,
           void *more1, void *more2)
{
    nb_call call;
    bool attributes = option == MYSQL_OPT_CONNECT_ATTRS;
    int result = 1;

    if (nb_enter(&call, function, mysql) < 0) {
        return 1;
    }
    if (arg == NULL && !attributes && option != MYSQL_INIT_COMMAND) {
        nb_refuse_null(function, mysql, "arg");
    }
    else if ((attributes && more2 == NULL) || (option == MARIADB_OPT_USERDATA && more1 == NULL)) {
        nb_refuse(function, mysql, CR_INVALID_PARAMETER,
                  "this option needs more arguments: mysql_get_optionv()");
    }
    else if (option == MYSQL_OPT_ZSTD_COMPRESSION_LEVEL && mysql->options.extension == NULL) {
        nb_refuse(function, mysql, CR_INVALID_PARAMETER, "the option has not been set");
    }
    else {
        result = mysql_get_optionv(mysql, option, arg, more1, more2);
    }
    nb_leave(&call, 0);
    return result;
}

int
nb_mysql_get_option(MYSQL *mysql, enum mysql_option option, void *arg)
{
    static const nb_function function = {"mysql_get_option", NB_CONNECTION, NB_LOOK, 0, NULL};
    return get_option(&function, mysql, option, arg, NULL, NULL);
}

int
nb_mysql_get_optionv(MYSQL *mysql, enum mysql_option option, void *arg, ...)
{
    static const nb_function function = {"mysql_get_optionv", NB_CONNECTION, NB_LOOK, 0, NULL};
    va_list arguments;
    void *more1 = NULL;
    void *more2 = NULL;

    va_start(arguments, arg);
    if (option == MYSQL_OPT_CONNECT_ATTRS || option == MARIADB_OPT_USERDATA ||
        option == MYSQL_INIT_COMMAND) {
        more1 = va_arg(arguments, void *);
    }
    if (option == MYSQL_OPT_CONNECT_ATTRS) {
        more2 = va_arg(arguments, void *);
    }
    va_end(arguments);
    return get_option(&function, mysql, option, arg, more1, more2);
}

/* ---- Information with variable arguments ----------------------------------- */

static bool
is_about_library(enum mariadb_value value)
{
    return value == MARIADB_CHARSET_ID || value == MARIADB_CHARSET_NAME ||
           value == MARIADB_CLIENT_ERRORS || value == MARIADB_CLIENT_VERSION ||
           value == MARIADB_CLIENT_VERSION_ID || value == MARIADB_TLS_LIBRARY ||
           value == MARIADB_MAX_ALLOWED_PACKET || value == MARIADB_NET_BUFFER_LENGTH;
}

static bool
needs_connection(enum mariadb_value value)
{
    return value == MARIADB_CONNECTION_SERVER_TYPE ||
           value == MARIADB_CONNECTION_SERVER_VERSION_ID ||
           value == MARIADB_CONNECTION_BYTES_READ || value == MARIADB_CONNECTION_BYTES_SENT;
}

static my_bool
get_info(const nb_function *function, MYSQL *mysql, enum mariadb_value value, void *arg,
         const void *more)
{
    nb_call call;
    my_bool result = 1;

    if (arg == NULL) {
        nb_refuse_null(function, mysql, "arg");
        return 1;
    }
    if (value == MARIADB_CHARSET_NAME && more == NULL) {
        nb_refuse(function, mysql, CR_INVALID_PARAMETER,
                  "this value needs one more argument: mariadb_get_infov()");
        return 1;
    }
    if (value == MARIADB_CHARSET_ID) {
        return mariadb_get_infov(NULL, value, arg, (unsigned int)(size_t)more);
    }
    if (is_about_library(value)) {
        return mariadb_get_infov(NULL, value, arg, more);
    }
    if (nb_enter(&call, function, mysql) < 0) {
        return 1;
    }
    if (needs_connection(value) && (mysql->net.pvio == NULL || mysql->server_version == NULL)) {
        nb_refuse(function, mysql, CR_SERVER_GONE_ERROR, "the handle is not connected");
    }
    else
#if MARIADB_PACKAGE_VERSION_ID >= 30400
        if (value == MARIADB_TLS_PEER_CERT_INFO) {
        if (mysql_get_ssl_cipher(mysql) != NULL) {
            result = mariadb_get_infov(mysql, value, arg, (unsigned int)(size_t)more);
        }
        else {
            nb_refuse(function, mysql, CR_SSL_CONNECTION_ERROR, "the connection does not use TLS");
        }
    }
    else
#endif
    {
        result = mariadb_get_infov(mysql, value, arg, more);
    }
    nb_leave(&call, 0);
    return result;
}

my_bool
nb_mariadb_get_info(MYSQL *mysql, enum mariadb_value value, void *arg)
{
    static const nb_function function = {"mariadb_get_info", NB_CONNECTION, NB_LOOK, 0, NULL};
    if (value == MARIADB_CHARSET_ID) {
        nb_refuse(&function, mysql, CR_INVALID_PARAMETER,
                  "this value needs one more argument: mariadb_get_infov()");
        return 1;
    }
    return get_info(&function, mysql, value, arg, NULL);
}

my_bool
nb_mariadb_get_infov(MYSQL *mysql, enum mariadb_value value, void *arg, ...)
{
    static const nb_function function = {"mariadb_get_infov", NB_CONNECTION, NB_LOOK, 0, NULL};
    va_list arguments;
    const void *more = NULL;

    va_start(arguments, arg);
    if (value == MARIADB_CHARSET_NAME) {
        more = va_arg(arguments, const char *);
    }
    else if (value == MARIADB_CHARSET_ID) {
        more = (const void *)(size_t)va_arg(arguments, unsigned int);
    }
#if MARIADB_PACKAGE_VERSION_ID >= 30400
    else if (value == MARIADB_TLS_PEER_CERT_INFO) {
        more = (const void *)(size_t)va_arg(arguments, unsigned int);
    }
#endif
    va_end(arguments);
    return get_info(&function, mysql, value, arg, more);
}

/* ---- Arguments that the library does not check ------------------------------ */

MYSQL_FIELD *
nb_mysql_fetch_field_direct(MYSQL_RES *result, unsigned int fieldnr)
{
    static const nb_function function = {"mysql_fetch_field_direct", NB_RESULT, NB_LOOK, 0, NULL};
    nb_call call;
    MYSQL_FIELD *field = NULL;

    if (nb_enter(&call, &function, result) < 0) {
        return NULL;
    }
    if (fieldnr < mysql_num_fields(result)) {
        field = mysql_fetch_field_direct(result, fieldnr);
    }
    else {
        nb_refuse(&function, result, CR_INVALID_PARAMETER_NO, "the result has fewer columns");
    }
    nb_leave(&call, 0);
    return field;
}

static int
session_track(const nb_function *function, MYSQL *mysql, enum enum_session_state_type type,
              const char **data, size_t *length,
              int (*next)(MYSQL *, enum enum_session_state_type, const char **, size_t *))
{
    nb_call call;
    int result = 1;

    if (data == NULL || length == NULL) {
        nb_refuse_null(function, mysql, data == NULL ? "data" : "length");
        return 1;
    }
    if (nb_enter(&call, function, mysql) < 0) {
        return 1;
    }
    if ((int)type < SESSION_TRACK_BEGIN || (int)type > SESSION_TRACK_END) {
        nb_refuse(function, mysql, CR_INVALID_PARAMETER, "type is none of SESSION_TRACK_*");
    }
    else {
        result = next(mysql, type, data, length);
    }
    nb_leave(&call, 0);
    return result;
}

int
nb_mysql_session_track_get_first(MYSQL *mysql, enum enum_session_state_type type, const char **data,
                                 size_t *length)
{
    static const nb_function function = {"mysql_session_track_get_first", NB_CONNECTION, NB_LOOK, 0,
                                         NULL};
    return session_track(&function, mysql, type, data, length, mysql_session_track_get_first);
}

int
nb_mysql_session_track_get_next(MYSQL *mysql, enum enum_session_state_type type, const char **data,
                                size_t *length)
{
    static const nb_function function = {"mysql_session_track_get_next", NB_CONNECTION, NB_LOOK, 0,
                                         NULL};
    return session_track(&function, mysql, type, data, length, mysql_session_track_get_next);
}

/*
 * One attribute ends what the statement was prepared for, with the rows that
 * are on their way; the others only change the handle.
 */
my_bool
nb_mysql_stmt_attr_set(MYSQL_STMT *stmt, enum enum_stmt_attr_type attr_type, const void *attr)
{
    static const nb_function change = {"mysql_stmt_attr_set", NB_STATEMENT, NB_CHANGE, 0, NULL};
    static const nb_function block = {"mysql_stmt_attr_set", NB_STATEMENT, NB_BLOCK, 0, NULL};
    const nb_function *function = attr_type == STMT_ATTR_PREBIND_PARAMS ? &block : &change;
    nb_call call;
    my_bool result;

    if (attr == NULL) {
        nb_refuse_null(function, stmt, "attr");
        return 1;
    }
    if (nb_enter(&call, function, stmt) < 0) {
        return 1;
    }
    result = mysql_stmt_attr_set(stmt, attr_type, attr);
    nb_leave(&call, 0);
    return result;
}

/* Whether a fetch writes values of this type without looking at the buffer's length. */
static bool
has_fixed_size(enum enum_field_types type)
{
    switch (type) {
    case MYSQL_TYPE_TINY:
    case MYSQL_TYPE_SHORT:
    case MYSQL_TYPE_YEAR:
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_LONG:
    case MYSQL_TYPE_LONGLONG:
    case MYSQL_TYPE_FLOAT:
    case MYSQL_TYPE_DOUBLE:
    case MYSQL_TYPE_DATE:
    case MYSQL_TYPE_TIME:
    case MYSQL_TYPE_DATETIME:
    case MYSQL_TYPE_TIMESTAMP:
        return true;
    default:
        return false;
    }
}

my_bool
nb_mysql_stmt_bind_result(MYSQL_STMT *stmt, MYSQL_BIND *bind)
{
    static const nb_function function = {"mysql_stmt_bind_result", NB_STATEMENT, NB_CHANGE, 0,
                                         NULL};
    nb_call call;
    my_bool result = 1;

    if (bind == NULL) {
        nb_refuse_null(&function, stmt, "bind");
        return 1;
    }
    if (nb_enter(&call, &function, stmt) < 0) {
        return 1;
    }
    for (unsigned int i = 0; stmt->state >= MYSQL_STMT_PREPARED && i < stmt->field_count; i++) {
        if (bind[i].buffer == NULL && has_fixed_size(bind[i].buffer_type)) {
            nb_refuse_on(&call, CR_INVALID_PARAMETER, "a column of fixed size has no buffer");
            nb_leave(&call, 0);
            return 1;
        }
    }
    result = mysql_stmt_bind_result(stmt, bind);
    if (result == 0) {
        nb_bound(&call);
    }
    nb_leave(&call, 0);
    return result;
}

/*
 * With parameters announced by STMT_ATTR_PREBIND_PARAMS that were not bound,
 * or an array of none, the library waits for a reply to what it has not sent.
 */
int
nb_mariadb_stmt_execute_direct(MYSQL_STMT *stmt, const char *stmt_str, size_t length)
{
    static const nb_function function = {"mariadb_stmt_execute_direct", NB_STATEMENT, NB_BLOCK,
                                         NB_PREPARES | NB_DIRECT, NULL};
    nb_call call;
    int result = 1;

    if (stmt_str == NULL) {
        nb_refuse_null(&function, stmt, "stmt_str");
        return 1;
    }
    if (nb_enter(&call, &function, stmt) < 0) {
        return 1;
    }
    if (stmt->prebind_params != 0 && !stmt->bind_param_done) {
        nb_refuse_on(&call, CR_PARAMS_NOT_BOUND, "its parameters are not bound");
    }
    else if (stmt->array_size != 0 && stmt->prebind_params == 0) {
        nb_refuse_on(&call, CR_BULK_WITHOUT_PARAMETERS, "an array needs parameters");
    }
    else {
        result = mariadb_stmt_execute_direct(stmt, stmt_str, length);
        call.failed = result != 0;
    }
    nb_leave(&call, 0);
    return result;
}

/* ---- Plug-ins -------------------------------------------------------------- */

struct st_mysql_client_plugin *
nb_mysql_load_plugin(MYSQL *mysql, const char *name, int type, int argc, ...)
{
    static const nb_function function = {"mysql_load_plugin", NB_CONNECTION, NB_CHANGE, 0, NULL};
    struct st_mysql_client_plugin *plugin;
    va_list arguments;
    nb_call call;

    if (name == NULL) {
        nb_refuse_null(&function, mysql, "name");
        return NULL;
    }
    if (nb_enter(&call, &function, mysql) < 0) {
        return NULL;
    }
    va_start(arguments, argc);
    plugin = mysql_load_plugin_v(mysql, name, type, argc, arguments);
    va_end(arguments);
    nb_leave(&call, 0);
    return plugin;
}
