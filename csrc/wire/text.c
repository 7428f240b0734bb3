/*
 * text.c - the library's calls for a statement that is sent as text, and for its replies.
 *
 * Owns one line of code for each; which follows which is said by step.c.
 */

#include "channel.h"

void
wire_start_query(wire_channel *self)
{
    self->phase = QUERY;
    self->status = 1;
    self->events = mysql_real_query_start(&self->status, self->mysql, PyBytes_AS_STRING(self->sql),
                                          (unsigned long)PyBytes_GET_SIZE(self->sql));
}

int
wire_resume_query(wire_channel *self, int ready)
{
    return mysql_real_query_cont(&self->status, self->mysql, ready);
}

static int
start_next(wire_channel *self)
{
    self->status = 1;
    return mysql_next_result_start(&self->status, self->mysql);
}

static int
resume_next(wire_channel *self, int ready)
{
    return mysql_next_result_cont(&self->status, self->mysql, ready);
}

static int
start_row(wire_channel *self)
{
    self->row = NULL;
    return mysql_fetch_row_start(&self->row, self->reply->result);
}

static int
resume_row(wire_channel *self, int ready)
{
    return mysql_fetch_row_cont(&self->row, self->reply->result, ready);
}

static int
has_row(wire_channel *self)
{
    if (self->row != NULL) {
        return 1;
    }
    return mysql_errno(self->mysql) != 0 ? -1 : 0;
}

static int
take(wire_channel *self, PyObject *rows)
{
    return wire_rows_take(rows, self->reply->plan, self->row,
                          mysql_fetch_lengths(self->reply->result));
}

static wire_reply *
reply(wire_channel *self)
{
    MYSQL_RES *result = NULL;

    if (self->mysql->field_count != 0) {
        result = mysql_use_result(self->mysql);
        if (result == NULL) {
            return NULL;
        }
    }
    return wire_reply_new(self->state, result);
}

static int
expect(wire_channel *self)
{
    const MYSQL_RES *result = self->reply->result;

    self->reply->plan = wire_plan_new(self->reading, result->fields, result->field_count, false);
    return self->reply->plan == NULL ? -1 : 0;
}

static bool
end(wire_channel *self)
{
    return mysql_more_results(self->mysql);
}

const wire_protocol wire_text_protocol = {
    .start_next = start_next,
    .resume_next = resume_next,
    .start_row = start_row,
    .resume_row = resume_row,
    .has_row = has_row,
    .take = take,
    .reply = reply,
    .expect = expect,
    .end = end,
};
