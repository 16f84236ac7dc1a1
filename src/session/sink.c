/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the bytes of a recording go.
 * Input: what is printed to a stream.
 * Output: the user's file, or one without a name.
 */
#include "session/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/output.h"
#include "base/str.h"

struct pv_sink {
	struct pv_output *output; /* or NULL */
	FILE *own;                /* the file without a name, or NULL: not yet */
	char *own_name;           /* for messages */
	FILE *stream;             /* buffers what goes to the one or the other */
	bool let_move;
	int moved;
	uint64_t n;              /* bytes that are in the file */
	char buffer[256 * 1024]; /* of stream */
};

static const char *own_dir(void)
{
	const char *dir = getenv("TMPDIR");

	return dir && *dir ? dir : "/var/tmp";
}

/* A file that goes away with us, whatever happens, unless it is kept. */
static int open_unnamed(const char *dir)
{
	_pv_free_ char *path = NULL;
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
		return fd;
	if (asprintf(&path, "%s/pitviper-XXXXXX", dir) < 0) {
		path = NULL;
		errno = ENOMEM;
		return -1;
	}
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		unlink(path);
	return fd;
}

static struct pv_err *open_own(struct pv_sink *sink)
{
	const char *dir = own_dir();
	int fd;

	free(sink->own_name);
	if (asprintf(&sink->own_name, "the temporary recording in %s (TMPDIR names another place)",
		     dir) < 0) {
		sink->own_name = NULL;
		return &pv_enomem;
	}
	fd = open_unnamed(dir);
	if (fd < 0)
		return pv_err_errno(errno, "cannot write %s", sink->own_name);
	sink->own = fdopen(fd, "w+");
	if (sink->own)
		return NULL;
	close(fd);
	return &pv_enomem;
}

/* How much could be written; less than n: errno says why. */
static size_t write_bytes(FILE *file, const char *bytes, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t written = write(fileno(file), bytes + done, n - done);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			break;
		done += written;
	}
	return done;
}

static bool copy(FILE *from, FILE *to, uint64_t n)
{
	char block[64 * 1024];
	uint64_t at = 0;

	while (at < n) {
		size_t want = n - at < sizeof(block) ? n - at : sizeof(block);
		ssize_t got = pread(fileno(from), block, want, at);

		if (got <= 0 || write_bytes(to, block, got) < (size_t)got)
			return false;
		at += got;
	}
	return true;
}

/* What is in the user's file goes on in one of our own; false: it cannot. */
static bool move(struct pv_sink *sink)
{
	struct pv_err *err = open_own(sink);

	if (!err && copy(pv_output_file(sink->output), sink->own, sink->n))
		return true;
	/* told is what is wrong with the user's */
	pv_err_destroy(err);
	if (sink->own)
		fclose(sink->own);
	sink->own = NULL;
	return false;
}

FILE *pv_sink_reader(const struct pv_sink *sink)
{
	return sink->own ? sink->own : pv_output_file(sink->output);
}

static ssize_t on_write(void *cookie, const char *bytes, size_t n)
{
	struct pv_sink *sink = cookie;
	size_t done = write_bytes(pv_sink_reader(sink), bytes, n);
	int errnum = errno;

	sink->n += done;
	if (done < n && sink->let_move && !sink->own && move(sink)) {
		sink->moved = errnum;
		done += write_bytes(sink->own, bytes + done, n - done);
		errnum = errno;
	}
	errno = errnum;
	return done;
}

struct pv_err *pv_sink_create(struct pv_output *output, struct pv_sink **ret)
{
	struct pv_sink *sink = calloc(1, sizeof(*sink));
	struct pv_err *err = NULL;

	if (!sink)
		return &pv_enomem;
	sink->output = output;
	if (!output)
		err = open_own(sink);
	if (!err) {
		sink->stream = fopencookie(sink, "w", (cookie_io_functions_t){ .write = on_write });
		if (!sink->stream)
			err = &pv_enomem;
	}
	if (err) {
		pv_sink_destroy(sink);
		return err;
	}
	setvbuf(sink->stream, sink->buffer, _IOFBF, sizeof(sink->buffer));
	*ret = sink;
	return NULL;
}

void pv_sink_destroy(struct pv_sink *sink)
{
	if (!sink)
		return;
	if (sink->stream)
		fclose(sink->stream);
	if (sink->own)
		fclose(sink->own);
	free(sink->own_name);
	free(sink);
}

FILE *pv_sink_stream(const struct pv_sink *sink)
{
	return sink->stream;
}

void pv_sink_let_move(struct pv_sink *sink)
{
	sink->let_move = sink->output;
}

int pv_sink_moved(const struct pv_sink *sink)
{
	return sink->moved;
}

/* Its name, or, where the file system has no O_TMPFILE, a copy of that name; errno says why not. */
static bool give_name(const struct pv_sink *sink, const char *path)
{
	char from[64];
	FILE *file;
	bool done;
	int fd;

	snprintf(from, sizeof(from), "/proc/self/fd/%d", fileno(sink->own));
	if (!linkat(AT_FDCWD, from, AT_FDCWD, path, AT_SYMLINK_FOLLOW))
		return true;
	if (errno != ENOENT)
		return false;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	file = fd < 0 ? NULL : fdopen(fd, "w");
	if (!file)
		return false;
	done = copy(sink->own, file, sink->n);
	if (!done)
		unlink(path);
	fclose(file);
	return done;
}

struct pv_err *pv_sink_keep(struct pv_sink *sink, const char *stem, struct pv_str *path)
{
	size_t start = path->n;
	struct pv_err *err;

	for (unsigned int i = 0;; i++) {
		err = i ? pv_str_appendf(path, "%s/%s-%u.pvr", own_dir(), stem, i)
			: pv_str_appendf(path, "%s/%s.pvr", own_dir(), stem);
		if (err)
			return err;
		if (give_name(sink, path->data + start))
			return pv_output_give(fileno(sink->own), path->data + start);
		err = pv_err_errno(errno, "cannot write %s", path->data + start);
		path->data[path->n = start] = '\0';
		if (err->errnum != EEXIST || i >= 100)
			return err;
		pv_err_destroy(err);
	}
}

const char *pv_sink_name(const struct pv_sink *sink)
{
	return sink->own ? sink->own_name : pv_output_path(sink->output);
}
