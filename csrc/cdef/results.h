/*
 * results.h - rows that came as text: the whole result in the client's
 * memory (mysql_store_result) or row by row (mysql_use_result).
 */

/*
 * Read all rows of the present result into the client's memory.
 *
 * waits: read
 * returns: the result; NULL with mysql_errno() 0 if the statement has none;
 *   else NULL on error
 * owner: the caller; free with mysql_free_result(). It outlives the connection
 * manual: mysql_store_result
 */
MYSQL_RES *mysql_store_result(MYSQL *mysql);

/*
 * Begin to read the present result row by row. The connection takes no other
 * command until the last row is read or the result is freed.
 *
 * waits: nothing
 * returns: the result; NULL with mysql_errno() 0 if the statement has none;
 *   else NULL on error
 * owner: the caller; free with mysql_free_result(), before mysql_close()
 * manual: mysql_use_result
 * guard: change
 */
MYSQL_RES *mysql_use_result(MYSQL *mysql);

/*
 * Describe the columns of a table whose names match wild, a LIKE pattern. The
 * result has no rows; table and wild may have 126 bytes together.
 *
 * waits: write, then read
 * returns: the result, or NULL on error
 * owner: the caller; free with mysql_free_result(). It outlives the connection
 * keeps: nothing after it returns; a _start call copies its strings
 * null: wild
 */
MYSQL_RES *mysql_list_fields(MYSQL *mysql, const char *table, const char *wild);

/*
 * List the databases whose names match wild, a LIKE pattern that goes into the
 * statement as it is. SHOW DATABASES does the same and need not block.
 *
 * waits: write, then read; it blocks: there is no pair
 * returns: the result, its rows stored, or NULL on error
 * owner: the caller; free with mysql_free_result(). It outlives the connection
 * keeps: nothing after it returns
 * guard: block
 * null: wild
 */
MYSQL_RES *mysql_list_dbs(MYSQL *mysql, const char *wild);

/*
 * List the tables whose names match wild, a LIKE pattern that goes into the
 * statement as it is. SHOW TABLES does the same and need not block.
 *
 * waits: write, then read; it blocks: there is no pair
 * returns: the result, its rows stored, or NULL on error
 * owner: the caller; free with mysql_free_result(). It outlives the connection
 * keeps: nothing after it returns
 * guard: block
 * null: wild
 */
MYSQL_RES *mysql_list_tables(MYSQL *mysql, const char *wild);

/*
 * List the connections of the server. SHOW PROCESSLIST does the same and need
 * not block.
 *
 * waits: write, then read; it blocks: there is no pair
 * returns: the result, its rows stored, or NULL on error
 * owner: the caller; free with mysql_free_result(). It outlives the connection
 * guard: block
 */
MYSQL_RES *mysql_list_processes(MYSQL *mysql);

/*
 * Free a result; what mysql_use_result() left unread is read and thrown away.
 *
 * waits: read, if rows are unread; nothing for a stored result
 * manual: mysql_free_result
 * null: result
 */
void mysql_free_result(MYSQL_RES *result);

/*
 * Fetch the next row: an array of mysql_num_fields() texts, NULL for an SQL
 * NULL. mysql_fetch_lengths() tells how long they are.
 *
 * waits: read; nothing for a stored result
 * returns: the row; NULL with mysql_errno() 0 after the last one; else NULL on
 *   error
 * owner: the result; until it is freed if it is stored, else until the next
 *   row is fetched or its connection reads anything else
 * manual: mysql_fetch_row
 */
MYSQL_ROW mysql_fetch_row(MYSQL_RES *result);

/*
 * Tell the lengths in bytes of the values of the row that was fetched last.
 *
 * waits: nothing
 * returns: an array of mysql_num_fields() lengths, 0 for an SQL NULL; NULL if
 *   there is no row
 * owner: the result; until a row is fetched, another one is sought or the
 *   result is freed
 * manual: mysql_fetch_lengths
 */
unsigned long *mysql_fetch_lengths(MYSQL_RES *result);

/*
 * Tell how many rows a stored result has, or how many were fetched so far of
 * one of mysql_use_result().
 *
 * waits: nothing
 * returns: the number
 * manual: mysql_num_rows
 * fails: 0
 */
my_ulonglong mysql_num_rows(MYSQL_RES *result);

/*
 * Tell how many columns a result has.
 *
 * waits: nothing
 * returns: the number
 * manual: mysql_num_fields
 */
unsigned int mysql_num_fields(MYSQL_RES *result);

/*
 * Tell whether the last row of a result of mysql_use_result() was read. It is
 * deprecated, as mysql_fetch_row() and mysql_errno() tell the same.
 *
 * waits: nothing
 * returns: 1 if it was, and always for a stored result; else 0
 * manual: mysql_eof
 */
my_bool mysql_eof(MYSQL_RES *result);

/*
 * Describe the next column; mysql_field_seek() says which one that is.
 *
 * waits: nothing
 * returns: the description; NULL after the last column
 * owner: the result; until it is freed
 * manual: mysql_fetch_field
 */
MYSQL_FIELD *mysql_fetch_field(MYSQL_RES *result);

/*
 * Describe all columns.
 *
 * waits: nothing
 * returns: an array of mysql_num_fields() descriptions
 * owner: the result; until it is freed
 * manual: mysql_fetch_fields
 */
MYSQL_FIELD *mysql_fetch_fields(MYSQL_RES *result);

/*
 * Describe the column fieldnr, which counts from 0 and is less than
 * mysql_num_fields().
 *
 * waits: nothing
 * returns: the description
 * owner: the result; until it is freed
 * manual: mysql_fetch_field_direct
 * guard: own
 */
MYSQL_FIELD *mysql_fetch_field_direct(MYSQL_RES *result, unsigned int fieldnr);

/*
 * Say which column mysql_fetch_field() describes next, counting from 0.
 *
 * waits: nothing
 * returns: the one it would have been before
 * manual: mysql_field_seek
 */
MYSQL_FIELD_OFFSET mysql_field_seek(MYSQL_RES *result, MYSQL_FIELD_OFFSET offset);

/*
 * Tell which column mysql_fetch_field() describes next, counting from 0.
 *
 * waits: nothing
 * returns: the number of the column
 * manual: mysql_field_tell
 */
unsigned int mysql_field_tell(MYSQL_RES *result);

/*
 * Say by its number from 0 which row of a stored result is fetched next. The
 * rows are a list: the time it takes grows with offset.
 *
 * waits: nothing
 * manual: mysql_data_seek
 */
void mysql_data_seek(MYSQL_RES *result, unsigned long long offset);

/*
 * Go to a place in a stored result that mysql_row_tell() or this function
 * returned; NULL is behind the last row.
 *
 * waits: nothing
 * returns: the place that was left
 * owner: the result; until it is freed
 * manual: mysql_row_seek
 * null: offset
 */
MYSQL_ROW_OFFSET mysql_row_seek(MYSQL_RES *result, MYSQL_ROW_OFFSET offset);

/*
 * Tell the place of the row of a stored result that is fetched next.
 *
 * waits: nothing
 * returns: the place; NULL behind the last row
 * owner: the result; until it is freed
 * manual: mysql_row_tell
 */
MYSQL_ROWS *mysql_row_tell(MYSQL_RES *result);

/*
 * Fetch the name of a column's data type or format, such as "uuid" or "json",
 * where MYSQL_FIELD only knows the type that carries it.
 *
 * waits: nothing
 * returns: 0 with *attr set, its length 0 if there is no name; 1 if the server
 *   sent none for the column
 * owner: the text of *attr: whoever owns field, the result or the statement;
 *   as long as field is valid. No NUL ends it
 * keeps: nothing after it returns
 * manual: mariadb_field_attr
 */
int mariadb_field_attr(MARIADB_CONST_STRING *attr, const MYSQL_FIELD *field, enum mariadb_field_attr_t type);
