/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files as a process sees them.
 * Input: paths that a process names, which may be anything; its root, working
 * directory and identity in /proc/PID.
 * Output: the text of a regular file, or why there is none.
 */
#include "target/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "base/vec.h"
#include "target/procfs.h"

/* Who accesses files: of a process, and our own to go back to. */
struct identity {
	uid_t uid;
	gid_t gid;
	struct pv_vec groups; /* gid_t */
};

static void identity_deinit(struct identity *identity)
{
	pv_vec_deinit(&identity->groups);
}

/* The 4th number of a line of status: proc(5), real, effective, saved set, file system. */
static bool file_system_id(const char *status, const char *key, unsigned int *ret)
{
	const char *line = strstr(status, key);

	return line && sscanf(line + strlen(key), "%*u %*u %*u %u", ret) == 1;
}

static struct pv_err *read_groups(const char *status, struct pv_vec *groups)
{
	static const char key[] = "\nGroups:";
	const char *at = strstr(status, key);
	struct pv_err *err = NULL;
	char *end;

	if (!at)
		return NULL;
	for (at += strlen(key); !err && *at != '\n'; at = end) {
		gid_t gid = strtoul(at, &end, 10);

		if (end == at)
			break;
		err = pv_vec_append(groups, &gid, 1, NULL);
		end += strspn(end, " \t");
	}
	return err;
}

static struct pv_err *identity_of(pid_t pid, struct identity *ret)
{
	struct pv_str status PV_CLEANUP(pv_str_deinit) = { 0 };
	struct pv_err *err = pv_procfs_read(pid, "status", &status);
	const char *text = pv_str_text(&status);

	if (err)
		return err;
	if (!file_system_id(text, "\nUid:", &ret->uid) ||
	    !file_system_id(text, "\nGid:", &ret->gid))
		return pv_err_create(PV_ERR_FAILED, "/proc/%d/status: has no Uid or Gid", (int)pid);
	return read_groups(text, &ret->groups);
}

static struct pv_err *own_identity(struct identity *ret)
{
	int n = getgroups(0, NULL);
	gid_t *groups;
	struct pv_err *err;

	*ret = (struct identity){ .uid = geteuid(), .gid = getegid(), .groups = PV_VEC(gid_t) };
	if (n <= 0)
		return NULL;
	err = pv_vec_append(&ret->groups, NULL, n, &groups);
	if (!err && getgroups(n, groups) != n)
		err = pv_err_errno(errno, "cannot read our own groups");
	return err;
}

/*
 * For this thread only, which is why these are system calls: glibc would change
 * the groups of all.  Leaving 0, a file system id also puts down the capabilities
 * that override permissions; coming back to 0 takes them up (capabilities(7)).
 */
static bool set_groups(const struct identity *identity)
{
	return !syscall(SYS_setgroups, identity->groups.n, identity->groups.data);
}

static bool set_ids(const struct identity *identity)
{
	setfsgid(identity->gid);
	setfsuid(identity->uid);
	/* they return what was before, and do nothing for -1 */
	return (gid_t)setfsgid(-1) == identity->gid && (uid_t)setfsuid(-1) == identity->uid;
}

/* What is asked of a file, and what was found. */
struct wanted {
	const char *path;
	bool owned;    /* by the process's user or root, and no symbolic link */
	uint64_t from; /* first byte */
	size_t n_max;
	struct stat st;
	int fd; /* -1: not to be opened */
	bool foreign;
};

/* The root, or the working directory: no path of the process leads out of it. */
static int open_base(pid_t pid, const char *path)
{
	char base[64];

	snprintf(base, sizeof(base), "/proc/%d/%s", (int)pid, *path == '/' ? "root" : "cwd");
	return open(base, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* Regular, and no window of the kernel's that looks like a file. */
static bool is_plain_file(int fd, struct stat *st)
{
	struct statfs fs;

	return !fstat(fd, st) && S_ISREG(st->st_mode) && !fstatfs(fd, &fs) &&
	       fs.f_type != PROC_SUPER_MAGIC && fs.f_type != SYSFS_MAGIC &&
	       fs.f_type != DEBUGFS_MAGIC && fs.f_type != TRACEFS_MAGIC;
}

/* Looks at the file before it opens it: to open a device can do something. */
static void open_plain(int base, uid_t owner, struct wanted *wanted)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC | (wanted->owned ? O_NOFOLLOW : 0),
		/* an absolute symbolic link leads to the process's root, not to ours */
		.resolve = RESOLVE_NO_MAGICLINKS |
			   (*wanted->path == '/' ? RESOLVE_IN_ROOT : RESOLVE_BENEATH),
	};
	_pv_close_ int handle = syscall(SYS_openat2, base, wanted->path, &how, sizeof(how));
	char self[64];

	if (handle < 0 || !is_plain_file(handle, &wanted->st))
		return;
	wanted->foreign = wanted->owned && wanted->st.st_uid && wanted->st.st_uid != owner;
	if (wanted->foreign)
		return;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", handle);
	wanted->fd = open(self, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

/* As much as there was when it was looked at: what is being written to grows no further. */
static struct pv_err *read_text(const struct wanted *wanted, struct pv_file *ret)
{
	const struct stat *st = &wanted->st;
	_pv_free_ char *text = NULL;
	size_t n = 0, size;

	ret->mtime_ns = st->st_mtim.tv_sec * 1000000000ULL + st->st_mtim.tv_nsec;
	ret->device = st->st_dev;
	ret->inode = st->st_ino;
	ret->size = st->st_size;
	size = ret->size > wanted->from ? ret->size - wanted->from : 0;
	if (size > wanted->n_max && wanted->owned)
		size = wanted->n_max;
	if (size > wanted->n_max) {
		ret->state = PV_FILE_LARGE;
		return NULL;
	}
	text = malloc(size + 1);
	if (!text)
		return &pv_enomem;
	while (n < size) {
		ssize_t step = pread(wanted->fd, text + n, size - n, wanted->from + n);

		if (step < 0 && errno == EINTR)
			continue;
		if (step < 0)
			return NULL;
		if (!step)
			break;
		n += step;
	}
	ret->state = PV_FILE_READ;
	ret->text = pv_steal(text);
	ret->n = n;
	return NULL;
}

/* Opens with the rights of the process instead of root's. */
static struct pv_err *open_as(const struct identity *target, int base, struct wanted *wanted)
{
	struct identity own PV_CLEANUP(identity_deinit) = { 0 };
	struct pv_err *err = own_identity(&own);
	bool back;

	/* in a container it may not be allowed to */
	if (err || !set_groups(target))
		return err;
	if (set_ids(target))
		open_plain(base, target->uid, wanted);
	back = set_ids(&own);
	if (!set_groups(&own) || !back)
		return pv_err_create(PV_ERR_FAILED, "cannot take our own rights again after "
						    "opening a file as its process would");
	return NULL;
}

/* wanted->fd stays as it is if the process could not open it. */
static struct pv_err *open_file(pid_t pid, int base, struct wanted *wanted)
{
	struct identity target PV_CLEANUP(identity_deinit) = { .groups = PV_VEC(gid_t) };
	struct pv_err *err = identity_of(pid, &target);

	if (err)
		return err;
	if (target.uid == geteuid())
		open_plain(base, target.uid, wanted);
	else if (!geteuid())
		return open_as(&target, base, wanted);
	return NULL;
}

static struct pv_err *read_wanted(pid_t pid, struct wanted *wanted, struct pv_file *ret)
{
	struct pv_file file = { .state = PV_FILE_NONE };
	_pv_close_ int base = open_base(pid, wanted->path);
	struct pv_err *err = NULL;

	wanted->fd = -1;
	if (base < 0)
		file.state = errno == ENOENT || errno == ESRCH ? PV_FILE_GONE : PV_FILE_NONE;
	else
		err = open_file(pid, base, wanted);
	if (err && err->kind == PV_ERR_NOPROC) {
		pv_err_destroy(err);
		err = NULL;
		file.state = PV_FILE_GONE;
	}
	if (wanted->foreign)
		file.state = PV_FILE_FOREIGN;
	if (!err && wanted->fd >= 0)
		err = read_text(wanted, &file);
	if (wanted->fd >= 0)
		close(wanted->fd);
	if (err)
		return err;
	*ret = file;
	return NULL;
}

struct pv_err *pv_file_read(pid_t pid, const char *path, size_t n_max, struct pv_file *ret)
{
	struct wanted wanted = { .path = path, .n_max = n_max };

	return read_wanted(pid, &wanted, ret);
}

struct pv_err *pv_file_read_owned(pid_t pid, const char *path, uint64_t from, size_t n_max,
				  struct pv_file *ret)
{
	struct wanted wanted = { .path = path, .owned = true, .from = from, .n_max = n_max };

	return read_wanted(pid, &wanted, ret);
}
