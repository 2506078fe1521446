// The kernel's vDSO, read where the kernel has mapped it into this process. What is
// not as all kernels' are is left to package vdsoshim, which believes nothing.

#include <elf.h>

#define VERSYM_HIDDEN 0x8000

struct kernel {
	const unsigned char *at;
	u64 size; // of the mapping, in bytes
	u64 bias; // the address of its first byte, as linked
	const Elf64_Sym *symbols;
	u64 count;
	const char *strings;
	const u16 *versyms;
	const unsigned char *verdefs;
	u64 versions;
	const char *soname;
	const Elf64_Phdr *segments;
	u64 segments_count;
	u64 data[maxMoved - 1]; // bytes of the mappings in front of it, where these are known
	u32 mappings;
};

static int fails(long r)
{
	return r < 0 && r > -4096;
}

static u32 hash_sysv(const char *name)
{
	u32 h = 0;
	for (; *name; name++) {
		h = (h << 4) + (unsigned char)*name;
		u32 g = h & 0xf0000000;
		h = (h ^ g >> 24) & ~g;
	}
	return h;
}

static u32 hash_gnu(const char *name)
{
	u32 h = 5381;
	for (; *name; name++)
		h = h * 33 + (unsigned char)*name;
	return h;
}

// gnu_count is how many symbols a GNU hash table speaks of: the last bucket's chain
// ends with the last of them.
static u64 gnu_count(const u32 *t)
{
	const u32 *buckets = t + 4 + 2 * t[2], *chain = buckets + t[0];
	u32 last = 0;
	for (u32 i = 0; i < t[0]; i++)
		if (buckets[i] > last)
			last = buckets[i];
	if (last < t[1])
		return t[1];
	while (!(chain[last - t[1]] & 1))
		last++;
	return (u64)last + 1;
}

// find_kernel reads the headers and the dynamic segment of the image at an address.
static int find_kernel(struct kernel *k, u64 address)
{
	const Elf64_Ehdr *e = (const Elf64_Ehdr *)address;
	const Elf64_Dyn *dynamic = 0;
	const u32 *hash = 0, *gnu = 0;
	u64 end = 0, loads = 0, soname = 0;
	if (!e || *(const u32 *)e->e_ident != 0x464c457f || e->e_ident[EI_CLASS] != ELFCLASS64 ||
	    e->e_phentsize != sizeof(Elf64_Phdr) || e->e_phoff + e->e_phnum * sizeof(Elf64_Phdr) > PageSize)
		return 0;
	memset(k, 0, sizeof *k);
	k->at = (const unsigned char *)address;
	k->segments = (const Elf64_Phdr *)(address + e->e_phoff);
	k->segments_count = e->e_phnum;
	for (const Elf64_Phdr *p = k->segments; p < k->segments + e->e_phnum; p++) {
		if (p->p_type == PT_LOAD) {
			loads++;
			k->bias = p->p_vaddr - p->p_offset;
			end = p->p_offset + p->p_filesz;
		}
		if (p->p_type == PT_DYNAMIC)
			dynamic = (const Elf64_Dyn *)(address + p->p_offset);
	}
	if (loads != 1 || !dynamic)
		return 0;
	// The kernel maps the file, section headers included.
	if (e->e_shoff + e->e_shnum * sizeof(Elf64_Shdr) > end)
		end = e->e_shoff + e->e_shnum * sizeof(Elf64_Shdr);
	k->size = (end + PageSize - 1) & -PageSize;
	unsigned char present[64];
	if (k->size > sizeof present * PageSize || SYS(SYS_mincore, address, k->size, present))
		return 0;
	u64 to = address - k->bias;
	for (; dynamic->d_tag != DT_NULL; dynamic++)
		switch (dynamic->d_tag) {
		case DT_STRTAB: k->strings = (const char *)(to + dynamic->d_un.d_ptr); break;
		case DT_SYMTAB: k->symbols = (const Elf64_Sym *)(to + dynamic->d_un.d_ptr); break;
		case DT_HASH: hash = (const u32 *)(to + dynamic->d_un.d_ptr); break;
		case DT_GNU_HASH: gnu = (const u32 *)(to + dynamic->d_un.d_ptr); break;
		case DT_VERSYM: k->versyms = (const u16 *)(to + dynamic->d_un.d_ptr); break;
		case DT_VERDEF: k->verdefs = (const unsigned char *)(to + dynamic->d_un.d_ptr); break;
		case DT_VERDEFNUM: k->versions = dynamic->d_un.d_val; break;
		case DT_SONAME: soname = dynamic->d_un.d_val; break;
		}
	if (!k->strings || !k->symbols || !k->versyms || !k->verdefs || !soname || (!hash && !gnu))
		return 0;
	k->soname = k->strings + soname;
	k->count = hash ? hash[1] : gnu_count(gnu);
	return 1;
}

static int exported(const struct kernel *k, const Elf64_Sym *s)
{
	return s->st_shndx != SHN_UNDEF && ELF64_ST_BIND(s->st_info) != STB_LOCAL && k->strings[s->st_name];
}

// find_instruction finds a system call instruction, in the first function that has one.
// It returns its offset, 0 for none.
static u64 find_instruction(const struct kernel *k)
{
	u64 best = ~0UL, at = 0;
	for (const Elf64_Sym *s = k->symbols; s < k->symbols + k->count; s++) {
		if (!exported(k, s) || ELF64_ST_TYPE(s->st_info) != STT_FUNC || s->st_shndx == SHN_ABS || s->st_value >= best)
			continue;
		u64 off = s->st_value - k->bias;
		for (u64 i = off; i + 1 < off + s->st_size && i + 1 < k->size; i++)
			if (k->at[i] == 0x0f && k->at[i + 1] == 0x05) {
				best = s->st_value;
				at = i;
				break;
			}
	}
	return at;
}
