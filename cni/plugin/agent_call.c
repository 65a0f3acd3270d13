#define _GNU_SOURCE /* struct ucred */
#include "agent_call.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "deadline.h"

#define MAGIC "AMBITCN1"
#define MAGIC_BYTES 8

static int send_all(int fd, struct span data, int64_t deadline_ms)
{
	while (data.length > 0) {
		const ssize_t sent = send(fd, data.data, data.length, MSG_NOSIGNAL);
		if (sent >= 0) {
			data.data += sent;
			data.length -= (size_t)sent;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return errno;
		const int problem = wait_for(fd, POLLOUT, deadline_ms);
		if (problem != 0)
			return problem;
	}
	return 0;
}

/* ENODATA: the agent closed before all of it had come. */
static int receive_all(int fd, void *buffer, size_t length, int64_t deadline_ms)
{
	char *next = buffer;
	while (length > 0) {
		const ssize_t received = recv(fd, next, length, 0);
		if (received == 0)
			return ENODATA;
		if (received > 0) {
			next += received;
			length -= (size_t)received;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return errno;
		const int problem = wait_for(fd, POLLIN, deadline_ms);
		if (problem != 0)
			return problem;
	}
	return 0;
}

/* Connecting to a Unix socket does not wait, unless the queue of the agent is full: then EAGAIN says so. */
static int connect_to(int fd, const char *path, int64_t deadline_ms)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof address.sun_path)
		return ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path) + 1);
	for (;;) {
		if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
			return 0;
		if (errno != EAGAIN && errno != EINTR)
			return errno;
		if (monotonic_ms() >= deadline_ms)
			return ETIMEDOUT;
		(void)poll(NULL, 0, 5);
	}
}

static bool is_trusted(int fd)
{
	struct ucred peer;
	socklen_t length = sizeof peer;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0)
		return false;
	return peer.uid == 0 || peer.uid == geteuid();
}

static int exchange(int fd, struct span environment, struct span configuration, int64_t deadline_ms,
		    struct agent_answer *answer)
{
	char head[MAGIC_BYTES + 4];
	const uint32_t length = htonl((uint32_t)(environment.length + configuration.length));
	memcpy(head, MAGIC, MAGIC_BYTES);
	memcpy(head + MAGIC_BYTES, &length, sizeof length);
	int problem = send_all(fd, (struct span){ head, sizeof head }, deadline_ms);
	if (problem == 0)
		problem = send_all(fd, environment, deadline_ms);
	if (problem == 0)
		problem = send_all(fd, configuration, deadline_ms);
	if (problem != 0)
		return problem;
	char magic[MAGIC_BYTES];
	uint32_t numbers[3];
	problem = receive_all(fd, magic, sizeof magic, deadline_ms);
	if (problem == 0)
		problem = receive_all(fd, numbers, sizeof numbers, deadline_ms);
	if (problem != 0)
		return problem;
	const uint32_t message_length = ntohl(numbers[1]);
	const uint32_t details_length = ntohl(numbers[2]);
	if (memcmp(magic, MAGIC, MAGIC_BYTES) != 0 || message_length > AGENT_TEXT_MAX || details_length > AGENT_TEXT_MAX)
		return EPROTO;
	answer->code = ntohl(numbers[0]);
	problem = receive_all(fd, answer->message, message_length, deadline_ms);
	if (problem == 0)
		problem = receive_all(fd, answer->details, details_length, deadline_ms);
	answer->message[message_length] = '\0';
	answer->details[details_length] = '\0';
	return problem;
}

static const char *describe(int problem)
{
	switch (problem) {
	case ETIMEDOUT:
		return "no answer in time";
	case ENODATA:
		return "it closed the connection before its answer was complete";
	case EPROTO:
		return "its answer is not one of this version";
	case EACCES:
		return "the process that listens there runs as another user";
	default:
		return strerror(problem);
	}
}

bool agent_call(const char *path, struct span environment, struct span configuration, int64_t deadline_ms,
		struct agent_answer *answer, char *why, size_t why_size)
{
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int problem = fd < 0 ? errno : connect_to(fd, path, deadline_ms);
	if (problem == 0)
		problem = is_trusted(fd) ? exchange(fd, environment, configuration, deadline_ms, answer) : EACCES;
	if (fd >= 0)
		(void)close(fd);
	if (problem != 0)
		(void)snprintf(why, why_size, "CNI agent at %s: %s", path, describe(problem));
	return problem == 0;
}
