// The shim's image completed for the running kernel, as vdsoshim.Complete does it, and
// to the same bytes (a test compares them), for the policy of prepared.h alone.

struct symbol {
	const char *name;
	u64 value, size;
	u32 hash;
	u16 section, version;
	unsigned char info, other;
};

struct tables {
	unsigned char *image;
	struct symbol symbols[maxSymbols];
	u32 count;
	u32 strings; // bytes in use
	u32 forwards[forwardSlots];
	u32 forwards_count;
	u16 text;
};

static void put32(unsigned char *at, u32 v) { *(u32 *)at = v; }

static Elf64_Shdr *sections(unsigned char *image, u64 *count)
{
	Elf64_Ehdr *e = (Elf64_Ehdr *)image;
	*count = e->e_shnum;
	return (Elf64_Shdr *)(image + e->e_shoff);
}

static u16 section_of(unsigned char *image, u64 off)
{
	u64 n;
	Elf64_Shdr *s = sections(image, &n);
	for (u64 i = 0; i < n; i++)
		if (s[i].sh_addr && off >= s[i].sh_addr && off - s[i].sh_addr < s[i].sh_size)
			return i;
	return SHN_ABS;
}

static void set_section(unsigned char *image, u64 at, u64 size)
{
	u64 n;
	Elf64_Shdr *s = sections(image, &n);
	for (u64 i = 0; i < n; i++)
		if (s[i].sh_addr == at)
			s[i].sh_size = size;
}

static void set_dynamic(unsigned char *image, s64 tag, u64 value)
{
	for (Elf64_Dyn *d = (Elf64_Dyn *)(image + dynamicRoom); (unsigned char *)d < image + dynamicRoom + dynamicRoomSize; d++)
		if (d->d_tag == tag)
			d->d_un.d_val = value;
}

// string puts a string into the table, once, and returns its offset; 0 where there is
// no room, since the empty one, which is there, is nobody's name.
static u32 string(struct tables *t, const char *s)
{
	char *table = (char *)t->image + stringRoom;
	for (u32 at = 1; at < t->strings;) {
		if (same(table + at, s))
			return at;
		while (table[at++])
			;
	}
	u32 at = t->strings, n = 0;
	while (s[n++])
		;
	if (at + n > stringRoomSize)
		return 0;
	memcpy(table + at, s, n);
	t->strings += n;
	return at;
}

static int add(struct tables *t, struct symbol s)
{
	if (t->count == maxSymbols - 1)
		return 0;
	s.hash = hash_gnu(s.name);
	// By bucket, and within one as they come: the GNU table wants them side by side.
	u32 i = t->count++;
	for (; i > 0 && t->symbols[i - 1].hash % hashBuckets > s.hash % hashBuckets; i--)
		t->symbols[i] = t->symbols[i - 1];
	t->symbols[i] = s;
	return 1;
}

// bound_to is what the policy has a vDSO function lead to, 0 for the kernel's own.
static const struct bound *bound_to(const char *name)
{
	static const char prefix[] = "__vdso_";
	u32 n = 0;
	while (prefix[n] && name[n] == prefix[n])
		n++;
	if (!prefix[n])
		name += n;
	for (u64 i = 0; i < sizeof bound / sizeof *bound; i++)
		if (same(bound[i].name, name))
			return bound + i;
	return 0;
}

// add_kernels exports a symbol of the kernel's.
static int add_kernels(struct tables *t, const struct kernel *k, const Elf64_Sym *from)
{
	struct symbol s = { k->strings + from->st_name, from->st_value, from->st_size, 0, from->st_shndx,
			    k->versyms[from - k->symbols], from->st_info, from->st_other };
	u32 type = ELF64_ST_TYPE(s.info), off = s.value - k->bias, i = 0;
	if (s.section == SHN_ABS)
		return add(t, s);
	if (type == STT_OBJECT || type == STT_TLS || s.value - k->bias >= k->size)
		return 0;
	s.section = t->text;
	const struct bound *b = type == STT_FUNC ? bound_to(s.name) : 0;
	if (b) {
		s.value = b->off;
		s.size = b->size;
		return add(t, s);
	}
	while (i < t->forwards_count && t->forwards[i] != off)
		i++;
	if (i == forwardSlots)
		return 0;
	if (i == t->forwards_count)
		t->forwards[t->forwards_count++] = off;
	s.value = forwardOff + 8 * i;
	s.size = 8;
	return add(t, s);
}

static int write_symbols(struct tables *t)
{
	unsigned char *image = t->image;
	Elf64_Sym *to = (Elf64_Sym *)(image + symbolRoom);
	u16 *versions = (u16 *)(image + versymRoom);
	memset(to, 0, symbolRoomSize);
	memset(versions, 0, versymRoomSize);
	for (u32 i = 0; i < t->count; i++) {
		const struct symbol *s = t->symbols + i;
		to[i + 1] = (Elf64_Sym){ string(t, s->name), s->info, s->other, s->section, s->value, s->size };
		versions[i + 1] = s->version;
		if (!to[i + 1].st_name)
			return 0;
	}
	set_section(image, symbolRoom, sizeof *to * (t->count + 1));
	set_section(image, versymRoom, sizeof *versions * (t->count + 1));
	return 1;
}

// write_versions takes the kernel's definitions, by their indices, and returns the index
// of LINUX_2.6, 0 where there is none.
static int write_versions(struct tables *t, const struct kernel *k)
{
	unsigned char *to = t->image + verdefRoom;
	const unsigned char *from = k->verdefs;
	u64 size = sizeof(Elf64_Verdef) + sizeof(Elf64_Verdaux);
	if (k->versions > maxVersions || k->versions * size > verdefRoomSize)
		return 0;
	memset(to, 0, verdefRoomSize);
	for (u64 i = 0; i < k->versions; i++, to += size) {
		const Elf64_Verdef *d = (const Elf64_Verdef *)from;
		const char *name = k->strings + ((const Elf64_Verdaux *)(from + d->vd_aux))->vda_name;
		u32 next = i + 1 < k->versions ? size : 0;
		if (next && !d->vd_next)
			return 0;
		*(Elf64_Verdef *)to = (Elf64_Verdef){ 1, d->vd_flags, d->vd_ndx, 1, hash_sysv(name), sizeof(Elf64_Verdef), next };
		*(Elf64_Verdaux *)(to + sizeof(Elf64_Verdef)) = (Elf64_Verdaux){ string(t, name), 0 };
		from += d->vd_next;
	}
	set_section(t->image, verdefRoom, k->versions * size);
	u64 n;
	Elf64_Shdr *s = sections(t->image, &n);
	for (u64 i = 0; i < n; i++)
		if (s[i].sh_type == SHT_GNU_verdef)
			s[i].sh_info = k->versions;
	set_dynamic(t->image, DT_VERDEFNUM, k->versions);
	return 1;
}

static u16 abi_version(const struct kernel *k)
{
	const unsigned char *from = k->verdefs;
	for (u64 i = 0; i < k->versions; i++) {
		const Elf64_Verdef *d = (const Elf64_Verdef *)from;
		const char *name = k->strings + ((const Elf64_Verdaux *)(from + d->vd_aux))->vda_name;
		if (!(d->vd_flags & VER_FLG_BASE) && same(name, "LINUX_2.6"))
			return d->vd_ndx;
		from += d->vd_next;
	}
	return 0;
}

static void write_hashes(struct tables *t)
{
	u32 *h = (u32 *)(t->image + hashRoom), *buckets = h + 2, *chain = buckets + hashBuckets;
	memset(h, 0, hashRoomSize);
	h[0] = hashBuckets;
	h[1] = t->count + 1;
	for (u32 i = t->count; i > 0; i--) {
		u32 *bucket = buckets + hash_sysv(t->symbols[i - 1].name) % hashBuckets;
		chain[i] = *bucket;
		*bucket = i;
	}
	set_section(t->image, hashRoom, 4 * (2 + hashBuckets + t->count + 1));

	u32 *g = (u32 *)(t->image + gnuHashRoom);
	u64 *bloom = (u64 *)(g + 4);
	buckets = g + 4 + 2 * bloomWords;
	chain = buckets + hashBuckets;
	memset(g, 0, gnuHashRoomSize);
	g[0] = hashBuckets;
	g[1] = 1;
	g[2] = bloomWords;
	g[3] = 6;
	for (u32 i = 0; i < t->count; i++) {
		u32 hash = t->symbols[i].hash, *bucket = buckets + hash % hashBuckets;
		bloom[hash / 64 % bloomWords] |= 1UL << hash % 64 | 1UL << (hash >> 6) % 64;
		if (!*bucket)
			*bucket = i + 1;
		int last = i + 1 == t->count || t->symbols[i + 1].hash % hashBuckets != hash % hashBuckets;
		chain[i] = (hash & ~1U) | last;
	}
	set_section(t->image, gnuHashRoom, 4 * (4 + 2 * bloomWords + hashBuckets + t->count));
}

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
	if (cpu.rdpid)
		choose_number(image);
	return 1;
}
