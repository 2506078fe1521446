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
	atGate   site = iota // testGate
	away                 // another address in the same page
	gateHigh             // the gate's address plus 4 GiB: its low half alone is the same
	int80                // the 32-bit entry
)

const (
	awayAddr = testGate + 0x100
	intAddr  = testGate + 0x200
	highAddr = testGate + 1<<32
)

// ip returns the instruction pointer that a filter sees of calls from s.
func (s site) ip() uint64 {
	return map[site]uint64{atGate: testGate, away: awayAddr, gateHigh: highAddr, int80: intAddr}[s] + 2
}

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

// mapPage maps a page of code at addr's page and returns it.
func mapPage(addr uint64) ([]byte, error) {
	page := uintptr(addr) &^ 0xfff
	got, _, errno := unix.Syscall6(unix.SYS_MMAP, page, 4096, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC,
		unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_FIXED_NOREPLACE, ^uintptr(0), 0)
	if errno != 0 {
		return nil, fmt.Errorf("map %#x: %w", page, errno)
	}
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&got)), 4096), nil
}

// put writes code whose system call instruction stands at addr, and returns it
// as a function.
func put(page []byte, addr uint64, enter []byte, insn string) func(*frame) {
	at := int(addr&0xfff) - len(enter)
	copy(page[at:], enter)
	copy(page[at+len(enter):], insn)
	copy(page[at+len(enter)+2:], leave)
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
	low, err := mapPage(testGate)
	if err != nil {
		return err
	}
	high, err := mapPage(highAddr)
	if err != nil {
		return err
	}
	enter := [...]func(*frame){
		atGate:   put(low, testGate, enter64, "\x0f\x05"),
		away:     put(low, awayAddr, enter64, "\x0f\x05"),
		gateHigh: put(high, highAddr, enter64, "\x0f\x05"),
		int80:    put(low, intAddr, enter32, "\xcd\x80"),
	}
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
