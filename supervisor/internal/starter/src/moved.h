// The kernel's vDSO, moved into the region, with unwind tables for there, as vdsoshim's moved.go
// does it, and to the same bytes.

static u32 get32(const unsigned char *at) { return *(const u32 *)at; }

// plain_common reports whether all that is special about common information (CIE) is how addresses
// are encoded, and that as we know it.
static int plain_common(const unsigned char *b, u64 size)
{
	const unsigned char *end = b + size;
	if (b[8] != 1 || b[9] != 'z' || b[10] != 'R' || b[11])
		return 0;
	b += 12;
	for (int i = 0; i < 2; i++) { // factors of code and data, LEB128
		while (b < end && *b & 0x80)
			b++;
		if (b++ >= end)
			return 0;
	}
	return end - b >= 3 && b[1] == 1 && b[2] == 0x1b; // DW_EH_PE_pcrel | DW_EH_PE_sdata4
}

// add_frames copies the kernel's unwind tables behind the image's own, for an image whose first byte is at
// that offset of the region.
static int add_frames(unsigned char *image, const struct kernel *k, u64 first)
{
	struct {
		u64 function, entry;
	} frames[(frameTableRoomSize - 12) / 8];
	struct {
		u64 was, is;
	} commons[8];
	const unsigned char *header = 0, *from = 0;
	unsigned char *own = image + frameRoom, *table = image + frameTableRoom;
	u64 begin = 0, left = 0, used = 0, have = get32(table + 8);
	u32 known = 0, n = 0;
	for (const Elf64_Phdr *p = k->segments; p < k->segments + k->segments_count; p++)
		if (p->p_type == PT_GNU_EH_FRAME) {
			header = k->at + (p->p_vaddr - k->bias);
			begin = p->p_vaddr + 4 + (s64)(s32)get32(header + 4);
		}
	if (!header || header[0] != 1 || header[1] != 0x1b || header[2] != 3 /* DW_EH_PE_udata4 */)
		return 0;
	const u64 count = get32(header + 8);
	for (const Elf64_Phdr *p = k->segments; p < k->segments + k->segments_count; p++)
		if (p->p_type == PT_LOAD && begin >= p->p_vaddr && begin - p->p_vaddr < p->p_filesz) {
			from = k->at + (begin - k->bias);
			left = p->p_filesz - (begin - p->p_vaddr);
		}
	if (!from || !count || 12 + 8 * (have + count) > frameTableRoomSize)
		return 0;
	for (u32 size; (size = get32(own + used)); used += 4 + size)
		;
	u64 out = used;
	for (u64 pos = 0, size; n < count; pos += size, out += size) {
		if (left < pos + 8 || (size = 4UL + get32(from + pos)) < 16 || size > left - pos || out + size + 4 > frameRoomSize)
			goto unknown;
		unsigned char *record = own + out;
		memcpy(record, from + pos, size);
		u64 id = get32(record + 4);
		if (!id) {
			if (known == sizeof commons / sizeof *commons || !plain_common(record, size))
				goto unknown;
			commons[known].was = pos;
			commons[known++].is = out;
			continue;
		}
		u32 common = 0;
		while (common < known && commons[common].was != pos + 4 - id)
			common++;
		u64 function = begin + pos + 8 + (s64)(s32)get32(record + 8) - k->bias;
		if (common == known || size < 17 || function >= k->size)
			goto unknown;
		put32(record + 4, out + 4 - commons[common].is); // both are relative to where they stand
		put32(record + 8, first + function - (frameRoom + out + 8));
		u32 i = n++;
		for (; i && frames[i - 1].function > function; i--)
			frames[i] = frames[i - 1];
		frames[i].function = function;
		frames[i].entry = frameRoom + out;
	}
	for (u32 i = 0; i < n; i++) { // all of the image's own are before them
		put32(table + 12 + 8 * (have + i), first + frames[i].function - frameTableRoom);
		put32(table + 16 + 8 * (have + i), frames[i].entry - frameTableRoom);
	}
	put32(table + 8, have + n);
	set_section(image, frameRoom, out + 4);
	set_section(image, frameTableRoom, 12 + 8 * (have + n));
	return 1;
unknown:
	memset(own + used, 0, frameRoomSize - used);
	return 0;
}

// move_kernel has the handoff move the kernel's vDSO, if its data are in front of it.
static void move_kernel(unsigned char *image, const struct kernel *k)
{
	unsigned char *moved = image + planOff + planMoved;
	u64 all = 0;
	for (u32 i = 0; i < k->mappings; i++)
		all += k->data[i];
	if (!k->mappings || all + k->size > KernelRoom || !add_frames(image, k, KernelOff + all))
		return;
	for (u32 i = 0; i < k->mappings; i++)
		put32(moved + 4 * (maxMoved - 1 - k->mappings + i), k->data[i]);
	put32(moved + 4 * (maxMoved - 1), k->size);
}
