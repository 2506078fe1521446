// Signals for a program that runs already when the Go runtime begins.
//
// They wait, being blocked, until the relay takes them. But some the runtime unblocks in each
// of its threads, and has them end the process, before any code of ours runs (blockableSig,
// sighandler). So these have a handler before, and the runtime's table says that
// nobody asked for one of its own.

struct signal_row { // runtime.sigTabT
	s32 flags, pad;
	const char *name;
	u64 length;
};

#define ROWS 65
#define NOT_MONITORED 16 // _SigDefault: initsig leaves it alone

// signal_table finds the runtime's table by the executable's symbols; 0 where there are none.
static struct signal_row *signal_table(void)
{
	struct signal_row *found = 0;
	long fd = SYS(SYS_open, "/proc/self/exe", 02000000 /* O_CLOEXEC */, 0);
	long size = SYS(SYS_lseek, fd, 0, 2 /* SEEK_END */);
	u64 at = SYS(SYS_mmap, 0, size, 1 /* PROT_READ */, 2 /* MAP_PRIVATE */, fd, 0);
	SYS(SYS_close, fd);
	if (size < (long)PageSize || fails(at))
		return 0;
	const Elf64_Ehdr *e = (const Elf64_Ehdr *)at;
	const Elf64_Shdr *all = (const Elf64_Shdr *)(at + e->e_shoff), *s = all;
	if (e->e_type == ET_EXEC && e->e_shoff + e->e_shnum * sizeof *s <= (u64)size)
		for (; s < all + e->e_shnum && !found; s++) {
			const Elf64_Shdr *strings = all + s->sh_link;
			if (s->sh_type != SHT_SYMTAB || s->sh_link >= e->e_shnum || s->sh_offset + s->sh_size > (u64)size ||
			    strings->sh_offset + strings->sh_size > (u64)size)
				continue;
			const char *names = (const char *)(at + strings->sh_offset);
			const Elf64_Sym *first = (const Elf64_Sym *)(at + s->sh_offset);
			// Data stands behind functions.
			for (const Elf64_Sym *y = first + s->sh_size / sizeof *y; y-- > first && !found;)
				if (y->st_size == ROWS * sizeof *found && y->st_name < strings->sh_size && same(names + y->st_name, "runtime.sigtable"))
					found = (struct signal_row *)y->st_value;
		}
	SYS(SYS_munmap, at, size);
	return found;
}

static void catch_signals(int *pipe, u64 handler, u64 restorer)
{
	struct ksigaction caught = { handler, 0x1c000004 /* SA_RESTART | SA_ONSTACK | SA_RESTORER | SA_SIGINFO */, restorer, ~0UL };
	struct signal_row *table = signal_table();
	if (!table || SYS(SYS_pipe2, pipe, 02004000 /* O_CLOEXEC | O_NONBLOCK */))
		return; // the relay makes one, or says why it can't
	for (u64 i = 0; i < sizeof unblocked / sizeof *unblocked; i++) {
		struct signal_row *row = table + unblocked[i].number;
		if (row->flags == unblocked[i].flags) {
			row->flags |= NOT_MONITORED;
			SYS(SYS_rt_sigaction, unblocked[i].number, &caught, 0, 8);
		}
	}
}
