/* Counts the user instructions of this process between two calls.
 *
 * By the processor's own counter where the kernel lets us read it, and by callgrind
 * when the process runs under that, which writes the number to its file itself. */
#ifndef COUNTER_H
#define COUNTER_H

/* Get ready, before threads are made: those made later are counted too. */
void counter_open(void);
void counter_start(void);
/* The instructions since counter_start(), or -1 where nothing counts them. */
long long counter_stop(void);

#endif
