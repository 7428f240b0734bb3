/*
 * reply.c - what a statement was answered with: its rows, and how it ended.
 *
 * Owns the library's result until nobody asks for its columns any more.  By
 * then all rows have been read, so that freeing it never touches the network.
 */

#include "channel.h"

#include <errmsg.h>
#include <stddef.h>
#include <structmember.h>

/* ---- Errors ------------------------------------------------------------------ */

void
wire_raise(wire_state *state, MYSQL *mysql)
{
    const char *message = mysql_error(mysql);
    unsigned int code = mysql_errno(mysql);
    PyObject *error; /* new */
    PyObject *text;  /* new */

    if (code == 0) { /* some ways of losing a connection set none (CONC-703) */
        code = CR_SERVER_LOST;
        message = "Lost connection to server during query";
    }
    text = PyUnicode_DecodeUTF8(message, (Py_ssize_t)strlen(message), "replace");
    if (text == NULL) {
        return;
    }
    error = PyObject_CallFunction(state->error_from, "IsN", code, mysql_sqlstate(mysql), text);
    if (error != NULL) {
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
        Py_DECREF(error);
    }
}

/* ---- What the server says beside the rows -------------------------------------- */

/*
 * What a change adds to the epoch, after which statements may mean something else: another
 * default database does, and a variable that is not about transactions.  Of variables, name
 * and value follow each other.
 */
static uint64_t
unsettled_by(enum enum_session_state_type kind, bool name, const char *data, size_t length)
{
    static const char autocommit[] = "autocommit";

    if (kind != SESSION_TRACK_SYSTEM_VARIABLES) {
        return kind == SESSION_TRACK_SCHEMA;
    }
    if (!name || (length == sizeof(autocommit) - 1 && memcmp(data, autocommit, length) == 0)) {
        return 0;
    }
    return WIRE_UNSETTLED;
}

/* Whether it is the character set in which the server reads statements. */
static bool
is_charset(enum enum_session_state_type kind, const char *data, size_t length)
{
    static const char charset[] = "character_set_client";

    return kind == SESSION_TRACK_SYSTEM_VARIABLES && length == sizeof(charset) - 1 &&
           memcmp(data, charset, length) == 0;
}

/* The changes of the session's state of one kind, added to those of a reply. */
static int
add_changes(wire_reply *reply, MYSQL *mysql, enum enum_session_state_type kind)
{
    PyObject *changes = reply->changes; /* borrowed */
    const char *data;
    size_t length;
    int status = mysql_session_track_get_first(mysql, kind, &data, &length);

    for (bool name = true; status == 0; name = !name) {
        reply->unsettled += unsettled_by(kind, name, data, length);
        reply->tells_charset |= name && is_charset(kind, data, length);
        PyObject *change = Py_BuildValue(
            "(iN)", (int)kind, PyUnicode_DecodeUTF8(data, (Py_ssize_t)length, "replace")); /* new */
        if (change == NULL || PyList_Append(changes, change) < 0) {
            Py_XDECREF(change);
            return -1;
        }
        Py_DECREF(change);
        status = mysql_session_track_get_next(mysql, kind, &data, &length);
    }
    return 0;
}

static int
take_facts(wire_reply *reply, MYSQL *mysql)
{
    const char *info = mysql_info(mysql);

    reply->affected_rows = mysql_affected_rows(mysql);
    /* The end of rows tells of none: the library still has that of an earlier statement. */
    reply->insert_id = reply->has_rows ? 0 : mysql_insert_id(mysql);
    reply->warning_count = mysql_warning_count(mysql);
    reply->server_status = mysql->server_status;
    if (info != NULL) {
        reply->info = PyUnicode_DecodeUTF8(info, (Py_ssize_t)strlen(info), "replace");
        if (reply->info == NULL) {
            return -1;
        }
    }
    if (mysql->server_status & SERVER_SESSION_STATE_CHANGED) {
        reply->changes = PyList_New(0);
        if (reply->changes == NULL) {
            return -1;
        }
        for (int kind = SESSION_TRACK_BEGIN; kind <= SESSION_TRACK_END; kind++) {
            if (add_changes(reply, mysql, (enum enum_session_state_type)kind) < 0) {
                return -1;
            }
        }
    }
    return 0;
}

int
wire_reply_settle(wire_reply *reply, MYSQL *mysql)
{
    wire_plan *plan = reply->plan;
    int status;

    reply->plan = NULL; /* freeing it may run Python code, which must not find it */
    wire_plan_free(plan);
    status = take_facts(reply, mysql);
    atomic_store_explicit(&reply->settled, true, memory_order_release);
    return status;
}

/* ---- The type ------------------------------------------------------------------ */

/* Takes the result over, also when it fails. */
wire_reply *
wire_reply_new(wire_state *state, MYSQL_RES *result)
{
    wire_reply *reply = PyObject_GC_New(wire_reply, state->Reply);

    if (reply == NULL) {
        if (result != NULL) {
            result->handle = NULL; /* freeing must not read the rest */
            mysql_free_result(result);
        }
        return NULL;
    }
    memset((char *)reply + sizeof(PyObject), 0, sizeof(*reply) - sizeof(PyObject));
    reply->result = result;
    reply->has_rows = result != NULL;
    PyObject_GC_Track(reply);
    return reply;
}

int
wire_reply_expect(wire_reply *reply, bool stream)
{
    if (stream && !wire_plan_is_columns(reply->plan)) {
        return 0;
    }
    reply->rows = wire_rows_new(reply->plan, 0);
    return reply->rows == NULL ? -1 : 0;
}

static int
reply_traverse(wire_reply *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->rows);
    return wire_plan_traverse(self->plan, visit, arg);
}

static int
reply_clear(wire_reply *self)
{
    Py_CLEAR(self->rows);
    return 0;
}

static void
reply_dealloc(wire_reply *self)
{
    PyTypeObject *type = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    wire_plan_free(self->plan);
    if (self->result != NULL) {
        self->result->handle = NULL; /* whatever is left to read is the channel's business */
        mysql_free_result(self->result);
    }
    Py_XDECREF(self->rows);
    Py_XDECREF(self->columns);
    Py_XDECREF(self->info);
    Py_XDECREF(self->changes);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

/* What describes its columns; of two threads that make it, the first one's is kept. */
static PyObject *
keep_columns(wire_reply *self, PyObject *made)
{
    PyObject *columns; /* new */

    Py_BEGIN_CRITICAL_SECTION(self);
    if (self->columns == NULL) {
        self->columns = Py_XNewRef(made);
    }
    columns = Py_XNewRef(self->columns);
    Py_END_CRITICAL_SECTION();
    return columns;
}

static PyObject *
reply_columns(wire_reply *self, void *Py_UNUSED(closure))
{
    PyObject *columns; /* new */
    PyObject *made;    /* new */

    if (!self->has_rows) {
        Py_RETURN_NONE;
    }
    columns = keep_columns(self, NULL);
    if (columns != NULL) {
        return columns;
    }
    if (self->result == NULL) { /* a prepared statement's were not to be described */
        return PyErr_NoMemory();
    }
    made = wire_describe(self->result->fields, self->result->field_count);
    if (made != NULL) {
        columns = keep_columns(self, made);
        Py_DECREF(made);
    }
    return columns;
}

/* Whether it is known how the statement ended; from then on nothing changes any more. */
static bool
is_settled(wire_reply *self)
{
    return atomic_load_explicit(&self->settled, memory_order_acquire);
}

static PyObject *
reply_affected_rows(wire_reply *self, void *Py_UNUSED(closure))
{
    unsigned long long rows = is_settled(self) ? self->affected_rows : 0;

    return rows == (unsigned long long)-1 ? PyLong_FromLong(-1) : PyLong_FromUnsignedLongLong(rows);
}

static PyObject *
reply_insert_id(wire_reply *self, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLongLong(is_settled(self) ? self->insert_id : 0);
}

static PyObject *
reply_warning_count(wire_reply *self, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLong(is_settled(self) ? self->warning_count : 0);
}

static PyObject *
reply_server_status(wire_reply *self, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLong(is_settled(self) ? self->server_status : 0);
}

static PyObject *
reply_info(wire_reply *self, void *Py_UNUSED(closure))
{
    return Py_NewRef(is_settled(self) && self->info != NULL ? self->info : Py_None);
}

static PyObject *
reply_changes(wire_reply *self, void *Py_UNUSED(closure))
{
    return Py_NewRef(is_settled(self) && self->changes != NULL ? self->changes : Py_None);
}

static PyObject *
reply_has_rows(wire_reply *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(self->has_rows);
}

static PyGetSetDef reply_getset[] = {
    {"columns", (getter)reply_columns, NULL,
     PyDoc_STR("What is known of the columns, a tuple for each; None without rows."), NULL},
    {"affected_rows", (getter)reply_affected_rows, NULL,
     PyDoc_STR("mysql_affected_rows(), -1 if it is not known; 0 while rows are coming."), NULL},
    {"has_rows", (getter)reply_has_rows, NULL, PyDoc_STR("Whether it is a result set."), NULL},
    {"info", (getter)reply_info, NULL, PyDoc_STR("mysql_info(), or None."), NULL},
    {"changes", (getter)reply_changes, NULL,
     PyDoc_STR("Changes of the session's state: a list of (SESSION_TRACK_*, text), or None."),
     NULL},
    {"insert_id", (getter)reply_insert_id, NULL, PyDoc_STR("mysql_insert_id(); 0 without one."),
     NULL},
    {"warning_count", (getter)reply_warning_count, NULL, PyDoc_STR("mysql_warning_count()."), NULL},
    {"server_status", (getter)reply_server_status, NULL, PyDoc_STR("SERVER_STATUS_* bits."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

/* Set before anybody has the reply. */
static PyMemberDef reply_members[] = {
    {"rows", T_OBJECT, offsetof(wire_reply, rows), READONLY,
     PyDoc_STR("The list of rows; None without rows or when they stream.")},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot reply_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("What a statement was answered with.")},
    {Py_tp_dealloc, reply_dealloc},
    {Py_tp_traverse, reply_traverse},
    {Py_tp_clear, reply_clear},
    {Py_tp_getset, reply_getset},
    {Py_tp_members, reply_members},
    {0, NULL},
};

static PyType_Spec reply_spec = {
    .name = "mariadb_nb._wire.Reply",
    .basicsize = sizeof(wire_reply),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = reply_slots,
};

int
wire_add_reply(PyObject *module)
{
    wire_state *state = PyModule_GetState(module);

    state->Reply = (PyTypeObject *)PyType_FromModuleAndSpec(module, &reply_spec, NULL);
    return state->Reply == NULL ? -1 : PyModule_AddType(module, state->Reply);
}
