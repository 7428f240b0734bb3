/*
 * bulk.h - what bulk.c and bulk_value.c know of each other: a request under construction.
 */

#ifndef WIRE_BULK_H
#define WIRE_BULK_H

#include "template.h"

/* Of a column, as the request says it for all of its rows. */
typedef struct wire_bulk_type {
    uint16_t code; /* MYSQL_TYPE_*, and perhaps WIRE_UNSIGNED */
    bool negative; /* a number below zero is among the values */
} wire_bulk_type;

enum {
    WIRE_NO_TYPE = MYSQL_TYPE_NULL, /* of what has no value */
    WIRE_UNSIGNED = 0x8000
};

/* Bytes under construction, and what is to be known of the value that was added last. */
typedef struct wire_request {
    wire_writer writer; /* first: the forms get its address */
    wire_bulk_type type;
    bool stored; /* the values are, as they are: nothing is computed with them */
    bool unfit;  /* a value has no form */
} wire_request;

/* A value as a parameter of a bulk; the writer is a wire_request's. */
extern const wire_forms wire_bulk_forms;

#endif
