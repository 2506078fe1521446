// Finds __vdso_rng_generation as a program would that follows it: by the hash table
// and the version, as the kernel's tools/testing/selftests/vDSO/parse_vdso.c finds
// functions.
#include <elf.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>

static int versioned(const char *base, const Elf64_Dyn *def, const char *str, unsigned index, const char *version)
{
	const Elf64_Verdef *d = (const void *)(base + def->d_un.d_ptr);
	for (;; d = (const void *)((const char *)d + d->vd_next)) {
		const Elf64_Verdaux *a = (const void *)((const char *)d + d->vd_aux);
		if (!(d->vd_flags & VER_FLG_BASE) && (d->vd_ndx & 0x7fff) == (index & 0x7fff))
			return !strcmp(str + a->vda_name, version);
		if (!d->vd_next)
			return 0;
	}
}

static const volatile uint64_t *find_generation(void)
{
	const char *name = "__vdso_rng_generation", *base = (const char *)getauxval(AT_SYSINFO_EHDR);
	if (!base)
		return 0;
	const Elf64_Ehdr *eh = (const void *)base;
	const Elf64_Phdr *ph = (const void *)(base + eh->e_phoff);
	const Elf64_Dyn *dyn = 0, *def = 0;
	for (int i = 0; i < eh->e_phnum; i++)
		if (ph[i].p_type == PT_DYNAMIC)
			dyn = (const void *)(base + ph[i].p_offset);
	const Elf64_Sym *sym = 0;
	const char *str = 0;
	const Elf64_Word *hash = 0;
	const Elf64_Versym *ver = 0;
	for (; dyn && dyn->d_tag; dyn++) {
		const void *at = base + dyn->d_un.d_ptr;
		if (dyn->d_tag == DT_SYMTAB)
			sym = at;
		if (dyn->d_tag == DT_STRTAB)
			str = at;
		if (dyn->d_tag == DT_HASH)
			hash = at;
		if (dyn->d_tag == DT_VERSYM)
			ver = at;
		if (dyn->d_tag == DT_VERDEF)
			def = dyn;
	}
	if (!sym || !str || !hash || !ver || !def)
		return 0;
	Elf64_Word h = 0;
	for (const char *c = name; *c; c++) {
		h = (h << 4) + (unsigned char)*c;
		h = (h ^ (h & 0xf0000000) >> 24) & 0x0fffffff;
	}
	for (Elf64_Word i = hash[2 + h % hash[0]]; i != STN_UNDEF; i = hash[2 + hash[0] + i])
		if (sym[i].st_shndx != SHN_UNDEF && ELF64_ST_TYPE(sym[i].st_info) == STT_OBJECT && sym[i].st_size == 8 &&
		    !strcmp(str + sym[i].st_name, name) && versioned(base, def, str, ver[i], "LINUX_2.6"))
			return (const volatile uint64_t *)(base + sym[i].st_value);
	return 0;
}
