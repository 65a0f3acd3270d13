/* Waiting for descriptors, until a point in time. */
#ifndef AMBIT_CNI_DEADLINE_H
#define AMBIT_CNI_DEADLINE_H

#include <stdint.h>

/* Milliseconds of a clock that only grows. */
int64_t monotonic_ms(void);

/* Waits until `fd` has one of poll's `events`. Returns 0, or the errno: ETIMEDOUT once `deadline_ms` has passed. */
int wait_for(int fd, short events, int64_t deadline_ms);

#endif
