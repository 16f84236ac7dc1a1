/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pitviper doctor: what works here, what does not, what would make it work.
 * Input: this machine, and a PID if one is given.  Output: findings.
 */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/str.h"
#include "base/text.h"
#include "base/vec.h"
#include "cmd/command.h"
#include "cmd/options.h"
#include "model/facts.h"
#include "session/diagnose.h"
#include "session/predict.h"
#include "session/resolve.h"

struct doctor_options {
	bool json;
};

static const struct pv_option doctor_option_table[] = {
	{ 0, "json", NULL, "for machines: one JSON object", PV_OPTION_FLAG,
	  offsetof(struct doctor_options, json) },
	{},
};

static const struct pv_usage doctor_usage = {
	.command = "doctor",
	.synopsis = "[OPTIONS] [PID|NAME]",
	.summary = "What works here, what does not, and what would make it work; for a process "
		   "all that\npitviper knows of it.  A NAME must fit one process only.  Exit "
		   "status 1 if an engine does not work.",
	.example = "  sudo pitviper doctor 4127\n",
	.options = doctor_option_table,
};

static const char *const state_names[] = {
	[PV_FACT_INFO] = "info",
	[PV_FACT_OK] = "ok",
	[PV_FACT_MISSING] = "missing",
	[PV_FACT_UNKNOWN] = "unknown",
};

/* Names in it come from the process. */
static struct pv_err *print_fact(const struct pv_fact *fact, const char *sign)
{
	struct pv_str raw PV_CLEANUP(pv_str_deinit) = {}, text PV_CLEANUP(pv_str_deinit) = {};
	struct pv_err *err;

	err = pv_str_appendf(&raw, "  %s %-28s %s%s%s", sign, fact->name, fact->value,
			     *fact->hint ? "; " : "", fact->hint);
	if (!err)
		err = pv_text_append(&text, pv_str_text(&raw), raw.n);
	if (!err)
		printf("%s\n", pv_str_text(&text));
	return err;
}

static struct pv_err *print_text(const struct pv_vec *facts)
{
	static const char *const signs[] = {
		[PV_FACT_INFO] = " ",
		[PV_FACT_OK] = "+",
		[PV_FACT_MISSING] = "!",
		[PV_FACT_UNKNOWN] = "?",
	};
	const char *section = "";
	struct pv_err *err = NULL;
	size_t i;

	for (i = 0; !err && i < facts->n; i++) {
		const struct pv_fact *fact = pv_vec_at(facts, i);

		if (strcmp(section, fact->section))
			printf("%s%s\n", i ? "\n" : "", fact->section);
		section = fact->section;
		err = print_fact(fact, signs[fact->state]);
	}
	return err;
}

static void print_json(const struct pv_vec *facts)
{
	struct pv_json json = { .file = stdout };
	size_t i;

	pv_json_begin(&json, NULL, '{');
	pv_json_begin(&json, "facts", '[');
	for (i = 0; i < facts->n; i++) {
		const struct pv_fact *fact = pv_vec_at(facts, i);

		pv_json_begin(&json, NULL, '{');
		pv_json_string(&json, "section", fact->section);
		pv_json_string(&json, "name", fact->name);
		pv_json_string(&json, "state", state_names[fact->state]);
		pv_json_string(&json, "value", fact->value);
		pv_json_string(&json, "hint", fact->hint);
		pv_json_end(&json, '}');
	}
	pv_json_end(&json, ']');
	pv_json_end(&json, '}');
	putchar('\n');
}

static bool engine_missing(const struct pv_vec *facts)
{
	size_t i;

	for (i = 0; i < facts->n; i++) {
		const struct pv_fact *fact = pv_vec_at(facts, i);

		if (!strcmp(fact->section, "engines") && fact->state == PV_FACT_MISSING)
			return true;
	}
	return false;
}

static struct pv_err *run(int argc, char **argv, int *status_ret)
{
	struct pv_vec facts = PV_VEC(struct pv_fact);
	struct doctor_options options = {};
	struct pv_calibration calibration = {};
	struct pv_vec pids = PV_VEC(pid_t);
	struct pv_err *err, *print_err = NULL;
	int first;
	bool help;

	err = pv_options_parse(&doctor_usage, argc, argv, &options, &first, &help);
	if (err || help)
		return err;
	if (argc - first > 1)
		return pv_err_create(PV_ERR_USAGE, "doctor wants one process at most");
	if (first < argc)
		err = pv_resolve(argv[first], true, &pids);
	if (!err)
		err = pv_diagnose_machine(&facts, &calibration);
	if (!err && pids.n)
		err = pv_diagnose_process(*(pid_t *)pv_vec_at(&pids, 0), &calibration, &facts);
	pv_vec_deinit(&pids);
	if (!err && options.json)
		print_json(&facts);
	else if (!options.json && (!err || facts.n))
		print_err = print_text(&facts);
	if (!err)
		err = print_err;
	else
		pv_err_destroy(print_err);
	if (!err && engine_missing(&facts))
		*status_ret = PV_ERR_FAILED;
	pv_facts_deinit(&facts);
	return err;
}

const struct pv_command pv_command_doctor = {
	.name = "doctor",
	.summary = "what works here, what does not, and what would make it work",
	.usage = &doctor_usage,
	.run = run,
};
