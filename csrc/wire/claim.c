/*
 * claim.c - the guard, and the turn of a connection.
 *
 * Owns the pointer to the guard's functions, which are in mariadb_nb._ffi, and
 * what is said when a connection's turn is not to be had.
 */

#include "channel.h"

const nb_claims *wire_guard;

int
wire_refuse_claim(wire_channel *self, enum nb_claim_result why)
{
    static const char *const texts[] = {
        [NB_CLAIM_BUSY] = "another operation is going on on this connection",
        [NB_CLAIM_SUSPENDED] = "an operation of the C API waits on this connection",
        [NB_CLAIM_UNREAD] = "a reply of the C API has not been read to its end",
        [NB_CLAIM_FOREIGN] = "the connection belongs to the parent process; connect anew",
        [NB_CLAIM_CLOSED] = "the connection is closed",
    };
    bool busy = why == NB_CLAIM_BUSY || why == NB_CLAIM_SUSPENDED || why == NB_CLAIM_UNREAD;

    PyErr_SetString(busy ? self->state->Busy : self->state->InterfaceError, texts[why]);
    return -1;
}

int
wire_claim(wire_channel *self)
{
    enum nb_claim_result result;

    if (self->mysql == NULL || self->broken) {
        PyErr_SetString(self->state->InterfaceError,
                        self->broken ? "the connection is broken; close it and connect anew"
                                     : "the connection is closed");
        return -1;
    }
    if (self->claimed) {
        return wire_refuse_claim(self, NB_CLAIM_BUSY);
    }
    result = wire_guard->claim(self->handle);
    if (result != NB_CLAIMED) {
        return wire_refuse_claim(self, result);
    }
    self->claimed = true;
    return 0;
}

/*
 * attach(guard, library): takes the guard's functions over from mariadb_nb._ffi.
 *
 * library is where the text of mysql_get_client_info() is there: a constant of the
 * library, so that each copy of it has its own.
 */
static PyObject *
attach(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    unsigned long long guard, library;
    const nb_claims *claims;

    if (!PyArg_ParseTuple(arguments, "KK:attach", &guard, &library)) {
        return NULL;
    }
    claims = (const nb_claims *)(uintptr_t)guard;
    if (claims == NULL || claims->size != sizeof(nb_claims)) {
        PyErr_SetString(PyExc_ImportError, "_ffi and _wire are not of the same build");
        return NULL;
    }
    if ((uintptr_t)library != (uintptr_t)mysql_get_client_info()) {
        return PyErr_Format(PyExc_ImportError,
                            "_ffi and _wire have loaded two copies of libmariadb; that of _wire "
                            "is version %s. Install mariadb_nb anew",
                            mysql_get_client_info());
    }
    if (wire_guard != claims) { /* other threads may be using it */
        wire_guard = claims;
    }
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"attach", attach, METH_VARARGS,
     PyDoc_STR("attach($module, guard, library, /)\n--\n\n"
               "Take the guard over from mariadb_nb._ffi, which has loaded the same library.")},
    {NULL, NULL, 0, NULL},
};

int
wire_add_claim(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}
