/*
 * mode.c - how the server reads a statement, and whether that is certain.
 *
 * The server says in each reply whether a backslash in a string is an escape.  It says so
 * from what was set last, by whomever: sql_mode gets its old value back at the end of a
 * routine, a block or SET STATEMENT that has set it, and what the replies say does not.
 * Errors say nothing of it.  So what replies say is taken for certain only from a SET that
 * begins with sql_mode, and until they say otherwise or a statement fails that may have set
 * it.  From then on it is doubtful: see the literals for what comes of that.
 *
 * Of another character set a server tells with the statement that has set it; but not with
 * an error behind that, in a block, and some never do.  Then it is doubtful too, until the
 * server tells or is asked.
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

/* SET NAMES utf8mb4, and nothing else. */
static bool
is_names_utf8mb4(const char *sql, size_t length)
{
    const char *at = sql;
    const char *const end = sql + length;

    take_blanks(&at, end);
    if (!take(&at, end, "set") || !take_blanks(&at, end) || !take(&at, end, "names") ||
        !take_blanks(&at, end) || !take(&at, end, "utf8mb4")) {
        return false;
    }
    take_blanks(&at, end);
    return at == end;
}

int
wire_may_set(PyObject *sql)
{
    size_t length;
    const char *text = wire_sql_text(sql, &length);
    const bool executes = mentions(text, length, "execute", 1, "xX");

    return (executes || mentions(text, length, "sql_mode", 3, "_") ? WIRE_SETS_MODE : 0) |
           (executes || mentions(text, length, "names", 2, "mM") ||
                    mentions(text, length, "char", 1, "hH")
                ? WIRE_SETS_CHARSET
                : 0);
}

/* ---- What is known of it ------------------------------------------------------------- */

/* The text that is being answered; NULL: a prepared statement's, or it was a reset. */
static PyObject *
answered_text(const wire_channel *self)
{
    PyObject *sql = self->statements != NULL ? PyTuple_GET_ITEM(self->statements, self->answered)
                                             : self->sql; /* borrowed */

    return sql != Py_None ? sql : NULL;
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

static void
doubt_charset(wire_channel *self)
{
    if (!atomic_exchange_explicit(&self->doubts_charset, true, memory_order_relaxed)) {
        atomic_fetch_add_explicit(&self->epoch, WIRE_UNSETTLED, memory_order_relaxed);
    }
}

/* What the statement that is being answered may set. */
static int
answered_may_set(const wire_channel *self)
{
    PyObject *sql = answered_text(self); /* borrowed */

    return sql != NULL ? wire_may_set(sql) : self->statement != NULL ? self->statement->may_set : 0;
}

static void
note_charset(wire_channel *self)
{
    PyObject *sql; /* borrowed */
    const char *text = NULL;
    size_t length;

    if (self->reply->tells_charset) {
        self->tells_charset = true;
        atomic_store_explicit(&self->doubts_charset, false, memory_order_relaxed);
    }
    if (self->tells_charset || (answered_may_set(self) & WIRE_SETS_CHARSET) == 0) {
        return;
    }
    sql = answered_text(self);
    if (sql != NULL) {
        text = wire_sql_text(sql, &length);
    }
    if (text != NULL && is_names_utf8mb4(text, length)) {
        atomic_store_explicit(&self->doubts_charset, false, memory_order_relaxed);
    }
    else {
        doubt_charset(self);
    }
}

static void
note_mode(wire_channel *self)
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
wire_note_settings(wire_channel *self)
{
    note_charset(self);
    note_mode(self);
}

void
wire_doubt_settings(wire_channel *self)
{
    /* What could not be prepared has set nothing. */
    const int may_set = self->phase == PREPARE ? 0 : answered_may_set(self);

    if (may_set & WIRE_SETS_MODE) {
        atomic_fetch_or_explicit(&self->mode, WIRE_DOUBTFUL, memory_order_relaxed);
    }
    if (may_set & WIRE_SETS_CHARSET) {
        doubt_charset(self);
    }
}

const char wire_trust_charset_doc[] =
    "trust_charset($self, /)\n--\n\nThe server was asked: it reads statements in utf8mb4.";

PyObject *
wire_channel_trust_charset(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    atomic_store_explicit(&((wire_channel *)self)->doubts_charset, false, memory_order_relaxed);
    Py_RETURN_NONE;
}
