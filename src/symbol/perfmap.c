/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names of code made at run time.
 * Input: /tmp/perf-PID.map of a process, its own number in its own mount namespace: untrusted.
 * Output: names, for session/.
 */
#include "symbol/perfmap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/vec.h"
#include "model/strings.h"
#include "target/file.h"
#include "target/process.h"

enum {
	ADDRESS_BITS = 57, /* of user space with five-level page tables */
	LOOK_NS = 100000000,
	LOOK_SHARE = 10, /* looking takes a tenth of the time at most */
	TAIL = 64,
};

/* A line of the file. */
struct line {
	uint64_t start, end;
	uint32_t name;
};

/* A part of a line's range that no later line covers. */
struct part {
	uint64_t start, end;
	uint32_t name;
};

struct pv_perfmap {
	pid_t pid;
	struct pv_vec lines; /* struct line, in their order */
	struct pv_vec parts; /* struct part, sorted; made when asked for */
	bool stale;          /* parts are not those of lines */
	struct pv_strings *names;
	char path[48]; /* "": not known yet */
	uint64_t offset, device, inode;
	char tail[TAIL]; /* the last bytes before offset: is it still the same file? */
	size_t tail_n;
	enum pv_perfmap_state state;
	uint64_t look_ns; /* not before that */
};

struct pv_err *pv_perfmap_create(pid_t pid, struct pv_perfmap **ret)
{
	struct pv_perfmap *map = calloc(1, sizeof(*map));
	struct pv_err *err;

	if (!map)
		return &pv_enomem;
	map->pid = pid;
	map->lines = (struct pv_vec)PV_VEC(struct line);
	map->parts = (struct pv_vec)PV_VEC(struct part);
	err = pv_strings_create(&map->names);
	if (err) {
		pv_perfmap_destroy(map);
		return err;
	}
	*ret = map;
	return NULL;
}

void pv_perfmap_destroy(struct pv_perfmap *map)
{
	if (!map)
		return;
	pv_vec_deinit(&map->lines);
	pv_vec_deinit(&map->parts);
	pv_strings_destroy(map->names);
	free(map);
}

/* A hexadecimal number and the blank behind it; NULL: there is none. */
static const char *parse_number(const char *at, const char *end, uint64_t *ret)
{
	uint64_t value = 0;
	size_t digits = 0;

	if (end - at > 2 && at[0] == '0' && (at[1] == 'x' || at[1] == 'X'))
		at += 2;
	for (; at < end; at++, digits++) {
		int digit = *at >= '0' && *at <= '9'   ? *at - '0'
			    : *at >= 'a' && *at <= 'f' ? *at - 'a' + 10
			    : *at >= 'A' && *at <= 'F' ? *at - 'A' + 10
						       : -1;

		if (digit < 0)
			break;
		if (value >> 60)
			return NULL;
		value = value << 4 | (unsigned int)digit;
	}
	if (!digits || at == end || *at != ' ')
		return NULL;
	*ret = value;
	return at + 1;
}

static struct pv_err *add_name(struct pv_perfmap *map, const char *name, size_t n, uint32_t *ret)
{
	static const char cut[] = "...";
	char text[PV_PERFMAP_NAME_MAX + sizeof(cut)];

	if (n <= PV_PERFMAP_NAME_MAX)
		return pv_strings_add(map->names, name, n, ret);
	memcpy(text, name, PV_PERFMAP_NAME_MAX);
	memcpy(text + PV_PERFMAP_NAME_MAX, cut, sizeof(cut));
	return pv_strings_add(map->names, text, PV_PERFMAP_NAME_MAX + sizeof(cut) - 1, ret);
}

static struct pv_err *add_line(struct pv_perfmap *map, const char *at, const char *end)
{
	struct line line;
	uint64_t size;
	struct pv_err *err;

	at = parse_number(at, end, &line.start);
	if (at)
		at = parse_number(at, end, &size);
	if (!at || at == end || !size || line.start >> ADDRESS_BITS || size >> ADDRESS_BITS)
		return NULL;
	if (map->lines.n >= PV_PERFMAP_LINES_MAX) {
		map->state = PV_PERFMAP_FULL;
		return NULL;
	}
	line.end = line.start + size;
	err = add_name(map, at, end - at, &line.name);
	if (!err)
		err = pv_vec_append(&map->lines, &line, 1, NULL);
	map->stale = true;
	return err;
}

struct pv_err *pv_perfmap_add(struct pv_perfmap *map, const char *text, size_t n, size_t *ret)
{
	const char *at = text, *end = text + n, *line_end;
	struct pv_err *err = NULL;

	while (!err && at < end) {
		line_end = memchr(at, '\n', end - at);
		if (!line_end)
			break;
		err = add_line(map, at, line_end);
		at = line_end + 1;
	}
	if (!err)
		*ret = at - text;
	return err;
}

/* Another file than the one that was read: all of it is new. */
static struct pv_err *forget(struct pv_perfmap *map)
{
	pv_strings_destroy(map->names);
	map->names = NULL;
	map->lines.n = map->parts.n = 0;
	map->stale = false;
	map->offset = map->tail_n = 0;
	map->state = PV_PERFMAP_NONE;
	return pv_strings_create(&map->names);
}

/* file: from the tail on. */
static struct pv_err *take_file(struct pv_perfmap *map, const struct pv_file *file)
{
	const char *text = file->text + map->tail_n;
	size_t used = 0, known;
	struct pv_err *err;

	map->device = file->device;
	map->inode = file->inode;
	map->state = file->size > PV_PERFMAP_BYTES_MAX || map->lines.n >= PV_PERFMAP_LINES_MAX
			     ? PV_PERFMAP_FULL
			     : PV_PERFMAP_READ;
	err = pv_perfmap_add(map, text, file->n - map->tail_n, &used);
	map->offset += used;
	known = map->tail_n + used;
	map->tail_n = known < TAIL ? known : TAIL;
	memcpy(map->tail, file->text + known - map->tail_n, map->tail_n);
	return err;
}

/* An inode's number is soon another file's. */
static bool is_same(const struct pv_perfmap *map, const struct pv_file *file)
{
	return !map->offset ||
	       (file->device == map->device && file->inode == map->inode &&
		file->n >= map->tail_n && !memcmp(file->text, map->tail, map->tail_n));
}

/* The file's name has the number that the process has for itself. */
static void find_path(struct pv_perfmap *map)
{
	pid_t inner;

	if (!*map->path && map->pid && pv_process_inner_pid(map->pid, &inner))
		snprintf(map->path, sizeof(map->path), "/tmp/perf-%d.map", (int)inner);
}

static struct pv_err *read_file(struct pv_perfmap *map)
{
	struct pv_file file = { .state = PV_FILE_NONE };
	struct pv_err *err;

	err = pv_file_read_owned(map->pid, map->path, map->offset - map->tail_n,
				 PV_PERFMAP_BYTES_MAX - map->offset + map->tail_n, &file);
	if (err)
		return err;
	if (file.state == PV_FILE_READ && !is_same(map, &file)) {
		free(file.text);
		err = forget(map);
		return err ? err : read_file(map);
	}
	if (file.state == PV_FILE_READ)
		err = take_file(map, &file);
	else if (file.state == PV_FILE_FOREIGN)
		map->state = PV_PERFMAP_FOREIGN;
	free(file.text);
	return err;
}

struct pv_err *pv_perfmap_read(struct pv_perfmap *map, enum pv_perfmap_state *ret)
{
	struct pv_err *err = NULL;

	find_path(map);
	if (*map->path)
		err = read_file(map);
	if (!err)
		*ret = map->state;
	return err;
}

/* ---- the later line is right */

static int by_start(const void *a, const void *b, void *ctx)
{
	const struct line *lines = ctx;
	const struct line *x = &lines[*(const uint32_t *)a], *y = &lines[*(const uint32_t *)b];

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return 0;
}

/* A heap of line numbers, the latest on top. */
struct heap {
	uint32_t *items;
	size_t n;
};

static void heap_push(struct heap *heap, uint32_t item)
{
	size_t i = heap->n++;

	for (; i && heap->items[(i - 1) / 2] < item; i = (i - 1) / 2)
		heap->items[i] = heap->items[(i - 1) / 2];
	heap->items[i] = item;
}

static void heap_pop(struct heap *heap)
{
	uint32_t item = heap->items[--heap->n];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < heap->n) {
		if (child + 1 < heap->n && heap->items[child + 1] > heap->items[child])
			child++;
		if (heap->items[child] <= item)
			break;
		heap->items[i] = heap->items[child];
		i = child;
	}
	heap->items[i] = item;
}

/* Sweeps over all ranges: at each address the latest line that covers it counts. */
static struct pv_err *sweep(struct pv_perfmap *map, const uint32_t *order, struct heap *heap)
{
	const struct line *lines = map->lines.data;
	struct pv_err *err = NULL;
	size_t n = map->lines.n, i = 0;
	uint64_t at = 0;

	while (!err && (i < n || heap->n)) {
		struct part part;

		if (!heap->n && lines[order[i]].start > at)
			at = lines[order[i]].start;
		while (i < n && lines[order[i]].start <= at)
			heap_push(heap, order[i++]);
		while (heap->n && lines[heap->items[0]].end <= at)
			heap_pop(heap);
		if (!heap->n)
			continue;
		part.start = at;
		part.end = lines[heap->items[0]].end;
		part.name = lines[heap->items[0]].name;
		if (i < n && lines[order[i]].start < part.end)
			part.end = lines[order[i]].start;
		at = part.end;
		err = pv_vec_append(&map->parts, &part, 1, NULL);
	}
	return err;
}

static struct pv_err *make_parts(struct pv_perfmap *map)
{
	size_t n = map->lines.n, i;
	uint32_t *order = malloc(n * 2 * sizeof(*order));
	struct heap heap = { .items = order + n };
	struct pv_err *err;

	if (!order)
		return &pv_enomem;
	for (i = 0; i < n; i++)
		order[i] = (uint32_t)i;
	qsort_r(order, n, sizeof(*order), by_start, map->lines.data);
	map->parts.n = 0;
	err = sweep(map, order, &heap);
	map->stale = err != NULL;
	free(order);
	return err;
}

/* The part that holds address, or NULL. */
static struct pv_err *find(struct pv_perfmap *map, uint64_t address, const struct part **ret)
{
	size_t low = 0, high;
	struct pv_err *err = map->stale ? make_parts(map) : NULL;

	*ret = NULL;
	if (err)
		return err;
	high = map->parts.n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct part *part = pv_vec_at(&map->parts, middle);

		if (address >= part->end)
			low = middle + 1;
		else if (address < part->start)
			high = middle;
		else {
			*ret = part;
			break;
		}
	}
	return NULL;
}

/* Looks for a name that may have been written meanwhile; not all the time. */
static struct pv_err *look_again(struct pv_perfmap *map, uint64_t address, const struct part **ret)
{
	enum pv_perfmap_state state;
	uint64_t start = pv_now_ns(), cost;
	struct pv_err *err;

	if (!map->pid || start < map->look_ns)
		return NULL;
	err = pv_perfmap_read(map, &state);
	if (!err)
		err = find(map, address, ret);
	cost = LOOK_SHARE * (pv_now_ns() - start);
	map->look_ns = start + (cost > LOOK_NS ? cost : LOOK_NS);
	return err;
}

struct pv_err *pv_perfmap_at(struct pv_perfmap *map, uint64_t address, const char **name_ret,
			     size_t *n_ret, bool *found_ret)
{
	const struct part *part;
	struct pv_err *err = find(map, address, &part);

	if (!err && !part)
		err = look_again(map, address, &part);
	if (err)
		return err;
	*found_ret = part != NULL;
	if (!part)
		return NULL;
	*name_ret = pv_strings_get(map->names, part->name);
	*n_ret = pv_strings_length(map->names, part->name);
	return NULL;
}

size_t pv_perfmap_n(const struct pv_perfmap *map)
{
	return map->lines.n;
}
