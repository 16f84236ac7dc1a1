/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Opens and writes the outputs of a command.
 * Input: paths and formats from the command line, a profile.
 * Output: files.
 */
#include "cmd/outputs.h"

#include <string.h>

#include "base/output.h"
#include "model/profile.h"
#include "out/format.h"
#include "out/pvr.h"

void pv_outputs_init(struct pv_outputs *outputs)
{
	*outputs = (struct pv_outputs){
		.paths = PV_VEC(const char *),
		.files = PV_VEC(struct pv_output *),
		.formats = PV_VEC(const struct pv_format *),
	};
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
		err = pv_format_open(path, format, &format, &file);
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

static struct pv_err *write_one(const struct pv_outputs *outputs, size_t i,
				const struct pv_profile *profile)
{
	struct pv_output *file = file_at(outputs, i);
	struct pv_err *err = NULL;

	if (file != outputs->recording)
		err = format_at(outputs, i)->write(profile, pv_output_file(file));
	return err ? pv_err_wrap(err, "cannot write %s", pv_output_path(file))
		   : pv_output_commit(file);
}

struct pv_err *pv_outputs_write(struct pv_outputs *outputs, const struct pv_profile *profile,
				bool recording_cut)
{
	const char **paths = outputs->paths.data;
	struct pv_err *err = NULL;
	size_t n = 0;

	outputs->cut = NULL;
	for (size_t i = 0; i < outputs->files.n; i++) {
		struct pv_err *failed;

		/* it has its name, and what was written; the rest of it is not to be had */
		if (file_at(outputs, i) == outputs->recording && recording_cut) {
			outputs->cut = paths[i];
			continue;
		}
		failed = write_one(outputs, i, profile);
		/* one that cannot be written is no reason to lose the others */
		if (!failed)
			paths[n++] = paths[i];
		else if (!err)
			err = failed;
		else
			pv_err_destroy(failed);
	}
	outputs->paths.n = n;
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
