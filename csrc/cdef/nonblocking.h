/*
 * nonblocking.h - the pairs: f_start(&ret, arguments of f) and
 * f_cont(&ret, handle, status) for every f that may wait for the network.
 *
 * Both return 0 when the operation is over and *ret holds what f returns, or
 * else the mask of MYSQL_WAIT_* that it waits for; then *ret is untouched.
 */

/* What an operation waits for, and what happened. */
#define MYSQL_WAIT_READ ...
#define MYSQL_WAIT_WRITE ...
#define MYSQL_WAIT_EXCEPT ...
#define MYSQL_WAIT_TIMEOUT ...

int mysql_real_connect_start(MYSQL **ret, MYSQL *mysql, const char *host, const char *user, const char *passwd, const char *db, unsigned int port, const char *unix_socket, unsigned long clientflag);
int mysql_real_connect_cont(MYSQL **ret, MYSQL *mysql, int status);
int mysql_close_start(MYSQL *sock);
int mysql_close_cont(MYSQL *sock, int status);
int mysql_change_user_start(my_bool *ret, MYSQL *mysql, const char *user, const char *passwd, const char *db);
int mysql_change_user_cont(my_bool *ret, MYSQL *mysql, int status);
int mysql_reset_connection_start(int *ret, MYSQL *mysql);
int mysql_reset_connection_cont(int *ret, MYSQL *mysql, int status);
int mysql_ping_start(int *ret, MYSQL *mysql);
int mysql_ping_cont(int *ret, MYSQL *mysql, int status);
int mysql_select_db_start(int *ret, MYSQL *mysql, const char *db);
int mysql_select_db_cont(int *ret, MYSQL *mysql, int status);
int mysql_set_character_set_start(int *ret, MYSQL *mysql, const char *csname);
int mysql_set_character_set_cont(int *ret, MYSQL *mysql, int status);
int mysql_set_server_option_start(int *ret, MYSQL *mysql, enum enum_mysql_set_option option);
int mysql_set_server_option_cont(int *ret, MYSQL *mysql, int status);
int mysql_shutdown_start(int *ret, MYSQL *mysql, enum mysql_enum_shutdown_level shutdown_level);
int mysql_shutdown_cont(int *ret, MYSQL *mysql, int status);
int mysql_refresh_start(int *ret, MYSQL *mysql, unsigned int refresh_options);
int mysql_refresh_cont(int *ret, MYSQL *mysql, int status);
int mysql_kill_start(int *ret, MYSQL *mysql, unsigned long pid);
int mysql_kill_cont(int *ret, MYSQL *mysql, int status);
int mysql_dump_debug_info_start(int *ret, MYSQL *mysql);
int mysql_dump_debug_info_cont(int *ret, MYSQL *mysql, int status);
int mysql_stat_start(const char **ret, MYSQL *mysql);
int mysql_stat_cont(const char **ret, MYSQL *mysql, int status);
int mysql_query_start(int *ret, MYSQL *mysql, const char *q);
int mysql_query_cont(int *ret, MYSQL *mysql, int status);
int mysql_real_query_start(int *ret, MYSQL *mysql, const char *q, unsigned long length);
int mysql_real_query_cont(int *ret, MYSQL *mysql, int status);
int mysql_send_query_start(int *ret, MYSQL *mysql, const char *q, unsigned long length);
int mysql_send_query_cont(int *ret, MYSQL *mysql, int status);
int mysql_read_query_result_start(my_bool *ret, MYSQL *mysql);
int mysql_read_query_result_cont(my_bool *ret, MYSQL *mysql, int status);
int mysql_next_result_start(int *ret, MYSQL *mysql);
int mysql_next_result_cont(int *ret, MYSQL *mysql, int status);
int mysql_commit_start(my_bool *ret, MYSQL *mysql);
int mysql_commit_cont(my_bool *ret, MYSQL *mysql, int status);
int mysql_rollback_start(my_bool *ret, MYSQL *mysql);
int mysql_rollback_cont(my_bool *ret, MYSQL *mysql, int status);
int mysql_autocommit_start(my_bool *ret, MYSQL *mysql, my_bool mode);
int mysql_autocommit_cont(my_bool *ret, MYSQL *mysql, int status);
int mysql_store_result_start(MYSQL_RES **ret, MYSQL *mysql);
int mysql_store_result_cont(MYSQL_RES **ret, MYSQL *mysql, int status);
int mysql_list_fields_start(MYSQL_RES **ret, MYSQL *mysql, const char *table, const char *wild);
int mysql_list_fields_cont(MYSQL_RES **ret, MYSQL *mysql, int status);
int mysql_fetch_row_start(MYSQL_ROW *ret, MYSQL_RES *result);
int mysql_fetch_row_cont(MYSQL_ROW *ret, MYSQL_RES *result, int status);
int mysql_free_result_start(MYSQL_RES *result);
int mysql_free_result_cont(MYSQL_RES *result, int status);
int mysql_stmt_next_result_start(int *ret, MYSQL_STMT *stmt);
int mysql_stmt_next_result_cont(int *ret, MYSQL_STMT *stmt, int status);
int mysql_stmt_prepare_start(int *ret, MYSQL_STMT *stmt, const char *query, unsigned long length);
int mysql_stmt_prepare_cont(int *ret, MYSQL_STMT *stmt, int status);
int mysql_stmt_execute_start(int *ret, MYSQL_STMT *stmt);
int mysql_stmt_execute_cont(int *ret, MYSQL_STMT *stmt, int status);
int mysql_stmt_fetch_start(int *ret, MYSQL_STMT *stmt);
int mysql_stmt_fetch_cont(int *ret, MYSQL_STMT *stmt, int status);
int mysql_stmt_store_result_start(int *ret, MYSQL_STMT *stmt);
int mysql_stmt_store_result_cont(int *ret, MYSQL_STMT *stmt, int status);
int mysql_stmt_close_start(my_bool *ret, MYSQL_STMT *stmt);
int mysql_stmt_close_cont(my_bool *ret, MYSQL_STMT *stmt, int status);
int mysql_stmt_reset_start(my_bool *ret, MYSQL_STMT *stmt);
int mysql_stmt_reset_cont(my_bool *ret, MYSQL_STMT *stmt, int status);
int mysql_stmt_free_result_start(my_bool *ret, MYSQL_STMT *stmt);
int mysql_stmt_free_result_cont(my_bool *ret, MYSQL_STMT *stmt, int status);
int mysql_stmt_send_long_data_start(my_bool *ret, MYSQL_STMT *stmt, unsigned int param_number, const char *data, unsigned long length);
int mysql_stmt_send_long_data_cont(my_bool *ret, MYSQL_STMT *stmt, int status);
