/*
 * One request to the CNI agent and its answer, over a Unix stream socket. Numbers are big-endian.
 *
 *   request: "AMBITCN1", length of the rest (4 bytes), environment as NAME=VALUE\0 ..., \0, the configuration as it came
 *   answer:  "AMBITCN1", CNI error code or 0 (4 bytes), length of the message (4), of the details (4), message, details
 *
 * cni/src/plugin-server/plugin-message.ts is the other end.
 */
#ifndef AMBIT_CNI_AGENT_CALL_H
#define AMBIT_CNI_AGENT_CALL_H

#include <stdbool.h>
#include <stdint.h>

#include "json.h"

#define AGENT_TEXT_MAX 2048

struct agent_answer {
	uint32_t code; /* 0: done. */
	char message[AGENT_TEXT_MAX + 1];
	char details[AGENT_TEXT_MAX + 1];
};

/*
 * Asks the agent that listens at `path`, which must run as root or as our own user. False when it is away: nobody listens, it
 * does not answer before the deadline, or what it answers is not an answer; then `why` says so.
 */
bool agent_call(const char *path, struct span environment, struct span configuration, int64_t deadline_ms,
		struct agent_answer *answer, char *why, size_t why_size);

#endif
