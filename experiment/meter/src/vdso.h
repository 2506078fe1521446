/* Functions of the vDSO that the auxiliary vector names, found as C libraries find
 * them. Under reflect that is the shim. */
#include <elf.h>

static u64 auxiliary(long *stack, u64 type)
{
	long *p = stack + 1 + stack[0] + 1;
	while (*p++)
		;
	for (; *p; p += 2)
		if ((u64)*p == type)
			return p[1];
	return 0;
}

static void *symbol(u64 image, const char *wanted)
{
	if (!image)
		return 0;
	const Elf64_Ehdr *eh = (const void *)image;
	const Elf64_Phdr *ph = (const void *)(image + eh->e_phoff);
	const Elf64_Dyn *d = 0;
	const u32 *hash = 0;
	const Elf64_Sym *sym = 0;
	const char *names = 0;
	for (int i = 0; i < eh->e_phnum; i++)
		if (ph[i].p_type == PT_DYNAMIC)
			d = (const void *)(image + ph[i].p_vaddr);
	for (; d && d->d_tag; d++)
		switch (d->d_tag) {
		case DT_HASH:
			hash = (const void *)(image + d->d_un.d_ptr);
			break;
		case DT_SYMTAB:
			sym = (const void *)(image + d->d_un.d_ptr);
			break;
		case DT_STRTAB:
			names = (const char *)(image + d->d_un.d_ptr);
		}
	for (u32 i = 1; hash && i < hash[1]; i++)
		if (same(names + sym[i].st_name, wanted))
			return (void *)(image + sym[i].st_value);
	return 0;
}
