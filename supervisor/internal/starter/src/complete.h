// The shim's image completed for the running kernel, as vdsoshim.Complete does it, and
// to the same bytes (a test compares them), for the policy of prepared.h alone.

#include "tables.h"
#include "moved.h"

// write_notes puts the kernel's notes about itself behind the image's own.
static void write_notes(unsigned char *image, const struct kernel *k)
{
	Elf64_Ehdr *e = (Elf64_Ehdr *)image;
	Elf64_Phdr *own = (Elf64_Phdr *)(image + e->e_phoff);
	while (own->p_type != PT_NOTE)
		own++;
	u64 used = own->p_filesz;
	for (const Elf64_Phdr *p = k->segments; p < k->segments + k->segments_count; p++) {
		if (p->p_type != PT_NOTE)
			continue;
		const unsigned char *from = k->at + (p->p_vaddr - k->bias);
		for (u64 left = p->p_filesz; left >= sizeof(Elf64_Nhdr);) {
			const Elf64_Nhdr *n = (const Elf64_Nhdr *)from;
			u64 size = sizeof *n + ((n->n_namesz + 3UL) & -4UL) + ((n->n_descsz + 3UL) & -4UL);
			if (size > left || !n->n_namesz)
				break;
			if (n->n_namesz == 6 && same((const char *)(n + 1), "Linux") && used + size <= noteRoomSize) {
				memcpy(image + noteRoom + used, from, size);
				used += size;
			}
			from += size;
			left -= size;
		}
	}
	memset(image + noteRoom + used, 0, noteRoomSize - used);
	set_section(image, noteRoom, used);
	own->p_filesz = own->p_memsz = used;
}

struct params {
	u32 size, prot, flags, reserved[13];
};

static struct params own_params(void)
{
	struct params p = { 144, 3 /* PROT_READ | PROT_WRITE */, 0x28 /* MAP_DROPPABLE | MAP_ANONYMOUS */, { 0 } };
	long at = SYS(SYS_mmap, 0, PageSize, p.prot, p.flags, -1, 0);
	if (at < 0 && at > -4096)
		p.flags = 0x22; // MAP_PRIVATE | MAP_ANONYMOUS
	else
		SYS(SYS_munmap, at, PageSize);
	return p;
}

// write_plan writes what the image's code reads: struct plan, shim.h.
static void write_plan(struct tables *t, const struct kernel *k, u32 blocks)
{
	unsigned char *plan = t->image + planOff;
	u16 abi = abi_version(k);
	const Elf64_Sym *own = 0;
	struct params p = { 0 };
	for (const Elf64_Sym *s = k->symbols; s < k->symbols + k->count; s++)
		if (exported(k, s) && ELF64_ST_TYPE(s->st_info) == STT_FUNC && same(k->strings + s->st_name, "__vdso_getrandom") &&
		    (k->versyms[s - k->symbols] & ~VERSYM_HIDDEN) == abi)
			own = s;
	if (own) { // linux/random.h, struct vgetrandom_opaque_params
		long (*query)(void *, u64, u32, struct params *, u64) = (void *)(k->at + (own->st_value - k->bias));
		if (query(0, 0, 0, &p, ~0UL) || !p.size || p.size > PageSize)
			own = 0;
	}
	if (!own)
		p = own_params();
	put32(plan, p.size);
	put32(plan + 4, p.prot);
	put32(plan + 8, p.flags);
	put32(plan + 12, k->size);
	put32(plan + planBlocks, blocks);
	for (u32 i = 0; i < t->forwards_count; i++)
		put32(plan + planLink + 4 * i, t->forwards[i]);
	for (u32 i = t->forwards_count; i < linkSlots; i++)
		if (t->links[i])
			put32(plan + planLink + 4 * i, t->links[i]);
	if (own)
		put32(plan + planLink + 4 * linkGetrandom, own->st_value - k->bias);
	for (u64 i = 0; i < sizeof words / sizeof *words; i++)
		put32(t->image + words[i].at, words[i].value);
}

// choose_number makes the image read the processor's number with rdpid.
static void choose_number(unsigned char *image)
{
	static const unsigned char in_dispatch[8] = { 0xf3, 0x0f, 0xc7, 0xf9, 0x0f, 0x1f, 0x40, 0x00 };
	const unsigned char *number = image + rdpidOff;
	memcpy(image + cpuVdsoOff, number, 8);
	memcpy(image + cpuCallOff, number, 8);
	memcpy(image + cpuDispatchOff, in_dispatch, 8);
	for (u32 i = 0; i < countedSlots; i++)
		memcpy(image + countedOff + 32 * i, number, 8);
}

// complete makes of the image as it was built one for the kernel and the processor.
static int complete(unsigned char *image, const struct kernel *k)
{
	struct tables t;
	struct processor cpu;
	u16 abi = abi_version(k);
	int has_getrandom = 0;
	if (!abi)
		return 0;
	memset(&t, 0, sizeof t);
	t.image = image;
	t.strings = 1;
	t.text = section_of(image, forwardOff);
	memset(image + stringRoom, 0, stringRoomSize);
	for (const Elf64_Sym *s = k->symbols; s < k->symbols + k->count; s++) {
		const char *name = k->strings + s->st_name;
		if (!exported(k, s) || same(name, generation))
			continue;
		has_getrandom |= same(name, "__vdso_getrandom");
		if (!add_kernels(&t, k, s))
			return 0;
	}
	const struct bound *b = bound_to("getrandom");
	if (b && !has_getrandom) {
		struct symbol s = { "__vdso_getrandom", b->off, b->size, 0, t.text, abi, ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), 0 };
		if (!add(&t, s))
			return 0;
		s.name = "getrandom";
		s.info = ELF64_ST_INFO(STB_WEAK, STT_FUNC);
		if (!add(&t, s))
			return 0;
	}
	struct symbol g = { generation, ControlOff, 8, 0, section_of(image, copiesOff), abi, ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT), 0 };
	if (!add(&t, g) || !write_symbols(&t) || !write_versions(&t, k))
		return 0;
	write_hashes(&t);
	u32 soname = string(&t, k->soname);
	if (!soname)
		return 0;
	set_dynamic(image, DT_SONAME, soname);
	set_dynamic(image, DT_STRSZ, t.strings);
	set_section(image, stringRoom, t.strings);
	memset(image + copyRoom, 0, copyRoomSize);
	write_notes(image, k);
	look_at(&cpu);
	write_plan(&t, k, best_blocks(&cpu));
	move_kernel(image, k);
	if (cpu.rdpid)
		choose_number(image);
	return 1;
}
