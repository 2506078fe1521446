// Finds functions in the vDSO that the kernel, or reflect, gave to this process.
#include <elf.h>
#include <string.h>
#include <sys/auxv.h>

static inline void *vdso_symbol(const char *name)
{
	const char *base = (const char *)getauxval(AT_SYSINFO_EHDR);
	if (!base)
		return 0;
	const Elf64_Ehdr *eh = (const void *)base;
	const Elf64_Phdr *ph = (const void *)(base + eh->e_phoff);
	const Elf64_Dyn *dyn = 0;
	for (int i = 0; i < eh->e_phnum; i++)
		if (ph[i].p_type == PT_DYNAMIC)
			dyn = (const void *)(base + ph[i].p_offset);
	const Elf64_Sym *sym = 0;
	const char *str = 0;
	const Elf64_Word *hash = 0, *gnu = 0;
	for (; dyn && dyn->d_tag; dyn++) {
		if (dyn->d_tag == DT_SYMTAB)
			sym = (const void *)(base + dyn->d_un.d_ptr);
		if (dyn->d_tag == DT_STRTAB)
			str = base + dyn->d_un.d_ptr;
		if (dyn->d_tag == DT_HASH)
			hash = (const void *)(base + dyn->d_un.d_ptr);
		if (dyn->d_tag == DT_GNU_HASH)
			gnu = (const void *)(base + dyn->d_un.d_ptr);
	}
	if (!sym || !str)
		return 0;
	Elf64_Word count = hash ? hash[1] : 0;
	if (!hash && gnu) { // newer kernels have only this
		const Elf64_Word *buckets = gnu + 4 + 2 * gnu[2], *chain = buckets + gnu[0];
		for (Elf64_Word i = 0; i < gnu[0]; i++)
			if (buckets[i] >= count)
				for (count = buckets[i] + 1; !(chain[count - 1 - gnu[1]] & 1);)
					count++;
	}
	for (Elf64_Word i = 0; i < count; i++)
		if (sym[i].st_shndx && !strcmp(str + sym[i].st_name, name))
			return (void *)(base + sym[i].st_value);
	return 0;
}

// The vDSO's getrandom keeps its state in memory that the caller maps as it says.
typedef long vgetrandom_fn(void *buf, unsigned long len, unsigned flags, void *state, unsigned long size);

struct vgetrandom_params {
	unsigned size, prot, flags, reserved[13];
};
