/*
 * template.c - the type Template: made of a text once, rendered with many parameters.
 *
 * Owns how parameters are matched with placeholders.  It knows of the text what
 * placeholders.c has found in it, and nothing of a connection.
 */

#include "template.h"

/* ---- Parameters ---------------------------------------------------------------- */

int
wire_find(PyObject *mapping, PyObject *key, PyObject **value)
{
    if (PyDict_CheckExact(mapping)) {
#if PY_VERSION_HEX >= 0x030D0000
        return PyDict_GetItemRef(mapping, key, value);
#else
        *value = Py_XNewRef(PyDict_GetItemWithError(mapping, key));
        return *value != NULL ? 1 : PyErr_Occurred() ? -1 : 0;
#endif
    }
    *value = PyObject_GetItem(mapping, key);
    if (*value != NULL) {
        return 1;
    }
    if (!PyErr_ExceptionMatches(PyExc_KeyError)) {
        return -1;
    }
    PyErr_Clear();
    return 0;
}

static int
check_count(const wire_template *template, const wire_encoding *how, Py_ssize_t given)
{
    if (given == template->count) {
        return 0;
    }
    if (template->count == 0) {
        return wire_refuse(how, how->state->ProgrammingError,
                           "has the length %zd, but the statement has no placeholders", given);
    }
    return wire_refuse(how, how->state->ProgrammingError,
                       "has the length %zd, but the statement takes %zd (placeholders %s)", given,
                       template->count, wire_style_name(template->style));
}

PyObject *
wire_check_params(const wire_template *template, PyObject *params, const wire_encoding *how)
{
    const bool named = PyType_HasFeature(Py_TYPE(params), Py_TPFLAGS_MAPPING);
    PyObject *values = NULL; /* new */

    if (named && (template->style == WIRE_PYFORMAT || template->count == 0)) {
        return Py_NewRef(params);
    }
    if (template->style == WIRE_PYFORMAT) {
        wire_refuse(how, how->state->ProgrammingError,
                    "is of class %s, but the statement's placeholders %%(name)s take a mapping",
                    Py_TYPE(params)->tp_name);
        return NULL;
    }
    if (!PyTuple_Check(params) && !PyList_Check(params)) {
        wire_refuse(how, how->state->ProgrammingError,
                    "is of class %s: give a tuple or a list, even for a single value",
                    Py_TYPE(params)->tp_name);
        return NULL;
    }
    values = PySequence_Tuple(params);
    if (values != NULL && check_count(template, how, PyTuple_GET_SIZE(values)) < 0) {
        Py_CLEAR(values);
    }
    return values;
}

PyObject *
wire_value_of(const wire_template *template, PyObject *values, Py_ssize_t index, wire_encoding *how)
{
    PyObject *name = template->slots[index].name;
    PyObject *value = NULL; /* new */

    how->index = index;
    how->name = NULL;
    if (name == NULL) {
        return Py_NewRef(PyTuple_GET_ITEM(values, index));
    }
    if (wire_find(values, name, &value) == 0) {
        how->index = -1;
        wire_refuse(how, how->state->ProgrammingError, "has no %R, but the statement has %%(%U)s",
                    name, name);
    }
    how->name = name;
    return value;
}

/*
 * A comment that a server skips ends at the next end of a comment, in a string or not.
 * So a value inside of it must have none, or it would be read as SQL behind it.
 */
static int
check_comment(const char *start, const char *end, const wire_encoding *how)
{
    for (const char *at = start; at + 1 < end; at++) {
        if ((at[0] == '*' && at[1] == '/') || (at[0] == '/' && at[1] == '*')) {
            return wire_refuse(how, how->state->ProgrammingError,
                               "has */ or /* in it, and stands in a comment that not every "
                               "server reads: take it out of the comment");
        }
    }
    return 0;
}

/* Writes the parameter of one placeholder. */
static int
render_slot(wire_writer *writer, const wire_template *template, PyObject *values, Py_ssize_t index,
            wire_encoding *how)
{
    const size_t start = wire_written(writer);
    PyObject *value = wire_value_of(template, values, index, how); /* new */
    int status;

    if (value == NULL) {
        return -1;
    }
    status = wire_encode(writer, how, value);
    if (status == 0 && template->slots[index].conditional) {
        status = check_comment(writer->start + start, writer->at, how);
    }
    Py_DECREF(value);
    return status;
}

int
wire_render(wire_writer *writer, const wire_template *template, size_t from, size_t to,
            PyObject *params, wire_encoding *how)
{
    PyObject *values = NULL; /* new */
    size_t at = from;
    int status = 0;

    how->index = -1;
    how->name = NULL;
    values = wire_check_params(template, params, how);
    if (values == NULL) {
        return -1;
    }
    for (Py_ssize_t i = 0; status == 0 && i < template->count; i++) {
        const size_t next = template->slots[i].at;
        status = wire_write(writer, template->text + at, next - at);
        at = next;
        if (status == 0) {
            status = render_slot(writer, template, values, i, how);
        }
    }
    if (status == 0) {
        status = wire_write(writer, template->text + at, to - at);
    }
    Py_DECREF(values);
    return status;
}

/* ---- The type ------------------------------------------------------------------------- */

static PyObject *
template_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"sql", "mode", NULL};
    wire_template *self = NULL; /* new */
    PyObject *sql = NULL;       /* borrowed */
    int mode = 0;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "Ui:Template", names, &sql, &mode)) {
        return NULL;
    }
    if ((mode & ~(WIRE_NO_BACKSLASH | WIRE_ANSI_QUOTES | WIRE_DOUBTFUL)) != 0) {
        PyErr_Format(PyExc_ValueError, "mode is %d: it has the bits 1, 2 and 8 only", mode);
        return NULL;
    }
    self = (wire_template *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->state = wire_state_of(type);
    self->mode = mode;
    if (self->state == NULL || wire_template_fill(self, sql) < 0) {
        Py_CLEAR(self);
    }
    return (PyObject *)self;
}

static void
template_dealloc(PyObject *object)
{
    wire_template *self = (wire_template *)object;
    PyTypeObject *type = Py_TYPE(object);

    for (Py_ssize_t i = 0; self->slots != NULL && i < self->count; i++) {
        Py_XDECREF(self->slots[i].name);
    }
    PyMem_Free(self->slots);
    PyMem_Free(self->text);
    type->tp_free(object);
    Py_DECREF(type);
}

int
wire_check_encoders(PyObject *given, PyObject **encoders /* borrowed */)
{
    Py_ssize_t count = 0;

    if (given != Py_None && !PyType_HasFeature(Py_TYPE(given), Py_TPFLAGS_MAPPING)) {
        PyErr_Format(PyExc_TypeError, "encoders is a mapping from class to function, not a %s",
                     Py_TYPE(given)->tp_name);
        return -1;
    }
    count = given != Py_None ? PyObject_Size(given) : 0;
    *encoders = count > 0 ? given : NULL;
    return count < 0 ? -1 : 0;
}

/* What render() and bind() take behind the parameters. */
static int
parse_row(const char *method, PyObject *const *args, Py_ssize_t count, wire_encoding *how)
{
    if (count < 1 || count > 3) {
        PyErr_Format(PyExc_TypeError, "%s() takes 1 to 3 arguments, not %zd", method, count);
        return -1;
    }
    if (wire_check_encoders(count >= 2 ? args[1] : Py_None, &how->encoders) < 0) {
        return -1;
    }
    how->row = count == 3 ? PyLong_AsSsize_t(args[2]) : -1;
    return count == 3 && how->row == -1 && PyErr_Occurred() ? -1 : 0;
}

PyDoc_STRVAR(template_render_doc,
             "render($self, params, encoders=None, row=-1, /)\n--\n\n"
             "The statement with its parameters, as bytes in UTF-8.\n\n"
             "params: a tuple or list for ? and %s, a mapping for %(name)s.\n"
             "encoders: a mapping from a class to a function that makes another value of one.\n"
             "row: the number of the row that they are, for errors.\n"
             "Raises ProgrammingError for parameters that do not fit the statement, and\n"
             "DataError for a value that the server could not hold as it is.");

static PyObject *
template_render(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    wire_template *self = (wire_template *)object;
    wire_encoding how = {
        .state = self->state, .forms = &wire_literals, .mode = self->mode, .row = -1};
    wire_writer writer;
    PyObject *statement = NULL; /* new */

    if (parse_row("render", args, count, &how) < 0) {
        return NULL;
    }
    wire_writer_start(&writer);
    if (wire_render(&writer, self, 0, self->length, args[0], &how) == 0) {
        statement = wire_writer_finish(&writer);
    }
    wire_writer_free(&writer);
    return statement;
}

PyDoc_STRVAR(template_bind_doc,
             "bind($self, params, encoders=None, row=-1, /)\n--\n\n"
             "The parameters for a prepared statement of the same text: a Bound.\n\n"
             "Takes and raises what render() does.  None if one of them can only be written\n"
             "into the text: a list, a negative duration, no number of rows for LIMIT, or a\n"
             "number that is the end of a range whose beginning is none.");

static PyObject *
template_bind(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    wire_template *self = (wire_template *)object;
    wire_encoding how = {.state = self->state, .mode = self->mode, .row = -1};

    if (parse_row("bind", args, count, &how) < 0) {
        return NULL;
    }
    return wire_bind(self, args[0], &how);
}

PyDoc_STRVAR(template_batches_doc,
             "batches($self, rows, max_bytes, encoders=None, first=0, /)\n--\n\n"
             "An iterator over (statement, number of rows) for many rows of parameters.\n\n"
             "Each statement has as many of the rows as fit in max_bytes, and at least one.\n"
             "first is the number of the first row, for errors.\n"
             "Only for a template whose batch is True.");

/* What batches() and bulks() take. */
static int
parse_source(PyObject *args, const char *format, wire_source *source)
{
    PyObject *given = Py_None; /* borrowed */

    *source = (wire_source){.first = 0};
    if (!PyArg_ParseTuple(args, format, &source->rows, &source->limit, &given, &source->first) ||
        wire_check_encoders(given, &source->encoders) < 0) {
        return -1;
    }
    if (source->limit <= 0) {
        PyErr_Format(PyExc_ValueError, "max_bytes is %zd: it has to be positive", source->limit);
        return -1;
    }
    return 0;
}

static PyObject *
template_batches(PyObject *object, PyObject *args)
{
    wire_template *self = (wire_template *)object;
    wire_source source;

    if (parse_source(args, "On|On:batches", &source) < 0) {
        return NULL;
    }
    if (!self->batch) {
        PyErr_SetString(self->state->ProgrammingError,
                        "the statement is no INSERT or REPLACE that can have several rows");
        return NULL;
    }
    return wire_batches_new(self, &source);
}

PyDoc_STRVAR(template_bulks_doc,
             "bulks($self, rows, max_bytes, encoders=None, first=0, /)\n--\n\n"
             "What makes requests with arrays of parameters for many rows: a Bulk.\n\n"
             "Each request has no more than max_bytes, or only one row.  first is the number\n"
             "of the first row, for errors.  Only for a template whose bulk is True.");

static PyObject *
template_bulks(PyObject *object, PyObject *args)
{
    wire_template *self = (wire_template *)object;
    wire_source source;

    if (parse_source(args, "On|On:bulks", &source) < 0) {
        return NULL;
    }
    if (!self->bulk) {
        PyErr_SetString(self->state->ProgrammingError,
                        "the statement is none whose parameters can be arrays");
        return NULL;
    }
    return wire_bulk_new(self, &source);
}

static PyObject *
template_get_style(PyObject *object, void *Py_UNUSED(closure))
{
    static const char *const names[] = {"none", "qmark", "format", "pyformat"};

    return PyUnicode_FromString(names[((wire_template *)object)->style]);
}

static PyObject *
template_get_count(PyObject *object, void *Py_UNUSED(closure))
{
    return PyLong_FromSsize_t(((wire_template *)object)->count);
}

static PyObject *
template_get_equivalent(PyObject *object, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(((wire_template *)object)->equivalent);
}

static PyObject *
template_get_bulk(PyObject *object, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(((wire_template *)object)->bulk);
}

static PyObject *
template_get_batch(PyObject *object, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(((wire_template *)object)->batch);
}

/* The text with a ? for each parameter. */
static PyObject *
template_get_preparable(PyObject *object, void *Py_UNUSED(closure))
{
    wire_template *self = (wire_template *)object;
    bool conditional = false;
    PyObject *text; /* new */
    char *at;
    size_t done = 0;

    for (Py_ssize_t i = 0; i < self->count; i++) {
        conditional |= self->slots[i].conditional;
    }
    if (conditional || (self->mode & WIRE_SEVERAL) != 0) {
        Py_RETURN_NONE;
    }
    text = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)self->length + self->count);
    if (text == NULL) {
        return NULL;
    }
    at = PyBytes_AS_STRING(text);
    for (Py_ssize_t i = 0; i < self->count; i++) {
        const size_t next = self->slots[i].at;
        memcpy(at, self->text + done, next - done);
        at += next - done;
        *at++ = '?';
        done = next;
    }
    memcpy(at, self->text + done, self->length - done);
    return text;
}

static PyGetSetDef template_properties[] = {
    {"preparable", template_get_preparable, NULL,
     PyDoc_STR("what a server can prepare, bytes with ? for placeholders; None: it cannot"), NULL},
    {"style", template_get_style, NULL, PyDoc_STR("qmark, format, pyformat or none"), NULL},
    {"count", template_get_count, NULL, PyDoc_STR("how many placeholders it has"), NULL},
    {"equivalent", template_get_equivalent, NULL,
     PyDoc_STR("whether it is known to mean the same when it is prepared"), NULL},
    {"bulk", template_get_bulk, NULL,
     PyDoc_STR("whether its parameters can be arrays, and mean the same then"), NULL},
    {"batch", template_get_batch, NULL,
     PyDoc_STR("whether it is an INSERT or REPLACE that can have several rows"), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef template_methods[] = {
    {"render", (PyCFunction)(void (*)(void))template_render, METH_FASTCALL, template_render_doc},
    {"bind", (PyCFunction)(void (*)(void))template_bind, METH_FASTCALL, template_bind_doc},
    {"batches", template_batches, METH_VARARGS, template_batches_doc},
    {"bulks", template_bulks, METH_VARARGS, template_bulks_doc},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(template_doc,
             "Template(sql, mode)\n--\n\n"
             "A statement whose placeholders were found once; it never changes.\n\n"
             "mode: how the server reads it: the bits 1 NO_BACKSLASH_ESCAPES, 2 ANSI_QUOTES,\n"
             "8 for whether a backslash is an escape is not certain.\n"
             "Raises ProgrammingError if it mixes two styles of placeholders.");

static PyType_Slot template_slots[] = {
    {Py_tp_doc, (void *)template_doc},   {Py_tp_new, template_new},
    {Py_tp_dealloc, template_dealloc},   {Py_tp_methods, template_methods},
    {Py_tp_getset, template_properties}, {0, NULL},
};

static PyType_Spec template_spec = {
    .name = "mariadb_nb._wire.Template",
    .basicsize = sizeof(wire_template),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = template_slots,
};

int
wire_add_template(PyObject *module)
{
    wire_state *state = PyModule_GetState(module);

    if (wire_import_datetime_for_moments() < 0 || wire_add_bound(module) < 0) {
        return -1;
    }
    state->Template = (PyTypeObject *)PyType_FromModuleAndSpec(module, &template_spec, NULL);
    if (state->Template == NULL || PyModule_AddType(module, state->Template) < 0 ||
        PyModule_AddIntConstant(module, "MODE_DOUBTFUL", WIRE_DOUBTFUL) < 0) {
        return -1;
    }
    return wire_add_batches(module) < 0 ? -1 : wire_add_bulk(module);
}
