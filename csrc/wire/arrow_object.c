/*
 * arrow_object.c - the type ArrowBatch, and streams, as Python has them: by the PyCapsule
 * interface of Arrow.
 *
 * Owns what others are handed.  A batch never changes any more once Python has it.
 */

#include "arrow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- capsules ------------------------------------------------------------------------ */

/* One of the three structs of the interface, in a capsule that releases it if nobody did. */
#define CAPSULE(name, type, capsule_name)                                       \
    static void free_##name(PyObject *capsule)                                  \
    {                                                                           \
        struct type *content = PyCapsule_GetPointer(capsule, capsule_name);     \
        if (content->release != NULL) {                                         \
            content->release(content);                                          \
        }                                                                       \
        free(content);                                                          \
    }                                                                           \
                                                                                \
    static PyObject *wrap_##name(struct type **content)                         \
    {                                                                           \
        *content = calloc(1, sizeof(**content));                                \
        if (*content == NULL) {                                                 \
            return PyErr_NoMemory();                                            \
        }                                                                       \
        PyObject *capsule = PyCapsule_New(*content, capsule_name, free_##name); \
        if (capsule == NULL) {                                                  \
            free(*content);                                                     \
        }                                                                       \
        return capsule;                                                         \
    }

CAPSULE(schema, ArrowSchema, "arrow_schema")
CAPSULE(array, ArrowArray, "arrow_array")
CAPSULE(stream, ArrowArrayStream, "arrow_array_stream")

#undef CAPSULE

/* A capsule, or NULL with an exception if it could not be filled. */
static PyObject *
filled(PyObject *capsule /* stolen */, int status)
{
    if (status != 0) {
        Py_DECREF(capsule);
        return PyErr_NoMemory();
    }
    return capsule;
}

static PyObject *
schema_capsule(wire_arrow_layout *layout)
{
    struct ArrowSchema *schema;
    PyObject *capsule = wrap_schema(&schema); /* new */

    return capsule == NULL ? NULL : filled(capsule, wire_layout_export(layout, schema));
}

static PyObject *
array_capsule(wire_arrow_chunk *chunk)
{
    struct ArrowArray *array;
    PyObject *capsule = wrap_array(&array); /* new */

    return capsule == NULL ? NULL : filled(capsule, wire_chunk_export(chunk, array));
}

/* ---- the type ArrowBatch --------------------------------------------------------------- */

/* The one argument of the methods: the schema that is wished for, which need not be given. */
static int
take_request(PyObject *args, PyObject *kwargs, const char *format)
{
    static char *names[] = {"requested_schema", NULL};
    PyObject *request; /* borrowed; what we have is what there is */

    return PyArg_ParseTupleAndKeywords(args, kwargs, format, names, &request) ? 0 : -1;
}

static PyObject *
batch_schema(wire_batch *self, PyObject *Py_UNUSED(ignored))
{
    return schema_capsule(self->chunk->layout);
}

static PyObject *
batch_array(wire_batch *self, PyObject *args, PyObject *kwargs)
{
    PyObject *schema, *array; /* new */

    if (take_request(args, kwargs, "|O:__arrow_c_array__") < 0 ||
        (schema = schema_capsule(self->chunk->layout)) == NULL) {
        return NULL;
    }
    array = array_capsule(self->chunk);
    if (array == NULL) {
        Py_DECREF(schema);
        return NULL;
    }
    return Py_BuildValue("NN", schema, array);
}

static PyObject *
batch_stream(wire_batch *self, PyObject *args, PyObject *kwargs)
{
    struct ArrowArrayStream *stream;
    PyObject *capsule; /* new */

    if (take_request(args, kwargs, "|O:__arrow_c_stream__") < 0 ||
        (capsule = wrap_stream(&stream)) == NULL) {
        return NULL;
    }
    return filled(capsule, wire_chunks_export(self->chunk->layout, &self->chunk, 1, stream));
}

static Py_ssize_t
batch_length(wire_batch *self)
{
    return (Py_ssize_t)self->chunk->rows;
}

static PyObject *
batch_num_rows(wire_batch *self, void *Py_UNUSED(closure))
{
    return PyLong_FromLongLong(self->chunk->rows);
}

static PyObject *
batch_column_names(wire_batch *self, void *Py_UNUSED(closure))
{
    const wire_arrow_layout *layout = self->chunk->layout;
    PyObject *names = PyTuple_New((Py_ssize_t)layout->count); /* new */

    for (size_t i = 0; names != NULL && i < layout->count; i++) {
        PyObject *name = PyUnicode_FromString(layout->fields[i].name); /* new */
        if (name == NULL) {
            Py_CLEAR(names);
            break;
        }
        PyTuple_SET_ITEM(names, (Py_ssize_t)i, name);
    }
    return names;
}

static PyObject *
batch_nbytes(wire_batch *self, void *Py_UNUSED(closure))
{
    const wire_arrow_chunk *chunk = self->chunk;
    size_t size = 0;

    for (size_t i = 0; i < chunk->layout->count; i++) {
        const wire_arrow_field *field = &chunk->layout->fields[i];
        const wire_arrow_column *column = &chunk->columns[i];
        size += ((size_t)chunk->rows + field->variable) * field->width;
        size += column->nulls != 0 ? ((size_t)chunk->rows + 7) / 8 : 0;
        if (field->variable && column->values != NULL) {
            size += (size_t)((const int32_t *)(const void *)column->values)[chunk->rows];
        }
        if (column->dictionary != NULL && column->dictionary->count != 0) {
            const int32_t count = column->dictionary->count;
            size += ((size_t)count + 1) * sizeof(int32_t);
            size += (size_t)column->dictionary->offsets[count];
        }
    }
    return PyLong_FromSize_t(size);
}

static PyObject *
batch_repr(wire_batch *self)
{
    return PyUnicode_FromFormat("<ArrowBatch of %zd rows and %zu columns>", batch_length(self),
                                self->chunk->layout->count);
}

static void
batch_dealloc(wire_batch *self)
{
    PyTypeObject *type = Py_TYPE(self);

    wire_chunk_release(self->chunk);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef batch_methods[] = {
    {"__arrow_c_schema__", (PyCFunction)batch_schema, METH_NOARGS,
     PyDoc_STR("__arrow_c_schema__($self, /)\n--\n\nThe columns' types, as a struct.")},
    {"__arrow_c_array__", (PyCFunction)(void (*)(void))batch_array, METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("__arrow_c_array__($self, /, requested_schema=None)\n--\n\n"
               "The types and the columns, without a copy.")},
    {"__arrow_c_stream__", (PyCFunction)(void (*)(void))batch_stream, METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("__arrow_c_stream__($self, /, requested_schema=None)\n--\n\n"
               "A stream of this batch, without a copy.")},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef batch_getset[] = {
    {"num_rows", (getter)batch_num_rows, NULL, PyDoc_STR("How many rows there are."), NULL},
    {"column_names", (getter)batch_column_names, NULL, PyDoc_STR("The columns' names."), NULL},
    {"nbytes", (getter)batch_nbytes, NULL, PyDoc_STR("Bytes of all columns' values."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot batch_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("Rows as columns of Arrow.")},
    {Py_tp_dealloc, batch_dealloc},
    {Py_tp_repr, batch_repr},
    {Py_sq_length, batch_length},
    {Py_tp_methods, batch_methods},
    {Py_tp_getset, batch_getset},
    {0, NULL},
};

static PyType_Spec batch_spec = {
    .name = "mariadb_nb._wire.ArrowBatch",
    .basicsize = sizeof(wire_batch),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = batch_slots,
};

/* ---- a stream of batches that are there -------------------------------------------------- */

static PyObject *
arrow_stream(PyObject *module, PyObject *batches)
{
    wire_state *state = PyModule_GetState(module);
    struct ArrowArrayStream *stream;
    PyObject *capsule = NULL; /* new */

    if (!PyTuple_Check(batches) || PyTuple_GET_SIZE(batches) == 0) {
        PyErr_SetString(PyExc_TypeError, "arrow_stream() takes a tuple of batches");
        return NULL;
    }
    const size_t count = (size_t)PyTuple_GET_SIZE(batches);
    wire_arrow_chunk **chunks = PyMem_Malloc(count * sizeof(*chunks));
    if (chunks == NULL) {
        return PyErr_NoMemory();
    }
    for (size_t i = 0; i < count; i++) {
        PyObject *batch = PyTuple_GET_ITEM(batches, (Py_ssize_t)i); /* borrowed */
        if (!Py_IS_TYPE(batch, state->ArrowBatch)) {
            PyErr_SetString(PyExc_TypeError, "arrow_stream() takes a tuple of batches");
            goto done;
        }
        chunks[i] = ((wire_batch *)batch)->chunk;
    }
    capsule = wrap_stream(&stream);
    if (capsule != NULL) {
        capsule = filled(capsule, wire_chunks_export(chunks[0]->layout, chunks, count, stream));
    }
done:
    PyMem_Free(chunks);
    return capsule;
}

/* ---- a stream of batches that are still to come -------------------------------------------- */

/* What calls Python: whoever reads it may be in any thread. */
typedef struct {
    wire_arrow_layout *layout; /* a reference */
    PyObject *batches;         /* owned: an iterator */
    PyTypeObject *type;        /* owned: of batches */
    char error[512];           /* what it raised; empty: nothing */
} reader;

static int
reader_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out)
{
    const reader *self = stream->private_data;

    return wire_layout_export(self->layout, out);
}

/* Notes the exception that is set, and clears it. */
static void
note_error(reader *self)
{
    PyObject *type, *value, *traceback; /* new */
    PyObject *text = NULL;              /* new */

    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (value != NULL) {
        text = PyUnicode_FromFormat("%s: %S", Py_TYPE(value)->tp_name, value);
    }
    const char *message = text != NULL ? PyUnicode_AsUTF8(text) : NULL; /* borrowed */
    PyErr_Clear();
    PyOS_snprintf(self->error, sizeof(self->error), "%s", message != NULL ? message : "an error");
    Py_XDECREF(text);
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
}

static int
reader_next(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
    reader *self = stream->private_data;
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *batch = NULL; /* new */
    int status = EIO;

    *out = (struct ArrowArray){0};
    if (self->error[0] == '\0') {
        batch = PyIter_Next(self->batches);
        if (batch != NULL && Py_IS_TYPE(batch, self->type)) {
            status = wire_chunk_export(((wire_batch *)batch)->chunk, out);
        }
        else if (batch == NULL && !PyErr_Occurred()) {
            status = 0;
        }
        else {
            note_error(self);
        }
        Py_XDECREF(batch);
    }
    PyGILState_Release(gil);
    return status;
}

static const char *
reader_error(struct ArrowArrayStream *stream)
{
    const reader *self = stream->private_data;

    return self->error[0] != '\0' ? self->error : NULL;
}

static void
reader_release(struct ArrowArrayStream *stream)
{
    reader *self = stream->private_data;
    PyGILState_STATE gil = PyGILState_Ensure();

    Py_DECREF(self->batches);
    Py_DECREF(self->type);
    PyGILState_Release(gil);
    wire_layout_release(self->layout);
    free(self);
    stream->release = NULL;
}

static PyObject *
arrow_reader(PyObject *module, PyObject *args)
{
    wire_state *state = PyModule_GetState(module);
    struct ArrowArrayStream *stream;
    PyObject *first, *batches; /* borrowed */
    PyObject *capsule;         /* new */

    if (!PyArg_ParseTuple(args, "O!O:arrow_reader", state->ArrowBatch, &first, &batches)) {
        return NULL;
    }
    if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
        /* The threads of others find their way to this one only. */
        PyErr_SetString(state->NotSupportedError, "streams are read in the main interpreter only");
        return NULL;
    }
    if (!PyIter_Check(batches)) {
        PyErr_SetString(PyExc_TypeError, "arrow_reader() takes an iterator of batches");
        return NULL;
    }
    reader *self = calloc(1, sizeof(*self));
    capsule = self != NULL ? wrap_stream(&stream) : PyErr_NoMemory();
    if (capsule == NULL) {
        free(self);
        return NULL;
    }
    self->layout = wire_layout_keep(((wire_batch *)first)->chunk->layout);
    self->batches = Py_NewRef(batches);
    self->type = (PyTypeObject *)Py_NewRef((PyObject *)state->ArrowBatch);
    *stream = (struct ArrowArrayStream){
        .get_schema = reader_schema,
        .get_next = reader_next,
        .get_last_error = reader_error,
        .release = reader_release,
        .private_data = self,
    };
    return capsule;
}

static PyObject *
arrow_memory(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    size_t count, size;

    wire_blocks_count(&count, &size);
    return Py_BuildValue("nn", (Py_ssize_t)count, (Py_ssize_t)size);
}

/* ---- the module --------------------------------------------------------------------------- */

static PyMethodDef functions[] = {
    {"arrow_stream", arrow_stream, METH_O,
     PyDoc_STR(
         "arrow_stream(batches, /)\n--\n\nA capsule with a stream of batches of one result.")},
    {"arrow_reader", arrow_reader, METH_VARARGS,
     PyDoc_STR(
         "arrow_reader(like, batches)\n--\n\n"
         "A capsule with a stream of what an iterator gives, whose columns are as `like`'s.")},
    {"arrow_memory", arrow_memory, METH_NOARGS,
     PyDoc_STR("arrow_memory()\n--\n\n"
               "How many batches have memory in the whole process, and its bytes. For tests.")},
    {NULL, NULL, 0, NULL},
};

int
wire_add_arrow(PyObject *module)
{
    wire_state *state = PyModule_GetState(module);

    state->ArrowBatch = (PyTypeObject *)PyType_FromModuleAndSpec(module, &batch_spec, NULL);
    if (state->ArrowBatch == NULL || PyModule_AddType(module, state->ArrowBatch) < 0) {
        return -1;
    }
    return PyModule_AddFunctions(module, functions);
}
