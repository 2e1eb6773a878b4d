/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/boot/options.c: the core's command line, words of the form KEY=VALUE.
 */
#include "core/boot/boot.h"
#include "core/x86/log.h"
#include "lib/string.h"

SEALED static char words[GYRE_BOOT_LINE]; /* each ends with a zero; an empty one ends the list */

void options_set(const char *line)
{
	size_t length = 0;
	for (; *line != 0 && length + 2 < sizeof(words); line++) {
		bool space = *line == ' ' || *line == '\t';
		if (!space || (length > 0 && words[length - 1] != 0))
			words[length++] = space ? 0 : *line;
	}
}

const char *core_option(const char *key)
{
	const char *found = NULL;
	size_t length = strlen(key);
	for (const char *word = words; *word != 0; word += strlen(word) + 1)
		if (strncmp(word, key, length) == 0 && word[length] == '=')
			found = word + length + 1;
	return found;
}

bool core_option_off(const char *key)
{
	const char *option = core_option(key);
	return option != NULL && strcmp(option, "off") == 0;
}

uint64_t core_option_size(const char *key, uint64_t otherwise)
{
	const char *text = core_option(key), *end = text;
	uint64_t value = 0;
	if (text == NULL)
		return otherwise;
	/* So many digits that G fits in. */
	for (; *end >= '0' && *end <= '9' && value < 1u << 30; end++)
		value = value * 10 + (uint64_t)(*end - '0');
	unsigned shift = *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0;
	if (end > text && end[shift != 0] == 0)
		return value << shift;
	log_warn("%s=%s: a size is a number with K, M or G; ignored", key, text);
	return otherwise;
}
