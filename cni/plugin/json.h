/* Reads a JSON text without copying it: which bytes are the values of some members of an object. */
#ifndef AMBIT_CNI_JSON_H
#define AMBIT_CNI_JSON_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes inside somebody else's buffer; `data` is NULL when there are none. */
struct span {
	const char *data;
	size_t length;
};

/* A member asked for by name; `value` becomes its text as it was written, without the white space around it. */
struct json_member {
	const char *name;
	struct span value;
};

/*
 * Checks that `text` is one JSON object (RFC 8259, valid throughout, nested at most 64 deep) and finds the members. Of members
 * that appear twice the last one counts, as in the runtimes. Returns NULL, or what is wrong; then `*at` is the byte where.
 */
const char *json_members(struct span text, struct json_member *members, size_t count, size_t *at);

/* Copies a string value that needs no unescaping, with a terminating zero. False when it is something else or too long. */
bool json_plain_string(struct span value, char *out, size_t out_size);

/* Reads a whole number between `min` and `max`. False when it is something else. */
bool json_integer(struct span value, long min, long max, long *out);

#endif
