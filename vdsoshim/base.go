package vdsoshim

import (
	"encoding/binary"
	"fmt"
)

const (
	// baseFloor keeps the region away from page zero, whatever the system
	// allows: NULL with an offset should fault.
	baseFloor = 64 << 10
	// baseCeiling is where the lowest programs begin: those that LLD linked.
	baseCeiling = 2 << 20
	// valgrindPIE is where valgrind loads position independent programs, without
	// regard for what is there (coregrind/m_ume/elf.c).
	valgrindPIE = 0x108000
)

// BaseRange are the lowest address that a region may begin at and the highest that one
// usually ends at.
func BaseRange() (low, high uint64) { return baseFloor, valgrindPIE }

// Base chooses a run's address for the region, at random between the system's
// lowest mappable address (vm.mmap_min_addr) and where valgrind loads programs, or
// 2 MiB where there is no room before that.
func Base(mmapMin uint64) (uint64, error) {
	low := (max(mmapMin, baseFloor) + PageSize - 1) / PageSize
	high := uint64(baseCeiling-RegionSize) / PageSize // inclusive
	if below := uint64(valgrindPIE-RegionSize) / PageSize; low <= below {
		high = below
	}
	if mmapMin > baseCeiling || low > high {
		return 0, fmt.Errorf("no room for the shim below %#x: vm.mmap_min_addr is %d", baseCeiling, mmapMin)
	}
	var b [8]byte
	if err := randomBytes(b[:]); err != nil {
		return 0, fmt.Errorf("choose the shim's address: %w", err)
	}
	// A few hundred values out of 2^64: the remainder's bias is nothing.
	return (low + binary.LittleEndian.Uint64(b[:])%(high-low+1)) * PageSize, nil
}
