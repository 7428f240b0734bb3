/*
 * grammar.c - what can be done with a statement for many rows of parameters.
 *
 * Owns the grammar of the statements whose rows can be put together, into a statement of
 * many groups of values (a batch) or an array of parameters (a bulk), and mean the same
 * then.  It knows no rows.
 *
 * What must not be in any of them: what is different from row to row by what the rows
 * before have done, and a query, which the server executes once for all rows of a bulk.
 */

#include "template.h"

/* The token at hand; blanks and comments are passed over. */
typedef struct parser {
    wire_scan scan;
    wire_token token;
    bool bulk; /* nothing was seen yet that forbids it */
} parser;

static void
advance(parser *p)
{
    do {
        wire_scan_next(&p->scan, &p->token);
    } while (p->token.kind == WIRE_BLANK);
}

static bool
is_word(const parser *p, const char *word)
{
    return wire_token_is(&p->scan, &p->token, word);
}

static bool
is_sign(const parser *p, char sign)
{
    return p->token.kind == WIRE_SIGN && p->scan.sql[p->token.start] == sign;
}

static bool
take_word(parser *p, const char *word)
{
    const bool found = is_word(p, word);

    if (found) {
        advance(p);
    }
    return found;
}

static bool
take_sign(parser *p, char sign)
{
    const bool found = is_sign(p, sign);

    if (found) {
        advance(p);
    }
    return found;
}

/* INSERT [LOW_PRIORITY | DELAYED | HIGH_PRIORITY] [IGNORE] [INTO], or REPLACE */
static bool
take_verb(parser *p)
{
    const bool inserts = take_word(p, "INSERT");

    if (!inserts && !take_word(p, "REPLACE")) {
        return false;
    }
    if (take_word(p, "DELAYED")) {
        p->bulk = false;
    }
    else if (!take_word(p, "LOW_PRIORITY") && inserts) {
        take_word(p, "HIGH_PRIORITY");
    }
    if (inserts) {
        take_word(p, "IGNORE");
    }
    take_word(p, "INTO");
    return true;
}

/* A name, with the names of what it is in before it. */
static bool
take_name(parser *p)
{
    do {
        if (p->token.kind != WIRE_WORD && p->token.kind != WIRE_NAME) {
            return false;
        }
        advance(p);
    } while (take_sign(p, '.'));
    return true;
}

/* [(column, ...)] */
static bool
take_columns(parser *p)
{
    if (!take_sign(p, '(') || take_sign(p, ')')) {
        return true;
    }
    do {
        if (!take_name(p)) {
            return false;
        }
    } while (take_sign(p, ','));
    return take_sign(p, ')');
}

/* Whether the token means something else, or nothing, when rows are put together. */
static bool
is_bound_to_one_row(const parser *p)
{
    return p->token.kind == WIRE_END || p->token.kind == WIRE_HINT || is_sign(p, ';') ||
           is_sign(p, '@') || is_word(p, "SELECT") || is_word(p, "LAST_INSERT_ID") ||
           is_word(p, "ROW_COUNT") || is_word(p, "FOUND_ROWS");
}

/*
 * (value, ...): notes where it stands.  A placeholder that is a part of an expression
 * forbids a bulk: the server keeps what it has once computed of a parameter, such as a
 * regular expression or a time zone, for all rows (seen with 10.11).
 */
static bool
take_group(parser *p, wire_shape *shape)
{
    size_t depth = 0;
    bool begins = false; /* a value does, with the token at hand */
    bool ends = false;   /* one has to, before the token at hand */

    if (!is_sign(p, '(')) {
        return false;
    }
    shape->start = p->token.start;
    do {
        const bool parted = is_sign(p, ',') || is_sign(p, ')');
        const bool whole = begins && depth == 1;
        if (is_bound_to_one_row(p)) {
            return false;
        }
        if (ends ? !parted : p->token.kind == WIRE_PLACEHOLDER && !whole) {
            p->bulk = false;
        }
        if (is_sign(p, '(')) {
            depth++;
        }
        else if (is_sign(p, ')')) {
            depth--;
        }
        begins = is_sign(p, '(') || is_sign(p, ',');
        ends = p->token.kind == WIRE_PLACEHOLDER;
        shape->end = p->token.end;
        advance(p);
    } while (depth != 0);
    return true;
}

/* [ON DUPLICATE KEY UPDATE ...] [RETURNING ...] [;], without placeholders */
static bool
take_tail(parser *p)
{
    if (take_word(p, "ON")) {
        if (!take_word(p, "DUPLICATE") || !take_word(p, "KEY") || !take_word(p, "UPDATE")) {
            return false;
        }
    }
    else if (!take_word(p, "RETURNING")) {
        take_sign(p, ';');
        return p->token.kind == WIRE_END;
    }
    while (p->token.kind != WIRE_END && !is_sign(p, ';')) {
        if (p->token.kind == WIRE_PLACEHOLDER || p->token.kind == WIRE_HINT) {
            return false;
        }
        p->bulk = p->bulk && !is_word(p, "SELECT");
        advance(p);
    }
    take_sign(p, ';');
    return p->token.kind == WIRE_END;
}

/* INSERT or REPLACE of one group of values that can be repeated. */
static bool
take_insert(parser *p, wire_shape *shape)
{
    return take_verb(p) && take_name(p) && take_columns(p) &&
           (take_word(p, "VALUES") || take_word(p, "VALUE")) && take_group(p, shape) &&
           take_tail(p);
}

/*
 * UPDATE or DELETE, of which each row is executed by itself.  Not with RETURNING: once its
 * table was made anew or altered, the server never answers (seen with 10.11).
 */
static bool
take_change(parser *p)
{
    if (!take_word(p, "UPDATE") && !take_word(p, "DELETE")) {
        return false;
    }
    while (!is_bound_to_one_row(p)) {
        if (is_word(p, "RETURNING")) {
            return false;
        }
        advance(p);
    }
    take_sign(p, ';');
    return p->token.kind == WIRE_END;
}

void
wire_find_shape(const char *sql, size_t length, int mode, wire_shape *shape)
{
    parser p = {.bulk = true};

    *shape = (wire_shape){.batch = false};
    wire_scan_start(&p.scan, sql, length, mode);
    advance(&p);
    if (is_word(&p, "UPDATE") || is_word(&p, "DELETE")) {
        shape->bulk = take_change(&p);
    }
    else {
        shape->batch = take_insert(&p, shape);
        shape->bulk = shape->batch && p.bulk;
    }
}
