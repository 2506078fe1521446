// The generator's block function for this processor: vdsoshim's blocks_amd64.go says why.

struct processor {
	u32 family, model, xcr0, ebx7;
	int intel, avx, rdpid;
};

static void cpuid(u32 leaf, u32 r[4])
{
	__asm__ volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "a"(leaf), "c"(0));
}

static void look_at(struct processor *p)
{
	u32 r[4], last;
	memset(p, 0, sizeof *p);
	cpuid(0, r);
	last = r[0];
	p->intel = r[1] == 0x756e6547 && r[3] == 0x49656e69 && r[2] == 0x6c65746e; // "GenuineIntel"
	cpuid(1, r);
	p->family = r[0] >> 8 & 15;
	p->model = r[0] >> 4 & 15;
	if (p->family == 6 || p->family == 15)
		p->model |= r[0] >> 12 & 0xf0;
	if (p->family == 15)
		p->family += r[0] >> 20 & 0xff;
	p->avx = (r[2] >> 27 & 3) == 3; // OSXSAVE, AVX
	if (p->avx) {
		u32 high;
		__asm__ volatile("xgetbv" : "=a"(p->xcr0), "=d"(high) : "c"(0));
	}
	if (last < 7)
		return;
	cpuid(7, r);
	p->ebx7 = r[1];
	p->rdpid = r[2] >> 22 & 1;
}

static int slow_zmm(const struct processor *p)
{
	for (u64 i = 0; i < sizeof slow_models; i++)
		if (p->intel && p->family == 6 && p->model == slow_models[i])
			return 1;
	return 0;
}

static u32 best_blocks(const struct processor *p)
{
	const u32 avx2 = 1 << 5, avx512f = 1 << 16, avx512vl = 1U << 31, ymm = 0x6, zmm = 0xe6;
	int wide = p->avx && p->ebx7 & avx512f && (p->xcr0 & zmm) == zmm;
	if (wide && p->ebx7 & avx512vl && !slow_zmm(p))
		return chachaAvx512Off;
	if (p->avx && p->ebx7 & avx2 && (p->xcr0 & ymm) == ymm)
		return wide ? chachaAvx2ZmmOff : chachaAvx2Off;
	return chachaScalarOff;
}
