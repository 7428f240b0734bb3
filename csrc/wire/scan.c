/*
 * scan.c - cuts the text of a statement into tokens as the server does.
 *
 * Owns what a literal, a comment and a placeholder are, no grammar.  What is
 * not closed reaches to the end of the text: the server refuses it.  The text is
 * UTF-8, in which no byte of a longer character looks like a sign.
 */

#include "template.h"

bool
wire_is_word(char c)
{
    const char lower = (char)(c | 0x20);

    return (c >= '0' && c <= '9') || (lower >= 'a' && lower <= 'z') || c == '_' || c == '$' ||
           (unsigned char)c >= 0x80;
}

static bool
is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The character so far ahead; '\0' behind the end. */
static char
peek(const wire_scan *scan, size_t ahead)
{
    return ahead < scan->length - scan->at ? scan->sql[scan->at + ahead] : '\0';
}

static void
skip(wire_scan *scan, size_t count)
{
    const size_t left = scan->length - scan->at;

    scan->at += count < left ? count : left;
}

static void
skip_words(wire_scan *scan)
{
    while (scan->at < scan->length && wire_is_word(scan->sql[scan->at])) {
        scan->at++;
    }
}

static void
skip_blanks(wire_scan *scan)
{
    while (scan->at < scan->length && is_blank(scan->sql[scan->at])) {
        scan->at++;
    }
}

/* What begins with a quote; two of them stand for one. */
static void
skip_quoted(wire_scan *scan, bool backslash)
{
    const char quote = peek(scan, 0);

    skip(scan, 1);
    while (scan->at < scan->length) {
        const char c = peek(scan, 0);
        if (c == '\\' && backslash) {
            skip(scan, 2);
        }
        else if (c != quote) {
            skip(scan, 1);
        }
        else if (peek(scan, 1) == quote) {
            skip(scan, 2);
        }
        else {
            skip(scan, 1);
            return;
        }
    }
}

static void
skip_line(wire_scan *scan)
{
    const char *found = memchr(scan->sql + scan->at, '\n', scan->length - scan->at);

    scan->at = found != NULL ? (size_t)(found - scan->sql) + 1 : scan->length;
}

/* ---- Comments ----------------------------------------------------------------- */

/* Where two characters follow each other, or the end of the text. */
static size_t
find_pair(const wire_scan *scan, size_t from, char first, char second)
{
    for (size_t i = from; i + 1 < scan->length; i++) {
        if (scan->sql[i] == first && scan->sql[i + 1] == second) {
            return i;
        }
    }
    return scan->length;
}

/*
 * A comment with a version is read by some servers and skipped by others, and so
 * is MariaDB's own by MySQL.  Both must find the same end, or nobody knows what
 * is a literal behind it.
 */
static void
enter_conditional(wire_scan *scan)
{
    scan->comment = WIRE_CONDITIONAL;
    if (!scan->ambiguous) {
        scan->close = find_pair(scan, scan->at, '*', '/');
        scan->ambiguous = find_pair(scan, scan->at, '/', '*') < scan->close;
    }
}

static void
leave_comment(wire_scan *scan)
{
    if (scan->comment == WIRE_CONDITIONAL && scan->at != scan->close) {
        scan->ambiguous = true;
    }
    scan->comment = WIRE_OUTSIDE;
}

static wire_kind
scan_comment(wire_scan *scan)
{
    const bool mariadb = peek(scan, 2) == 'M' && peek(scan, 3) == '!';
    size_t digits = 0;

    if (peek(scan, 2) != '!' && !mariadb) {
        skip(scan, 2);
        scan->at = find_pair(scan, scan->at, '*', '/');
        skip(scan, 2);
        return WIRE_BLANK;
    }
    skip(scan, mariadb ? 4 : 3);
    while (digits < 6 && peek(scan, digits) >= '0' && peek(scan, digits) <= '9') {
        digits++;
    }
    if (digits >= 5) { /* fewer are no version: they belong to the statement */
        skip(scan, digits);
    }
    if (mariadb || digits >= 5) {
        enter_conditional(scan);
    }
    else {
        scan->comment = WIRE_LIVE;
    }
    return WIRE_HINT;
}

/* ---- Placeholders ----------------------------------------------------------------- */

/* How long a placeholder is here; 0 if there is none.  The server's own rule is that
   no character of a word follows. */
static size_t
placeholder_length(const wire_scan *scan, wire_style *style)
{
    size_t length = 1;

    if (peek(scan, 0) == '?') {
        *style = WIRE_QMARK;
    }
    else if (peek(scan, 1) == 's') {
        *style = WIRE_FORMAT;
        length = 2;
    }
    else if (peek(scan, 1) == '(') {
        *style = WIRE_PYFORMAT;
        length = 2;
        while ((unsigned char)peek(scan, length) >= ' ' &&
               strchr("()'\"`", peek(scan, length)) == NULL) {
            length++;
        }
        if (length == 2 || peek(scan, length) != ')' || peek(scan, length + 1) != 's') {
            return 0;
        }
        length += 2;
    }
    else {
        return 0;
    }
    return wire_is_word(peek(scan, length)) ? 0 : length;
}

static wire_kind
scan_placeholder(wire_scan *scan, wire_token *token)
{
    size_t length;

    if (peek(scan, 0) == '%' && peek(scan, 1) == '%') {
        skip(scan, 2);
        return WIRE_PERCENT;
    }
    length = placeholder_length(scan, &token->style);
    skip(scan, length != 0 ? length : 1);
    return length != 0 ? WIRE_PLACEHOLDER : WIRE_SIGN;
}

/* ---- Tokens -------------------------------------------------------------------------- */

static wire_kind
scan_quoted(wire_scan *scan, char quote)
{
    const bool name = quote == '`' || (quote == '"' && (scan->mode & WIRE_ANSI_QUOTES) != 0);

    skip_quoted(scan, !name && (scan->mode & WIRE_NO_BACKSLASH) == 0);
    return name ? WIRE_NAME : WIRE_STRING;
}

static wire_kind
scan_sign(wire_scan *scan, wire_token *token)
{
    const char c = peek(scan, 0);
    const char next = peek(scan, 1);

    switch (c) {
    case '\'':
    case '"':
    case '`':
        return scan_quoted(scan, c);
    case '?':
    case '%':
        return scan_placeholder(scan, token);
    case '#':
        skip_line(scan);
        return WIRE_BLANK;
    case '-': {
        const char after = peek(scan, 2); /* '\0' behind the end: a comment too */
        if (next == '-' && ((unsigned char)after <= ' ' || after == 0x7f)) {
            skip(scan, 2);
            skip_line(scan);
            return WIRE_BLANK;
        }
        break;
    }
    case '/':
        if (next == '*') {
            return scan_comment(scan);
        }
        break;
    case '*':
        if (next == '/' && scan->comment != WIRE_OUTSIDE) {
            leave_comment(scan);
            skip(scan, 2);
            return WIRE_HINT;
        }
        break;
    default:
        break;
    }
    skip(scan, 1);
    return WIRE_SIGN;
}

void
wire_scan_start(wire_scan *scan, const char *sql, size_t length, int mode)
{
    *scan = (wire_scan){.sql = sql, .length = length, .mode = mode};
}

void
wire_scan_next(wire_scan *scan, wire_token *token)
{
    *token = (wire_token){.start = scan->at, .style = WIRE_NO_STYLE};
    if (scan->at == scan->length) {
        leave_comment(scan);
        token->kind = WIRE_END;
    }
    else if (wire_is_word(peek(scan, 0))) {
        skip_words(scan);
        token->kind = WIRE_WORD;
    }
    else if (is_blank(peek(scan, 0))) {
        skip_blanks(scan);
        token->kind = WIRE_BLANK;
    }
    else {
        token->kind = scan_sign(scan, token);
    }
    token->end = scan->at;
    token->conditional = scan->comment == WIRE_CONDITIONAL;
}

bool
wire_token_is(const wire_scan *scan, const wire_token *token, const char *word)
{
    const size_t length = token->end - token->start;
    const char *text = scan->sql + token->start;

    if (token->kind != WIRE_WORD || length != strlen(word)) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        const char c = text[i];
        if ((c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c) != word[i]) {
            return false;
        }
    }
    return true;
}
