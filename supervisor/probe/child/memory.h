// Mappings and memory files.

enum { F_ADD_SEALS = 1033, SEAL_FUTURE_WRITE = 0x10, MFD_CLOEXEC = 1, MFD_ALLOW_SEALING = 2, MFD_EXEC = 0x10 };

static int is_error(long r) { return r < 0 && r > -4096; }

static long memfd(u64 flags)
{
	long fd = SYS(SYS_memfd_create, "reflect-probe", flags | MFD_EXEC);
	if (fd == -22) // Linux < 6.3 does not know MFD_EXEC
		fd = SYS(SYS_memfd_create, "reflect-probe", flags);
	return fd;
}

// map_low: the shim's place. arg[0]: address; arg[1]: length.
static void map_low(void)
{
	long fd = memfd(MFD_CLOEXEC);
	if (fd < 0)
		no(SYS_memfd_create, fd);
	MUST(SYS_ftruncate, fd, arg[1]);
	long r = SYS(SYS_mmap, arg[0], arg[1], PROT_R | PROT_X, MAP_PRIVATE | MAP_FIXED_NOREPLACE, fd, 0);
	if (is_error(r))
		no(SYS_mmap, r);
	if ((u64)r != arg[0]) // before Linux 4.17 the flag is a hint
		no(SYS_mmap, 0);
	yes(0);
}

// memfd_exec: executes a memory file that ends at once.
static void memfd_exec(void)
{
	enum { BASE = 0x400000, HEAD = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr) };
	static const struct {
		Elf64_Ehdr e;
		Elf64_Phdr p;
		u8 code[9];
	} elf = {
		.e = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT }, .e_type = ET_EXEC,
		       .e_machine = EM_X86_64, .e_version = EV_CURRENT, .e_entry = BASE + HEAD, .e_phoff = sizeof(Elf64_Ehdr),
		       .e_ehsize = sizeof(Elf64_Ehdr), .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 1 },
		.p = { .p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_vaddr = BASE, .p_filesz = HEAD + 9, .p_memsz = HEAD + 9 },
		.code = { 0x31, 0xff, 0xb8, SYS_exit, 0, 0, 0, 0x0f, 0x05 }, // xor %edi,%edi; mov $60,%eax; syscall
	};
	long fd = memfd(MFD_CLOEXEC);
	if (fd < 0)
		no(SYS_memfd_create, fd);
	MUST(SYS_write, fd, &elf, sizeof elf);
	long pid = spawn(0);
	if (pid == 0) {
		char *none[] = { 0 };
		shared->number = SYS(SYS_execveat, fd, "", none, none, 0x1000 /* AT_EMPTY_PATH */);
		quit(1);
	}
	if (await(pid))
		no(SYS_execveat, shared->number);
	yes(0);
}

// seal: no new writable mapping, while an old one stays.
static void seal(void)
{
	long fd = memfd(MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		no(SYS_memfd_create, fd);
	MUST(SYS_ftruncate, fd, 4096);
	volatile char *old = (void *)MUST(SYS_mmap, 0, 4096, PROT_R | PROT_W, MAP_SHARED, fd, 0);
	long r = SYS(SYS_fcntl, fd, F_ADD_SEALS, SEAL_FUTURE_WRITE);
	if (r < 0)
		no(SYS_fcntl, r);
	*old = 1;
	if (!is_error(SYS(SYS_mmap, 0, 4096, PROT_R | PROT_W, MAP_SHARED, fd, 0)))
		no(SYS_mmap, 0);
	yes(0);
}

static void droppable(void)
{
	long r = SYS(SYS_mmap, 0, 4096, PROT_R | PROT_W, MAP_DROPPABLE | MAP_ANON, -1, 0);
	if (is_error(r))
		no(SYS_mmap, r);
	yes(0);
}

// mm_map: replaces the kernel's copy of the auxiliary vector, with a map of this
// process that the kernel finds valid (validate_prctl_map_addr).
static void mm_map(void)
{
	static u64 auxv[4];
	u64 here = (u64)auxv & ~4095UL, brk = MUST(SYS_brk, 0);
	struct prctl_mm_map m = {
		.start_code = here, .end_code = here + 1, .start_data = here, .end_data = here + 1,
		.start_brk = brk, .brk = brk, .start_stack = here,
		.arg_start = here, .arg_end = here + 1, .env_start = here, .env_end = here + 1,
		.auxv = (void *)auxv, .auxv_size = sizeof auxv, .exe_fd = -1,
	};
	long r = SYS(SYS_prctl, PR_SET_MM, PR_SET_MM_MAP, &m, sizeof m, 0);
	if (r < 0)
		no(SYS_prctl, r);
	yes(0);
}
