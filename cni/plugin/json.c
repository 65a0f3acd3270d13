#include "json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The scanner calls itself once per level; configurations nest a handful deep. */
#define DEPTH_MAX 64

struct scanner {
	const char *next;
	const char *end;
	const char *problem; /* Set once, by whoever finds the first one. */
};

static bool fail(struct scanner *scanner, const char *problem)
{
	if (scanner->problem == NULL)
		scanner->problem = problem;
	return false;
}

static int peek(const struct scanner *scanner)
{
	return scanner->next < scanner->end ? (unsigned char)*scanner->next : -1;
}

static bool take(struct scanner *scanner, char expected)
{
	if (peek(scanner) != (unsigned char)expected)
		return false;
	scanner->next++;
	return true;
}

static void skip_space(struct scanner *scanner)
{
	while (scanner->next < scanner->end && *scanner->next != '\0' && strchr(" \t\r\n", *scanner->next) != NULL)
		scanner->next++;
}

static bool is_digit(int byte)
{
	return byte >= '0' && byte <= '9';
}

static bool is_hex_digit(int byte)
{
	return is_digit(byte) || (byte >= 'a' && byte <= 'f') || (byte >= 'A' && byte <= 'F');
}

static bool scan_escape(struct scanner *scanner)
{
	const int kind = peek(scanner);
	if (kind < 0 || kind == 0 || strchr("\"\\/bfnrtu", kind) == NULL)
		return fail(scanner, "an escape in a string is unknown");
	scanner->next++;
	for (int digits = 0; kind == 'u' && digits < 4; digits++) {
		if (!is_hex_digit(peek(scanner)))
			return fail(scanner, "a \\u escape needs four hexadecimal digits");
		scanner->next++;
	}
	return true;
}

static bool scan_string(struct scanner *scanner)
{
	if (!take(scanner, '"'))
		return fail(scanner, "a string is expected");
	for (;;) {
		const int byte = peek(scanner);
		if (byte < 0)
			return fail(scanner, "a string does not end");
		if (byte < 0x20)
			return fail(scanner, "a string holds a control character");
		scanner->next++;
		if (byte == '"')
			return true;
		if (byte == '\\' && !scan_escape(scanner))
			return false;
	}
}

static bool scan_digits(struct scanner *scanner)
{
	if (!is_digit(peek(scanner)))
		return fail(scanner, "a digit is expected");
	while (is_digit(peek(scanner)))
		scanner->next++;
	return true;
}

static bool scan_number(struct scanner *scanner)
{
	(void)take(scanner, '-');
	if (take(scanner, '0')) {
		if (is_digit(peek(scanner)))
			return fail(scanner, "a number begins with 0");
	} else if (!scan_digits(scanner)) {
		return false;
	}
	if (take(scanner, '.') && !scan_digits(scanner))
		return false;
	if (take(scanner, 'e') || take(scanner, 'E')) {
		if (!take(scanner, '+'))
			(void)take(scanner, '-');
		return scan_digits(scanner);
	}
	return true;
}

static bool scan_word(struct scanner *scanner, const char *word)
{
	const size_t length = strlen(word);
	if ((size_t)(scanner->end - scanner->next) < length || memcmp(scanner->next, word, length) != 0)
		return fail(scanner, "a value is expected");
	scanner->next += length;
	return true;
}

static bool scan_value(struct scanner *scanner, int depth);

static bool scan_array(struct scanner *scanner, int depth)
{
	scanner->next++;
	skip_space(scanner);
	if (take(scanner, ']'))
		return true;
	for (;;) {
		if (!scan_value(scanner, depth))
			return false;
		skip_space(scanner);
		if (take(scanner, ']'))
			return true;
		if (!take(scanner, ','))
			return fail(scanner, "a comma or ] is expected");
		skip_space(scanner);
	}
}

static void keep_member(struct json_member *members, size_t count, struct span name, struct span value)
{
	for (size_t i = 0; i < count; i++) {
		if (strlen(members[i].name) == name.length && memcmp(members[i].name, name.data, name.length) == 0)
			members[i].value = value;
	}
}

static bool scan_object(struct scanner *scanner, int depth, struct json_member *members, size_t count)
{
	scanner->next++;
	skip_space(scanner);
	if (take(scanner, '}'))
		return true;
	for (;;) {
		const char *name = scanner->next;
		if (!scan_string(scanner))
			return false;
		/* Without the quotes. */
		const struct span key = { name + 1, (size_t)(scanner->next - name) - 2 };
		skip_space(scanner);
		if (!take(scanner, ':'))
			return fail(scanner, "a colon is expected");
		skip_space(scanner);
		const char *value = scanner->next;
		if (!scan_value(scanner, depth))
			return false;
		keep_member(members, count, key, (struct span){ value, (size_t)(scanner->next - value) });
		skip_space(scanner);
		if (take(scanner, '}'))
			return true;
		if (!take(scanner, ','))
			return fail(scanner, "a comma or } is expected");
		skip_space(scanner);
	}
}

static bool scan_value(struct scanner *scanner, int depth)
{
	if (depth >= DEPTH_MAX)
		return fail(scanner, "values are nested too deep");
	switch (peek(scanner)) {
	case '{':
		return scan_object(scanner, depth + 1, NULL, 0);
	case '[':
		return scan_array(scanner, depth + 1);
	case '"':
		return scan_string(scanner);
	case 't':
		return scan_word(scanner, "true");
	case 'f':
		return scan_word(scanner, "false");
	case 'n':
		return scan_word(scanner, "null");
	default:
		return scan_number(scanner);
	}
}

const char *json_members(struct span text, struct json_member *members, size_t count, size_t *at)
{
	struct scanner scanner = { text.data, text.data + text.length, NULL };
	for (size_t i = 0; i < count; i++)
		members[i].value = (struct span){ NULL, 0 };
	skip_space(&scanner);
	if (peek(&scanner) != '{')
		(void)fail(&scanner, "an object is expected");
	else if (scan_object(&scanner, 0, members, count)) {
		skip_space(&scanner);
		if (scanner.next != scanner.end)
			(void)fail(&scanner, "something follows the object");
	}
	*at = (size_t)(scanner.next - text.data);
	return scanner.problem;
}

bool json_plain_string(struct span value, char *out, size_t out_size)
{
	if (value.data == NULL || value.length < 2 || value.data[0] != '"')
		return false;
	const size_t length = value.length - 2;
	if (length >= out_size || memchr(value.data + 1, '\\', length) != NULL)
		return false;
	memcpy(out, value.data + 1, length);
	out[length] = '\0';
	return true;
}

bool json_integer(struct span value, long min, long max, long *out)
{
	char digits[24];
	if (value.data == NULL || value.length == 0 || value.length >= sizeof digits)
		return false;
	memcpy(digits, value.data, value.length);
	digits[value.length] = '\0';
	char *rest;
	errno = 0;
	const long number = strtol(digits, &rest, 10);
	if (errno != 0 || *rest != '\0' || rest == digits || number < min || number > max)
		return false;
	*out = number;
	return true;
}
