/* SPDX-License-Identifier: BSD-2-Clause */
/* The recipes of golden profiles and traces, read: the lines that both have. */
#ifndef PV_TESTS_RECIPE_H
#define PV_TESTS_RECIPE_H

#include <stdbool.h>
#include <stdint.h>

struct pv_err;
struct pv_profile;

/* Ends the program with a word if that is an error, or not good. */
void must(struct pv_err *err);
void must_read(bool good, const char *what);

/* A field as a string of the profile: "-" is empty, "~" a blank, \xNN a byte. */
uint32_t recipe_string(struct pv_profile *profile, const char *text);

/* The next field of a line of strtok_r(); NULL at the end. */
char *recipe_next(char **line);
uint64_t recipe_number(const char *text);

/* "KIND FUNCTION FILE MODULE LINE" as a node below the parent. */
uint32_t recipe_frame(struct pv_profile *profile, uint32_t parent, char *text);

/* Lines that begin with a word, comments and empty ones; false: it is another line. */
bool recipe_word(struct pv_profile *profile, char *line);

#endif
