/*
 * mode.c - how the server reads a statement, and whether that is certain.
 *
 * The server says in each reply whether a backslash in a string is an escape.  It says so
 * from what was set last, by whomever: sql_mode gets its old value back at the end of a
 * routine, a block or SET STATEMENT that has set it, and what the replies say does not.
 * Errors say nothing of it.  So what replies say is taken for certain only from a SET that
 * begins with sql_mode, and until they say otherwise or a statement fails that may have set
 * it.  From then on it is doubtful: see the literals for what comes of that.
 */

#include "channel.h"

#include <string.h>

#define MODES (WIRE_NO_BACKSLASH | WIRE_ANSI_QUOTES)

/* ---- What a statement does to it ----------------------------------------------------- */

static char
lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Whether the text goes on with the word, in letters of either case. */
static bool
goes_on(const char *at, const char *end, const char *word)
{
    const size_t length = strlen(word);

    if ((size_t)(end - at) < length) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if (lower(at[i]) != word[i]) {
            return false;
        }
    }
    return true;
}

/* Passes the word over if the text goes on with it. */
static bool
take(const char **at, const char *end, const char *word)
{
    const bool found = goes_on(*at, end, word);

    *at += found ? strlen(word) : 0;
    return found;
}

static bool
take_blanks(const char **at, const char *end)
{
    const char *start = *at;

    while (*at != end && strchr(" \t\r\n", **at) != NULL && **at != '\0') {
        ++*at;
    }
    return *at != start;
}

/*
 * Whether it is a SET that begins with sql_mode of the session.  All its values are known
 * before the first is set, so no routine's mode comes behind it; and SET STATEMENT begins
 * otherwise.
 */
static bool
is_set(const char *sql, size_t length)
{
    const char *at = sql;
    const char *const end = sql + length;

    take_blanks(&at, end);
    if (!take(&at, end, "set") || !take_blanks(&at, end)) {
        return false;
    }
    if (take(&at, end, "@@")) {
        (void)(take(&at, end, "session.") || take(&at, end, "local."));
    }
    else if ((take(&at, end, "session") || take(&at, end, "local")) && !take_blanks(&at, end)) {
        return false;
    }
    if (!take(&at, end, "sql_mode")) {
        return false;
    }
    take_blanks(&at, end);
    return goes_on(at, end, "=") || goes_on(at, end, ":=");
}

/* Whether the word is in the text; its letter at which is a rare one, in either case. */
static bool
mentions(const char *sql, size_t length, const char *word, size_t at, const char *letters)
{
    const char *const end = sql + length;

    for (const char *letter = letters; *letter != '\0'; letter++) {
        const char *place = sql;
        while ((place = memchr(place, *letter, (size_t)(end - place))) != NULL) {
            if ((size_t)(place - sql) >= at && goes_on(place - at, end, word)) {
                return true;
            }
            place++;
        }
    }
    return false;
}

/* What EXECUTE executes is not to be seen. */
static bool
may_set(const char *sql, size_t length)
{
    return mentions(sql, length, "sql_mode", 3, "_") || mentions(sql, length, "execute", 1, "xX");
}

bool
wire_may_set_mode(PyObject *sql)
{
    size_t length;
    const char *text = wire_sql_text(sql, &length);

    return may_set(text, length);
}

/* ---- What is known of it ------------------------------------------------------------- */

/* The text that is being answered; NULL: a prepared statement's. */
static PyObject *
answered_text(const wire_channel *self)
{
    return self->statements != NULL ? PyTuple_GET_ITEM(self->statements, self->answered)
                                    : self->sql; /* borrowed */
}

static bool
is_settled_by(const wire_channel *self)
{
    PyObject *sql = answered_text(self); /* borrowed */
    const char *text;
    size_t length;

    if (sql == NULL || self->replies == NULL || PyList_GET_SIZE(self->replies) != 1) {
        return false;
    }
    text = wire_sql_text(sql, &length);
    return is_set(text, length);
}

void
wire_note_mode(wire_channel *self)
{
    const unsigned int status = self->mysql->server_status;
    const int said = (status & SERVER_STATUS_NO_BACKSLASH_ESCAPES ? WIRE_NO_BACKSLASH : 0) |
                     (status & SERVER_STATUS_ANSI_QUOTES ? WIRE_ANSI_QUOTES : 0);
    const int known = atomic_load_explicit(&self->mode, memory_order_relaxed);

    if (known == said) {
        return;
    }
    if ((known & MODES) != said) { /* also where nothing else tells of it */
        atomic_fetch_add_explicit(&self->epoch, WIRE_UNSETTLED, memory_order_relaxed);
    }
    if (is_settled_by(self)) {
        atomic_store_explicit(&self->mode, said, memory_order_relaxed);
    }
    else if ((known & MODES) != said) {
        atomic_store_explicit(&self->mode, said | WIRE_DOUBTFUL, memory_order_relaxed);
    }
}

void
wire_doubt_mode(wire_channel *self)
{
    PyObject *sql = answered_text(self); /* borrowed */

    if (sql != NULL ? wire_may_set_mode(sql)
                    : self->statement != NULL && self->statement->may_set) {
        atomic_fetch_or_explicit(&self->mode, WIRE_DOUBTFUL, memory_order_relaxed);
    }
}
