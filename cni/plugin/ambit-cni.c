/*
 * Chained CNI plugin of Ambit (CNI specification 0.3.1 to 1.1). It hands each call to the CNI agent of the node and reports
 * the answer. It decides nothing itself, except that while the agent is away a pod may start only when the agent's enrolment
 * list says that its namespace is not enrolled.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent_call.h"
#include "deadline.h"
#include "enrolment_list.h"
#include "json.h"
#include "report.h"

#define DEFAULT_AGENT_SOCKET "/var/run/ambit/cni.sock"
#define DEFAULT_ENROLMENT_LIST "/var/lib/ambit/cni/enrolment.list"
#define DEFAULT_TIMEOUT_MS 40000L
#define TIMEOUT_MS_MAX 120000L
/* DEL, GC and STATUS: the agent finds out by itself what it did not hear, and the node must not wait for it. */
#define BRIEF_TIMEOUT_MS 2000L
/* A garbage collection lists every container of the node. */
#define CONFIGURATION_BYTES_MAX (1L << 20)
#define VARIABLE_BYTES_MAX 4096
#define TEXT_MAX 1024

enum command { COMMAND_ADD, COMMAND_DEL, COMMAND_CHECK, COMMAND_GC, COMMAND_STATUS, COMMAND_VERSION, COMMAND_COUNT };

/* What a command needs, and since which version of the specification it is there (an index of `versions`). */
static const struct {
	const char *name;
	int since;
	bool needs_container;
	bool needs_netns;
	bool needs_previous_result;
} commands[COMMAND_COUNT] = {
	[COMMAND_ADD] = { "ADD", 0, true, true, true },
	[COMMAND_DEL] = { "DEL", 0, true, false, false },
	[COMMAND_CHECK] = { "CHECK", 1, true, true, true },
	[COMMAND_GC] = { "GC", 3, false, false, false },
	[COMMAND_STATUS] = { "STATUS", 3, false, false, false },
	[COMMAND_VERSION] = { "VERSION", 0, false, false, false },
};

static const char *const versions[] = { "0.3.1", "0.4.0", "1.0.0", "1.1.0" };
#define VERSION_COUNT ((int)(sizeof versions / sizeof versions[0]))
#define LATEST_VERSION versions[VERSION_COUNT - 1]

/* One call, as the runtime made it. */
struct call {
	enum command command;
	const char *version;
	struct span configuration;
	struct span previous_result;
	char agent_socket[108];
	char enrolment_list[TEXT_MAX];
	int64_t deadline_ms;
};

static const char *variable(const char *name)
{
	const char *value = getenv(name);
	return value == NULL ? "" : value;
}

static int fail(const struct call *call, enum cni_error code, const char *message, const char *details)
{
	return report_error(call->version, code, message, details);
}

/*
 * Reads standard input to its end into memory that the caller frees. Returns 0 or the errno; EFBIG when it is larger than a
 * configuration may be.
 */
static int read_configuration(char **configuration, size_t *length_read, int64_t deadline_ms)
{
	size_t size = 16384;
	size_t length = 0;
	char *text = malloc(size);
	int problem = text == NULL ? ENOMEM : 0;
	while (problem == 0) {
		if (length == size) {
			char *larger = size > CONFIGURATION_BYTES_MAX ? NULL : realloc(text, size * 2);
			if (larger == NULL) {
				problem = size > CONFIGURATION_BYTES_MAX ? EFBIG : ENOMEM;
				break;
			}
			text = larger;
			size *= 2;
		}
		if ((problem = wait_for(STDIN_FILENO, POLLIN, deadline_ms)) != 0)
			break;
		const ssize_t got = read(STDIN_FILENO, text + length, size - length);
		if (got == 0)
			break;
		if (got > 0)
			length += (size_t)got;
		else if (errno != EINTR && errno != EAGAIN)
			problem = errno;
	}
	if (problem == 0 && length > CONFIGURATION_BYTES_MAX)
		problem = EFBIG;
	if (problem != 0) {
		free(text);
		return problem;
	}
	*configuration = text;
	*length_read = length;
	return 0;
}

static bool find_command(enum command *found)
{
	for (int i = 0; i < COMMAND_COUNT; i++) {
		if (strcmp(variable("CNI_COMMAND"), commands[i].name) == 0) {
			*found = (enum command)i;
			return true;
		}
	}
	return false;
}

/* An index of `versions`, or -1. */
static int version_of(struct span value)
{
	char text[16];
	if (!json_plain_string(value, text, sizeof text))
		return -1;
	for (int i = 0; i < VERSION_COUNT; i++) {
		if (strcmp(text, versions[i]) == 0)
			return i;
	}
	return -1;
}

static int check_environment(const struct call *call)
{
	static const char *const names[] = { "CNI_CONTAINERID", "CNI_IFNAME", "CNI_NETNS", "CNI_ARGS" };
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		const bool needed = (i < 2 && commands[call->command].needs_container) ||
				    (i == 2 && commands[call->command].needs_netns);
		if (needed && variable(names[i])[0] == '\0')
			return fail(call, CNI_INVALID_ENVIRONMENT, "a variable is missing", names[i]);
		if (strlen(variable(names[i])) > VARIABLE_BYTES_MAX)
			return fail(call, CNI_INVALID_ENVIRONMENT, "a variable is too long", names[i]);
	}
	return 0;
}

/* Takes a path from the configuration; the default stays when there is none. */
static bool read_path(struct span value, char *path, size_t path_size)
{
	return value.data == NULL || (json_plain_string(value, path, path_size) && path[0] == '/');
}

static int parse_configuration(struct call *call, int64_t began_ms)
{
	struct json_member members[] = {
		{ .name = "cniVersion" },    { .name = "prevResult" }, { .name = "agentSocket" },
		{ .name = "enrolmentList" }, { .name = "timeoutMs" },
	};
	size_t at;
	char details[TEXT_MAX];
	const char *problem = json_members(call->configuration, members, sizeof members / sizeof members[0], &at);
	if (problem != NULL) {
		(void)snprintf(details, sizeof details, "byte %zu: %s", at, problem);
		return fail(call, CNI_UNDECODABLE, "the network configuration is not JSON", details);
	}
	const int version = version_of(members[0].value);
	if (version < 0)
		return fail(call, CNI_INCOMPATIBLE_VERSION, "cniVersion is not one of 0.3.1, 0.4.0, 1.0.0, 1.1.0", "");
	call->version = versions[version];
	if (version < commands[call->command].since)
		return fail(call, CNI_INCOMPATIBLE_VERSION, "this version of the specification has no such command",
			    commands[call->command].name);
	call->previous_result = members[1].value;
	if (commands[call->command].needs_previous_result &&
	    (call->previous_result.data == NULL || call->previous_result.data[0] != '{'))
		return fail(call, CNI_INVALID_CONFIGURATION,
			    "prevResult is missing: ambit-cni goes behind the plugin that creates the interface", "");
	if (!read_path(members[2].value, call->agent_socket, sizeof call->agent_socket))
		return fail(call, CNI_INVALID_CONFIGURATION, "agentSocket is not an absolute path that fits a socket", "");
	if (!read_path(members[3].value, call->enrolment_list, sizeof call->enrolment_list))
		return fail(call, CNI_INVALID_CONFIGURATION, "enrolmentList is not an absolute path", "");
	long timeout_ms = DEFAULT_TIMEOUT_MS;
	if (members[4].value.data != NULL && !json_integer(members[4].value, 1, TIMEOUT_MS_MAX, &timeout_ms))
		return fail(call, CNI_INVALID_CONFIGURATION, "timeoutMs is not a number from 1 to 120000", "");
	if (call->command != COMMAND_ADD && call->command != COMMAND_CHECK && timeout_ms > BRIEF_TIMEOUT_MS)
		timeout_ms = BRIEF_TIMEOUT_MS;
	call->deadline_ms = began_ms + timeout_ms;
	return 0;
}

static int report_versions(const struct call *call)
{
	struct json_member version = { .name = "cniVersion" };
	size_t at;
	(void)json_members(call->configuration, &version, 1, &at);
	const int asked = version_of(version.value);
	char text[TEXT_MAX];
	const int length = snprintf(text, sizeof text,
				    "{\"cniVersion\":\"%s\",\"supportedVersions\":[\"%s\",\"%s\",\"%s\",\"%s\"]}\n",
				    asked < 0 ? LATEST_VERSION : versions[asked], versions[0], versions[1], versions[2],
				    versions[3]);
	return report_result((struct span){ text, (size_t)length });
}

static bool ask_agent(const struct call *call, struct agent_answer *answer, char *why, size_t why_size)
{
	static const char *const names[] = { "CNI_COMMAND", "CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_ARGS" };
	static char environment[5 * (VARIABLE_BYTES_MAX + 32)];
	size_t length = 0;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		/* Each fits: check_environment and find_command saw to that. The terminating zero is part of the format. */
		const int added = snprintf(environment + length, sizeof environment - length, "%s=%s", names[i],
					   variable(names[i]));
		length += (size_t)added + 1;
	}
	environment[length++] = '\0';
	return agent_call(call->agent_socket, (struct span){ environment, length }, call->configuration,
			  call->deadline_ms, answer, why, why_size);
}

/* Of arguments such as `IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;...`. False when they name none, or one that cannot be. */
static bool pod_namespace(char *name, size_t name_size)
{
	static const char key[] = "K8S_POD_NAMESPACE=";
	for (const char *next = variable("CNI_ARGS"); next != NULL;) {
		if (strncmp(next, key, sizeof key - 1) == 0) {
			const char *value = next + sizeof key - 1;
			const size_t length = strcspn(value, ";");
			if (length == 0 || length >= name_size)
				return false;
			memcpy(name, value, length);
			name[length] = '\0';
			return true;
		}
		next = strchr(next, ';');
		if (next != NULL)
			next++;
	}
	return false;
}

/* ADD and CHECK while the agent is away. Returns 0 when the pod may go on without it. */
static int decide_without_agent(const struct call *call, const char *why)
{
	char name[TEXT_MAX];
	char problem[TEXT_MAX];
	char message[3 * TEXT_MAX];
	char details[3 * TEXT_MAX];
	/* The runtime starts something that is no pod of Kubernetes. */
	if (strstr(variable("CNI_ARGS"), "K8S_POD_") == NULL)
		return 0;
	if (!pod_namespace(name, sizeof name))
		return fail(call, CNI_INVALID_ENVIRONMENT, "CNI_ARGS names no namespace of the pod", variable("CNI_ARGS"));
	const enum enrolment enrolment = enrolment_of(call->enrolment_list, name, problem, sizeof problem);
	if (enrolment == ENROLMENT_NONE)
		return 0;
	(void)snprintf(message, sizeof message,
		       "Ambit's CNI agent is away, and namespace %s %s: the pod waits until the agent of this node is back", name,
		       enrolment == ENROLMENT_ENROLLED ? "is enrolled in the mesh" : "is not known to be outside the mesh");
	(void)snprintf(details, sizeof details, "%s%s%s", why, problem[0] == '\0' ? "" : "; ", problem);
	return fail(call, CNI_TRY_AGAIN_LATER, message, details);
}

/* What stands when nobody answers. Returns the exit status; ADD's result is still to be printed when that is 0. */
static int go_without_agent(const struct call *call, const char *why)
{
	char problem[TEXT_MAX];
	switch (call->command) {
	case COMMAND_ADD:
	case COMMAND_CHECK:
		return decide_without_agent(call, why);
	case COMMAND_STATUS:
		/*
		 * With a list, pods outside the mesh can be started and the others wait for a moment. Reporting a failure would
		 * make the whole node unready, and the pods that run on it with it.
		 */
		(void)enrolment_of(call->enrolment_list, NULL, problem, sizeof problem);
		return problem[0] == '\0' ? 0 : fail(call, CNI_UNAVAILABLE, why, problem);
	default:
		return 0; /* The agent compares all it has with what exists when it is back. */
	}
}

/* A call whose configuration has been read. Returns the exit status. */
static int run(struct call *call, int64_t began_ms)
{
	if (call->command == COMMAND_VERSION)
		return report_versions(call);
	int status = parse_configuration(call, began_ms);
	if (status == 0)
		status = check_environment(call);
	if (status != 0)
		return status;
	static struct agent_answer answer;
	char why[TEXT_MAX];
	if (!ask_agent(call, &answer, why, sizeof why))
		status = go_without_agent(call, why);
	else if (answer.code != 0)
		status = report_error(call->version, answer.code, answer.message, answer.details);
	if (status == 0 && call->command == COMMAND_ADD)
		status = report_result(call->previous_result);
	return status;
}

int main(void)
{
	const int64_t began_ms = monotonic_ms();
	struct call call = { .version = LATEST_VERSION,
			     .agent_socket = DEFAULT_AGENT_SOCKET,
			     .enrolment_list = DEFAULT_ENROLMENT_LIST };
	if (!find_command(&call.command))
		return fail(&call, CNI_INVALID_ENVIRONMENT,
			    "CNI_COMMAND is not one of ADD, DEL, CHECK, GC, STATUS, VERSION: a container runtime runs this program",
			    "");
	char *text;
	size_t length;
	const int problem = read_configuration(&text, &length, began_ms + DEFAULT_TIMEOUT_MS);
	if (problem != 0)
		return fail(&call, CNI_IO_FAILURE, "the network configuration on standard input could not be read",
			    problem == EFBIG ? "it is larger than 1 MiB" : strerror(problem));
	call.configuration = (struct span){ text, length };
	const int status = run(&call, began_ms);
	free(text);
	return status;
}
