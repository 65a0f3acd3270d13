#include "deadline.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <time.h>

int64_t monotonic_ms(void)
{
	struct timespec now;
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int wait_for(int fd, short events, int64_t deadline_ms)
{
	for (;;) {
		const int64_t left = deadline_ms - monotonic_ms();
		if (left <= 0)
			return ETIMEDOUT;
		struct pollfd watched = { .fd = fd, .events = events };
		const int ready = poll(&watched, 1, left > INT_MAX ? INT_MAX : (int)left);
		if (ready > 0)
			return 0; /* Errors and hang-ups too: the call that follows finds out which. */
		if (ready < 0 && errno != EINTR)
			return errno;
	}
}
