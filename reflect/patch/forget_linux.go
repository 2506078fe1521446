package patch

import (
	"bufio"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/reflect/site"
	"github.com/sysreflect/sysreflect/vdsoshim"
)

// maxSearched bounds the code of a file that is searched for calls, in bytes: a
// program waits for it. C libraries have one or two MiB.
const maxSearched = 32 << 20

// losing are the C library's functions for the calls.
var losing = [...]string{"munmap", "mprotect", "mmap", "mremap", "brk", "madvise", "shmat", "shmdt", "remap_file_pages", "pkey_mprotect"}

// A telling is a process all of whose calls tell the generator, as far as it is known
// from one of its files.
type telling struct {
	pid      int
	f        *file
	executed uint64
}

// forgetful makes calls by which a process may lose pages tell the generator, once
// a call is led there: it writes to pages that the kernel has just written to, and
// must not find them gone (see shim_reflected_getrandom). The calls stand in the file f,
// whose site was patched, or in the C library. Where one is not found, or can't be
// patched, the page is remembered for at most a batch.
//
// Patches are made one by one, so that others have their turn.
func (p *Patcher) forgetful(pid int, f *file, m mapping, valid func() bool) {
	if len(p.image.Forgets()) == 0 {
		return
	}
	now := telling{pid, f, p.executed.Load()}
	p.mu.Lock()
	known := p.told == now
	p.mu.Unlock()
	if known {
		return
	}
	proc, err := open(pid)
	if err != nil {
		return
	}
	defer proc.close()
	if !valid() {
		return
	}
	if generator, err := readWord(proc, p.base+vdsoshim.LinkOff+8*vdsoshim.LinkGenerator); err != nil || generator == 0 {
		return
	}
	defer func() {
		p.mu.Lock()
		p.told = now
		p.mu.Unlock()
	}()
	if p.forgetIn(proc, f, m) {
		return // it is the C library, or has one
	}
	maps, err := os.Open("/proc/" + strconv.Itoa(pid) + "/maps")
	if err != nil {
		return
	}
	defer maps.Close()
	for s := bufio.NewScanner(maps); s.Scan(); {
		m, err := parseMapping(s.Text())
		if err != nil || m.perms != "r-xp" || m.inode == 0 {
			continue
		}
		p.making.Lock()
		other, err := p.files.find(proc, m)
		p.making.Unlock()
		if err == nil && other != f {
			p.forgetIn(proc, other, m)
		}
	}
}

// forgetIn patches the sites of one file, and reports whether it unmaps memory.
func (p *Patcher) forgetIn(proc *process, f *file, m mapping) (unmaps bool) {
	bias, ok := f.code.Bias(m.start, m.offset)
	if !ok {
		return false
	}
	p.making.Lock()
	f.searching.Lock() // so that the file stays mapped
	err := error(nil)
	if !f.searched {
		err = p.files.need(f, proc, m)
	}
	p.making.Unlock()
	var plans []*site.Plan
	if err == nil {
		plans = f.forgets(p.image.Forgets())
	}
	f.searching.Unlock()
	for _, plan := range plans {
		unmaps = unmaps || plan.Number == unix.SYS_MUNMAP
		p.making.Lock()
		p.patch(proc, plan, bias, plan.Number, 0, nil)
		p.making.Unlock()
	}
	return unmaps
}

// forgets finds the sites of a file that make one of some calls, once. searching is held.
func (f *file) forgets(numbers []int) []*site.Plan {
	if !f.searched {
		f.searched = true
		guarded(func() error {
			for _, at := range f.code.SitesWith(numbers, losing[:], maxSearched) {
				if plan, err := f.code.Analyze(at); err == nil && slices.Contains(numbers, plan.Number) {
					f.forgetting = append(f.forgetting, plan)
				}
			}
			return nil
		})
	}
	return f.forgetting
}
