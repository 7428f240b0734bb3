/*
 * placeholders.c - finds the placeholders of a statement, once for each text.
 *
 * Owns what a Template keeps of a text: what stands between its placeholders, and
 * which part of it can be repeated.  It knows of the text what scan.c says, and
 * nothing of parameters.
 */

#include "template.h"

const char *
wire_style_name(wire_style style)
{
    static const char *const names[] = {"none", "?", "%s", "%(name)s"};

    return names[style];
}

/* Counts the placeholders, finds their style, and whether there are several statements. */
static int
survey(wire_template *template, const char *sql, size_t length)
{
    wire_scan scan;
    wire_token token;
    bool ended = false;

    wire_scan_start(&scan, sql, length, template->mode);
    do {
        wire_scan_next(&scan, &token);
        if (ended && token.kind != WIRE_BLANK && token.kind != WIRE_END) {
            template->mode |= WIRE_SEVERAL;
        }
        ended |= token.kind == WIRE_SIGN && sql[token.start] == ';';
        if (token.kind != WIRE_PLACEHOLDER) {
            continue;
        }
        if (template->count != 0 && token.style != template->style) {
            PyErr_Format(template->state->ProgrammingError,
                         "the statement has placeholders of two styles, %s and %s: use one; for "
                         "the remainder of a division write %% with a space behind it",
                         wire_style_name(template->style), wire_style_name(token.style));
            return -1;
        }
        template->style = token.style;
        template->count++;
    } while (token.kind != WIRE_END);
    if (scan.ambiguous && template->count != 0) {
        PyErr_SetString(template->state->ProgrammingError,
                        "the statement has placeholders and a comment /*!12345 or /*M! with "
                        "another comment, or with */ in a literal, in it: a server that skips "
                        "it would find its end elsewhere");
        return -1;
    }
    return 0;
}

/* Whether the character would become part of the literal behind it.  Not after '-': a
   space there would make a comment of "--?". */
static bool
clings(char c)
{
    return wire_is_word(c) || (c != '\0' && strchr("'\"`.!?%", c) != NULL);
}

/* Adds a placeholder at the end of the text. */
static int
add_slot(wire_template *template, Py_ssize_t index, const char *sql, const wire_token *token)
{
    wire_slot *slot = &template->slots[index];
    const size_t length = template->length;

    if ((length != 0 && clings(template->text[length - 1])) ||
        (index != 0 && slot[-1].at == length)) {
        template->text[template->length++] = ' ';
    }
    slot->at = template->length;
    slot->conditional = token->conditional;
    if (token->style == WIRE_PYFORMAT) {
        const size_t start = token->start + 2;
        slot->name = PyUnicode_DecodeUTF8(sql + start, (Py_ssize_t)(token->end - 2 - start), NULL);
        if (slot->name == NULL) {
            return -1;
        }
        PyUnicode_InternInPlace(&slot->name);
    }
    return 0;
}

static void
add_text(wire_template *template, const char *data, size_t length, bool after_slot)
{
    if (after_slot && data[0] != '\0' && strchr("'\"`.", data[0]) != NULL) {
        template->text[template->length++] = ' ';
    }
    memcpy(template->text + template->length, data, length);
    template->length += length;
}

/* Copies the text without its placeholders. */
static int
build(wire_template *template, const char *sql, size_t length)
{
    const bool percents = template->style != WIRE_QMARK; /* %% stands for % */
    wire_scan scan;
    wire_token token;
    Py_ssize_t index = 0;
    wire_shape shape = {.batch = false};
    bool after_slot = false;

    if (template->count != 0) {
        wire_find_shape(sql, length, template->mode, &shape);
    }
    template->batch = shape.batch;
    template->bulk = shape.bulk;
    wire_scan_start(&scan, sql, length, template->mode);
    for (wire_scan_next(&scan, &token); token.kind != WIRE_END; wire_scan_next(&scan, &token)) {
        if (template->batch && token.start == shape.start) {
            template->group = template->length;
        }
        if (token.kind == WIRE_PLACEHOLDER) {
            if (add_slot(template, index++, sql, &token) < 0) {
                return -1;
            }
        }
        else {
            add_text(template, sql + token.start,
                     token.kind == WIRE_PERCENT && percents ? 1 : token.end - token.start,
                     after_slot);
        }
        after_slot = token.kind == WIRE_PLACEHOLDER;
        if (template->batch && token.end == shape.end) {
            template->tail = template->length;
        }
    }
    return 0;
}

int
wire_template_fill(wire_template *template, PyObject *text)
{
    Py_ssize_t length = 0;
    const char *sql = PyUnicode_AsUTF8AndSize(text, &length); /* borrowed from text */
    size_t spaces;

    if (sql == NULL) {
        if (PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
            PyErr_Clear(); /* it holds the statement */
            PyErr_SetString(template->state->DataError,
                            "the statement has a lone surrogate, which utf8mb4 cannot hold");
        }
        return -1;
    }
    if ((template->mode & WIRE_DOUBTFUL) != 0 && memchr(sql, '\\', (size_t)length) != NULL) {
        PyErr_SetString(template->state->ProgrammingError,
                        "the statement has a backslash, and it is not certain how the server "
                        "reads one: a routine may have set sql_mode for itself, or a statement "
                        "that sets it has failed or is not through; execute SET sql_mode = "
                        "@@sql_mode first, or give what has the backslash as a parameter");
        return -1;
    }
    if (survey(template, sql, (size_t)length) < 0) {
        return -1;
    }
    spaces = 2 * (size_t) template->count; /* the text is shorter by the placeholders */
    template->slots = PyMem_Calloc((size_t) template->count + 1, sizeof(wire_slot));
    template->text = PyMem_Malloc((size_t)length + spaces + 1);
    if (template->slots == NULL || template->text == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    template->equivalent = wire_is_equivalent(sql, (size_t)length, template->mode,
                                              template->count != 0 ? template->slots : NULL);
    return build(template, sql, (size_t)length);
}
