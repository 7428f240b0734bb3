/*
 * login.c - what the library is kept from while it logs in.
 *
 * Owns three things that no option can say.  That no server is sent a file because it
 * asks for one (infile.c).  Which doubts about a certificate
 * end the connection: 3.4 asks a function, and the library's own cannot do
 * without the host's name, nor without any check but with TLS required, and
 * does not look at the host if that is 127.0.0.1 or ::1.  And
 * that nobody is asked anything: the plug-in `dialog` reads the terminal when
 * the server has more questions than there are passwords.
 *
 * Only handles that were given to prepare_login() are treated so; others, of
 * whoever else uses the library in this process, are not.  Knows nothing of
 * what the user wants: mariadb_nb.login does.
 *
 * The functions that the library calls run on the stack of a suspended
 * operation, without the interpreter: they only look, copy and answer.
 */

#include "channel.h"

#include <errmsg.h>
#include <ma_pvio.h>
#include <mysql/plugin_auth.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* How large a block of memory is. */
#if defined(_WIN32)
#include <malloc.h>
#define NB_BLOCK_SIZE(block) _msize(block)
#elif defined(__APPLE__)
#include <malloc/malloc.h>
#define NB_BLOCK_SIZE(block) malloc_size(block)
#else
#include <malloc.h>
#define NB_BLOCK_SIZE(block) malloc_usable_size(block)
#endif

enum certificate_check { BY_LIBRARY, NO_CHECK, CHAIN_ONLY, ANY_HOST };

/* The key under which a handle is known as ours, MARIADB_OPT_USERDATA. */
static const char mark[] = "mariadb_nb.login";

/* ---- certificates ---------------------------------------------------------- */

#ifdef MARIADB_TLS_VERIFY_OK

/* What MARIADB_TLS begins with; its header cannot be included. */
struct tls_head {
    void *data;
    MARIADB_PVIO *pvio;
};

/* Encryption is all that was asked for. */
static int
accept_certificate(void *tls, unsigned int flags)
{
    NET *net = &((struct tls_head *)tls)->pvio->mysql->net;

    (void)flags;
    /* The handshake has left its doubts here, and they would be read again. */
    net->tls_verify_status = MARIADB_TLS_VERIFY_OK;
    net->last_errno = 0;
    net->last_error[0] = '\0';
    return 0;
}

/* The certificate has to be good, but for any host. The handshake has said why. */
static int
check_chain(void *tls, unsigned int flags)
{
    (void)flags;
    return ((struct tls_head *)tls)->pvio->mysql->net.tls_verify_status != MARIADB_TLS_VERIFY_OK;
}

typedef int (*certificate_function)(void *tls, unsigned int flags);

static int
set_certificate_function(MYSQL *mysql, certificate_function function)
{
    return mysql_optionsv(mysql, MARIADB_OPT_TLS_VERIFICATION_CALLBACK, (void *)function);
}

/* The library's own function: it exports none, but it is in every handle. */
static _Atomic(certificate_function) own_check;

/* Find it: it comes to where another one was, when that one is taken back. */
static bool
find_own_check(MYSQL *mysql)
{
    certificate_function found = NULL;
    size_t size, at = 0;

    if (own_check != NULL) {
        return true;
    }
    if (set_certificate_function(mysql, accept_certificate) != 0) {
        return false;
    }
    for (size = NB_BLOCK_SIZE(mysql->options.extension); at + sizeof(found) <= size;
         at += sizeof(found)) {
        memcpy(&found, (char *)mysql->options.extension + at, sizeof(found));
        if (found == accept_certificate) {
            break;
        }
    }
    if (found != accept_certificate || set_certificate_function(mysql, NULL) != 0) {
        return false;
    }
    memcpy(&found, (char *)mysql->options.extension + at, sizeof(found));
    if (found == NULL || found == accept_certificate) {
        return false;
    }
    own_check = found;
    return true;
}

/* The certificate has to be good, and for the host, whichever that is. */
static int
check_any_host(void *tls, unsigned int flags)
{
    certificate_function check = own_check;

    return check(tls, flags | MARIADB_TLS_VERIFY_HOST | MARIADB_TLS_VERIFY_TRUST);
}

static int
set_certificate_check(MYSQL *mysql, enum certificate_check check)
{
    static const certificate_function functions[] = {
        [BY_LIBRARY] = NULL,
        [NO_CHECK] = accept_certificate,
        [CHAIN_ONLY] = check_chain,
        [ANY_HOST] = check_any_host,
    };

    if (check == ANY_HOST && !find_own_check(mysql)) {
        return -1;
    }
    return set_certificate_function(mysql, functions[check]);
}

#else

static int
set_certificate_check(MYSQL *mysql, enum certificate_check check)
{
    (void)mysql;
    return check != BY_LIBRARY;
}

#endif

/* ---- dialog ------------------------------------------------------------------ */

/* As in mysql/client_plugin.h, which cannot be compiled where a distribution ships it. */
struct auth_plugin {
    int type;
    unsigned int interface_version;
    const char *name;
    const char *author;
    const char *desc;
    unsigned int version[3];
    const char *license;
    void *mysql_api;
    int (*init)(char *, size_t, int, va_list);
    int (*deinit)(void);
    int (*options)(const char *, const void *);
    int (*authenticate_user)(MYSQL_PLUGIN_VIO *vio, MYSQL *mysql);
};

enum { AUTH_PLUGIN = 2, AUTH_PLUGIN_MAJOR = 0x01, PASSWORD_QUESTION = 2 };

static pthread_once_t dialog_once = PTHREAD_ONCE_INIT;
/* The plug-in's own function, NULL if it is not silenced; written once. */
static int (*own_dialog)(MYSQL_PLUGIN_VIO *vio, MYSQL *mysql);

static int
refuse_question(MYSQL *mysql)
{
    NET *net = &mysql->net;

    net->last_errno = CR_AUTH_PLUGIN_ERR;
    memcpy(net->sqlstate, "HY000", sizeof("HY000"));
    snprintf(net->last_error, sizeof(net->last_error),
             "The server's login asks more than for one password: nobody is there to answer");
    return CR_ERROR;
}

/* Answer the first question for a password with the password, and nothing else. */
static int
answer_password(MYSQL_PLUGIN_VIO *vio, MYSQL *mysql)
{
    const char *password = mysql->passwd != NULL ? mysql->passwd : "";
    bool opened = false, answered = false, last = false;

    while (!last) {
        unsigned char *packet;
        int length = vio->read_packet(vio, &packet);
        if (length < 0) {
            return CR_ERROR;
        }
        if (length == 0 && !opened) { /* after a change of the user the client begins */
            opened = true;
        }
        else if (length > 0 && (packet[0] == 0 || packet[0] == 254)) { /* the verdict */
            return CR_OK_HANDSHAKE_COMPLETE;
        }
        else if (length > 0 && packet[0] >> 1 == PASSWORD_QUESTION && !answered &&
                 password[0] != '\0') {
            answered = true;
            last = (packet[0] & 1) != 0;
        }
        else {
            return refuse_question(mysql);
        }
        if (vio->write_packet(vio, (const unsigned char *)password, (int)strlen(password) + 1)) {
            return CR_ERROR;
        }
    }
    return CR_OK;
}

static int
dialog(MYSQL_PLUGIN_VIO *vio, MYSQL *mysql)
{
    void *marked = NULL;

    mysql_get_optionv(mysql, MARIADB_OPT_USERDATA, (void *)mark, (void *)&marked);
    return marked != NULL ? answer_password(vio, mysql) : own_dialog(vio, mysql);
}

/* Once it is loaded: nothing is looked for in any folder. */
static void
replace_dialog(void)
{
    MYSQL *mysql = mysql_init(NULL);
    struct auth_plugin *plugin; /* the library's */

    if (mysql == NULL) {
        return;
    }
    mysql_options(mysql, MYSQL_PLUGIN_DIR, "/dev/null");
    plugin = (struct auth_plugin *)mysql_client_find_plugin(mysql, "dialog", AUTH_PLUGIN);
    if (plugin != NULL && plugin->type == AUTH_PLUGIN &&
        plugin->interface_version >> 8 == AUTH_PLUGIN_MAJOR &&
        strcmp(plugin->name, "dialog") == 0) {
        own_dialog = plugin->authenticate_user;
        plugin->authenticate_user = dialog;
    }
    mysql_close(mysql);
}

/* ---- the module's functions ---------------------------------------------------- */

static PyObject *
prepare_login(PyObject *module, PyObject *args)
{
    wire_state *state = PyModule_GetState(module);
    Py_ssize_t address;
    int check;
    MYSQL *mysql;

    if (!PyArg_ParseTuple(args, "ni:prepare_login", &address, &check)) {
        return NULL;
    }
    if (address == 0 || check < BY_LIBRARY || check > ANY_HOST) {
        PyErr_SetString(PyExc_ValueError, "prepare_login() takes a handle and a check of 0 to 3");
        return NULL;
    }
    mysql = (MYSQL *)address;
    if (set_certificate_check(mysql, (enum certificate_check)check) != 0) {
        PyErr_SetString(state->NotSupportedError,
                        "mariadb_nb was built with another libmariadb than it runs with, "
                        "and cannot do TLS like this: install it again");
        return NULL;
    }
    wire_infile_answer(mysql, NULL);
    if (mysql_optionsv(mysql, MARIADB_OPT_USERDATA, (void *)mark, (void *)mark) != 0) {
        return PyErr_NoMemory();
    }
    Py_RETURN_NONE;
}

static PyObject *
silence_dialog(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    pthread_once(&dialog_once, replace_dialog);
    return PyBool_FromLong(own_dialog != NULL);
}

static PyMethodDef methods[] = {
    {"prepare_login", prepare_login, METH_VARARGS,
     PyDoc_STR("prepare_login(handle: int, certificate_check: int, /) -> None\n\n"
               "Set what a handle must not do while it logs in; before connecting.")},
    {"silence_dialog", silence_dialog, METH_NOARGS,
     PyDoc_STR("silence_dialog() -> bool\n--\n\n"
               "Keep the plug-in `dialog`, which is loaded, from asking people; whether it is.")},
    {NULL, NULL, 0, NULL},
};

int
wire_add_login(PyObject *module)
{
    if (PyModule_AddFunctions(module, methods) < 0 ||
        PyModule_AddIntConstant(module, "CHECK_BY_LIBRARY", BY_LIBRARY) < 0 ||
        PyModule_AddIntConstant(module, "CHECK_NOTHING", NO_CHECK) < 0 ||
        PyModule_AddIntConstant(module, "CHECK_CHAIN_ONLY", CHAIN_ONLY) < 0 ||
        PyModule_AddIntConstant(module, "CHECK_ANY_HOST", ANY_HOST) < 0) {
        return -1;
    }
    return 0;
}
