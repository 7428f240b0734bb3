/*
 * statements.h - prepared statements: parameters and rows go through
 * MYSQL_BIND, whose buffers are the caller's.
 */

enum enum_stmt_attr_type {
    STMT_ATTR_UPDATE_MAX_LENGTH,
    STMT_ATTR_CURSOR_TYPE,
    STMT_ATTR_PREFETCH_ROWS,
    STMT_ATTR_PREBIND_PARAMS,
    STMT_ATTR_ARRAY_SIZE,
    STMT_ATTR_ROW_SIZE,
    STMT_ATTR_STATE,
    STMT_ATTR_CB_USER_DATA,
    STMT_ATTR_CB_PARAM,
    STMT_ATTR_CB_RESULT,
    STMT_ATTR_SQL_STATEMENT,
    ...
};

enum enum_cursor_type {
    CURSOR_TYPE_NO_CURSOR,
    CURSOR_TYPE_READ_ONLY,
    CURSOR_TYPE_FOR_UPDATE,
    CURSOR_TYPE_SCROLLABLE,
    ...
};

enum enum_indicator_type {
    STMT_INDICATOR_NTS,
    STMT_INDICATOR_NONE,
    STMT_INDICATOR_NULL,
    STMT_INDICATOR_DEFAULT,
    STMT_INDICATOR_IGNORE,
    STMT_INDICATOR_IGNORE_ROW,
    ...
};

enum mysql_stmt_state {
    MYSQL_STMT_INITTED,
    MYSQL_STMT_PREPARED,
    MYSQL_STMT_EXECUTED,
    MYSQL_STMT_WAITING_USE_OR_STORE,
    MYSQL_STMT_USE_OR_STORE_CALLED,
    MYSQL_STMT_USER_FETCHING,
    MYSQL_STMT_FETCH_DONE,
    ...
};

/* What mysql_stmt_fetch() returns, and details of executing. */
#define MYSQL_NO_DATA ...
#define MYSQL_DATA_TRUNCATED ...
#define MYSQL_DATA_MALFORMED ...
#define MYSQL_DEFAULT_PREFETCH_ROWS ...
#define MADB_BIND_DUMMY ...
#define MYSQL_PS_SKIP_RESULT_W_LEN ...
#define MYSQL_PS_SKIP_RESULT_STR ...
#define STMT_ID_LENGTH ...
#define STMT_BULK_FLAG_CLIENT_SEND_TYPES ...
#define STMT_BULK_FLAG_INSERT_ID_REQUEST ...
#define STMT_BULK_FLAG_SEND_UNIT_RESULTS ...

/*
 * Make a statement handle; mysql_stmt_prepare() gives it a statement.
 *
 * waits: nothing
 * returns: the handle, or NULL when there is no memory
 * owner: the caller; free with mysql_stmt_close(), also after mysql_close()
 * manual: mysql_stmt_init
 * guard: change
 */
MYSQL_STMT *mysql_stmt_init(MYSQL *mysql);

/*
 * Have the server prepare a statement, with a ? for each parameter. The one
 * that the handle had before is closed.
 *
 * waits: write, then read; before that it reads what is left of the results
 * returns: 0, or non-zero on error
 * keeps: nothing after it returns; a _start call copies its strings
 * manual: mysql_stmt_prepare
 */
int mysql_stmt_prepare(MYSQL_STMT *stmt, const char *query, unsigned long length);

/*
 * Execute the statement with the values that its parameters have now. Rows are
 * then read with mysql_stmt_fetch() or mysql_stmt_store_result().
 *
 * waits: write, then read; before that it reads what is left of the results
 * returns: 0, or non-zero on error
 * keeps: what the bound parameters point to, until it returns; with _start,
 *   until the operation is over
 * manual: mysql_stmt_execute
 */
int mysql_stmt_execute(MYSQL_STMT *stmt);

/*
 * Prepare and execute a statement in one go. For parameters set
 * STMT_ATTR_PREBIND_PARAMS and bind them before.
 *
 * waits: write, then read; it blocks: there is no pair
 * returns: 0, or non-zero on error
 * keeps: nothing after it returns
 * manual: mariadb_stmt_execute_direct
 * guard: own
 */
int mariadb_stmt_execute_direct(MYSQL_STMT *stmt, const char *stmt_str, size_t length);

/*
 * Fetch the next row into the buffers that mysql_stmt_bind_result() named.
 *
 * waits: read; nothing after mysql_stmt_store_result(); write, then read, when
 *   a cursor has no more rows at hand
 * returns: 0; MYSQL_NO_DATA after the last row; MYSQL_DATA_TRUNCATED if a
 *   value did not fit its buffer; 1 on error
 * keeps: what the bound columns point to, until it returns; with _start, until
 *   the operation is over
 * manual: mysql_stmt_fetch
 */
int mysql_stmt_fetch(MYSQL_STMT *stmt);

/*
 * Read all rows of the result into the client's memory, from where
 * mysql_stmt_fetch() takes them.
 *
 * waits: read; write, then read, with a cursor
 * returns: 0, or 1 on error
 * manual: mysql_stmt_store_result
 */
int mysql_stmt_store_result(MYSQL_STMT *stmt);

/*
 * Throw the rows of the result away, those too that are still to be read.
 *
 * waits: read, if rows are unread; else nothing
 * returns: 0; 1 on error, and if there is no result
 * manual: mysql_stmt_free_result
 */
my_bool mysql_stmt_free_result(MYSQL_STMT *stmt);

/*
 * Bring the statement back to how it was when it had been prepared: without
 * results and without what mysql_stmt_send_long_data() sent. Bound buffers
 * stay bound.
 *
 * waits: write, then read; before that it reads what is left of the results
 * returns: 0, or non-zero on error
 * manual: mysql_stmt_reset
 */
my_bool mysql_stmt_reset(MYSQL_STMT *stmt);

/*
 * Close the statement on the server and free its handle.
 *
 * waits: write; before that it reads what is left of the results; nothing
 *   without a connection
 * returns: 0, or 1 on error. The handle is freed either way, unless the error
 *   is that another statement of the connection was executed and its rows wait
 *   to be read (mysql_stmt_errno() is 2014)
 * manual: mysql_stmt_close
 */
my_bool mysql_stmt_close(MYSQL_STMT *stmt);

/*
 * Go on to the next result of a procedure call. It has columns of its own:
 * bind them anew.
 *
 * waits: read; nothing if there is no other result
 * returns: 0 if there is one; -1 if there is none; 1 on error
 * manual: mysql_stmt_next_result
 */
int mysql_stmt_next_result(MYSQL_STMT *stmt);

/*
 * Send a piece of a parameter's value ahead of mysql_stmt_execute(); the
 * server appends it to the pieces before. param_number counts from 0.
 *
 * waits: write
 * returns: 0, or non-zero on error
 * keeps: nothing after it returns; a _start call copies data
 * manual: mysql_stmt_send_long_data
 */
my_bool mysql_stmt_send_long_data(MYSQL_STMT *stmt, unsigned int param_number, const char *data, unsigned long length);

/*
 * Say where the values of the parameters are: one MYSQL_BIND for each.
 *
 * waits: nothing
 * returns: 0, or 1 on error
 * keeps: what the MYSQL_BINDs point to, until the statement is executed for
 *   the last time, bound anew or closed; the MYSQL_BINDs themselves are copied
 * manual: mysql_stmt_bind_param
 * guard: change
 * null: bind
 */
my_bool mysql_stmt_bind_param(MYSQL_STMT *stmt, MYSQL_BIND *bind);

/*
 * Say where the values of the columns go: one MYSQL_BIND for each. Lengths,
 * NULLs and truncations are told only where pointers of it lead.
 *
 * waits: nothing
 * returns: 0, or 1 on error
 * keeps: what the MYSQL_BINDs point to, until the last row is fetched, the
 *   columns are bound anew or the statement is closed; the MYSQL_BINDs
 *   themselves are copied
 * manual: mysql_stmt_bind_result
 * guard: own
 */
my_bool mysql_stmt_bind_result(MYSQL_STMT *stmt, MYSQL_BIND *bind);

/*
 * Set an attribute of the statement, such as a cursor or the number of rows of
 * its arrays of parameters.
 *
 * waits: nothing; STMT_ATTR_PREBIND_PARAMS on a prepared statement reads what
 *   is left of the results, then writes
 * returns: 0, or 1 on error
 * keeps: callbacks and their STMT_ATTR_CB_USER_DATA, until they are replaced
 *   or the statement is closed; numbers are copied
 * manual: mysql_stmt_attr_set
 * guard: own
 */
my_bool mysql_stmt_attr_set(MYSQL_STMT *stmt, enum enum_stmt_attr_type attr_type, const void *attr);

/*
 * Fetch an attribute of the statement into *attr, whose type the attribute
 * decides.
 *
 * waits: nothing
 * returns: 0, or 1 for an attribute that cannot be read
 * owner: the text of STMT_ATTR_SQL_STATEMENT: the statement; until it is
 *   prepared again or closed
 * keeps: nothing after it returns
 * manual: mysql_stmt_attr_get
 */
my_bool mysql_stmt_attr_get(MYSQL_STMT *stmt, enum enum_stmt_attr_type attr_type, void *attr);

/*
 * Fetch one column of the present row once more, into the buffer of bind and
 * from offset on: for values that are too long for the buffers that are bound.
 *
 * waits: nothing
 * returns: 0; 1 if there is no row or no such column
 * keeps: nothing after it returns. Pointers that are NULL in bind may be set:
 *   its length then belongs to the statement
 * manual: mysql_stmt_fetch_column
 * guard: change
 */
int mysql_stmt_fetch_column(MYSQL_STMT *stmt, MYSQL_BIND *bind, unsigned int column, unsigned long offset);

/*
 * Tell how many parameters the statement has.
 *
 * waits: nothing
 * returns: the number
 * manual: mysql_stmt_param_count
 */
unsigned long mysql_stmt_param_count(MYSQL_STMT *stmt);

/*
 * Do nothing: the library knows nothing of parameters but their number.
 *
 * waits: nothing
 * returns: NULL
 * manual: mysql_stmt_param_metadata
 */
MYSQL_RES *mysql_stmt_param_metadata(MYSQL_STMT *stmt);

/*
 * Describe the columns of the result; it has no rows, and exists from
 * mysql_stmt_prepare() on.
 *
 * waits: nothing
 * returns: the description as a result; NULL if the statement has no columns
 * owner: the caller; free with mysql_free_result(). Its columns belong to the
 *   statement: until it is prepared or executed again, goes on to its next
 *   result or is closed
 * manual: mysql_stmt_result_metadata
 * guard: change
 */
MYSQL_RES *mysql_stmt_result_metadata(MYSQL_STMT *stmt);

/*
 * Describe the columns of the result without a MYSQL_RES around them.
 *
 * waits: nothing
 * returns: an array of mysql_stmt_field_count() descriptions; NULL if there
 *   are none
 * owner: the statement; until it is prepared or executed again, goes on to its
 *   next result or is closed
 * manual: mariadb_stmt_fetch_fields
 */
MYSQL_FIELD *mariadb_stmt_fetch_fields(MYSQL_STMT *stmt);

/*
 * Tell how many columns the result has.
 *
 * waits: nothing
 * returns: the number; 0 if the statement has no result
 * manual: mysql_stmt_field_count
 */
unsigned int mysql_stmt_field_count(MYSQL_STMT *stmt);

/*
 * Tell whether the statement has more results than the present one.
 *
 * waits: nothing
 * returns: 1 if it has, else 0
 * manual: mysql_stmt_more_results
 * fails: 0
 */
my_bool mysql_stmt_more_results(MYSQL_STMT *stmt);

/*
 * Tell how many rows mysql_stmt_store_result() has read, or else how many were
 * fetched so far.
 *
 * waits: nothing
 * returns: the number
 * manual: mysql_stmt_num_rows
 * fails: 0
 */
my_ulonglong mysql_stmt_num_rows(MYSQL_STMT *stmt);

/*
 * Tell how many rows the statement changed, or how many
 * mysql_stmt_store_result() has read.
 *
 * waits: nothing
 * returns: the number; (my_ulonglong)-1 on error, and for rows that were not
 *   stored
 * manual: mysql_stmt_affected_rows
 */
my_ulonglong mysql_stmt_affected_rows(MYSQL_STMT *stmt);

/*
 * Tell the AUTO_INCREMENT value that the statement made, the first of them if
 * it made several.
 *
 * waits: nothing
 * returns: the value; 0 if it made none
 * manual: mysql_stmt_insert_id
 * fails: 0
 */
my_ulonglong mysql_stmt_insert_id(MYSQL_STMT *stmt);

/*
 * Tell how many warnings the statement caused; SHOW WARNINGS lists them.
 *
 * waits: nothing
 * returns: the number
 * manual: mysql_stmt_warning_count
 * fails: 0
 */
int mysql_stmt_warning_count(MYSQL_STMT *stmt);

/*
 * Say by its number from 0 which row is fetched next, after
 * mysql_stmt_store_result(). The rows are a list: the time it takes grows with
 * offset.
 *
 * waits: nothing
 * manual: mysql_stmt_data_seek
 * guard: change
 */
void mysql_stmt_data_seek(MYSQL_STMT *stmt, unsigned long long offset);

/*
 * Go to a place in the rows of mysql_stmt_store_result() that
 * mysql_stmt_row_tell() or this function returned; NULL is behind the last
 * row.
 *
 * waits: nothing
 * returns: the place that was left
 * owner: the statement; until its rows are freed or it is executed again
 * manual: mysql_stmt_row_seek
 * guard: change
 * null: offset
 */
MYSQL_ROW_OFFSET mysql_stmt_row_seek(MYSQL_STMT *stmt, MYSQL_ROW_OFFSET offset);

/*
 * Tell the place of the row that is fetched next, after
 * mysql_stmt_store_result().
 *
 * waits: nothing
 * returns: the place; NULL behind the last row
 * owner: the statement; until its rows are freed or it is executed again
 * manual: mysql_stmt_row_tell
 */
MYSQL_ROW_OFFSET mysql_stmt_row_tell(MYSQL_STMT *stmt);
