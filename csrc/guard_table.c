/*
 * guard_table.c - the table of live handles: address -> nb_handle.
 *
 * A hash table in 64 stripes, each with a lock of its own, held for a few
 * instructions.  Owns the memory of nb_handle by reference count: the table
 * has one reference, and every child has one to its connection or statement.
 * Does not know what a call may do with a handle.
 */

#include "guard.h"

#include <stdint.h>
#include <stdlib.h>

#ifdef _WIN32
#include <windows.h>
typedef SRWLOCK nb_lock;
#define NB_LOCK_INITIALIZER SRWLOCK_INIT
#define nb_lock_acquire(lock) AcquireSRWLockExclusive(lock)
#define nb_lock_release(lock) ReleaseSRWLockExclusive(lock)
#else
#include <pthread.h>
typedef pthread_mutex_t nb_lock;
#define NB_LOCK_INITIALIZER PTHREAD_MUTEX_INITIALIZER
#define nb_lock_acquire(lock) pthread_mutex_lock(lock)
#define nb_lock_release(lock) pthread_mutex_unlock(lock)
#endif

#define STRIPES 64
#define FIRST_SIZE 8

typedef struct {
    nb_lock lock;
    nb_handle **buckets;
    size_t size; /* a power of two, or 0 */
    size_t count;
} stripe;

#define ONE {NB_LOCK_INITIALIZER, NULL, 0, 0}
#define FOUR ONE, ONE, ONE, ONE
#define SIXTEEN FOUR, FOUR, FOUR, FOUR
static stripe stripes[STRIPES] = {SIXTEEN, SIXTEEN, SIXTEEN, SIXTEEN};

/* Fibonacci hashing: the high bits of the product are well mixed. */
static uint64_t
hash(const void *address)
{
    return (uint64_t)(uintptr_t)address * UINT64_C(0x9E3779B97F4A7C15);
}

static stripe *
stripe_of(uint64_t hashed)
{
    return &stripes[hashed >> 58];
}

static nb_handle **
bucket_of(stripe *where, uint64_t hashed)
{
    return &where->buckets[(hashed >> 26) & (where->size - 1)];
}

/* Doubles the buckets of a locked stripe.  Returns -1 without memory. */
static int
grow(stripe *where)
{
    stripe larger = {.size = where->size ? where->size * 2 : FIRST_SIZE};
    larger.buckets = calloc(larger.size, sizeof(nb_handle *));
    if (larger.buckets == NULL) {
        return -1;
    }
    for (size_t i = 0; i < where->size; i++) {
        nb_handle *handle = where->buckets[i];
        while (handle != NULL) {
            nb_handle *next = handle->next;
            nb_handle **bucket = bucket_of(&larger, hash(handle->address));
            handle->next = *bucket;
            *bucket = handle;
            handle = next;
        }
    }
    free(where->buckets);
    where->buckets = larger.buckets;
    where->size = larger.size;
    return 0;
}

static nb_handle *
find(stripe *where, uint64_t hashed, enum nb_kind kind, const void *address)
{
    nb_handle *handle = where->size ? *bucket_of(where, hashed) : NULL;

    while (handle != NULL && (handle->address != address || handle->kind != kind)) {
        handle = handle->next;
    }
    return handle;
}

/* Finds a live handle; the caller owns a reference to it, and has no turn. */
nb_handle *
nb_table_find(enum nb_kind kind, const void *address)
{
    uint64_t hashed = hash(address);
    stripe *where = stripe_of(hashed);
    nb_handle *handle;

    nb_lock_acquire(&where->lock);
    handle = find(where, hashed, kind, address);
    if (handle != NULL) {
        atomic_fetch_add(&handle->references, 1);
    }
    nb_lock_release(&where->lock);
    return handle;
}

/*
 * Finds a live handle and takes its turn, or that of its connection.
 * Returns NULL when there is none, or when its turn is taken: then *busy is the
 * address of the connection, else NULL.  Who has the turn may use the handle
 * and its connection: neither can be removed by anybody else.
 */
nb_handle *
nb_table_take(enum nb_kind kind, const void *address, nb_handle **turn, const void **busy)
{
    uint64_t hashed = hash(address);
    stripe *where = stripe_of(hashed);
    nb_handle *handle;

    *busy = NULL;
    nb_lock_acquire(&where->lock);
    handle = find(where, hashed, kind, address);
    if (handle != NULL) {
        *turn = handle->connection != NULL ? handle->connection : handle;
        if (atomic_exchange_explicit(&(*turn)->taken, 1, memory_order_acquire)) {
            *busy = (*turn)->address;
            handle = NULL;
        }
    }
    nb_lock_release(&where->lock);
    return handle;
}

/*
 * Tells what a connection's socket and id were after its last call, without
 * taking its turn: for a thread that wants to end what another one waits for.
 * Returns false when there is no such connection.
 */
bool
nb_table_peek(const void *address, nb_peeked *peeked)
{
    uint64_t hashed = hash(address);
    stripe *where = stripe_of(hashed);
    nb_handle *handle;

    *peeked = (nb_peeked){.fd = NB_NO_SOCKET};
    nb_lock_acquire(&where->lock);
    handle = find(where, hashed, NB_CONNECTION, address);
    if (handle != NULL && !handle->foreign) {
        peeked->fd = atomic_load_explicit(&handle->fd, memory_order_relaxed);
        peeked->inode = atomic_load_explicit(&handle->inode, memory_order_relaxed);
        peeked->thread_id = atomic_load_explicit(&handle->thread_id, memory_order_relaxed);
    }
    nb_lock_release(&where->lock);
    return handle != NULL;
}

/* Locks the part of the table that a handle is or was in, for a few instructions. */
void
nb_table_lock(const nb_handle *handle)
{
    nb_lock_acquire(&stripe_of(hash(handle->address))->lock);
}

void
nb_table_unlock(const nb_handle *handle)
{
    nb_lock_release(&stripe_of(hash(handle->address))->lock);
}

/* Puts a new handle in.  Returns -1 without memory. */
int
nb_table_add(nb_handle *handle)
{
    uint64_t hashed = hash(handle->address);
    stripe *where = stripe_of(hashed);
    int status = 0;

    nb_lock_acquire(&where->lock);
    if (where->count >= where->size) {
        status = grow(where);
    }
    if (status == 0) {
        nb_handle **bucket = bucket_of(where, hashed);
        handle->next = *bucket;
        *bucket = handle;
        where->count++;
    }
    nb_lock_release(&where->lock);
    return status;
}

/* Takes a handle out and drops the table's reference. */
void
nb_table_remove(nb_handle *handle)
{
    uint64_t hashed = hash(handle->address);
    stripe *where = stripe_of(hashed);

    nb_lock_acquire(&where->lock);
    nb_handle **link = bucket_of(where, hashed);
    while (*link != handle) {
        link = &(*link)->next;
    }
    *link = handle->next;
    where->count--;
    nb_lock_release(&where->lock);
    nb_release(handle);
}

/* Drops a reference; the last one frees the handle and what it owns. */
void
nb_release(nb_handle *handle)
{
    if (handle != NULL && atomic_fetch_sub(&handle->references, 1) == 1) {
        /* Two steps deep at most: metadata, its statement, their connection. */
        nb_release(handle->statement);
        nb_release(handle->connection);
        free(handle);
    }
}

/* Visits every handle; the caller holds all locks. */
void
nb_table_each(void (*visit)(nb_handle *handle))
{
    for (size_t i = 0; i < STRIPES; i++) {
        for (size_t j = 0; j < stripes[i].size; j++) {
            for (nb_handle *handle = stripes[i].buckets[j]; handle != NULL; handle = handle->next) {
                visit(handle);
            }
        }
    }
}

void
nb_table_lock_all(void)
{
    for (size_t i = 0; i < STRIPES; i++) {
        nb_lock_acquire(&stripes[i].lock);
    }
}

void
nb_table_unlock_all(void)
{
    for (size_t i = STRIPES; i > 0; i--) {
        nb_lock_release(&stripes[i - 1].lock);
    }
}
