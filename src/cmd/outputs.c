/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Opens and writes the outputs of a command.
 * Input: paths and formats from the command line, a profile, a trace or a hunt.
 * Output: files.
 */
#include "cmd/outputs.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/output.h"
#include "base/str.h"
#include "base/text.h"
#include "model/profile.h"
#include "out/format.h"
#include "out/pvr.h"

void pv_outputs_init(struct pv_outputs *outputs)
{
	*outputs = (struct pv_outputs){
		.table = pv_formats,
		.paths = PV_VEC(const char *),
		.files = PV_VEC(struct pv_output *),
		.formats = PV_VEC(const struct pv_format *),
	};
}

void pv_outputs_init_traces(struct pv_outputs *outputs)
{
	pv_outputs_init(outputs);
	outputs->table = pv_trace_formats;
}

void pv_outputs_init_refs(struct pv_outputs *outputs)
{
	pv_outputs_init(outputs);
	outputs->table = pv_refs_formats;
}

void pv_outputs_init_memory(struct pv_outputs *outputs)
{
	pv_outputs_init(outputs);
	outputs->table = pv_memory_formats;
}

static struct pv_output *file_at(const struct pv_outputs *outputs, size_t i)
{
	return *(struct pv_output **)pv_vec_at(&outputs->files, i);
}

static const struct pv_format *format_at(const struct pv_outputs *outputs, size_t i)
{
	return *(const struct pv_format **)pv_vec_at(&outputs->formats, i);
}

void pv_outputs_deinit(struct pv_outputs *outputs)
{
	for (size_t i = 0; i < outputs->files.n; i++)
		pv_output_destroy(file_at(outputs, i));
	pv_vec_deinit(&outputs->files);
	pv_vec_deinit(&outputs->formats);
	pv_vec_deinit(&outputs->paths);
}

struct pv_err *pv_outputs_add(struct pv_outputs *outputs, const char *path,
			      const struct pv_format *format)
{
	struct pv_output *file;
	struct pv_err *err;

	/* room first, so that what is open is always owned */
	err = pv_vec_reserve(&outputs->paths, 1);
	if (!err)
		err = pv_vec_reserve(&outputs->formats, 1);
	if (!err)
		err = pv_vec_reserve(&outputs->files, 1);
	if (!err)
		err = pv_format_open(outputs->table, path, format, &format, &file);
	if (!err)
		err = pv_vec_append(&outputs->files, &file, 1, NULL);
	if (!err)
		err = pv_vec_append(&outputs->formats, &format, 1, NULL);
	return err ? err : pv_vec_append(&outputs->paths, &path, 1, NULL);
}

struct pv_err *pv_outputs_add_all(struct pv_outputs *outputs, const struct pv_vec *paths,
				  const struct pv_format *format)
{
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < paths->n; i++)
		err = pv_outputs_add(outputs, *(const char **)pv_vec_at(paths, i), format);
	return err;
}

struct pv_output *pv_outputs_take_recording(struct pv_outputs *outputs)
{
	for (size_t i = 0; !outputs->recording && i < outputs->files.n; i++) {
		if (format_at(outputs, i) == &pv_format_pvr &&
		    pv_output_can_show(file_at(outputs, i)))
			outputs->recording = file_at(outputs, i);
	}
	return outputs->recording;
}

/* What is written: one of them. */
struct contents {
	const struct pv_profile *profile;
	const struct pv_trace *trace;
	const struct pv_refs *refs;
	const struct pv_memory *memory;
};

static struct pv_err *put(const struct pv_format *format, const struct contents *contents,
			  FILE *file)
{
	if (contents->refs)
		return format->write_refs(contents->refs, file);
	if (contents->memory)
		return format->write_memory(contents->memory, file);
	return contents->trace ? format->write_trace(contents->trace, file)
			       : format->write(contents->profile, file);
}

static ssize_t count_bytes(void *cookie, const char *bytes, size_t n)
{
	(void)bytes;
	*(uint64_t *)cookie += n;
	return n;
}

/* How many bytes it would have. */
static struct pv_err *measure(const struct pv_format *format, const struct contents *contents,
			      uint64_t *ret)
{
	uint64_t n = 0;
	FILE *file = fopencookie(&n, "w", (cookie_io_functions_t){ .write = count_bytes });
	struct pv_err *err;

	if (!file)
		return &pv_enomem;
	err = put(format, contents, file);
	if (fclose(file) && !err)
		err = &pv_enomem;
	if (!err)
		*ret = n;
	return err;
}

/* "12 kB", "3.4 MB" */
static struct pv_err *append_bytes(struct pv_str *str, uint64_t n)
{
	return n < 1000000 ? pv_str_appendf(str, "%" PRIu64 " kB", (n + 999) / 1000)
			   : pv_str_appendf(str, "%.1f MB", n / 1e6);
}

/* Of an output for which there was no room: what it takes, and what there is. */
static struct pv_err *say_room(const struct pv_outputs *outputs, size_t i,
			       const struct contents *contents, struct pv_err *why)
{
	struct pv_str text PV_CLEANUP(pv_str_deinit) = {};
	uint64_t room = pv_output_room(file_at(outputs, i)), needed;
	struct pv_err *err;

	if ((why->errnum != ENOSPC && why->errnum != EDQUOT && why->errnum != EFBIG) ||
	    room == UINT64_MAX)
		return why;
	err = measure(format_at(outputs, i), contents, &needed);
	if (!err)
		err = append_bytes(&text, needed);
	/* not of what may be used of a disk or of one file */
	if (!err && why->errnum == ENOSPC)
		err = pv_str_appendf(&text, ", and there is room for ");
	if (!err && why->errnum == ENOSPC)
		err = append_bytes(&text, room);
	if (!err)
		return pv_err_add(why, " (it takes %s)", pv_str_text(&text));
	pv_err_destroy(err);
	return why;
}

static struct pv_err *write_one(const struct pv_outputs *outputs, size_t i,
				const struct contents *contents)
{
	const struct pv_format *format = format_at(outputs, i);
	struct pv_output *file = file_at(outputs, i);
	struct pv_err *err = NULL;

	if (file != outputs->recording)
		err = put(format, contents, pv_output_file(file));
	return err ? pv_err_wrap(err, "cannot write %s", pv_output_path(file))
		   : pv_output_commit(file);
}

/* But the recording is the capture's, too. */
static void drop(struct pv_outputs *outputs, size_t i)
{
	struct pv_output **file = pv_vec_at(&outputs->files, i);

	if (*file == outputs->recording)
		return;
	pv_output_destroy(*file);
	*file = NULL;
}

/* Takes both. */
static struct pv_err *join(struct pv_err *first, struct pv_err *second)
{
	first = pv_err_add(first, "; %s", second->message);
	pv_err_destroy(second);
	return first;
}

static struct pv_err *write_all(struct pv_outputs *outputs, const struct contents *contents,
				bool recording_cut)
{
	const char **paths = outputs->paths.data;
	struct pv_err *err = NULL;
	size_t n = 0;

	outputs->cut = NULL;
	outputs->lost = false;
	for (size_t i = 0; i < outputs->files.n; i++) {
		struct pv_err *failed;

		/* it has its name, and what was written; the rest of it is not to be had */
		if (file_at(outputs, i) == outputs->recording && recording_cut) {
			outputs->cut = paths[i];
			continue;
		}
		failed = write_one(outputs, i, contents);
		if (!failed) {
			paths[n++] = paths[i];
			continue;
		}
		/* one that cannot be written is no reason to lose the others, which may have its
		 * room */
		failed = say_room(outputs, i, contents, failed);
		outputs->lost |= pv_output_can_show(file_at(outputs, i));
		drop(outputs, i);
		err = err ? join(err, failed) : failed;
	}
	outputs->paths.n = n;
	return err;
}

struct pv_err *pv_outputs_write(struct pv_outputs *outputs, const struct pv_profile *profile,
				bool recording_cut)
{
	return write_all(outputs, &(struct contents){ .profile = profile }, recording_cut);
}

struct pv_err *pv_outputs_write_trace(struct pv_outputs *outputs, const struct pv_trace *trace)
{
	return write_all(outputs, &(struct contents){ .trace = trace }, false);
}

struct pv_err *pv_outputs_write_refs(struct pv_outputs *outputs, const struct pv_refs *refs)
{
	return write_all(outputs, &(struct contents){ .refs = refs }, false);
}

struct pv_err *pv_outputs_write_memory(struct pv_outputs *outputs, const struct pv_memory *memory)
{
	return write_all(outputs, &(struct contents){ .memory = memory }, false);
}

struct pv_err *pv_outputs_say(const char *const *paths, size_t n, struct pv_str *str)
{
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < n; i++) {
		err = pv_str_appendf(str, i ? ", " : "Wrote ");
		if (!err)
			err = pv_text_append(str, paths[i], strlen(paths[i]));
	}
	return err;
}

FILE *pv_outputs_summary_file(const struct pv_outputs *outputs, FILE *otherwise)
{
	for (size_t i = 0; i < outputs->paths.n; i++) {
		if (!strcmp(*(const char **)pv_vec_at(&outputs->paths, i), "-"))
			return stderr;
	}
	return otherwise;
}
