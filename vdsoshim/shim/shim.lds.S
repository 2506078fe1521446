/*
 * One segment with offset = vaddr = 0: Go's runtime reads the dynamic segment
 * by file offset. The symbol tables come first and have room for what the
 * running kernel's vDSO exports; they are written anew at launch, in place.
 */
#include "shim.h"

OUTPUT_FORMAT("elf64-x86-64")
OUTPUT_ARCH(i386:x86-64)

SECTIONS
{
	. = SIZEOF_HEADERS;

	.hash : { *(.hash) . = 4 * (2 + ROOM_BUCKETS + ROOM_SYMBOLS); } :text
	.gnu.hash : ALIGN(8) { *(.gnu.hash) . = 16 + 8 * ROOM_BLOOM + 4 * (ROOM_BUCKETS + ROOM_SYMBOLS); } :text
	.dynsym : ALIGN(8) { *(.dynsym) . = 24 * ROOM_SYMBOLS; } :text
	.dynstr : { *(.dynstr) . = ROOM_STRINGS; } :text
	.gnu.version : ALIGN(2) { *(.gnu.version) . = 2 * ROOM_SYMBOLS; } :text
	.gnu.version_d : ALIGN(8) { *(.gnu.version_d) . = 28 * ROOM_VERSIONS; } :text
	.dynamic : ALIGN(8) { *(.dynamic) } :text :dynamic
	.note : ALIGN(4) { KEEP(*(.note.sysreflect)) . = ROOM_NOTES; } :text :note
	.eh_frame_hdr : ALIGN(4) { *(.eh_frame_hdr) . = . + 8 * ROOM_FRAMES; } :text :eh_frame_hdr
	.eh_frame : ALIGN(8) { KEEP(*(.eh_frame)) . = . + ROOM_FRAME_BYTES; LONG(0) } :text
	.plan : ALIGN(16) { KEEP(*(.plan)) } :text
	.copies : ALIGN(16) { KEEP(*(.copies)) } :text
	.rodata : ALIGN(64) { *(.rodata*) } :text
	.text : ALIGN(64) { *(.text*) } :text =0xcccccccc
	.exits EXITS_OFF : { *(.exits) } :text =0xcccccccc
	.stubs STUBS_OFF (NOLOAD) : { *(.stubs) } :text

	/DISCARD/ : {
		*(.comment) *(.note.*) *(.gnu.attributes)
	}

	/* Nothing may be written, and nothing may need the loader's help. */
	.bad : { *(.data*) *(.bss*) *(COMMON) *(.tdata*) *(.tbss*) *(.got) *(.got.plt) *(.plt*)
		 *(.rela*) *(.init*) *(.fini*) *(.ctors*) *(.dtors*) }
	ASSERT(SIZEOF(.bad) == 0, "the image has writable data or relocations")
}

PHDRS
{
	text PT_LOAD FLAGS(5) FILEHDR PHDRS;
	dynamic PT_DYNAMIC FLAGS(4);
	note PT_NOTE FLAGS(4);
	eh_frame_hdr PT_GNU_EH_FRAME FLAGS(4);
}

VERSION
{
	LINUX_2.6 {
	global:
		__vdso_clock_gettime; clock_gettime;
		__vdso_clock_getres; clock_getres;
		__vdso_gettimeofday; gettimeofday;
		__vdso_time; time;
		__vdso_getcpu; getcpu;
		__vdso_getrandom; getrandom;
	local: *;
	};
}
