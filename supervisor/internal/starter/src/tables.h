// The dynamic tables of an image, written anew: what vdsoshim's tables.go does.

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
	u32 links[linkSlots]; // where our own functions lead on to, in the kernel's
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
		if (b->link)
			t->links[b->link] = off;
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
