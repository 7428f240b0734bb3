/*
 * load.h - numbers as they lie in a packet, the lowest byte first, wherever they lie.
 */

#ifndef WIRE_LOAD_H
#define WIRE_LOAD_H

#include <stdint.h>

static inline uint8_t
load_8(const char *at)
{
    return (uint8_t)*at;
}

static inline uint16_t
load_16(const char *at)
{
    return (uint16_t)(load_8(at) | load_8(at + 1) << 8);
}

static inline uint32_t
load_32(const char *at)
{
    return load_16(at) | (uint32_t)load_16(at + 2) << 16;
}

static inline uint64_t
load_64(const char *at)
{
    return load_32(at) | (uint64_t)load_32(at + 4) << 32;
}

#endif
