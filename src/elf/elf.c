/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Opens an ELF object and keeps its few facts.  Input: a file or an image,
 * untrusted; libelf reads the headers once and is closed again, so an open
 * object costs a file mapping and about 2 KB.  Output: segments, sections,
 * build-id, and bytes by virtual address.
 *
 * The mapping is of the live file: if somebody truncates it in place, reading
 * it raises SIGBUS here as it does in every process that has it loaded.
 */
#include "elf/elf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <gelf.h>
#include <libelf.h>
#include <zlib.h>

#include "base/cleanup.h"
#include "elf/internal.h"

enum { PAGE_BYTES = 4096 };

const uint8_t *pv_elf_bytes(const struct pv_elf *elf, uint64_t offset, uint64_t n)
{
	if (offset > elf->n || n > elf->n - offset)
		return NULL;
	return elf->image + offset;
}

struct pv_elf_strings pv_elf_strings(const struct pv_elf *elf, size_t section)
{
	const struct pv_elf_shdr *shdr;
	const uint8_t *data, *last;

	if (section >= elf->n_sections)
		return (struct pv_elf_strings){ 0 };
	shdr = &elf->sections[section];
	data = shdr->type == SHT_NOBITS ? NULL : pv_elf_bytes(elf, shdr->offset, shdr->size);
	last = data ? memrchr(data, 0, shdr->size) : NULL;
	if (!last)
		return (struct pv_elf_strings){ 0 };
	return (struct pv_elf_strings){ (const char *)data, (uint64_t)(last - data) + 1 };
}

/* The first GNU build-id among notes (gABI "Note Section"); align is 4 or 8. */
static bool notes_build_id(const uint8_t *notes, uint64_t n, uint64_t align,
			   struct pv_build_id *ret)
{
	uint64_t at = 0;

	while (n - at >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr nhdr;
		uint64_t name, desc;

		memcpy(&nhdr, notes + at, sizeof(nhdr));
		name = at + sizeof(nhdr);
		desc = (name + nhdr.n_namesz + align - 1) & ~(align - 1);
		if (desc > n || nhdr.n_descsz > n - desc)
			return false;
		if (nhdr.n_type == NT_GNU_BUILD_ID && nhdr.n_namesz == 4 &&
		    !memcmp(notes + name, "GNU", 4) && nhdr.n_descsz > 0 &&
		    nhdr.n_descsz <= PV_BUILD_ID_MAX) {
			memcpy(ret->bytes, notes + desc, nhdr.n_descsz);
			ret->n = nhdr.n_descsz;
			return true;
		}
		at = (desc + nhdr.n_descsz + align - 1) & ~(align - 1);
		if (at > n)
			return false;
	}
	return false;
}

static bool try_notes(struct pv_elf *elf, uint64_t offset, uint64_t n, uint64_t align)
{
	const uint8_t *notes = pv_elf_bytes(elf, offset, n);

	return notes && notes_build_id(notes, n, align == 8 ? 8 : 4, &elf->build_id);
}

static void read_phdr(struct pv_elf *elf, const GElf_Phdr *phdr)
{
	switch (phdr->p_type) {
	case PT_LOAD:
		elf->loads[elf->n_loads++] = (struct pv_elf_load){
			.vaddr = phdr->p_vaddr,
			.offset = phdr->p_offset,
			.file_size = phdr->p_filesz,
			.mem_size = phdr->p_memsz,
			.executable = phdr->p_flags & PF_X,
			.writable = phdr->p_flags & PF_W,
		};
		break;
	case PT_GNU_EH_FRAME:
		elf->eh_frame_hdr = phdr->p_vaddr;
		break;
	case PT_NOTE:
		if (!elf->build_id.n)
			try_notes(elf, phdr->p_offset, phdr->p_filesz, phdr->p_align);
		break;
	default:
		break;
	}
}

static struct pv_err *read_segments(struct pv_elf *elf, Elf *e)
{
	GElf_Ehdr ehdr;
	size_t n;

	if (elf_getphdrnum(e, &n))
		return pv_err_create(PV_ERR_FAILED, "cannot read the program headers: %s",
				     elf_errmsg(-1));
	/* libelf says 0 of headers that lie beyond the end. */
	if (n == 0 && gelf_getehdr(e, &ehdr) && ehdr.e_phnum)
		return pv_err_create(PV_ERR_FAILED, "the ELF program headers are cut off");
	elf->loads = calloc(n ? n : 1, sizeof(*elf->loads));
	if (!elf->loads)
		return &pv_enomem;
	for (size_t i = 0; i < n; i++) {
		GElf_Phdr phdr;

		if (!gelf_getphdr(e, (int)i, &phdr))
			return pv_err_create(PV_ERR_FAILED, "cannot read program header %zu: %s", i,
					     elf_errmsg(-1));
		read_phdr(elf, &phdr);
	}
	return NULL;
}

/*
 * Section headers are of no use to the loader: an object that lost them (or
 * has broken ones) still runs, so it is opened without sections.
 */
static struct pv_err *read_sections(struct pv_elf *elf, Elf *e)
{
	size_t n;

	if (elf_getshdrnum(e, &n) || elf_getshdrstrndx(e, &elf->section_names) || n == 0)
		return NULL;
	elf->sections = calloc(n, sizeof(*elf->sections));
	if (!elf->sections)
		return &pv_enomem;
	for (size_t i = 0; i < n; i++) {
		Elf_Scn *scn = elf_getscn(e, i);
		GElf_Shdr shdr;

		if (!scn || !gelf_getshdr(scn, &shdr))
			break;
		elf->sections[elf->n_sections++] = (struct pv_elf_shdr){
			.vaddr = shdr.sh_addr,
			.offset = shdr.sh_offset,
			.size = shdr.sh_size,
			.name = shdr.sh_name,
			.type = shdr.sh_type,
			.link = shdr.sh_link,
		};
		/* In a debug file the program headers point nowhere, the sections do. */
		if (shdr.sh_type == SHT_NOTE && !elf->build_id.n)
			try_notes(elf, shdr.sh_offset, shdr.sh_size, shdr.sh_addralign);
	}
	return NULL;
}

/* libelf asserts nothing about the header: refuse what we would misread. */
static struct pv_err *check_header(const struct pv_elf *elf)
{
	Elf64_Ehdr ehdr;

	if (elf->n < SELFMAG || memcmp(elf->image, ELFMAG, SELFMAG))
		return pv_err_create(PV_ERR_FAILED, "not an ELF file");
	if (elf->n < sizeof(ehdr))
		return pv_err_create(PV_ERR_FAILED, "the ELF header is cut off");
	memcpy(&ehdr, elf->image, sizeof(ehdr));
	if (ehdr.e_ident[EI_CLASS] != ELFCLASS64)
		return pv_err_create(PV_ERR_FAILED,
				     "not a 64-bit ELF file: 32-bit programs are not supported");
	if (ehdr.e_ident[EI_DATA] != ELFDATA2LSB || ehdr.e_machine != EM_X86_64)
		return pv_err_create(PV_ERR_FAILED,
				     "an ELF file for machine %u: only x86-64 is supported",
				     ehdr.e_machine);
	/* Addresses in a .o are offsets into its sections. */
	if (ehdr.e_type == ET_REL)
		return pv_err_create(PV_ERR_FAILED, "an ELF object file that is not linked yet");
	return NULL;
}

static struct pv_err *read_headers(struct pv_elf *elf)
{
	struct pv_err *err = check_header(elf);
	Elf *e;

	if (err)
		return err;
	if (elf_version(EV_CURRENT) == EV_NONE)
		return pv_err_create(PV_ERR_FAILED, "libelf is too old: %s", elf_errmsg(-1));
	/* libelf does not write to an image that it only reads. */
	e = elf_memory((char *)(uintptr_t)elf->image, elf->n);
	if (!e)
		return pv_err_create(PV_ERR_FAILED, "cannot read the ELF headers: %s",
				     elf_errmsg(-1));
	err = read_segments(elf, e);
	if (!err)
		err = read_sections(elf, e);
	elf_end(e);
	return err;
}

static struct pv_err *map_file(int fd, struct pv_elf *elf)
{
	struct stat st;
	void *image;

	if (fstat(fd, &st))
		return pv_err_errno(errno, "cannot stat an ELF file");
	if (!S_ISREG(st.st_mode))
		return pv_err_create(PV_ERR_FAILED, "not an ELF file: not a regular file");
	if (st.st_size == 0)
		return pv_err_create(PV_ERR_FAILED, "not an ELF file: it is empty");
	image = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (image == MAP_FAILED)
		return pv_err_errno(errno, "cannot map an ELF file of %lld bytes",
				    (long long)st.st_size);
	elf->image = image;
	elf->n = (size_t)st.st_size;
	elf->mapped = true;
	return NULL;
}

static struct pv_err *copy_image(const void *image, size_t n, struct pv_elf *elf)
{
	void *copy = malloc(n ? n : 1);

	if (!copy)
		return &pv_enomem;
	if (n)
		memcpy(copy, image, n);
	elf->image = copy;
	elf->n = n;
	return NULL;
}

static struct pv_err *open_with(int fd, const void *image, size_t n, struct pv_elf **ret)
{
	struct pv_elf *elf = calloc(1, sizeof(*elf));
	struct pv_err *err;

	if (!elf)
		return &pv_enomem;
	err = fd >= 0 ? map_file(fd, elf) : copy_image(image, n, elf);
	if (!err)
		err = read_headers(elf);
	if (err) {
		pv_elf_close(elf);
		return err;
	}
	*ret = elf;
	return NULL;
}

struct pv_err *pv_elf_open(int fd, struct pv_elf **ret)
{
	_pv_close_ int owned = fd;

	if (owned < 0)
		return pv_err_errno(EBADF, "cannot open an ELF file");
	return open_with(owned, NULL, 0, ret);
}

struct pv_err *pv_elf_open_memory(const void *image, size_t n, struct pv_elf **ret)
{
	return open_with(-1, image, n, ret);
}

void pv_elf_close(struct pv_elf *elf)
{
	if (!elf)
		return;
	if (elf->mapped)
		munmap((void *)(uintptr_t)elf->image, elf->n);
	else
		free((void *)(uintptr_t)elf->image);
	free(elf->loads);
	free(elf->sections);
	free(elf);
}

const struct pv_build_id *pv_elf_build_id(const struct pv_elf *elf)
{
	return &elf->build_id;
}

uint64_t pv_elf_entry(const struct pv_elf *elf)
{
	Elf64_Ehdr ehdr;

	memcpy(&ehdr, elf->image, sizeof(ehdr));
	return ehdr.e_entry;
}

size_t pv_elf_n_loads(const struct pv_elf *elf)
{
	return elf->n_loads;
}

const struct pv_elf_load *pv_elf_load_at(const struct pv_elf *elf, size_t index)
{
	return index < elf->n_loads ? &elf->loads[index] : NULL;
}

/*
 * How well a mapping that begins at a file offset fits a segment.  The kernel
 * maps a segment from its page-aligned offset (binfmt_elf.c elf_map), so that
 * is the best match; mprotect() may have split it, so any page of it will do.
 * Two segments may share a file page: callers mostly ask for code.
 */
static int load_fit(const struct pv_elf_load *load, uint64_t offset)
{
	uint64_t first = load->offset & ~(uint64_t)(PAGE_BYTES - 1);

	if (offset < first || offset - first >= load->file_size + (load->offset - first))
		return 0;
	return (offset == first ? 3 : 1) + (load->executable ? 1 : 0);
}

bool pv_elf_bias(const struct pv_elf *elf, uint64_t start, uint64_t offset, uint64_t *ret)
{
	const struct pv_elf_load *best = NULL;
	int best_fit = 0;

	for (size_t i = 0; i < elf->n_loads; i++) {
		int fit = load_fit(&elf->loads[i], offset);

		if (fit > best_fit) {
			best = &elf->loads[i];
			best_fit = fit;
		}
	}
	if (!best)
		return false;
	*ret = start - (best->vaddr + (offset - best->offset));
	return true;
}

const uint8_t *pv_elf_data_from(const struct pv_elf *elf, uint64_t vaddr, uint64_t *n_ret)
{
	for (size_t i = 0; i < elf->n_loads; i++) {
		const struct pv_elf_load *load = &elf->loads[i];
		uint64_t skip = vaddr - load->vaddr, n;

		if (vaddr < load->vaddr || skip >= load->file_size || load->offset > elf->n ||
		    skip > elf->n - load->offset)
			continue;
		n = elf->n - load->offset - skip;
		*n_ret = n < load->file_size - skip ? n : load->file_size - skip;
		return elf->image + load->offset + skip;
	}
	return NULL;
}

bool pv_elf_offset(const struct pv_elf *elf, uint64_t vaddr, uint64_t *ret)
{
	for (size_t i = 0; i < elf->n_loads; i++) {
		const struct pv_elf_load *load = &elf->loads[i];

		if (vaddr >= load->vaddr && vaddr - load->vaddr < load->file_size) {
			*ret = vaddr - load->vaddr + load->offset;
			return true;
		}
	}
	return false;
}

bool pv_elf_is_code(const struct pv_elf *elf, uint64_t vaddr)
{
	for (size_t i = 0; i < elf->n_loads; i++) {
		const struct pv_elf_load *load = &elf->loads[i];

		if (load->executable && vaddr >= load->vaddr &&
		    vaddr - load->vaddr < load->file_size)
			return true;
	}
	return false;
}

const void *pv_elf_data(const struct pv_elf *elf, uint64_t vaddr, size_t n)
{
	uint64_t there;
	const uint8_t *data = pv_elf_data_from(elf, vaddr, &there);

	return data && n <= there ? data : NULL;
}

bool pv_elf_section(const struct pv_elf *elf, const char *name, struct pv_elf_section *ret)
{
	struct pv_elf_strings names = pv_elf_strings(elf, elf->section_names);

	for (size_t i = 1; i < elf->n_sections; i++) {
		const struct pv_elf_shdr *shdr = &elf->sections[i];
		const char *its = pv_elf_string(&names, shdr->name);
		const void *data = NULL;

		if (!its || strcmp(its, name))
			continue;
		if (shdr->type != SHT_NOBITS) {
			data = pv_elf_bytes(elf, shdr->offset, shdr->size);
			if (!data)
				return false;
		}
		*ret = (struct pv_elf_section){ shdr->vaddr, shdr->size, data };
		return true;
	}
	return false;
}

bool pv_elf_debuglink(const struct pv_elf *elf, const char **name_ret, uint32_t *crc_ret)
{
	struct pv_elf_section link;
	const char *nul;
	uint64_t at;

	if (!pv_elf_section(elf, ".gnu_debuglink", &link) || !link.data)
		return false;
	nul = memchr(link.data, 0, link.size);
	if (!nul || nul == link.data)
		return false;
	/* The CRC follows the name at the next multiple of 4. */
	at = ((uint64_t)(nul - (const char *)link.data) + 4) & ~3ULL;
	if (at > link.size || link.size - at < sizeof(*crc_ret))
		return false;
	*name_ret = link.data;
	memcpy(crc_ret, (const char *)link.data + at, sizeof(*crc_ret));
	return true;
}

uint32_t pv_elf_file_crc(const struct pv_elf *elf)
{
	return (uint32_t)crc32_z(crc32_z(0, NULL, 0), elf->image, elf->n);
}
