#define _GNU_SOURCE
#include "enrolment_list.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_LINE "ambit-enrolment 1"
#define LAST_LINE "end"
/* More than a hundred thousand namespaces with the longest of names. */
#define LIST_BYTES_MAX (8L << 20)
#define NAME_LENGTH_MAX 63

static const char *check_file(int fd, off_t *size)
{
	struct stat stat;
	if (fstat(fd, &stat) != 0)
		return strerror(errno);
	if (!S_ISREG(stat.st_mode))
		return "not a regular file";
	if (stat.st_uid != 0 && stat.st_uid != geteuid())
		return "it belongs to another user";
	if ((stat.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return "others may write it";
	if (stat.st_size > LIST_BYTES_MAX)
		return "it is too large";
	*size = stat.st_size;
	return NULL;
}

/* The whole file with a zero behind it, which the caller frees; or NULL, and `problem` says why. */
static char *read_list(const char *path, size_t *length, const char **problem)
{
	/* Without O_NONBLOCK a FIFO put in its place would hold us up. */
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0) {
		*problem = strerror(errno);
		return NULL;
	}
	off_t size = 0;
	char *text = NULL;
	*length = 0;
	*problem = check_file(fd, &size);
	if (*problem == NULL && (text = malloc((size_t)size + 1)) == NULL)
		*problem = strerror(ENOMEM);
	while (*problem == NULL && *length < (size_t)size) {
		const ssize_t got = read(fd, text + *length, (size_t)size - *length);
		if (got > 0)
			*length += (size_t)got;
		else if (got == 0)
			break;
		else if (errno != EINTR)
			*problem = strerror(errno);
	}
	(void)close(fd);
	if (*problem != NULL) {
		free(text);
		return NULL;
	}
	text[*length] = '\0';
	return text;
}

static bool is_namespace(const char *name)
{
	const size_t length = strlen(name);
	return length > 0 && length <= NAME_LENGTH_MAX &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == length;
}

/* One line between the first and the last. False when it is wrong. */
static bool read_line(char *line, const char *wanted, enum enrolment *found)
{
	char *name = strchr(line, ' ');
	if (name == NULL)
		return false;
	*name++ = '\0';
	if (!is_namespace(name))
		return false;
	const bool enrolled = strcmp(line, "enrolled") == 0;
	if (!enrolled && strcmp(line, "plain") != 0 && strcmp(line, "excluded") != 0)
		return false;
	if (wanted != NULL && strcmp(name, wanted) == 0) {
		/* Should it be listed twice, the careful answer counts. */
		if (enrolled)
			*found = ENROLMENT_ENROLLED;
		else if (*found == ENROLMENT_UNKNOWN)
			*found = ENROLMENT_NONE;
	}
	return true;
}

/* NULL, or what is wrong with the text. A list whose writing was cut off lacks its last line. */
static const char *parse_list(char *text, size_t length, const char *wanted, enum enrolment *found)
{
	if (strlen(text) != length)
		return "it holds a zero byte";
	bool first = true;
	while (*text != '\0') {
		char *end = strchr(text, '\n');
		if (end == NULL)
			return "its last line is cut off";
		*end = '\0';
		if (first) {
			if (strcmp(text, FIRST_LINE) != 0)
				return "its first line is not that of this version";
		} else if (strcmp(text, LAST_LINE) == 0) {
			return end[1] == '\0' ? NULL : "something follows its end";
		} else if (!read_line(text, wanted, found)) {
			return "it holds a line that is none";
		}
		first = false;
		text = end + 1;
	}
	return "its end is missing";
}

enum enrolment enrolment_of(const char *path, const char *name, char *problem, size_t problem_size)
{
	const char *reason = NULL;
	size_t length;
	char *text = read_list(path, &length, &reason);
	enum enrolment found = ENROLMENT_UNKNOWN;
	problem[0] = '\0';
	if (text != NULL)
		reason = parse_list(text, length, name, &found);
	free(text);
	if (reason == NULL)
		return found;
	(void)snprintf(problem, problem_size, "enrolment list %s: %s", path, reason);
	return ENROLMENT_UNKNOWN;
}
