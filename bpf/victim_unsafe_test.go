package bpf

import (
	"bytes"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	netbpf "golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// A victim is this test binary, started anew: it maps system call instructions
// at chosen addresses, installs filters on its one locked thread, makes calls
// from there and writes down what it got. It allocates nothing and meets no
// scheduler while it does that, so any filter that leaves write and exit_group
// alone can be tried.
type victimJob struct {
	Filters [][]netbpf.RawInstruction // in the order of installation
	Calls   []victimCall
	Loops   int  // how often to make the calls; beyond 1, only the time is reported
	Cache   bool // report the kernel's action cache
}

type victimCall struct {
	Site site
	Nr   int32
	Args [6]uint64
}

// A site is where a victim makes a call from.
type site uint8

const (
	atGate     site = iota // testGate
	away                   // another address in the same page
	gateHigh               // the gate's address plus 4 GiB: its low half alone is the same
	firstStub              // the first address at which a stub may make a call
	lastStub               // the last
	stubHigh               // a stub's address plus 4 GiB
	aboveStubs             // behind the last stub
	int80                  // the 32-bit entry
)

// addr is where s has its instruction.
func (s site) addr() uint64 {
	return [...]uint64{
		atGate: testGate, away: testGate + 0x100, gateHigh: testGate + 1<<32,
		firstStub: testExempt.Stubs, lastStub: testExempt.StubsEnd - syscallLen, stubHigh: testExempt.Stubs + 1<<32,
		aboveStubs: testExempt.StubsEnd + 0x100, int80: testGate + 0x200,
	}[s]
}

// ip returns the instruction pointer that a filter sees of calls from s.
func (s site) ip() uint64 { return s.addr() + syscallLen }

// The code takes the address of a frame in rax, as Go's register ABI passes a
// first argument, and uses no register that a Go function must preserve.
var (
	enter64 = []byte("\x49\x89\xc4" + // mov %rax,%r12
		"\x49\x8b\x04\x24\x49\x8b\x7c\x24\x08\x49\x8b\x74\x24\x10\x49\x8b\x54\x24\x18" + // rax rdi rsi rdx
		"\x4d\x8b\x54\x24\x20\x4d\x8b\x44\x24\x28\x4d\x8b\x4c\x24\x30") // r10 r8 r9
	enter32 = []byte("\x49\x89\xc4" +
		"\x41\x8b\x04\x24\x41\x8b\x5c\x24\x08\x41\x8b\x4c\x24\x10" + // eax ebx ecx
		"\x41\x8b\x54\x24\x18\x41\x8b\x74\x24\x20\x41\x8b\x7c\x24\x28") // edx esi edi
	leave = []byte("\x49\x89\x04\x24\xc3") // mov %rax,(%r12); ret
)

type frame struct {
	result uint64 // in: the number
	args   [6]uint64
}

// A code is mapped memory for instructions.
type code struct {
	base  uint64
	bytes []byte
}

// mapCode maps the pages from addr's to that of end.
func mapCode(addr, end uint64) (code, error) {
	page := uintptr(addr) &^ 0xfff
	size := uintptr(end)&^0xfff + 4096 - page
	got, _, errno := unix.Syscall6(unix.SYS_MMAP, page, size, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC,
		unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_FIXED_NOREPLACE, ^uintptr(0), 0)
	if errno != 0 {
		return code{}, fmt.Errorf("map %#x: %w", page, errno)
	}
	return code{uint64(page), unsafe.Slice(*(**byte)(unsafe.Pointer(&got)), size)}, nil
}

// put writes code whose system call instruction stands at addr, and returns it
// as a function.
func (c code) put(addr uint64, enter []byte, insn string) func(*frame) {
	at := int(addr-c.base) - len(enter)
	copy(c.bytes[at:], enter)
	copy(c.bytes[at+len(enter):], insn)
	copy(c.bytes[at+len(enter)+2:], leave)
	entry := &struct{ pc uintptr }{uintptr(addr) - uintptr(len(enter))}
	return *(*func(*frame))(unsafe.Pointer(&entry))
}

const victimEnv = "BPF_TEST_VICTIM"

func TestMain(m *testing.M) {
	if os.Getenv(victimEnv) != "" {
		if err := victim(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(3)
		}
	}
	os.Exit(m.Run())
}

func victim() error {
	var job victimJob
	if err := gob.NewDecoder(os.Stdin).Decode(&job); err != nil {
		return err
	}
	runtime.LockOSThread()
	debug.SetGCPercent(-1)
	low, err := mapCode(testGate, aboveStubs.addr())
	if err != nil {
		return err
	}
	high, err := mapCode(gateHigh.addr(), stubHigh.addr())
	if err != nil {
		return err
	}
	var enter [int80 + 1]func(*frame)
	for s := range int80 {
		in := low
		if s == gateHigh || s == stubHigh {
			in = high
		}
		enter[s] = in.put(s.addr(), enter64, "\x0f\x05")
	}
	enter[int80] = low.put(int80.addr(), enter32, "\xcd\x80")
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	for _, f := range job.Filters {
		prog := unix.SockFprog{Len: uint16(len(f)), Filter: (*unix.SockFilter)(unsafe.Pointer(&f[0]))}
		if _, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&prog))); errno != 0 {
			return fmt.Errorf("install: %w", errno)
		}
	}
	fr := new(frame)
	report := func(v *uint64) {
		unix.RawSyscall(unix.SYS_WRITE, 1, uintptr(unsafe.Pointer(v)), 8)
	}
	if job.Loops > 1 {
		start := time.Now()
		for range job.Loops {
			for i := range job.Calls {
				c := &job.Calls[i]
				fr.result, fr.args = uint64(uint32(c.Nr)), c.Args
				enter[c.Site](fr)
			}
		}
		ns := uint64(time.Since(start))
		report(&ns)
	} else {
		for i := range job.Calls {
			c := &job.Calls[i]
			fr.result, fr.args = uint64(uint32(c.Nr)), c.Args
			enter[c.Site](fr)
			report(&fr.result)
		}
	}
	if job.Cache {
		b, err := os.ReadFile("/proc/thread-self/seccomp_cache")
		if err != nil {
			return err
		}
		os.Stdout.Write(b)
	}
	unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
	return nil
}

// start runs a victim and returns what it wrote and how it ended.
func (j victimJob) start(t testing.TB) ([]byte, syscall.WaitStatus) {
	t.Helper()
	var in, out, msg bytes.Buffer
	if err := gob.NewEncoder(&in).Encode(j); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), victimEnv+"=1", "GODEBUG=asyncpreemptoff=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = &in, &out, &msg
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if msg.Len() > 0 {
		t.Fatalf("victim: %s", strings.TrimSpace(msg.String()))
	}
	return out.Bytes(), status
}

// run makes the calls and returns their results.
func (j victimJob) run(t testing.TB) ([]int64, syscall.WaitStatus) {
	t.Helper()
	out, status := j.start(t)
	var results []int64
	for ; len(out) >= 8; out = out[8:] {
		results = append(results, int64(binary.NativeEndian.Uint64(out)))
	}
	return results, status
}
