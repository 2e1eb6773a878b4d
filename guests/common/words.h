/* SPDX-License-Identifier: Apache-2.0 */
/* guests/common/words.h: what a guest says, and the words of its command line. A number is as wide as a register. */
#ifndef GUESTS_COMMON_WORDS_H
#define GUESTS_COMMON_WORDS_H

/* console.c, or a guest's own. */
void say(const char *text);

void say_in_base(unsigned long number, unsigned base);
void say_number(unsigned long number);
void say_hex(unsigned long number, unsigned digits); /* at least so many */

/* What stands behind the word's first place in the line, or NULL. */
const char *word_after(const char *line, const char *word);
/* The number there, or otherwise. */
unsigned long number_after(const char *line, const char *word, unsigned long otherwise);

/* What follows the spaces behind the first word. */
const char *next_word(const char *text);

#endif
