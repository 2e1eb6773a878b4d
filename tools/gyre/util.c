/* SPDX-License-Identifier: Apache-2.0 */
/* tools/gyre/util.c: the command's words, texts, sizes and numbers. */
#include "tools/gyre/util.h"
#include "include/gyre/config.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void say_list(const char *format, va_list list)
{
	char *text;

	if (vasprintf(&text, format, list) < 0)
		return;
	/* Every line of a longer text says whose it is. */
	for (char *line = text, *end; line && *line; line = end) {
		end = strchr(line, '\n');
		if (end)
			*end++ = 0;
		fprintf(stderr, "gyre: %s\n", line);
	}
	free(text);
}

int fail(int status, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	say_list(format, list);
	va_end(list);
	return status;
}

void say(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	say_list(format, list);
	va_end(list);
}

static void *need(void *memory)
{
	if (!memory)
		exit(fail(GYRE_STATUS_FAILED, "out of memory"));
	return memory;
}

void *allocate(size_t bytes)
{
	return need(calloc(1, bytes ? bytes : 1));
}

char *text_copy(const char *text)
{
	return need(strdup(text));
}

char *text_format(const char *format, ...)
{
	va_list list;
	char *text;

	va_start(list, format);
	int length = vasprintf(&text, format, list);
	va_end(list);
	return need(length < 0 ? NULL : text);
}

/* Edit distance of two names; anything from NAME_LONG on counts as far. */
#define NAME_LONG 32
static unsigned name_distance(const char *a, const char *b)
{
	size_t rows = strlen(a), columns = strlen(b);
	unsigned row[NAME_LONG + 1];

	if (rows > NAME_LONG || columns > NAME_LONG)
		return NAME_LONG;
	for (size_t j = 0; j <= columns; j++)
		row[j] = j;
	for (size_t i = 1; i <= rows; i++) {
		unsigned diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= columns; j++) {
			unsigned change = diagonal + (a[i - 1] != b[j - 1]);
			unsigned remove = row[j] + 1, insert = row[j - 1] + 1;
			diagonal = row[j];
			row[j] = change < remove ? change : remove;
			if (insert < row[j])
				row[j] = insert;
		}
	}
	return row[columns];
}

const char *nearest_name(const char *name, const char *const *names, size_t count)
{
	const char *nearest = NULL;
	unsigned least = 3;

	for (size_t i = 0; i < count; i++) {
		unsigned distance = name_distance(name, names[i]);
		if (distance < least && distance < strlen(name)) {
			least = distance;
			nearest = names[i];
		}
	}
	return nearest;
}

char *size_text(uint64_t bytes)
{
	static const char units[] = "KMGT";
	int unit = -1;

	while (unit < 3 && bytes && bytes % 1024 == 0) {
		bytes /= 1024;
		unit++;
	}
	return unit < 0 ? text_format("%llu bytes", (unsigned long long)bytes)
			: text_format("%llu%c", (unsigned long long)bytes, units[unit]);
}

const char *size_parse(const char *text, uint64_t *bytes)
{
	static const char units[] = "KMGT";
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return "is no size: write a whole number and K, M, G or T, as in 512M or 4G (4G is 4 GiB)";
	errno = 0;
	unsigned long long number = strtoull(text, &end, 10);
	if (!*end)
		return "has no unit: write K, M, G or T behind the number, as in 512M or 4G (4G is 4 GiB)";
	const char *unit = strchr(units, *end);
	if (*end == '.')
		return "is no whole number: write 1536M for one and a half GiB";
	if (!unit || end[1])
		return "has a unit that is unknown: write K, M, G or T, as in 512M or 4G (all binary: 4G is 4 GiB)";
	unsigned shift = 10 * (unsigned)(unit - units + 1);
	if (errno == ERANGE || number > UINT64_MAX >> shift)
		return "is larger than any machine";
	*bytes = (uint64_t)number << shift;
	return NULL;
}

bool number_parse(const char *text, uint64_t low, uint64_t high, uint64_t *number)
{
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	unsigned long long value = strtoull(text, &end, 10);
	if (errno || *end || value < low || value > high)
		return false;
	*number = value;
	return true;
}

bool seconds_parse(const char *text, double most, double *seconds)
{
	char *end;
	double value = strtod(text, &end);

	if (strspn(text, "0123456789.") != strlen(text) || end == text || *end || value <= 0 || value > most)
		return false;
	*seconds = value;
	return true;
}

double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

char *program_path(const char *name)
{
	if (strchr(name, '/'))
		return access(name, X_OK) == 0 ? text_copy(name) : NULL;
	/* Debian keeps administration programs in sbin, which a user's PATH may lack. */
	const char *given = getenv("PATH");
	char *path = text_format("%s:/usr/bin:/usr/sbin", given && *given ? given : "/bin");
	char *found = NULL, *rest = path;
	for (char *folder; !found && (folder = strsep(&rest, ":"));) {
		char *candidate = text_format("%s/%s", *folder ? folder : ".", name);
		if (access(candidate, X_OK) == 0)
			found = candidate;
		else
			free(candidate);
	}
	free(path);
	return found;
}

bool file_exists(const char *path)
{
	struct stat about;

	return stat(path, &about) == 0;
}
