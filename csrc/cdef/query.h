/*
 * query.h - statements sent as text, and what the server said of them.
 */

/*
 * Send a statement that ends with a NUL and read the head of its reply. Rows
 * are then read with mysql_store_result() or mysql_use_result().
 *
 * waits: write, then read; LOAD DATA LOCAL INFILE writes and reads once more
 * returns: 0, or non-zero on error
 * keeps: nothing after it returns; a _start call copies its strings
 * manual: mysql_query
 */
int mysql_query(MYSQL *mysql, const char *q);

/*
 * Send a statement of length bytes, which may hold NULs, and read the head of
 * its reply. Rows are then read as after mysql_query().
 *
 * waits: write, then read; LOAD DATA LOCAL INFILE writes and reads once more
 * returns: 0, or non-zero on error
 * keeps: nothing after it returns; a _start call copies its strings
 * manual: mysql_real_query
 */
int mysql_real_query(MYSQL *mysql, const char *q, unsigned long length);

/*
 * Send a statement without reading its reply. Several may be sent ahead;
 * mysql_read_query_result() then takes the replies in the same order.
 *
 * waits: write
 * returns: 0, or non-zero on error
 * keeps: nothing after it returns; a _start call copies its strings
 * manual: mysql_send_query
 */
int mysql_send_query(MYSQL *mysql, const char *q, unsigned long length);

/*
 * Read the head of the reply to a statement that mysql_send_query() sent.
 *
 * waits: read; LOAD DATA LOCAL INFILE writes and reads once more
 * returns: 0, or 1 on error
 * manual: mysql_read_query_result
 */
my_bool mysql_read_query_result(MYSQL *mysql);

/*
 * Go on to the next result of a query with several statements or of a
 * procedure call. The rows of the one before must be read or freed.
 *
 * waits: read; nothing if there is no other result
 * returns: 0 if there is one; -1 with mysql_errno() 0 if there is none; else
 *   an error
 * manual: mysql_next_result
 */
int mysql_next_result(MYSQL *mysql);

/*
 * Tell whether the query has more results than the present one.
 *
 * waits: nothing
 * returns: 1 if it has, else 0
 * manual: mysql_more_results
 * fails: 0
 */
my_bool mysql_more_results(MYSQL *mysql);

/*
 * Commit the transaction.
 *
 * waits: write, then read
 * returns: 0, or non-zero on error
 * manual: mysql_commit
 */
my_bool mysql_commit(MYSQL *mysql);

/*
 * Roll the transaction back.
 *
 * waits: write, then read
 * returns: 0, or non-zero on error
 * manual: mysql_rollback
 */
my_bool mysql_rollback(MYSQL *mysql);

/*
 * Commit every statement by itself (mode 1), or only when told to (mode 0).
 *
 * waits: write, then read
 * returns: 0, or non-zero on error
 * manual: mysql_autocommit
 */
my_bool mysql_autocommit(MYSQL *mysql, my_bool mode);

/*
 * Tell how many columns the present result has.
 *
 * waits: nothing
 * returns: the number; 0 if the statement has no result
 * manual: mysql_field_count
 */
unsigned int mysql_field_count(MYSQL *mysql);

/*
 * Tell how many rows the last statement changed, or how many
 * mysql_store_result() has read.
 *
 * waits: nothing
 * returns: the number; (my_ulonglong)-1 on error, and for rows that were not
 *   stored
 * manual: mysql_affected_rows
 */
my_ulonglong mysql_affected_rows(MYSQL *mysql);

/*
 * Tell the AUTO_INCREMENT value that the last statement made, the first of
 * them if it made several.
 *
 * waits: nothing
 * returns: the value; 0 if it made none. A statement with rows leaves it as it
 *   was
 * manual: mysql_insert_id
 * fails: 0
 */
my_ulonglong mysql_insert_id(MYSQL *mysql);

/*
 * Tell how many warnings the last statement caused; SHOW WARNINGS lists them.
 *
 * waits: nothing
 * returns: the number
 * manual: mysql_warning_count
 */
unsigned int mysql_warning_count(MYSQL *mysql);

/*
 * Tell what the server added to its reply, such as "Rows matched: 2  Changed:
 * 1  Warnings: 0".
 *
 * waits: nothing
 * returns: the text, or NULL if there is none
 * owner: the connection; until the next call that talks to the server
 * manual: mysql_info
 */
const char *mysql_info(MYSQL *mysql);

/*
 * Escape a text for a quoted literal, as the connection's character set and
 * sql_mode want it. to needs 2 * length + 1 bytes.
 *
 * waits: nothing
 * returns: the length of the escaped text without its final NUL; (unsigned
 *   long)-1 on error
 * keeps: nothing after it returns
 * manual: mysql_real_escape_string
 */
unsigned long mysql_real_escape_string(MYSQL *mysql, char *to, const char *from, unsigned long length);

/*
 * Read one packet and leave it in the connection's buffer, for a program that
 * speaks the protocol itself.
 *
 * waits: read; it blocks: there is no pair
 * returns: the length of the packet, or packet_error
 * manual: mysql_net_read_packet
 * guard: block
 * fails: packet_error
 */
unsigned long mysql_net_read_packet(MYSQL *mysql);
