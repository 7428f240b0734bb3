/* See counter.h. */
#include "counter.h"

#include <stdint.h>

#if defined(__linux__)
#include <linux/perf_event.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#if defined(__has_include) && __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#else
#define CALLGRIND_START_INSTRUMENTATION
#define CALLGRIND_STOP_INSTRUMENTATION
#define CALLGRIND_DUMP_STATS
#endif

static int counter = -1;
static int64_t before = 0;

static int64_t
now(void)
{
#if defined(__linux__)
    int64_t value;
    if (counter >= 0 && read(counter, &value, sizeof value) == sizeof value) {
        return value;
    }
#endif
    return -1;
}

void
counter_open(void)
{
#if defined(__linux__)
    struct perf_event_attr wanted;
    memset(&wanted, 0, sizeof wanted);
    wanted.size = sizeof wanted;
    wanted.type = PERF_TYPE_HARDWARE;
    wanted.config = PERF_COUNT_HW_INSTRUCTIONS;
    wanted.exclude_kernel = 1;
    wanted.exclude_hv = 1;
    wanted.inherit = 1;
    counter = (int)syscall(SYS_perf_event_open, &wanted, 0, -1, -1, 0);
#endif
}

void
counter_start(void)
{
    before = now();
    CALLGRIND_START_INSTRUMENTATION;
}

long long
counter_stop(void)
{
    CALLGRIND_DUMP_STATS;
    CALLGRIND_STOP_INSTRUMENTATION;
    int64_t after = now();
    return after < 0 || before < 0 ? -1 : (long long)(after - before);
}
