package vdsoshim

import "github.com/sysreflect/sysreflect/internal/elf"

// measure reads from an image's first page how many bytes of memory it takes.
func measure(head []byte) (uint64, error) {
	if string(head[:4]) != elf.ELFMAG {
		return 0, malformed("no ELF header")
	}
	end := uint64(0)
	table, ok := sub(head, le.Uint64(head[32:]), phdrSize*uint64(le.Uint16(head[56:])))
	if !ok {
		return 0, malformed("program headers outside the first page")
	}
	for ; len(table) > 0; table = table[phdrSize:] {
		off, size := le.Uint64(table[8:]), le.Uint64(table[32:])
		if elf.ProgType(le.Uint32(table)) == elf.PT_LOAD && off < maxImage && size < maxImage {
			end = max(end, off+size)
		}
	}
	return extent(head, end), nil
}

// extent is the size in whole pages of an image whose segments end at end: the
// kernel maps the file, section headers included.
func extent(header []byte, end uint64) uint64 {
	if shoff := le.Uint64(header[40:]); shoff < maxImage {
		end = max(end, shoff+shdrSize*uint64(le.Uint16(header[60:])))
	}
	return (min(end, maxImage) + PageSize - 1) &^ (PageSize - 1)
}
