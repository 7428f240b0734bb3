/* The limit: what the same work costs a C program on the same libmariadb.
 *
 *   limit blocking|poll  text|binary  fetch|select|lookup|pipeline  COUNT REPEATS
 *         SOCKET DATABASE USER PASSWORD CLOCK
 *
 * It makes no Python objects and decodes nothing. fetch reads COUNT rows of the
 * reference table as they come (use_result); select asks SELECT 1, and lookup for
 * random rows by their key, COUNT times; pipeline does the same, as text, with DEPTH
 * statements on their way at once; binary prepares the statement once. CLOCK is that of
 * the server's CPU time, 0 if there is none. Each of the REPEATS is a line of JSON, with
 * what one row or query took. */
#include <mysql.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "counter.h"

#define DEPTH 64 /* of a pipeline */

static int use_poll; /* whether the _start and _cont functions are used */
static int binary;   /* whether statements are prepared */

static void
fail(const char *what, MYSQL *mysql)
{
    fprintf(stderr, "limit: %s: %s\n", what, mysql ? mysql_error(mysql) : "");
    exit(1);
}

static double
clock_s(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int
wait_for(MYSQL *mysql, int status)
{
    struct pollfd fd = {.fd = mysql_get_socket(mysql)};
    fd.events = (short)((status & MYSQL_WAIT_READ ? POLLIN : 0) |
                        (status & MYSQL_WAIT_WRITE ? POLLOUT : 0) |
                        (status & MYSQL_WAIT_EXCEPT ? POLLPRI : 0));
    if (poll(&fd, 1, -1) < 0) {
        fail("poll", NULL);
    }
    return (fd.revents & (POLLIN | POLLHUP | POLLERR) ? MYSQL_WAIT_READ : 0) |
           (fd.revents & POLLOUT ? MYSQL_WAIT_WRITE : 0) |
           (fd.revents & POLLPRI ? MYSQL_WAIT_EXCEPT : 0);
}

static void
query(MYSQL *mysql, const char *sql)
{
    unsigned long length = (unsigned long)strlen(sql);
    int failed = 0;
    if (!use_poll) {
        failed = mysql_real_query(mysql, sql, length);
    }
    else {
        int status = mysql_real_query_start(&failed, mysql, sql, length);
        while (status) {
            status = mysql_real_query_cont(&failed, mysql, wait_for(mysql, status));
        }
    }
    if (failed) {
        fail(sql, mysql);
    }
}

static MYSQL_RES *
store_result(MYSQL *mysql)
{
    MYSQL_RES *result = NULL;
    if (!use_poll) {
        result = mysql_store_result(mysql);
    }
    else {
        int status = mysql_store_result_start(&result, mysql);
        while (status) {
            status = mysql_store_result_cont(&result, mysql, wait_for(mysql, status));
        }
    }
    if (!result) {
        fail("store_result", mysql);
    }
    return result;
}

static MYSQL_ROW
next_row(MYSQL *mysql, MYSQL_RES *result)
{
    MYSQL_ROW row = NULL;
    if (!use_poll) {
        return mysql_fetch_row(result);
    }
    int status = mysql_fetch_row_start(&row, result);
    while (status) {
        status = mysql_fetch_row_cont(&row, result, wait_for(mysql, status));
    }
    return row;
}

/* ---- prepared statements ---- */

static MYSQL_STMT *
prepare(MYSQL *mysql, const char *sql, unsigned *key)
{
    MYSQL_STMT *statement = mysql_stmt_init(mysql);
    MYSQL_BIND bind = {.buffer_type = MYSQL_TYPE_LONG, .buffer = key, .is_unsigned = 1};
    if (!statement || mysql_stmt_prepare(statement, sql, (unsigned long)strlen(sql)) ||
        (key && mysql_stmt_bind_param(statement, &bind))) {
        fail(sql, mysql);
    }
    return statement;
}

/* Reads the rows raw; returns how many there were. */
static long
execute(MYSQL *mysql, MYSQL_STMT *statement)
{
    int failed = 0, end = 0, status;
    long rows = -1;
    if (!use_poll) {
        failed = mysql_stmt_execute(statement);
    }
    else {
        status = mysql_stmt_execute_start(&failed, statement);
        while (status) {
            status = mysql_stmt_execute_cont(&failed, statement, wait_for(mysql, status));
        }
    }
    for (; !failed && !end; rows++) {
        if (!use_poll) {
            end = mysql_stmt_fetch(statement);
            continue;
        }
        status = mysql_stmt_fetch_start(&end, statement);
        while (status) {
            status = mysql_stmt_fetch_cont(&end, statement, wait_for(mysql, status));
        }
    }
    if (failed || end != MYSQL_NO_DATA) {
        fail(mysql_stmt_error(statement), NULL);
    }
    return rows;
}

/* ---- the work ---- */

static void
fetch(MYSQL *mysql, long count)
{
    long rows = 0;
    if (binary) {
        MYSQL_STMT *statement = prepare(mysql, "SELECT * FROM reference", NULL);
        if (execute(mysql, statement) != count) {
            fail("the table has another number of rows", mysql);
        }
        mysql_stmt_close(statement);
        return;
    }
    query(mysql, "SELECT * FROM reference");
    MYSQL_RES *result = mysql_use_result(mysql);
    if (!result) {
        fail("use_result", mysql);
    }
    while (next_row(mysql, result)) {
        rows++;
    }
    mysql_free_result(result);
    if (rows != count) {
        fail("the table has another number of rows", mysql);
    }
}

static void
one_row(MYSQL *mysql, const char *sql)
{
    query(mysql, sql);
    MYSQL_RES *result = store_result(mysql);
    if (!mysql_fetch_row(result)) {
        fail("no row", mysql);
    }
    mysql_free_result(result);
}

static void
lookup(MYSQL *mysql, long count, unsigned rows)
{
    char sql[80];
    unsigned random = 1, key;
    MYSQL_STMT *statement = NULL;
    if (binary) {
        statement = prepare(mysql, "SELECT * FROM reference WHERE id = ?", &key);
    }
    for (long i = 0; i < count; i++) {
        random = random * 1664525u + 1013904223u;
        key = random % rows + 1;
        if (!binary) {
            snprintf(sql, sizeof sql, "SELECT * FROM reference WHERE id = %u", key);
            one_row(mysql, sql);
        }
        else if (execute(mysql, statement) != 1) {
            fail("no row", mysql);
        }
    }
    if (binary) {
        mysql_stmt_close(statement);
    }
}

static void
select_one(MYSQL *mysql, long count)
{
    MYSQL_STMT *statement = binary ? prepare(mysql, "SELECT 1", NULL) : NULL;
    for (long i = 0; i < count; i++) {
        if (!binary) {
            one_row(mysql, "SELECT 1");
        }
        else if (execute(mysql, statement) != 1) {
            fail("no row", mysql);
        }
    }
    if (binary) {
        mysql_stmt_close(statement);
    }
}

static void
send_query(MYSQL *mysql, const char *sql)
{
    unsigned long length = (unsigned long)strlen(sql);
    int failed = 0;
    if (!use_poll) {
        failed = mysql_send_query(mysql, sql, length);
    }
    else {
        int status = mysql_send_query_start(&failed, mysql, sql, length);
        while (status) {
            status = mysql_send_query_cont(&failed, mysql, wait_for(mysql, status));
        }
    }
    if (failed) {
        fail(sql, mysql);
    }
}

static void
read_answer(MYSQL *mysql)
{
    my_bool failed = 0;
    if (!use_poll) {
        failed = mysql_read_query_result(mysql);
    }
    else {
        int status = mysql_read_query_result_start(&failed, mysql);
        while (status) {
            status = mysql_read_query_result_cont(&failed, mysql, wait_for(mysql, status));
        }
    }
    if (failed) {
        fail("read_query_result", mysql);
    }
    MYSQL_RES *result = store_result(mysql);
    if (!mysql_fetch_row(result)) {
        fail("no row", mysql);
    }
    mysql_free_result(result);
}

/* Few and short enough for the kernel's buffers: the server need not read meanwhile. */
static void
pipeline(MYSQL *mysql, long count, unsigned rows)
{
    char sql[80];
    unsigned random = 1;
    for (long done = 0; done < count; done += DEPTH) {
        long together = count - done < DEPTH ? count - done : DEPTH;
        for (long i = 0; i < together; i++) {
            random = random * 1664525u + 1013904223u;
            snprintf(sql, sizeof sql, "SELECT * FROM reference WHERE id = %u", random % rows + 1);
            send_query(mysql, sql);
        }
        for (long i = 0; i < together; i++) {
            read_answer(mysql);
        }
    }
}

static unsigned
count_rows(MYSQL *mysql)
{
    query(mysql, "SELECT COUNT(*) FROM reference");
    MYSQL_RES *result = store_result(mysql);
    unsigned rows = (unsigned)strtoul(mysql_fetch_row(result)[0], NULL, 10);
    mysql_free_result(result);
    return rows;
}

int
main(int argc, char **argv)
{
    if (argc != 11) {
        fail(
            "expected: blocking|poll text|binary fetch|select|lookup|pipeline COUNT REPEATS "
            "SOCKET DATABASE USER PASSWORD CLOCK",
            NULL);
    }
    use_poll = strcmp(argv[1], "poll") == 0;
    binary = strcmp(argv[2], "binary") == 0;
    const char *work = argv[3];
    long count = strtol(argv[4], NULL, 10), repeats = strtol(argv[5], NULL, 10);
    clockid_t server_clock = (clockid_t)strtol(argv[10], NULL, 10);
    my_bool off = 0;

    counter_open();
    MYSQL *mysql = mysql_init(NULL);
    if (use_poll) {
        mysql_options(mysql, MYSQL_OPT_NONBLOCK, NULL);
    }
    mysql_options(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &off);
    mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    if (!mysql_real_connect(mysql, NULL, argv[8], argv[9], argv[7], 0, argv[6], 0)) {
        fail("connect", mysql);
    }
    unsigned rows = count_rows(mysql);
    lookup(mysql, 100, rows);
    for (long i = 0; i < repeats; i++) {
        double server = clock_s(server_clock);
        double wall = clock_s(CLOCK_MONOTONIC);
        double cpu = clock_s(CLOCK_PROCESS_CPUTIME_ID);
        counter_start();
        if (strcmp(work, "fetch") == 0) {
            fetch(mysql, count);
        }
        else if (strcmp(work, "lookup") == 0) {
            lookup(mysql, count, rows);
        }
        else if (strcmp(work, "pipeline") == 0) {
            pipeline(mysql, count, rows);
        }
        else {
            select_one(mysql, count);
        }
        long long instructions = counter_stop();
        cpu = clock_s(CLOCK_PROCESS_CPUTIME_ID) - cpu;
        wall = clock_s(CLOCK_MONOTONIC) - wall;
        server = clock_s(server_clock) - server;
        printf("{\"wall_us\": %.6f, \"cpu_us\": %.6f", wall / count * 1e6, cpu / count * 1e6);
        if (server_clock) {
            printf(", \"server_us\": %.6f", server / count * 1e6);
        }
        if (instructions >= 0) { /* else nothing counts them */
            printf(", \"instructions\": %.1f", (double)instructions / count);
        }
        printf("}\n");
    }
    mysql_close(mysql);
    return 0;
}
