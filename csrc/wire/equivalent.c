/*
 * equivalent.c - whether a statement means the same when it is prepared.
 *
 * Owns the places in which a parameter only is compared with a column, stored in one or
 * counts rows.  There the server treats a bound parameter as it does a literal.  Elsewhere
 * it may not: in a list of columns a parameter gives them another name, in a function or a
 * UNION the type of the result is settled before the values are there, and so on.  This is
 * no grammar: what is not known well is not equivalent, and is sent as text.
 */

#include "template.h"

/* How deep parentheses may be nested. */
#define DEEPEST 32

typedef struct state {
    wire_scan scan;
    wire_token token;     /* at hand; blanks and comments are passed over */
    wire_token before[3]; /* the last one, the one before it, and that one's */
    bool lists[DEEPEST];  /* of values, for each open parenthesis */
    size_t depth;
    bool inserts;       /* INSERT or REPLACE: VALUES are rows to be stored */
    bool between;       /* the next AND belongs to BETWEEN */
    bool bound;         /* the last AND did */
    bool rows;          /* in LIMIT */
    bool closed_values; /* the last ) closed a row of VALUES */
} state;

static bool
advance(state *s)
{
    s->before[2] = s->before[1];
    s->before[1] = s->before[0];
    s->before[0] = s->token;
    do {
        wire_scan_next(&s->scan, &s->token);
    } while (s->token.kind == WIRE_BLANK);
    return s->token.kind != WIRE_END;
}

static bool
is_word(const state *s, const wire_token *token, const char *word)
{
    return wire_token_is(&s->scan, token, word);
}

static bool
is_one_of(const state *s, const wire_token *token, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (is_word(s, token, *words)) {
            return true;
        }
    }
    return false;
}

/* One of the characters; '\0' in none. */
static bool
is_sign(const state *s, const wire_token *token, const char *signs)
{
    return token->kind == WIRE_SIGN && strchr(signs, s->scan.sql[token->start]) != NULL;
}

static bool
in_list(const state *s)
{
    return s->depth != 0 && s->lists[s->depth - 1];
}

/* What ends or continues a statement behind a value. */
static bool
follows_value(const state *s)
{
    static const char *const words[] = {"AND",   "OR",    "XOR",       "THEN",  "AS",     "ORDER",
                                        "GROUP", "WHERE", "HAVING",    "LIMIT", "OFFSET", "FOR",
                                        "LOCK",  "ON",    "RETURNING", "JOIN",  "INNER",  "LEFT",
                                        "RIGHT", "CROSS", "NATURAL",   "SET",   NULL};

    return s->token.kind == WIRE_END || is_sign(s, &s->token, "),;") ||
           is_one_of(s, &s->token, words);
}

/* Whether a parameter may stand here. */
static bool
takes_value(state *s)
{
    const wire_token *before = s->before;

    if (is_one_of(s, &before[0], (const char *const[]){"LIMIT", "OFFSET", NULL})) {
        s->rows = true;
        return true;
    }
    s->rows = s->rows && is_sign(s, &before[0], ",") && before[1].kind == WIRE_PLACEHOLDER;
    return s->rows || is_sign(s, &before[0], "=<>") ||
           is_one_of(s, &before[0], (const char *const[]){"LIKE", "BETWEEN", NULL}) ||
           (is_word(s, &before[0], "AND") && s->bound) ||
           (is_sign(s, &before[0], "(,") && in_list(s)) ||
           /* SET n = n + ? */
           (is_sign(s, &before[0], "+-*") && is_sign(s, &before[2], "="));
}

static bool
open_parenthesis(state *s)
{
    const wire_token *before = s->before;
    bool list = is_word(s, &before[0], "IN") ||
                is_one_of(s, &before[0], (const char *const[]){"VALUES", "VALUE", NULL}) ||
                (is_sign(s, &before[0], ",") && s->closed_values) ||
                (is_sign(s, &before[0], "(,") && in_list(s));

    if (s->depth == DEEPEST) {
        return false;
    }
    s->lists[s->depth++] = list;
    return true;
}

/* Notes the token.  Returns false if the statement is not known to be equivalent. */
static bool
note(state *s, bool parameters)
{
    static const char *const never[] = {
        "ROW_COUNT", "FOUND_ROWS", "SQL_CALC_FOUND_ROWS", "PROCEDURE", "OUTFILE", "DUMPFILE", NULL};
    static const char *const without[] = {"UNION", "EXCEPT", "INTERSECT", "MINUS", NULL};

    if (s->token.kind == WIRE_HINT || is_sign(s, &s->token, "@") ||
        is_one_of(s, &s->token, never)) {
        return false;
    }
    if (parameters &&
        (is_one_of(s, &s->token, without) || (!s->inserts && is_word(s, &s->token, "VALUES")))) {
        return false;
    }
    if (is_sign(s, &s->token, "(")) {
        return open_parenthesis(s);
    }
    if (is_sign(s, &s->token, ")")) {
        s->closed_values = in_list(s) && s->depth == 1 && s->inserts;
        s->depth -= s->depth != 0;
    }
    if (is_word(s, &s->token, "BETWEEN")) {
        s->between = true;
    }
    if (is_word(s, &s->token, "AND")) {
        s->bound = s->between;
        s->between = false;
    }
    return true;
}

bool
wire_is_equivalent(const char *sql, size_t length, int mode, wire_slot *slots)
{
    static const char *const verbs[] = {"SELECT", "INSERT", "REPLACE", "UPDATE",
                                        "DELETE", "WITH",   NULL};
    state s = {.depth = 0};
    wire_slot *slot = slots;

    wire_scan_start(&s.scan, sql, length, mode);
    advance(&s);
    if (!is_one_of(&s, &s.token, verbs)) {
        return false;
    }
    s.inserts = is_word(&s, &s.token, "INSERT") || is_word(&s, &s.token, "REPLACE");
    do {
        const bool placeholder = s.token.kind == WIRE_PLACEHOLDER;
        if (placeholder) {
            if (!takes_value(&s)) {
                return false;
            }
            slot->rows = s.rows;
            slot->upper = s.bound && is_word(&s, &s.before[0], "AND");
            slot->pair = slot->upper && s.before[1].kind == WIRE_PLACEHOLDER &&
                         is_word(&s, &s.before[2], "BETWEEN");
            slot++;
        }
        else if (!note(&s, slots != NULL)) {
            return false;
        }
        advance(&s);
        if (placeholder && !follows_value(&s)) {
            return false;
        }
    } while (s.token.kind != WIRE_END);
    return true;
}
