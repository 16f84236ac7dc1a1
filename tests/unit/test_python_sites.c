/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Places where Python functions begin and end, in made-up interpreters: the first
 * bytes of the handlers that matter are those of real ones (Debian's 3.11.2, and of
 * sid 3.14.10 and 3.15.2), all others store the instruction pointer and go on.
 */
#include <check.h>
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "elf/elf.h"
#include "insn/site.h"
#include "python/detect.h"
#include "python/layout.h"
#include "python/sites.h"
#include "target/mem.h"

enum {
	TEXT = 0x1000,
	HANDLER = 64, /* bytes for each */
	CLEAR = TEXT + 0x6000,
	EVAL_END = CLEAR,
	OUTSIDE = CLEAR + 0x100,
	DATA = 0x8000,
	TABLE_AT = DATA + 0x400,
	IMAGE = 0xa000,
	EVAL = TEXT,
};
#define BIAS 0x7f0000000000ULL

struct handler {
	enum pv_probe_kind kind; /* 0: no place of its own */
	uint8_t opcode;
	const char *hex;
	unsigned int offset; /* of the place that is to be found */
	bool emulated;
};

struct build {
	uint32_t version;
	const char *clear_name; /* NULL: no symbol */
	unsigned int frame_register;
	uint8_t store[4]; /* mov %IP,0x38(%FR) */
	struct handler handlers[8];
};

/* %rbx holds the frame, %r15 the instruction pointer; no symbol of _PyFrame_Clear */
static const struct build debian_3_11 = {
	0x030b02f0,
	NULL,
	PV_REG_RBX,
	{ 0x4c, 0x89, 0x7b, 0x38 },
	{
		{ PV_PROBE_ENTER, 151, "488b7b204c897b384d8d57020fb747346685c0741083c00166894734",
		  0x13, true },
		{ PV_PROBE_ENTER, 150, "488b4424084c897b384d8d57028b40644183f9017f0885c00f855543",
		  0x14, true },
		{ PV_PROBE_YIELD, 86,
		  "4d8b75f84929ddc643fbff498d45b04c897b3848c1f80380bc24b0000000008943400f85beb3",
		  0x22, true },
		{ 0, 83,
		  "4d8b75f84929dd4c897b38498d45b048c1f80380bc24b0000000008943400f85b0bf0000"
		  "4889dfe8",
		  0x1e, true },
	},
};

static const struct build debian_3_14 = {
	0x030e0af0,
	"_PyEval_FrameClearAndPop",
	PV_REG_RBX,
	{ 0x4c, 0x89, 0x53, 0x38 },
	{
		{ PV_PROBE_ENTER, 128, "f30f1efa498d42024c895338488985a8fdffff41837c243c00743341",
		  0x19, true },
		{ PV_PROBE_ENTER, 196,
		  "f30f1efa488b03498d7a024c8953384889bda8fdffff498b4c24184883e0fe483988a8000000"
		  "0f85",
		  0x26, true },
		{ PV_PROBE_ENTER, 245, "f30f1efa498d42024c895338488985a8fdffff41837c243c00751b49",
		  0x19, true },
		{ PV_PROBE_YIELD, 120,
		  "f30f1efa418d45fe498b73f84983c202488b4b088843fb498d43f848894340488b43e84c8953"
		  "38",
		  0, false },
		{ PV_PROBE_YIELD, 247, "f30f1efa4c895338c3", 0, false },
		{ 0, 35, "f30f1efa498b4bf84c8953384889c883e0034883e801", 0, false },
	},
};

static const struct build debian_3_15 = {
	0x030f02f0,
	"_PyEval_FrameClearAndPop",
	PV_REG_RBX,
	{ 0x4c, 0x89, 0x53, 0x38 },
	{
		{ PV_PROBE_ENTER, 128, "f30f1efa4c8953384d8d6a0441837c2440000f84200100004c895b41",
		  0x12, true },
		{ PV_PROBE_ENTER, 200,
		  "f30f1efa488b034c8953384d8d6a04498b4c24184883e0fe483988a80000000f850efaffff",
		  0x1f, true },
		{ PV_PROBE_ENTER, 201,
		  "f30f1efa488b034c8953384d8d6a04498b4c24184883e0fe483988a80000000f85ab000000",
		  0x1f, true },
		{ PV_PROBE_ENTER, 244, "f30f1efa4c8953384d8d6a04741b", 0x0c, true },
		{ PV_PROBE_YIELD, 119, "f30f1efa498b53f84889d083e0034883e8010f84d60100004889d149",
		  0x12, true },
		{ PV_PROBE_YIELD, 246, "f30f1efa4c895338c3", 0, false },
		{ 0, 33, "f30f1efa498b4bf84c8953384889c8", 0, false },
	},
};

struct interpreter {
	struct pv_mem mem;
	uint8_t image[IMAGE];
	struct pv_elf *elf;
	struct pv_python_module module;
	struct pv_python python;
};

static int read_image(struct pv_mem *mem, void *dst, size_t n, uint64_t addr)
{
	struct interpreter *i = (struct interpreter *)mem;
	uint64_t at = addr - BIAS;

	if (at >= IMAGE || n > IMAGE - at)
		return -EFAULT;
	memcpy(dst, i->image + at, n);
	return 0;
}

static void put(struct interpreter *i, uint64_t at, uint64_t value, size_t n)
{
	memcpy(i->image + at, &value, n);
}

static uint64_t handler_at(unsigned int opcode)
{
	return TEXT + opcode * HANDLER;
}

static void put_hex(struct interpreter *i, uint64_t at, const char *hex)
{
	for (; *hex; hex += 2, at++) {
		char byte[3] = { hex[0], hex[1], 0 };

		i->image[at] = (uint8_t)strtoul(byte, NULL, 16);
	}
}

static void put_handlers(struct interpreter *i, const struct build *build)
{
	memset(i->image + TEXT, 0xc3, DATA - TEXT); /* ret */
	for (unsigned int op = 0; op < 256; op++) {
		memcpy(i->image + handler_at(op), build->store, 4);
		/* opcodes that nobody has share a handler */
		put(i, TABLE_AT + 8 * op, BIAS + handler_at(op < 20 ? 5 : op), 8);
	}
	for (const struct handler *h = build->handlers; h->hex; h++)
		put_hex(i, handler_at(h->opcode), h->hex);
	put_hex(i, CLEAR, "f30f1efa55");
	put_hex(i, EVAL + 6 * HANDLER,
		"f30f1efa4157"); /* eval itself, in the room of a dead opcode */
}

static void put_symbol(struct interpreter *i, const char *name, uint64_t value)
{
	Elf64_Sym sym = {
		.st_name = 1,
		.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
		.st_shndx = 1,
		.st_value = value,
		.st_size = 16,
	};

	memcpy(i->image + 0x400 + sizeof(sym), &sym, sizeof(sym));
	strcpy((char *)i->image + 0x501, name);
}

static void open_elf(struct interpreter *i)
{
	Elf64_Ehdr ehdr = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, 1 },
		.e_type = ET_DYN,
		.e_machine = EM_X86_64,
		.e_version = 1,
		.e_phoff = sizeof(ehdr),
		.e_shoff = 0x600,
		.e_ehsize = sizeof(ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 2,
		.e_shentsize = sizeof(Elf64_Shdr),
		.e_shnum = 3,
	};
	Elf64_Phdr phdr[2] = {
		{ PT_LOAD, PF_R | PF_X, 0, 0, 0, DATA, DATA, 0x1000 },
		{ PT_LOAD, PF_R | PF_W, DATA, DATA, DATA, IMAGE - DATA, IMAGE - DATA, 0x1000 },
	};
	Elf64_Shdr shdr[3] = {
		[1] = { .sh_type = SHT_DYNSYM,
			.sh_addr = 0x400,
			.sh_offset = 0x400,
			.sh_size = 48,
			.sh_link = 2,
			.sh_entsize = 24 },
		[2] = { .sh_type = SHT_STRTAB, .sh_offset = 0x500, .sh_size = 0x100 },
	};

	memcpy(i->image, &ehdr, sizeof(ehdr));
	memcpy(i->image + sizeof(ehdr), phdr, sizeof(phdr));
	memcpy(i->image + 0x600, shdr, sizeof(shdr));
	ck_assert(!pv_elf_open_memory(i->image, sizeof(i->image), &i->elf));
	i->module = (struct pv_python_module){
		.elf = i->elf,
		.bias = BIAS,
		.path = "/usr/bin/python3",
	};
}

/* Filled, but not opened: a test may still change bytes. */
static struct interpreter *make(const struct build *build)
{
	struct interpreter *i = calloc(1, sizeof(*i));
	char source[96];
	struct pv_err *err;

	i->mem.read = read_image;
	put_handlers(i, build);
	if (build->clear_name)
		put_symbol(i, build->clear_name, CLEAR);
	else
		put(i, handler_at(83) + 40, CLEAR - (handler_at(83) + 44), 4);
	/* the layout of another release has the members that count here at the same places */
	err = pv_pylayout_find(0x030b02f0, NULL, 0, &i->python.proc.py, NULL, source,
			       sizeof(source));
	ck_assert(!err);
	i->python.proc.py.version_hex = build->version;
	strcpy(i->python.version, "X.Y");
	i->python.proc.eval[0] = (struct pv_range){ BIAS + EVAL + 6 * HANDLER, BIAS + EVAL_END };
	return i;
}

static void destroy(struct interpreter *i)
{
	pv_elf_close(i->elf);
	free(i);
}

static const struct pv_python_site *site_of(const struct pv_python_sites *sites,
					    enum pv_probe_kind kind, uint8_t opcode)
{
	const struct pv_python_site *found = NULL;

	for (size_t k = 0; k < sites->n; k++) {
		if (sites->list[k].kind == kind && sites->list[k].opcode == opcode) {
			ck_assert(!found);
			found = &sites->list[k];
		}
	}
	ck_assert_msg(found, "no place of kind %d, opcode %u", (int)kind, opcode);
	return found;
}

static void check_refused(struct interpreter *i, const char *text)
{
	struct pv_python_sites sites;
	struct pv_err *err;

	open_elf(i);
	err = pv_python_sites(&i->mem, &i->module, &i->python, &sites);
	ck_assert(err);
	ck_assert_int_eq(err->kind, PV_ERR_NOPROC);
	ck_assert_msg(strstr(err->message, text), "%s", err->message);
	pv_err_destroy(err);
	destroy(i);
}

static void check_build(const struct build *build)
{
	struct interpreter *i = make(build);
	struct pv_python_sites sites;
	struct pv_err *err;
	const struct pv_python_site *site;

	open_elf(i);
	err = pv_python_sites(&i->mem, &i->module, &i->python, &sites);
	ck_assert_msg(!err, "%s", err ? err->message : "");
	ck_assert_uint_eq(sites.python.frame_register, build->frame_register);
	for (const struct handler *h = build->handlers; h->hex; h++) {
		if (!h->kind)
			continue;
		site = site_of(&sites, h->kind, h->opcode);
		ck_assert_uint_eq(site->vaddr, handler_at(h->opcode) + h->offset);
		ck_assert_int_eq(site->emulated, h->emulated);
	}
	site = site_of(&sites, PV_PROBE_CLEAR, 0);
	ck_assert_uint_eq(site->vaddr, CLEAR + 4);
	ck_assert(site->emulated && !site->generators);
	site = site_of(&sites, PV_PROBE_THROW, 0);
	ck_assert_uint_eq(site->vaddr, EVAL + 6 * HANDLER + 4);
	ck_assert(site->generators);
	destroy(i);
}

START_TEST(handlers_3_11)
{
	struct interpreter *i = make(&debian_3_11);
	struct pv_python_sites sites;

	/* a call of eval from elsewhere, with what follows it */
	put_hex(i, OUTSIDE, "e8000000004885c0740531c0c3");
	put(i, OUTSIDE + 1, EVAL + 6 * HANDLER - (OUTSIDE + 5), 4);
	open_elf(i);
	ck_assert(!pv_python_sites(&i->mem, &i->module, &i->python, &sites));
	/* without unwind information nobody knows where functions begin: not probed */
	ck_assert_uint_eq(sites.n, 5);
	ck_assert_uint_eq(sites.python.clear_register, PV_REG_RDI);
	destroy(i);
	check_build(&debian_3_11);
}
END_TEST

START_TEST(handlers_3_14)
{
	check_build(&debian_3_14);
}
END_TEST

START_TEST(handlers_3_15)
{
	struct interpreter *i = make(&debian_3_15);
	struct pv_python_sites sites;

	check_build(&debian_3_15);
	/* two tables: in the first, all opcodes lead to what records traces */
	memmove(i->image + TABLE_AT + 2048, i->image + TABLE_AT, 2048);
	for (unsigned int op = 0; op < 256; op++)
		put(i, TABLE_AT + 8 * op, BIAS + handler_at(7), 8);
	open_elf(i);
	ck_assert(!pv_python_sites(&i->mem, &i->module, &i->python, &sites));
	ck_assert_uint_eq(site_of(&sites, PV_PROBE_ENTER, 128)->vaddr, handler_at(128) + 0x12);
	ck_assert_uint_eq(sites.python.skip_oparg, 4);
	destroy(i);
}
END_TEST

/* What jumps between the start of a handler and the cheap place makes that one wrong. */
START_TEST(jumped_into)
{
	struct interpreter *i = make(&debian_3_11);
	struct pv_python_sites sites;
	const struct pv_python_site *site;

	i->image[handler_at(200) + 4] = 0xe9;
	put(i, handler_at(200) + 5, handler_at(151) + 8 - (handler_at(200) + 9), 4);
	open_elf(i);
	ck_assert(!pv_python_sites(&i->mem, &i->module, &i->python, &sites));
	site = site_of(&sites, PV_PROBE_ENTER, 151);
	ck_assert_uint_eq(site->vaddr, handler_at(151));
	ck_assert(!site->emulated);
	ck_assert_uint_eq(site_of(&sites, PV_PROBE_ENTER, 150)->vaddr, handler_at(150) + 0x14);
	destroy(i);
}
END_TEST

START_TEST(refused)
{
	struct interpreter *i = make(&debian_3_14);

	/* shared by two opcodes */
	put(i, TABLE_AT + 8 * 128, BIAS + handler_at(129), 8);
	check_refused(i, "table of opcode handlers was not found");
	/* one entry is no pointer into the code */
	i = make(&debian_3_14);
	put(i, TABLE_AT + 8 * 100, BIAS + DATA, 8);
	check_refused(i, "table of opcode handlers was not found");
	/* the handlers keep their frames in different registers */
	i = make(&debian_3_14);
	for (unsigned int op = 20; op < 120; op++)
		i->image[handler_at(op) + 2] = 0x55;
	check_refused(i, "table of opcode handlers was not found");
	/* two of them */
	i = make(&debian_3_14);
	memcpy(i->image + TABLE_AT + 0x1000, i->image + TABLE_AT, 2048);
	check_refused(i, "several tables");
	/* RETURN_VALUE calls nothing with its frame */
	i = make(&debian_3_11);
	memset(i->image + handler_at(83) + 36, 0xc3, 8);
	check_refused(i, "takes down its frames was not found");
	i = make(&debian_3_14);
	i->python.proc.py.version_hex = 0x03100000;
	check_refused(i, "its opcodes are not known");
	i = make(&debian_3_14);
	i->python.proc.py.free_threaded = 1;
	check_refused(i, "free-threaded");
}
END_TEST

/* ---- up to 3.10: eval's end, as it stands in 3.8's */

enum {
	RESULT = CLEAR,
	OTHER_CALL = EVAL + 0x40,
	ENDING = EVAL + 0x80,
	ENDING_CALL = ENDING + 25,
	SECOND_ENDING = EVAL + 0xc0,
	STUB = OUTSIDE,
	SLOT = DATA + 0x100,
};

static void put_call(struct interpreter *i, uint64_t at, uint64_t target)
{
	put(i, at, 0xe8, 1);
	put(i, at + 1, target - (at + 5), 4);
}

/*
 * mov 0x18(%rbx),%rax; movb $0,0x74(%rbx); mov %r15,%rsi; xor %edi,%edi; lea (%rip),%rdx;
 * mov %rax,0x18(%r12); call
 */
static const char ending[] = "488b4318c64374004c89fe31ff488d15000000004989442418";

static struct interpreter *make_3_8(uint64_t target)
{
	struct interpreter *i = calloc(1, sizeof(*i));
	char source[96];

	i->mem.read = read_image;
	memset(i->image + TEXT, 0xc3, DATA - TEXT); /* ret */
	put_hex(i, EVAL, "41574156");               /* push %r15; push %r14 */
	/* of a vectorcall: mov %r15,%rdi; mov %rax,%rsi; call */
	put_hex(i, OTHER_CALL, "4c89ff4889c6");
	put_call(i, OTHER_CALL + 6, target);
	put_hex(i, ENDING, ending);
	put_call(i, ENDING_CALL, target);
	put_hex(i, RESULT, "4154");
	put_hex(i, STUB, "ff25");
	put(i, STUB + 2, SLOT - (STUB + 6), 4);
	put(i, SLOT, BIAS + RESULT, 8);
	put_symbol(i, "_Py_CheckFunctionResult", RESULT);
	ck_assert(!pv_pylayout_find(0x030812f0, NULL, 0, &i->python.proc.py, NULL, source,
				    sizeof(source)));
	strcpy(i->python.version, "3.8.18");
	i->python.proc.eval[0] = (struct pv_range){ BIAS + EVAL, BIAS + EVAL_END };
	return i;
}

static struct pv_python_sites sites_of(struct interpreter *i)
{
	struct pv_python_sites sites;
	struct pv_err *err;

	open_elf(i);
	err = pv_python_sites(&i->mem, &i->module, &i->python, &sites);
	ck_assert_msg(!err, "%s", err ? err->message : "");
	destroy(i);
	return sites;
}

static void check_ending(struct interpreter *i)
{
	struct pv_python_sites sites = sites_of(i);
	const struct pv_python_site *site = site_of(&sites, PV_PROBE_RESULT, 0);

	ck_assert_uint_eq(site->vaddr, ENDING_CALL);
	ck_assert(site->emulated);
	ck_assert_uint_eq(site->ended, PV_REG_RBX);
	ck_assert(sites.python.ended_known);
	ck_assert_uint_eq(sites.python.ended_register, PV_REG_RBX);
	ck_assert_uint_eq(sites.n, 2);
	ck_assert_uint_eq(site_of(&sites, PV_PROBE_EVAL, 0)->vaddr, EVAL);
}

START_TEST(end_of_eval)
{
	check_ending(make_3_8(RESULT));
	check_ending(make_3_8(STUB));
}
END_TEST

/* Where it is in doubt all results are looked at. */
static void check_doubt(struct interpreter *i)
{
	struct pv_python_sites sites = sites_of(i);
	const struct pv_python_site *site = site_of(&sites, PV_PROBE_RESULT, 0);

	ck_assert_uint_eq(site->vaddr, RESULT);
	ck_assert_uint_eq(site->ended, 0);
	ck_assert(!sites.python.ended_known);
}

START_TEST(end_of_eval_in_doubt)
{
	struct interpreter *i = make_3_8(RESULT);

	/* another call may have no callable: pop %rdi */
	put_hex(i, OTHER_CALL, "90905f4889c6");
	check_doubt(i);
	/* it is jumped into: jmp to the xor */
	i = make_3_8(RESULT);
	put_hex(i, EVAL + 0x20, "e9");
	put(i, EVAL + 0x21, ENDING + 11 - (EVAL + 0x25), 4);
	check_doubt(i);
	/* what it calls is another function, by the linkage table */
	i = make_3_8(STUB);
	put(i, SLOT, BIAS + RESULT + 0x10, 8);
	check_doubt(i);
	/* two, of different functions */
	i = make_3_8(RESULT);
	put_hex(i, SECOND_ENDING, ending);
	put_call(i, SECOND_ENDING + 25, RESULT + 0x10);
	check_doubt(i);
	/* the frame is in no register any more: mov 0x18(%rbx),%rbx; mov %rbx,0x18(%r12) */
	i = make_3_8(RESULT);
	put_hex(i, ENDING, "90488b5b1890904c89fe31ff488d150000000049895c2418");
	put_hex(i, ENDING + 24, "90");
	check_doubt(i);
}
END_TEST

/* Each of two ends has a register of its own. */
START_TEST(two_ends_of_eval)
{
	struct interpreter *i = make_3_8(RESULT);
	struct pv_python_sites sites;

	/* mov 0x18(%rbp),%rax; movb $0,0x74(%rbp) */
	put_hex(i, SECOND_ENDING, ending);
	put_hex(i, SECOND_ENDING, "488b4518c6457400");
	put_call(i, SECOND_ENDING + 25, RESULT);
	sites = sites_of(i);
	ck_assert_uint_eq(sites.n, 3);
	ck_assert(sites.python.ended_known);
	ck_assert_uint_eq(sites.python.ended_register, 0);
	ck_assert_uint_eq(sites.list[1].ended, PV_REG_RBX);
	ck_assert_uint_eq(sites.list[2].ended, 5);
	ck_assert_uint_eq(sites.list[2].vaddr, SECOND_ENDING + 25);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("python_sites");
	TCase *tcase = tcase_create("python_sites");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, handlers_3_11);
	tcase_add_test(tcase, handlers_3_14);
	tcase_add_test(tcase, handlers_3_15);
	tcase_add_test(tcase, jumped_into);
	tcase_add_test(tcase, refused);
	tcase_add_test(tcase, end_of_eval);
	tcase_add_test(tcase, end_of_eval_in_doubt);
	tcase_add_test(tcase, two_ends_of_eval);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
