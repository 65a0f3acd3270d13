#include "report.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ERROR_BYTES_MAX 32768

static bool write_all(struct span text)
{
	while (text.length > 0) {
		const ssize_t written = write(STDOUT_FILENO, text.data, text.length);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return false;
		text.data += written;
		text.length -= (size_t)written;
	}
	return true;
}

int report_result(struct span text)
{
	return write_all(text) ? 0 : 1;
}

struct builder {
	char text[ERROR_BYTES_MAX];
	size_t length;
};

/* Longest piece that is added at once: an escape, or one character of UTF-8. */
static void add(struct builder *builder, const char *piece, size_t length)
{
	if (builder->length + length >= sizeof builder->text)
		return; /* Texts are bounded far below this. */
	memcpy(builder->text + builder->length, piece, length);
	builder->length += length;
}

/* Bytes of the UTF-8 character at `text`, or 0 when there is none (RFC 3629, section 4). */
static size_t utf8_length(const unsigned char *text)
{
	const unsigned char first = text[0];
	if (first < 0x80)
		return 1;
	const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
	if (first < 0xc2 || first > 0xf4)
		return 0;
	for (size_t i = 1; i < length; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0; /* Also at the terminating zero. */
	}
	if ((first == 0xe0 && text[1] < 0xa0) || (first == 0xed && text[1] > 0x9f) ||
	    (first == 0xf0 && text[1] < 0x90) || (first == 0xf4 && text[1] > 0x8f))
		return 0;
	return length;
}

static void add_string(struct builder *builder, const char *text)
{
	const unsigned char *next = (const unsigned char *)text;
	add(builder, "\"", 1);
	while (*next != '\0') {
		const size_t length = utf8_length(next);
		if (length == 0) {
			add(builder, "?", 1);
			next++;
			continue;
		}
		char escape[8];
		if (*next == '"' || *next == '\\')
			add(builder, escape, (size_t)snprintf(escape, sizeof escape, "\\%c", *next));
		else if (*next < 0x20)
			add(builder, escape, (size_t)snprintf(escape, sizeof escape, "\\u%04x", *next));
		else
			add(builder, (const char *)next, length);
		next += length;
	}
	add(builder, "\"", 1);
}

static void add_text(struct builder *builder, const char *text)
{
	add(builder, text, strlen(text));
}

int report_error(const char *cni_version, unsigned int code, const char *message, const char *details)
{
	static struct builder builder;
	char number[16];
	builder.length = 0;
	add_text(&builder, "{\"cniVersion\":");
	add_string(&builder, cni_version);
	add_text(&builder, ",\"code\":");
	add(&builder, number, (size_t)snprintf(number, sizeof number, "%u", code));
	add_text(&builder, ",\"msg\":");
	add_string(&builder, message);
	if (details[0] != '\0') {
		add_text(&builder, ",\"details\":");
		add_string(&builder, details);
	}
	add_text(&builder, "}\n");
	(void)write_all((struct span){ builder.text, builder.length });
	return 1;
}
