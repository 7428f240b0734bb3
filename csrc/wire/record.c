/*
 * record.c - the types of record.h: what is the same for all of them.
 *
 * Owns how long what is in their fields lives.  Knows no field.
 */

#include "record.h"

int
wire_fields_traverse(PyObject **fields, Py_ssize_t count, visitproc visit, void *arg)
{
    for (Py_ssize_t i = 0; i < count; i++) {
        Py_VISIT(fields[i]);
    }
    return 0;
}

void
wire_fields_clear(PyObject **fields, Py_ssize_t count)
{
    PyObject *type;
    PyObject *error;
    PyObject *traceback;

    PyErr_Fetch(&type, &error, &traceback);
    for (Py_ssize_t i = 0; i < count; i++) {
        Py_CLEAR(fields[i]);
    }
    PyErr_Restore(type, error, traceback);
}

PyObject *
wire_take_exception(void)
{
    PyObject *type;
    PyObject *error;
    PyObject *traceback;

    PyErr_Fetch(&type, &error, &traceback);
    PyErr_NormalizeException(&type, &error, &traceback);
    if (traceback != NULL) {
        PyException_SetTraceback(error, traceback);
    }
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    return error;
}

PyObject *
wire_take_exception_after(PyObject *before)
{
    PyObject *error = wire_take_exception(); /* new */

    if (before != NULL && before != error) {
        PyException_SetContext(error, before); /* stolen */
    }
    else {
        Py_XDECREF(before);
    }
    return error;
}

void
wire_set_exception(PyObject *error)
{
    if (error == NULL) {
        PyErr_Clear();
    }
    else {
        PyErr_Restore(Py_NewRef(Py_TYPE(error)), error, PyException_GetTraceback(error));
    }
}

/* As generators do: an instance, or a class with what it is made of, and a traceback. */
int
wire_raise_thrown(PyObject *const *arguments, Py_ssize_t count)
{
    PyObject *value = count > 1 ? arguments[1] : NULL;
    PyObject *traceback = count > 2 && arguments[2] != Py_None ? arguments[2] : NULL;

    if (count < 1 || count > 3 || (traceback != NULL && !PyTraceBack_Check(traceback))) {
        PyErr_SetString(PyExc_TypeError,
                        "throw() takes an exception, or a class, a value and a traceback");
        return -1;
    }
    if (PyExceptionInstance_Check(arguments[0]) && (value == NULL || value == Py_None)) {
        PyErr_Restore(
            Py_NewRef(PyExceptionInstance_Class(arguments[0])), Py_NewRef(arguments[0]),
            traceback != NULL ? Py_NewRef(traceback) : PyException_GetTraceback(arguments[0]));
    }
    else if (PyExceptionClass_Check(arguments[0])) {
        PyErr_Restore(Py_NewRef(arguments[0]), Py_XNewRef(value), Py_XNewRef(traceback));
    }
    else {
        PyErr_SetString(PyExc_TypeError, "throw() takes an exception");
        return -1;
    }
    return 0;
}

PyObject *
wire_as_generator(PySendResult how, PyObject *outcome)
{
    PyObject *stop; /* new */

    if (how != PYGEN_RETURN) {
        return outcome;
    }
    stop = PyObject_CallOneArg(PyExc_StopIteration, outcome);
    if (stop != NULL) {
        PyErr_SetObject(PyExc_StopIteration, stop);
    }
    Py_XDECREF(stop);
    Py_DECREF(outcome);
    return NULL;
}

PySendResult
wire_as_sent(PyObject **outcome)
{
    PyObject *stop; /* new */

    if (*outcome != NULL) {
        return PYGEN_NEXT;
    }
    if (!PyErr_ExceptionMatches(PyExc_StopIteration)) {
        return PYGEN_ERROR;
    }
    stop = wire_take_exception();
    *outcome = PyObject_GetAttrString(stop, "value");
    Py_DECREF(stop);
    return *outcome != NULL ? PYGEN_RETURN : PYGEN_ERROR;
}

static int record_traverse(PyObject *self, visitproc visit, void *arg);

/* How many fields there are: an object's own class may have come later. */
static Py_ssize_t
count_of(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);

    while (type->tp_traverse != record_traverse) {
        type = type->tp_base;
    }
    return (type->tp_basicsize - (Py_ssize_t)WIRE_RECORD_SIZE(0)) / (Py_ssize_t)sizeof(PyObject *);
}

static int
record_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    return wire_fields_traverse(((wire_record *)self)->fields, count_of(self), visit, arg);
}

static int
record_clear(PyObject *self)
{
    wire_fields_clear(((wire_record *)self)->fields, count_of(self));
    return 0;
}

static void
record_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    record_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

PyTypeObject *
wire_add_record(PyObject *module, const char *name, const char *doc, int count,
                PyMemberDef *members, PyMethodDef *methods)
{
    PyType_Slot slots[] = {
        {Py_tp_doc, (void *)doc},
        {Py_tp_dealloc, record_dealloc},
        {Py_tp_traverse, record_traverse},
        {Py_tp_clear, record_clear},
        {Py_tp_members, members},
        {Py_tp_methods, methods},
        {0, NULL},
    };
    PyType_Spec spec = {
        .name = name,
        .basicsize = (int)WIRE_RECORD_SIZE((size_t)count),
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE |
                 Py_TPFLAGS_IMMUTABLETYPE,
        .slots = slots,
    };
    PyTypeObject *type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);

    if (type != NULL && PyModule_AddType(module, type) < 0) {
        Py_CLEAR(type);
    }
    return type;
}
