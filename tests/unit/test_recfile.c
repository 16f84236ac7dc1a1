/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * recfile: what is written is read, and what breaks off is read up to there.
 * Input: profiles made here; their recordings cut and flipped at every place.
 * Output: Check's report.
 */
#include <errno.h>
#include <unistd.h>

#include "captures.h"

/* Every field set, names of every sort. */
static struct pv_profile *rich_profile(bool ticks)
{
	static char losses[2][2][16] = { { "PY_READ", "stacks \xff;" }, { "EMPTY", "" } };
	struct pv_profile_process process = { .pid = 7, .parent_pid = 1, .generation = 1 };
	uint32_t p, t[2], a, b, id;
	struct pv_module module;
	struct pv_profile *profile;
	char *big = malloc(10000), *zeros = calloc(1, 1 << 20);

	ok(pv_profile_create(&profile));
	memset(big, 0xf0, 10000);
	process.name = string(profile, "python3");
	process.title = string(profile, "gunicorn: worker [app:app]");
	process.interpreter = string(profile, "CPython 3.11.2");
	process.problem = string(profile, "none; really");
	ok(pv_profile_process(profile, &process, &p));
	process.pid = UINT32_MAX;
	process.generation = 3;
	ok(pv_profile_process(profile, &process, &id));
	ok(pv_profile_thread(profile, p, 7, "main", &t[0]));
	ok(pv_profile_thread(profile, id, UINT32_MAX, "", &t[1]));
	((struct pv_profile_thread *)pv_vec_at(&profile->threads, 1))->name =
		string_n(profile, "a\0b\n<script>", 12);
	a = frame(profile, 0, PV_LOC_PROCESS, "process x (7)", "", 0);
	a = frame(profile, a, PV_LOC_PYTHON, "\xff\xfe;\n\"'", "/srv/\xc3\xb6.py", INT32_MAX);
	b = frame(profile, a, PV_LOC_NATIVE, "read", "", INT32_MIN);
	b = frame(profile, b, PV_LOC_KERNEL, "vfs_read", "", 0);
	frame(profile, b, PV_LOC_MARKER, "[gc]", "", -1);
	frame(profile, 0, PV_LOC_THREAD, "thread main (7)", "", 0);
	frame(profile, 0, PV_LOC_INLINED, "fast", "", 0);
	string_n(profile, big, 10000);
	string_n(profile, "\0", 1);
	module.name = string(profile, "libz.so.1");
	module.path = string(profile, "/usr/lib/libz.so.1");
	module.build_id = string(profile, "00ff");
	ok(pv_profile_module(profile, &module, &id));
	module = (struct pv_module){ .name = string(profile, "[vdso]") };
	ok(pv_profile_module(profile, &module, &id));
	ok(pv_profile_add_source(profile, string(profile, "/srv/a.py"), "x = 1\0\xff\n", 8, true));
	ok(pv_profile_add_source(profile, string(profile, "/srv/empty.py"), "", 0, false));
	ok(pv_profile_add_source(profile, string(profile, "/srv/zeros.py"), zeros, 1 << 20, false));
	ok(pv_profile_add_source(profile, string(profile, "/srv/big.py"), big, 10000, false));
	if (ticks) {
		ok(pv_profile_add_at(profile, b, t[0], 0, 1));
		ok(pv_profile_add_at(profile, a, t[1], 0, 70000));
		ok(pv_profile_add_at(profile, b, t[0], 17, UINT32_MAX));
		ok(pv_profile_add_at(profile, 0, t[1], 999, 2));
		pv_profile_sort_ticks(profile);
		profile->slice_ns = 10000000;
		profile->n_slices = 1000;
	}
	/* of no time, beside those that have one */
	ok(pv_profile_add(profile, a, t[0], (1ULL << 40) + 1));
	ok(pv_profile_add(profile, b, t[0], 5));
	profile->target_name = process.name;
	profile->title = process.title;
	profile->pid = 7;
	profile->interpreter = process.interpreter;
	profile->problem = process.problem;
	profile->engine = string(profile, "bpf");
	profile->host = string(profile, "host\0name");
	profile->note = string(profile, "a note");
	profile->waiting = (struct pv_waiting){
		process.name, process.title, process.problem, 7, 9, 5, 3, true
	};
	profile->no_native = profile->children = profile->cut = true;
	profile->start_unix_ns = 1795687500123456789;
	profile->period_ns = 10101010;
	profile->duration_ns = 10000000000;
	profile->target_cpu_ns = 1;
	profile->own_cpu_ns = 2;
	profile->probe_ns = 3;
	profile->n_unwatched = 5;
	profile->unwatched_cpu_ns = 6;
	profile->unwatched_least = true;
	profile->quality = (struct pv_quality){ UINT64_MAX, 1, 2, 3, 4, 5, 6, 7 };
	for (size_t i = 0; i < 2; i++) {
		profile->losses.name[3 * i + 1] = losses[i][0];
		profile->losses.text[3 * i + 1] = losses[i][1];
	}
	profile->losses.count[1] = 12;
	profile->losses.count[63] = UINT64_MAX; /* without a name */
	free(big);
	free(zeros);
	return profile;
}

static void same_vec(const struct pv_vec *a, const struct pv_vec *b)
{
	ck_assert_uint_eq(a->n, b->n);
	if (a->n)
		ck_assert_mem_eq(a->data, b->data, a->n * a->element_size);
}

static void same_text(const char *a, const char *b)
{
	ck_assert_msg(!a == !b && (!a || !strcmp(a, b)), "%s and %s", a ? a : "-", b ? b : "-");
}

/* Equal in everything, up to the numbers of things. */
static void same_profile(const struct pv_profile *a, const struct pv_profile *b)
{
	ck_assert_uint_ge(pv_strings_n(b->strings), pv_strings_n(a->strings));
	for (uint32_t i = 0; i < pv_strings_n(a->strings); i++) {
		ck_assert_uint_eq(pv_strings_length(a->strings, i),
				  pv_strings_length(b->strings, i));
		ck_assert_mem_eq(pv_strings_get(a->strings, i), pv_strings_get(b->strings, i),
				 pv_strings_length(a->strings, i) + 1);
	}
	same_vec(&a->locs, &b->locs);
	same_vec(&a->nodes, &b->nodes);
	same_vec(&a->ticks, &b->ticks);
	same_vec(&a->threads, &b->threads);
	same_vec(&a->modules, &b->modules);
	ck_assert_uint_eq(a->processes.n, b->processes.n);
	for (size_t i = 0; i < a->processes.n; i++) {
		const struct pv_profile_process *x = pv_vec_at(&a->processes, i);
		const struct pv_profile_process *y = pv_vec_at(&b->processes, i);

		ck_assert_mem_eq(x, y, offsetof(struct pv_profile_process, problem) + 4);
		ck_assert_uint_eq(x->samples, y->samples);
	}
	ck_assert_uint_eq(a->samples.n, b->samples.n);
	for (size_t i = 0; i < a->samples.n; i++) {
		const struct pv_sample *x = pv_vec_at(&a->samples, i);
		const struct pv_sample *y = pv_vec_at(&b->samples, i);

		ck_assert_uint_eq(x->node, y->node);
		ck_assert_uint_eq(x->thread, y->thread);
		ck_assert_uint_eq(x->count, y->count);
	}
	ck_assert_uint_eq(a->sources.n, b->sources.n);
	for (size_t i = 0; i < a->sources.n; i++) {
		const struct pv_source *x = pv_vec_at(&a->sources, i);
		const struct pv_source *y = pv_vec_at(&b->sources, i);

		ck_assert_uint_eq(x->file, y->file);
		ck_assert_uint_eq(x->changed, y->changed);
		ck_assert_uint_eq(x->n, y->n);
		ck_assert_mem_eq(x->text, y->text, x->n + 1);
	}
	ck_assert_mem_eq(&a->target_name, &b->target_name,
			 offsetof(struct pv_profile, waiting.stopped) -
				 offsetof(struct pv_profile, target_name));
	ck_assert_int_eq(a->waiting.stopped, b->waiting.stopped);
	ck_assert_mem_eq(&a->no_native, &b->no_native, 5);
	ck_assert_mem_eq(&a->start_unix_ns, &b->start_unix_ns,
			 offsetof(struct pv_profile, n_slices) -
				 offsetof(struct pv_profile, start_unix_ns));
	ck_assert_uint_eq(a->n_slices, b->n_slices);
	ck_assert_mem_eq(&a->period_ns, &b->period_ns,
			 offsetof(struct pv_profile, losses) -
				 offsetof(struct pv_profile, period_ns));
	ck_assert_mem_eq(a->losses.count, b->losses.count, sizeof(a->losses.count));
	for (size_t i = 0; i < PV_LOSSES_MAX; i++) {
		same_text(a->losses.name[i], b->losses.name[i]);
		same_text(a->losses.text[i], b->losses.text[i]);
	}
}

static void round_trip(bool ticks)
{
	struct pv_profile *profile = rich_profile(ticks), *read;
	struct memory memory = written(profile), again;

	ok(read_memory(&memory, &read));
	same_profile(profile, read);
	again = written(read);
	pv_profile_destroy(read);
	ok(read_memory(&again, &read));
	same_profile(profile, read);
	/* the megabyte of zeros is in it, and not compressed beyond what readers take */
	ck_assert_uint_gt(memory.n, 1 << 20);
	free(memory.data);
	free(again.data);
	pv_profile_destroy(read);
	pv_profile_destroy(profile);
}

START_TEST(everything_is_read_back)
{
	round_trip(true);
	round_trip(false);
}
END_TEST

START_TEST(nothing_is_read_back)
{
	struct pv_profile *profile, *read;
	struct memory memory;

	ok(pv_profile_create(&profile));
	memory = written(profile);
	ok(read_memory(&memory, &read));
	ck_assert(!read->cut);
	ck_assert_str_eq(note_of(read), "");
	ck_assert_uint_eq(read->samples.n + read->locs.n + read->threads.n, 0);
	free(memory.data);
	pv_profile_destroy(read);
	pv_profile_destroy(profile);
}
END_TEST

/* ---- a capture: samples as they come, flushes, forgotten stacks ---- */

START_TEST(a_capture_is_read_back)
{
	struct memory memory = capture();
	struct pv_profile *read;

	ok(read_memory(&memory, &read));
	ck_assert(!read->cut);
	ck_assert_str_eq(note_of(read), "");
	same_samples(read, CAPTURE_SAMPLES);
	same_times(read, CAPTURE_SAMPLES);
	ck_assert_uint_eq(read->quality.samples, CAPTURE_SAMPLES);
	pv_profile_destroy(read);
	free(memory.data);
}
END_TEST

START_TEST(cut_at_every_byte)
{
	struct memory memory = capture();
	uint64_t n = 0;

	for (size_t size = 0; size < memory.n; size++) {
		struct memory cut = { .data = memory.data, .n = size };
		struct pv_profile *read;
		uint64_t now;

		if (size < 8) {
			struct pv_err *err = read_memory(&cut, &read);

			ck_assert_ptr_nonnull(err);
			ck_assert_int_eq(err->kind, PV_ERR_FAILED);
			pv_err_destroy(err);
			continue;
		}
		now = check_prefix(&cut);
		ck_assert_uint_ge(now, n);
		n = now;
	}
	ck_assert_uint_eq(n, CAPTURE_SAMPLES);
	free(memory.data);
}
END_TEST

START_TEST(every_bit_flipped)
{
	struct memory memory = capture();

	ck_assert_uint_lt(memory.n, 2000); /* or this takes too long */
	for (size_t bit = 0; bit < memory.n * 8; bit++) {
		memory.data[bit / 8] ^= 1 << bit % 8;
		if (bit < 64) {
			struct pv_profile *read;
			struct pv_err *err = read_memory(&memory, &read);

			ck_assert_ptr_nonnull(err);
			ck_assert_msg(strstr(err->message, "not a recording") != NULL, "%s",
				      err->message);
			pv_err_destroy(err);
		} else {
			check_prefix(&memory);
		}
		memory.data[bit / 8] ^= 1 << bit % 8;
	}
	free(memory.data);
}
END_TEST

/* ---- a disk that is full ---- */

/* A file that takes a number of bytes, and after a failure all of them again. */
struct full_disk {
	struct memory taken;
	size_t left;
	unsigned int failures;
};

static ssize_t full_disk_write(void *cookie, const char *data, size_t n)
{
	struct full_disk *disk = cookie;
	size_t take = disk->failures || n < disk->left ? n : disk->left;

	if (take < n) {
		disk->failures++;
		errno = ENOSPC;
	}
	put(&disk->taken, data, take);
	disk->left -= take < disk->left ? take : disk->left;
	return take;
}

static void check_full_error(struct pv_err *err)
{
	ck_assert_ptr_nonnull(err);
	ck_assert_int_eq(err->errnum, ENOSPC);
	ck_assert_str_eq(err->message, "cannot write the recording: No space left on device");
	pv_err_destroy(err);
}

/* Writes until the disk is full, and on as if nothing were. */
static void fill(FILE *file)
{
	struct pv_recwriter *writer = NULL;
	struct pv_profile *profile;
	struct pv_err *err;
	uint32_t node, thread;

	ok(pv_profile_create(&profile));
	add_capture_threads(profile);
	err = pv_recwriter_create(file, profile, &writer);
	if (err) {
		check_full_error(err);
		pv_profile_destroy(profile);
		return;
	}
	for (unsigned int i = 0; i < CAPTURE_SAMPLES && !err; i++) {
		add_capture_sample(profile, i, &node, &thread);
		err = pv_recwriter_sample(writer, capture_time(i), node, thread);
		profile->quality.samples++;
		profile->quality.complete++;
		if (!err && i % FLUSH_SAMPLES == 2)
			err = pv_recwriter_flush(writer);
	}
	if (!err)
		err = pv_recwriter_end(writer);
	check_full_error(err);
	/* there is room again, but what was lost is lost */
	check_full_error(pv_recwriter_sample(writer, 1, node, thread));
	check_full_error(pv_recwriter_flush(writer));
	check_full_error(pv_recwriter_forget_stacks(writer));
	check_full_error(pv_recwriter_end(writer));
	pv_recwriter_destroy(writer);
	pv_profile_destroy(profile);
}

START_TEST(full_device)
{
	FILE *file = fopen("/dev/full", "w");

	ck_assert_ptr_nonnull(file);
	fill(file);
	ck_assert_int_eq(fclose(file), 0); /* nothing is left to be written */
}
END_TEST

START_TEST(full_after_every_byte)
{
	cookie_io_functions_t functions = { .write = full_disk_write };
	static const size_t buffers[] = { 0, 16, 4096 };

	for (size_t i = 0; i < sizeof(buffers) / sizeof(*buffers); i++) {
		size_t left = 0, whole = 400; /* less than the capture takes */

		for (; left < whole; left++) {
			struct full_disk disk = { .left = left };
			FILE *file = fopencookie(&disk, "w", functions);

			ck_assert_ptr_nonnull(file);
			setvbuf(file, NULL, buffers[i] ? _IOFBF : _IONBF, buffers[i]);
			fill(file);
			fclose(file);
			ck_assert_uint_eq(disk.failures, 1);
			ck_assert_uint_eq(disk.taken.n, left);
			if (left >= 8)
				check_prefix(&disk.taken);
			free(disk.taken.data);
		}
	}
}
END_TEST

/* ---- long captures ---- */

START_TEST(forgotten_stacks_are_joined_again)
{
	enum { EPOCHS = 200, STACKS = 50 };
	struct memory memory = { 0 };
	FILE *file = open_memstream(&memory.data, &memory.n);
	struct pv_profile *profile, *read;
	struct pv_recwriter *writer;
	uint32_t node;

	ok(pv_profile_create(&profile));
	add_capture_threads(profile);
	ok(pv_recwriter_create(file, profile, &writer));
	for (unsigned int i = 0; i < EPOCHS * STACKS; i++) {
		char name[16];

		/* each epoch meets the stacks in another order, half of them only */
		snprintf(name, sizeof(name), "f%u", i * 7 % STACKS + i / STACKS % 2 * STACKS);
		node = frame(profile, 0, PV_LOC_PYTHON, "main", "a.py", 1);
		node = frame(profile, node, PV_LOC_PYTHON, name, "a.py", 2);
		ok(pv_recwriter_sample(writer, i, node, 0));
		if (i % STACKS == STACKS - 1) {
			ok(pv_recwriter_forget_stacks(writer));
			pv_profile_forget_stacks(profile);
		}
		ck_assert_uint_le(profile->nodes.n, STACKS + 2);
	}
	ok(pv_recwriter_end(writer));
	fclose(file);
	ok(read_memory(&memory, &read));
	ck_assert(!read->cut);
	ck_assert_uint_eq(read->nodes.n, 2 + 2 * STACKS);
	ck_assert_uint_eq(read->samples.n, 2 * STACKS);
	for (size_t i = 0; i < read->samples.n; i++)
		ck_assert_uint_eq(((struct pv_sample *)pv_vec_at(&read->samples, i))->count,
				  EPOCHS / 2);
	pv_profile_destroy(read);
	pv_recwriter_destroy(writer);
	pv_profile_destroy(profile);
	free(memory.data);
}
END_TEST

/* Names that come later, and a chunk that is full before the flush. */
START_TEST(names_are_told_again)
{
	enum { MANY = 50000 };
	struct pv_profile_process change = { .pid = 1, .generation = 1 };
	FILE *file = tmpfile();
	struct pv_profile *profile, *read;
	struct pv_recwriter *writer;
	uint32_t node, id;

	ok(pv_profile_create(&profile));
	add_capture_threads(profile);
	node = frame(profile, 0, PV_LOC_PYTHON, "f", "a.py", 1);
	ok(pv_recwriter_create(file, profile, &writer));
	for (unsigned int i = 0; i < MANY; i++)
		ok(pv_recwriter_sample(writer, i * 1000, node, i % 2));
	change.name = string(profile, "p");
	change.title = string(profile, "app.py");
	ok(pv_profile_process(profile, &change, &id));
	ok(pv_profile_thread(profile, 0, 2, "pool-2", &id));
	ok(pv_profile_thread(profile, 0, 3, "three", &id));
	ok(pv_recwriter_end(writer));
	ok(pv_recfile_read(file, "x.pvr", 0, &read));
	ck_assert_uint_eq(read->processes.n, 1);
	ck_assert_uint_eq(read->threads.n, 3);
	ck_assert_str_eq(pv_strings_get(read->strings,
					((struct pv_profile_process *)read->processes.data)->title),
			 "app.py");
	for (size_t i = 0; i < 3; i++) {
		static const char *const names[] = { "one", "pool-2", "three" };
		const struct pv_profile_thread *thread = pv_vec_at(&read->threads, i);

		ck_assert_str_eq(pv_strings_get(read->strings, thread->name), names[i]);
		ck_assert_uint_eq(thread->samples, i < 2 ? MANY / 2 : 0);
	}
	pv_profile_destroy(read);
	pv_recwriter_destroy(writer);
	pv_profile_destroy(profile);
	fclose(file);
}
END_TEST

static unsigned int count_chunks(const struct memory *memory, unsigned int type)
{
	struct pv_rec_scan scan = pv_rec_scan_of(fmemopen(memory->data, memory->n, "r"), "x");
	struct pv_rec_chunk chunk;
	unsigned int n = 0;
	bool more;

	ok(pv_rec_scan_begin(&scan));
	for (ok(pv_rec_scan_next(&scan, &chunk, &more)); more;
	     ok(pv_rec_scan_next(&scan, &chunk, &more)))
		n += chunk.type == type;
	ck_assert_ptr_null(scan.broken);
	pv_rec_scan_deinit(&scan);
	fclose(scan.file);
	return n;
}

/* A cause of loss is told when it has come, and once, however often is flushed. */
START_TEST(causes_are_told_once)
{
	struct memory memory = { 0 };
	FILE *file = open_memstream(&memory.data, &memory.n);
	struct pv_profile *profile, *read;
	struct pv_recwriter *writer;

	ok(pv_profile_create(&profile));
	ok(pv_recwriter_create(file, profile, &writer));
	ok(pv_recwriter_flush(writer));
	profile->losses.name[3] = "RING_SAMPLE";
	profile->losses.text[3] = "no room";
	for (unsigned int i = 0; i < 3; i++)
		ok(pv_recwriter_flush(writer));
	profile->losses.name[2] = "EMPTY";
	profile->losses.text[2] = "no frame";
	for (unsigned int i = 0; i < 3; i++)
		ok(pv_recwriter_flush(writer));
	ok(pv_recwriter_end(writer));
	fclose(file);
	ck_assert_uint_eq(count_chunks(&memory, 8), 2);
	ok(read_memory(&memory, &read));
	ck_assert_str_eq(read->losses.text[3], "no room");
	ck_assert_str_eq(read->losses.text[2], "no frame");
	pv_profile_destroy(read);
	pv_recwriter_destroy(writer);
	pv_profile_destroy(profile);
	free(memory.data);
}
END_TEST

/* ---- slices and parts ---- */

static struct pv_profile *read_part(const struct memory *memory,
				    const struct pv_recfile_options *options)
{
	FILE *file = fmemopen(memory->data, memory->n, "r");
	struct pv_profile *read;

	ok(pv_recfile_read_part(file, "x.pvr", options, &read));
	fclose(file);
	return read;
}

START_TEST(slices_cover_the_capture)
{
	struct memory memory = capture();

	for (uint32_t max = 1; max < 30; max++) {
		struct pv_recfile_options options = { .max_slices = max };
		struct pv_profile *read = read_part(&memory, &options);

		ck_assert_uint_ge(read->n_slices, 1);
		ck_assert_uint_le(read->n_slices, max);
		ck_assert_uint_ge(read->n_slices * read->slice_ns, read->duration_ns);
		same_times(read, CAPTURE_SAMPLES);
		pv_profile_destroy(read);
	}
	free(memory.data);
}
END_TEST

/* Slices of a recording that has them stay, or whole numbers of them are joined. */
START_TEST(slices_stay)
{
	struct pv_profile *profile, *read;
	struct memory memory;
	uint32_t node;

	ok(pv_profile_create(&profile));
	add_capture_threads(profile);
	node = frame(profile, 0, PV_LOC_PYTHON, "f", "a.py", 1);
	for (unsigned int i = 0; i < 100; i++)
		ok(pv_profile_add_at(profile, node, 0, i, 1));
	pv_profile_sort_ticks(profile);
	profile->slice_ns = 7;
	profile->n_slices = 110;
	profile->duration_ns = 769; /* the last slice is not whole */
	memory = written(profile);
	for (uint32_t max = 1; max < 120; max++) {
		struct pv_recfile_options options = { .max_slices = max };

		read = read_part(&memory, &options);
		ck_assert_uint_eq(read->slice_ns % 7, 0);
		ck_assert_uint_le(read->n_slices, max);
		if (max >= 110) {
			ck_assert_uint_eq(read->slice_ns, 7);
			ck_assert_uint_eq(read->n_slices, 110);
			same_vec(&profile->ticks, &read->ticks);
		}
		pv_profile_destroy(read);
	}
	free(memory.data);
	pv_profile_destroy(profile);
}
END_TEST

/* Also those of which the last one ends after the last possible time; a copy has the same. */
START_TEST(slices_at_the_end_of_time_stay)
{
	static const uint64_t lengths[] = { ((uint64_t)1 << 60) + 1, ((uint64_t)1 << 62) - 1 };

	for (size_t i = 0; i < 2; i++) {
		for (uint32_t max = 1; max < 6; max++) {
			struct pv_recfile_options options = { .max_slices = max };
			struct pv_profile *profile, *read, *again;
			struct memory memory, copy;

			ok(pv_profile_create(&profile));
			add_capture_threads(profile);
			ok(pv_profile_add_at(profile,
					     frame(profile, 0, PV_LOC_PYTHON, "f", "a.py", 1), 0, 0,
					     1));
			profile->slice_ns = lengths[i];
			profile->n_slices = i ? 2 : 4;
			memory = written(profile);
			read = read_part(&memory, &options);
			ck_assert_uint_le(read->n_slices, max);
			if (max >= profile->n_slices)
				ck_assert_uint_eq(read->n_slices, profile->n_slices);
			copy = written(read);
			again = read_part(&copy, &options);
			ck_assert_uint_eq(again->n_slices, read->n_slices);
			ck_assert_uint_eq(again->slice_ns, read->slice_ns);
			pv_profile_destroy(again);
			pv_profile_destroy(read);
			pv_profile_destroy(profile);
			free(copy.data);
			free(memory.data);
		}
	}
}
END_TEST

START_TEST(a_part_in_time)
{
	struct pv_recfile_options options = { .from_ns = 3000, .to_ns = 7001 };
	struct memory memory = capture();
	struct pv_profile *read = read_part(&memory, &options);
	uint64_t n = 0;

	for (unsigned int i = 0; i < CAPTURE_SAMPLES; i++)
		n += capture_time(i) >= 3000 && capture_time(i) < 7001;
	ck_assert_uint_eq(total(read), n);
	ck_assert_uint_eq(read->duration_ns, 4001);
	ck_assert(!read->cut);
	for (size_t i = 0; i < read->ticks.n; i++)
		ck_assert_uint_lt(((struct pv_tick *)pv_vec_at(&read->ticks, i))->slice *
					  read->slice_ns,
				  4001);
	pv_profile_destroy(read);
	free(memory.data);
}
END_TEST

START_TEST(a_part_behind_the_end)
{
	struct pv_recfile_options options = { .from_ns = 1000000000 };
	struct memory memory = capture();
	FILE *file = fmemopen(memory.data, memory.n, "r");
	struct pv_profile *read = NULL;
	struct pv_err *err = pv_recfile_read_part(file, "x.pvr", &options, &read);

	ck_assert_ptr_nonnull(err);
	ck_assert_ptr_null(read);
	ck_assert_str_eq(err->message, "x.pvr ends after 0.00 s");
	pv_err_destroy(err);
	fclose(file);
	free(memory.data);
}
END_TEST

START_TEST(a_part_leaves_out_what_has_no_time)
{
	struct pv_recfile_options options = { .to_ns = 10000000, .no_source = true };
	struct pv_profile *profile = rich_profile(true), *read;
	struct memory memory = written(profile);

	read = read_part(&memory, &options);
	ck_assert_uint_eq(total(read), 70001);
	ck_assert_uint_eq(read->sources.n, 0);
	says(read, "samples are left out, because their time is not known");
	pv_profile_destroy(read);
	pv_profile_destroy(profile);
	free(memory.data);
}
END_TEST

/* ---- what may stand in a file ---- */

int main(void)
{
	Suite *suite = suite_create("recfile");
	TCase *tcase = tcase_create("recfile");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, everything_is_read_back);
	tcase_add_test(tcase, nothing_is_read_back);
	tcase_add_test(tcase, a_capture_is_read_back);
	tcase_add_test(tcase, cut_at_every_byte);
	tcase_add_test(tcase, every_bit_flipped);
	tcase_add_test(tcase, full_device);
	tcase_add_test(tcase, full_after_every_byte);
	tcase_add_test(tcase, forgotten_stacks_are_joined_again);
	tcase_add_test(tcase, names_are_told_again);
	tcase_add_test(tcase, causes_are_told_once);
	tcase_add_test(tcase, slices_cover_the_capture);
	tcase_add_test(tcase, slices_stay);
	tcase_add_test(tcase, slices_at_the_end_of_time_stay);
	tcase_add_test(tcase, a_part_in_time);
	tcase_add_test(tcase, a_part_behind_the_end);
	tcase_add_test(tcase, a_part_leaves_out_what_has_no_time);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
