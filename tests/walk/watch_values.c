/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Says what pitviper sees of the arguments and results of Python functions, at the very
 * places where the kernel's side looks, but with the host's build of walk/: breakpoints by
 * ptrace stand for the probes.
 * usage: watch_values PID FILE LAST [DIRECTORY]
 * Input: a Python program whose main thread will call functions of the file FILE, until
 * those that have an argument named LAST.  Output: "enter NAME ARGUMENTS", "leave NAME
 * RESULT", "raise NAME", "unseen NAME" as they happen, until the outermost of these
 * functions ends; READY when the breakpoints are in.  With DIRECTORY the arguments of all
 * functions that run when one with LAST begins become a fixture (values_fixture.h).
 */
#include <err.h>
#include <errno.h>
#include <stdbool.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "elf/elf.h"
#include "python/sites.h"
#include "python/values.h"
#include "session/values.h"
#include "snap/image.h"
#include "snap/objects.h"
#include "snap/values.h"
#include "target/mem.h"
#include "values_fixture.h"

enum { DEPTH_MAX = 1024, BREAKS_MAX = PV_PYTHON_SITES_MAX + 16 };

struct breakpoint {
	uint64_t at;
	enum pv_probe_kind kind;
	uint8_t opcode;
	long word;
};

struct frame {
	uint64_t frame, key, code;
	char name[64];
};

struct watch {
	pid_t pid;
	const char *file, *last, *directory;
	struct pv_mem *mem;
	struct pv_objects *objects;
	struct pv_image image;
	struct pv_value_layout layout;
	struct pv_python_sites sites;
	struct breakpoint breaks[BREAKS_MAX];
	size_t n_breaks;
	struct frame frames[DEPTH_MAX];
	size_t depth;
	bool done;
};

static void ok(struct pv_err *error)
{
	if (error)
		errx(1, "%s", error->message);
}

static bool wait_stop(struct watch *w)
{
	int status;

	for (;;) {
		if (waitpid(w->pid, &status, __WALL) != w->pid)
			err(1, "waitpid");
		if (!WIFSTOPPED(status))
			return false;
		if (WSTOPSIG(status) == SIGTRAP)
			return true;
		ptrace(PTRACE_CONT, w->pid, 0, WSTOPSIG(status));
	}
}

static void add_break(struct watch *w, uint64_t at, enum pv_probe_kind kind, uint8_t opcode)
{
	struct breakpoint *b = &w->breaks[w->n_breaks++];

	if (w->n_breaks == BREAKS_MAX)
		errx(1, "too many breakpoints");
	*b = (struct breakpoint){ .at = at, .kind = kind, .opcode = opcode };
	errno = 0;
	b->word = ptrace(PTRACE_PEEKTEXT, w->pid, at, 0);
	if (errno || ptrace(PTRACE_POKETEXT, w->pid, at, (b->word & ~0xffL) | 0xcc))
		err(1, "cannot set a breakpoint");
}

static uint64_t word_at(const struct watch *w, uint64_t at)
{
	uint64_t value = 0;

	return pv_mem_read_u64(w->mem, at, &value) ? 0 : value;
}

/* A name of ASCII, as all those are that we look for. */
static void read_name(const struct watch *w, uint64_t object, char *ret, size_t size)
{
	struct pv_value value;
	struct pv_values values;

	pv_snap_result_of_eval(w->mem, &w->layout, object, &values);
	value = values.list[0];
	snprintf(ret, size, "%.*s", (int)value.n, (const char *)value.bytes);
}

static void print_line(const char *word, const char *name, const struct pv_str *text)
{
	printf("%s %s%s%s\n", word, name, text ? " " : "", text ? pv_str_text(text) : "");
}

static void say_arguments(const struct watch *w, const struct frame *f, struct pv_mem *mem,
			  struct pv_str *text)
{
	struct pv_values values, names;

	pv_snap_arguments(mem, &w->layout, f->frame, &values);
	pv_snap_argument_names(mem, &w->layout, f->code, &names);
	ok(pv_arguments_append(text, &values, &names));
}

static void write_fixture(struct watch *w)
{
	struct pv_mem *recording;
	struct pv_str text = {};
	char path[4096];
	FILE *file;
	size_t i;

	ok(pv_mem_recorder_create(w->mem, &recording));
	snprintf(path, sizeof(path), "%s/values", w->directory);
	file = fopen(path, "we");
	if (!file)
		err(1, "cannot write %s", path);
	values_fixture_write_layout(&w->layout, file);
	for (i = 0; i < w->depth; i++) {
		struct pv_values names;

		pv_snap_argument_names(w->mem, &w->layout, w->frames[i].code, &names);
		if (!names.n)
			continue;
		pv_str_clear(&text);
		say_arguments(w, &w->frames[i], recording, &text);
		fprintf(file, "frame 0x%llx 0x%llx %s\n", (unsigned long long)w->frames[i].frame,
			(unsigned long long)w->frames[i].code, pv_str_text(&text));
	}
	if (fclose(file))
		err(1, "cannot write %s", path);
	snprintf(path, sizeof(path), "%s/memory", w->directory);
	ok(pv_mem_recorder_write(recording, path));
	pv_mem_destroy(recording);
	pv_str_deinit(&text);
}

static void enter(struct watch *w, uint64_t frame, uint64_t key)
{
	const struct pv_pylayout *py = &w->layout.py;
	uint64_t code = word_at(w, frame + py->fr_code) & ~(uint64_t)py->code_tag_mask;
	struct frame *f = &w->frames[w->depth];
	struct pv_values names;
	struct pv_str text = {};
	char file[64];

	read_name(w, word_at(w, code + py->co_filename), file, sizeof(file));
	if (strcmp(file, w->file) != 0)
		return;
	/* RESUME is executed again where it has just been changed into another kind of it */
	if (w->depth && w->frames[w->depth - 1].frame == frame)
		return;
	if (w->depth == DEPTH_MAX)
		errx(1, "too deep");
	*f = (struct frame){ .frame = frame, .key = key, .code = code };
	read_name(w, word_at(w, code + py->co_name), f->name, sizeof(f->name));
	/* what is not called f1, f2 ... is not of the tale */
	if (f->name[0] != 'f' || f->name[1] < '0' || f->name[1] > '9')
		return;
	w->depth++;
	say_arguments(w, f, w->mem, &text);
	print_line("enter", f->name, &text);
	pv_str_deinit(&text);
	pv_snap_argument_names(w->mem, &w->layout, code, &names);
	if (w->directory && names.n && strlen(w->last) == names.list[0].n &&
	    memcmp(w->last, names.list[0].bytes, names.list[0].n) == 0)
		write_fixture(w);
}

static void leave(struct watch *w, uint64_t key, const struct pv_values *values)
{
	struct pv_str text = {};
	size_t i = w->depth;

	while (i && w->frames[i - 1].key != key)
		i--;
	if (!i)
		return;
	w->depth = i - 1;
	if (values->result == PV_RESULT_RETURNED) {
		ok(pv_result_append(&text, values, 0));
		print_line("leave", w->frames[i - 1].name, &text);
	} else {
		print_line(values->result == PV_RESULT_RAISED ? "raise" : "unseen",
			   w->frames[i - 1].name, NULL);
	}
	pv_str_deinit(&text);
	w->done = !w->depth;
}

static uint64_t reg(const struct user_regs_struct *regs, unsigned int number)
{
	const unsigned long long values[] = { regs->rax, regs->rcx, regs->rdx, regs->rbx,
					      regs->rsp, regs->rbp, regs->rsi, regs->rdi,
					      regs->r8,  regs->r9,  regs->r10, regs->r11,
					      regs->r12, regs->r13, regs->r14, regs->r15 };

	return values[number];
}

/* The frame that is current, up to 3.11. */
static uint64_t current_frame(const struct watch *w)
{
	const struct pv_proc *proc = &w->image.python.proc;
	uint64_t tstate = word_at(w, proc->runtime + proc->py.rt_tstate_current);
	uint64_t at = word_at(w, tstate + proc->py.ts_frame);

	return proc->py.cf_current_frame != PV_OFF_NONE ? word_at(w, at + proc->py.cf_current_frame)
							: at;
}

/* 2.7: eval's callers are not known: a breakpoint where this call returns to. */
static void watch_return(struct watch *w, const struct user_regs_struct *regs)
{
	uint64_t at = word_at(w, regs->rsp);

	for (size_t i = 0; i < w->n_breaks; i++) {
		if (w->breaks[i].at == at)
			return;
	}
	add_break(w, at, PV_PROBE_RETURNED, 0);
}

static void hit(struct watch *w, const struct breakpoint *b, const struct user_regs_struct *regs)
{
	const struct pv_probe_python *python = &w->sites.python;
	bool tstate_first = w->layout.py.version_hex >= 0x03090000;
	struct pv_values values = {};
	uint64_t frame;

	switch (b->kind) {
	case PV_PROBE_ENTER:
		frame = reg(regs, python->frame_register);
		enter(w, frame, frame);
		break;
	case PV_PROBE_EVAL:
		frame = reg(regs, python->eval_register);
		enter(w, frame, word_at(w, frame + w->layout.py.fr_previous));
		if (w->layout.py.version_hex < 0x03000000)
			watch_return(w, regs);
		break;
	case PV_PROBE_LEAVE:
		frame = reg(regs, python->frame_register);
		pv_snap_result_at_return(w->mem, &w->layout, frame, &values);
		if (b->opcode == w->layout.opcodes.return_value)
			leave(w, frame, &values);
		break;
	case PV_PROBE_CLEAR:
		frame = reg(regs, python->clear_register);
		pv_snap_result_at_clear(w->mem, &w->layout, regs->rdi, frame, &values);
		leave(w, frame, &values);
		break;
	case PV_PROBE_RESULT:
		if (reg(regs, python->result_register))
			break;
		pv_snap_result_of_eval(w->mem, &w->layout, tstate_first ? regs->rdx : regs->rsi,
				       &values);
		leave(w, current_frame(w), &values);
		break;
	case PV_PROBE_RETURNED:
		pv_snap_result_of_eval(w->mem, &w->layout, regs->rax, &values);
		leave(w, current_frame(w), &values);
		break;
	case PV_PROBE_FAILED:
		if (regs->rax || !w->depth)
			break;
		frame = w->frames[w->depth - 1].frame;
		values.result = PV_RESULT_RAISED;
		if (word_at(w, frame + w->layout.py.fr_previous) == current_frame(w))
			leave(w, frame, &values);
		break;
	default:
		break;
	}
}

static void step_over(struct watch *w, const struct breakpoint *b, struct user_regs_struct *regs)
{
	regs->rip = b->at;
	if (ptrace(PTRACE_SETREGS, w->pid, 0, regs) ||
	    ptrace(PTRACE_POKETEXT, w->pid, b->at, b->word) ||
	    ptrace(PTRACE_SINGLESTEP, w->pid, 0, 0))
		err(1, "cannot step");
	if (!wait_stop(w))
		errx(1, "the target ended");
	ptrace(PTRACE_POKETEXT, w->pid, b->at, (b->word & ~0xffL) | 0xcc);
}

static void run(struct watch *w)
{
	while (!w->done) {
		struct user_regs_struct regs;
		size_t i;

		if (ptrace(PTRACE_CONT, w->pid, 0, 0))
			err(1, "cannot go on");
		if (!wait_stop(w) || ptrace(PTRACE_GETREGS, w->pid, 0, &regs))
			errx(1, "the target ended");
		for (i = 0; i < w->n_breaks && w->breaks[i].at != regs.rip - 1; i++)
			;
		if (i == w->n_breaks)
			continue;
		hit(w, &w->breaks[i], &regs);
		step_over(w, &w->breaks[i], &regs);
	}
	for (size_t i = 0; i < w->n_breaks; i++)
		ptrace(PTRACE_POKETEXT, w->pid, w->breaks[i].at, w->breaks[i].word);
	ptrace(PTRACE_DETACH, w->pid, 0, 0);
}

static struct pv_python_module find_module(const struct watch *w)
{
	const struct pv_python *python = &w->image.python;

	for (size_t i = 0; i < w->image.n_mappings; i++) {
		const struct pv_mapping *m = &w->image.mappings[i];
		const struct pv_object *object = pv_objects_get(w->objects, m->object);

		if (object && object->elf && strcmp(object->path, python->module_path) == 0)
			return (struct pv_python_module){
				.elf = object->elf,
				.bias = m->bias,
				.path = python->module_path,
			};
	}
	errx(1, "the interpreter is not mapped");
}

static void set_breaks(struct watch *w)
{
	struct pv_python python = w->image.python;
	struct pv_python_module module = find_module(w);

	if (w->layout.py.version_hex < 0x03000000) {
		/* python/sites.h has nothing of 2.7: eval's entry, and where it returns to */
		w->sites.python.eval_register = 7;
		add_break(w, python.proc.eval[0].start, PV_PROBE_EVAL, 0);
		return;
	}
	/* refused for other reasons than that its places are others */
	python.proc.py.free_threaded = false;
	ok(pv_python_sites(w->mem, &module, &python, &w->sites));
	for (size_t i = 0; i < w->sites.n; i++) {
		const struct pv_python_site *site = &w->sites.list[i];

		if (site->kind != PV_PROBE_THROW)
			add_break(w, module.bias + site->vaddr, site->kind, site->opcode);
	}
}

int main(int argc, char **argv)
{
	struct watch w = {};

	if (argc < 4)
		errx(2, "usage: watch_values PID FILE LAST [DIRECTORY]");
	setvbuf(stdout, NULL, _IOLBF, 0);
	w.pid = atoi(argv[1]);
	w.file = argv[2];
	w.last = argv[3];
	w.directory = argv[4];
	ok(pv_mem_live_create(w.pid, &w.mem));
	ok(pv_objects_create(NULL, &w.objects));
	ok(pv_image_build(w.pid, w.objects, w.mem, NULL, &w.image));
	if (!w.image.python.found)
		errx(1, "no interpreter: %s", w.image.python_error ? w.image.python_error : "none");
	ok(pv_python_values(w.mem, &w.image.python, &w.layout));
	if (ptrace(PTRACE_SEIZE, w.pid, 0, 0) || ptrace(PTRACE_INTERRUPT, w.pid, 0, 0) ||
	    !wait_stop(&w))
		err(1, "cannot stop %d", w.pid);
	set_breaks(&w);
	printf("READY\n");
	run(&w);
	printf("END\n");
	pv_image_deinit(&w.image);
	pv_objects_destroy(w.objects);
	pv_mem_destroy(w.mem);
	return 0;
}
