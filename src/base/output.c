/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Output files that appear whole or not at all.
 * Input: a path, and what the caller prints to the stream.
 * Output: the file under its name at commit; before that a file without a
 * name where the file system can do that (a kill -9 leaves nothing behind),
 * else a hidden temporary file beside the target.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/output.h"

enum output_kind {
	OUTPUT_STDOUT,  /* collected in memory, written at commit */
	OUTPUT_DIRECT,  /* a device or pipe: nothing to rename */
	OUTPUT_UNNAMED, /* O_TMPFILE */
	OUTPUT_NAMED,   /* a temporary name beside the target */
};

struct pv_output {
	enum output_kind kind;
	bool shown; /* it has its name */
	char *path;
	char *temp_path; /* OUTPUT_NAMED from the start, OUTPUT_UNNAMED during commit */
	FILE *file;
	char *memory; /* OUTPUT_STDOUT, owned by open_memstream() */
	size_t memory_n;
	char buffer[256 * 1024]; /* of file: profiles are large, and 4096 bytes a write is slow */
};

/* "dir/.name.pid.suffix"; NULL = out of memory. */
static char *temp_name(const char *path, const char *suffix)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	char *ret;

	if (asprintf(&ret, "%.*s.%s.%s", (int)(name - path), path, name, suffix) < 0)
		return NULL;
	return ret;
}

static char *dir_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return strdup(".");
	return slash == path ? strdup("/") : strndup(path, slash - path);
}

/* A user id from sudo's environment; false if absent or not a number. */
static bool env_id(const char *name, unsigned int *ret)
{
	const char *text = getenv(name);
	char *end;
	unsigned long value;

	if (!text || *text < '0' || *text > '9')
		return false;
	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || *end || value >= (unsigned int)-1)
		return false;
	*ret = value;
	return true;
}

struct pv_err *pv_output_give(int fd, const char *path)
{
	unsigned int uid, gid;

	if (geteuid() || !env_id("SUDO_UID", &uid) || !env_id("SUDO_GID", &gid))
		return NULL;
	if (fchown(fd, uid, gid))
		return pv_err_errno(errno, "cannot give %s to user %u", path, uid);
	return NULL;
}

static struct pv_err *open_temp(struct pv_output *output, int *fd_ret)
{
	_pv_free_ char *dir = dir_name(output->path);
	int fd;

	if (!dir)
		return &pv_enomem;
	fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0) {
		output->kind = OUTPUT_UNNAMED;
	} else if (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL) {
		output->temp_path = temp_name(output->path, "XXXXXX");
		if (!output->temp_path)
			return &pv_enomem;
		output->kind = OUTPUT_NAMED;
		fd = mkostemp(output->temp_path, O_CLOEXEC);
		if (fd < 0) {
			int errnum = errno;

			free(output->temp_path);
			output->temp_path = NULL;
			errno = errnum;
		}
	}
	if (fd < 0)
		return pv_err_errno(errno, "cannot write %s", output->path);
	*fd_ret = fd;
	return NULL;
}

/* Where a rename would replace something that is not ours to replace. */
static bool is_direct(const char *path, const struct stat *st)
{
	return !S_ISREG(st->st_mode) || !strncmp(path, "/dev/", 5) || !strncmp(path, "/proc/", 6);
}

static struct pv_err *open_path(struct pv_output *output, int *fd_ret)
{
	const char *path = output->path;
	struct pv_err *err;
	struct stat st;
	size_t n = strlen(path);
	int fd;

	if (!n || path[n - 1] == '/')
		return pv_err_create(PV_ERR_USAGE, "cannot write \"%s\": not a file name", path);
	if (!stat(path, &st)) {
		if (S_ISDIR(st.st_mode))
			return pv_err_errno(EISDIR, "cannot write %s", path);
		if (is_direct(path, &st)) {
			fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
			if (fd < 0)
				return pv_err_errno(errno, "cannot write %s", path);
			output->kind = OUTPUT_DIRECT;
			*fd_ret = fd;
			return NULL;
		}
	}
	err = open_temp(output, &fd);
	if (err)
		return err;
	err = pv_output_give(fd, path);
	if (err) {
		close(fd);
		return err;
	}
	*fd_ret = fd;
	return NULL;
}

struct pv_err *pv_output_create(const char *path, struct pv_output **ret)
{
	struct pv_output *output = calloc(1, sizeof(*output));
	struct pv_err *err = NULL;
	int fd = -1;

	if (!output)
		return &pv_enomem;
	output->path = strdup(path);
	if (!output->path) {
		err = &pv_enomem;
	} else if (!strcmp(path, "-")) {
		output->kind = OUTPUT_STDOUT;
		output->file = open_memstream(&output->memory, &output->memory_n);
	} else {
		err = open_path(output, &fd);
		if (!err)
			output->file = fdopen(fd, output->kind == OUTPUT_DIRECT ? "w" : "w+");
		if (output->file)
			setvbuf(output->file, output->buffer, _IOFBF, sizeof(output->buffer));
	}
	if (!err && !output->file) {
		err = &pv_enomem;
		if (fd >= 0)
			close(fd);
	}
	if (err) {
		pv_output_destroy(output);
		return err;
	}
	*ret = output;
	return NULL;
}

FILE *pv_output_file(struct pv_output *output)
{
	return output->file;
}

bool pv_output_is_terminal(const struct pv_output *output)
{
	return isatty(output->kind == OUTPUT_STDOUT ? STDOUT_FILENO : fileno(output->file));
}

/* Gives the unnamed file a temporary name, so that rename() can replace the target. */
static struct pv_err *name_unnamed(struct pv_output *output)
{
	char from[64], suffix[32];

	snprintf(from, sizeof(from), "/proc/self/fd/%d", fileno(output->file));
	for (unsigned int i = 0;; i++) {
		snprintf(suffix, sizeof(suffix), "%d-%u", (int)getpid(), i);
		output->temp_path = temp_name(output->path, suffix);
		if (!output->temp_path)
			return &pv_enomem;
		if (!linkat(AT_FDCWD, from, AT_FDCWD, output->temp_path, AT_SYMLINK_FOLLOW))
			return NULL;
		free(output->temp_path);
		output->temp_path = NULL;
		if (errno != EEXIST || i >= 100)
			return pv_err_errno(errno, "cannot write %s", output->path);
	}
}

static struct pv_err *write_stdout(const char *bytes, size_t n)
{
	/* What the command printed by stdio comes first. */
	if (fflush(stdout))
		return pv_err_errno(errno, "cannot write standard output");
	while (n) {
		ssize_t written = write(STDOUT_FILENO, bytes, n);

		if (written < 0 && errno != EINTR)
			return pv_err_errno(errno, "cannot write standard output");
		if (written > 0) {
			bytes += written;
			n -= written;
		}
	}
	return NULL;
}

const char *pv_output_path(const struct pv_output *output)
{
	return output->path;
}

bool pv_output_can_show(const struct pv_output *output)
{
	return output->kind == OUTPUT_UNNAMED || output->kind == OUTPUT_NAMED;
}

struct pv_err *pv_output_show(struct pv_output *output)
{
	struct pv_err *err = NULL;

	if (output->shown)
		return NULL;
	if (output->kind == OUTPUT_UNNAMED && !output->temp_path)
		err = name_unnamed(output);
	if (err)
		return err;
	if (rename(output->temp_path, output->path))
		return pv_err_errno(errno, "cannot write %s", output->path);
	output->shown = true;
	return NULL;
}

struct pv_err *pv_output_commit(struct pv_output *output)
{
	struct pv_err *err = NULL;
	FILE *file = output->file;
	bool failed;

	/* ferror() has no errno of its own; a failed write before the last one is a full disk. */
	errno = 0;
	failed = fflush(file) || ferror(file);
	if (failed)
		return pv_err_errno(errno ? errno : ENOSPC, "cannot write %s", output->path);
	if (output->kind == OUTPUT_UNNAMED && !output->shown)
		err = name_unnamed(output);
	if (err)
		return err;
	output->file = NULL;
	if (fclose(file))
		return pv_err_errno(errno, "cannot write %s", output->path);
	if (output->kind == OUTPUT_STDOUT)
		return write_stdout(output->memory, output->memory_n);
	return pv_output_can_show(output) ? pv_output_show(output) : NULL;
}

uint64_t pv_output_room(const struct pv_output *output)
{
	_pv_free_ char *dir = pv_output_can_show(output) ? dir_name(output->path) : NULL;
	struct statvfs fs;
	uint64_t room;
	struct stat st;

	if (!dir || statvfs(dir, &fs))
		return UINT64_MAX;
	room = (uint64_t)(geteuid() ? fs.f_bavail : fs.f_bfree) * fs.f_frsize;
	if (output->file && !fstat(fileno(output->file), &st))
		room += (uint64_t)st.st_blocks * 512;
	return room;
}

void pv_output_destroy(struct pv_output *output)
{
	if (!output)
		return;
	if (output->file)
		fclose(output->file);
	if (output->temp_path && !output->shown)
		unlink(output->temp_path);
	free(output->temp_path);
	free(output->path);
	free(output->memory);
	free(output);
}
