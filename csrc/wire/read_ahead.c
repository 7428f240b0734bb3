/*
 * read_ahead.c - rows of a prepared statement that the library has read, but not handed out.
 *
 * It reads a socket in blocks, and hands out each row by a call of its own, which copies
 * the row and walks through its values: more work than to decode them.  A row that lies in
 * such a block as a whole is taken where it is.  All else is left to the library: the first
 * row, one that a block ends in, an error, the end, all of a cursor, all that is compressed.
 *
 * Knows where packets begin and end, and nothing of the values in them.
 */

#include "channel.h"
#include "load.h"

#include <ma_pvio.h>

/* Before a packet: its length in three bytes, and its number, which the library ignores too. */
#define HEADER 4
#define LONGEST 0xFFFFFF
/* What a row begins with, and no other packet that follows a row. */
#define ROW 0

bool
wire_take_read_ahead(wire_channel *self)
{
    const MYSQL_STMT *stmt = self->statement->stmt;
    const NET *net = &self->mysql->net;
    MARIADB_PVIO *pvio = net->pvio;

    self->ahead = (wire_packet){NULL, NULL};
    if (stmt->state != MYSQL_STMT_USER_FETCHING || stmt->cursor_exists || net->compress ||
        pvio == NULL) {
        return false;
    }
    const char *at = (const char *)pvio->cache_pos;
    const ptrdiff_t left = (const char *)pvio->cache + pvio->cache_size - at;
    if (left <= HEADER) {
        return false;
    }
    const size_t length = load_32(at) & LONGEST;
    if (length == 0 || length == LONGEST || length > (size_t)left - HEADER || at[HEADER] != ROW) {
        return false;
    }
    self->ahead = (wire_packet){at + HEADER, at + HEADER + length};
    pvio->cache_pos += HEADER + length;
    return true;
}
