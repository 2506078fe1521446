package machine

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/experiment/results"
)

// Describe says what is known of the machine; cpu is the processor that will
// measure, -1 for none.
func Describe(ctx context.Context, cpu int) results.Machine {
	var u unix.Utsname
	unix.Uname(&u)
	m := results.Machine{
		Kernel: unix.ByteSliceToString(u.Release[:]), Version: unix.ByteSliceToString(u.Version[:]),
		Arch: unix.ByteSliceToString(u.Machine[:]), CPU: Model(), CPUs: runtime.NumCPU(),
		Governor: governor(max(0, cpu)), Boost: boost(), SMT: read("/sys/devices/system/cpu/smt/control"),
		Hypervisor: hypervisor(), Mitigations: mitigations(),
		ClockSource: read("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
		LibC:        libc(ctx), Go: runtime.Version(), Measured: cpu, User: "unprivileged",
	}
	if os.Geteuid() == 0 {
		m.User = "root"
	}
	m.MHz, _ = strconv.ParseFloat(cpuinfo("cpu MHz"), 64)
	for i, field := range strings.Fields(read("/proc/loadavg")) {
		if i < len(m.Load) {
			m.Load[i], _ = strconv.ParseFloat(field, 64)
		}
	}
	return m
}

func read(path string) string {
	b, _ := os.ReadFile(path)
	return strings.TrimSpace(string(b))
}

// Model is the processor's name.
func Model() string {
	if s := cpuinfo("model name"); s != "" {
		return s
	}
	return "unknown"
}

func cpuinfo(key string) string {
	for line := range strings.Lines(read("/proc/cpuinfo")) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == key {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func hasFlag(flag string) bool {
	for _, f := range strings.Fields(cpuinfo("flags")) {
		if f == flag {
			return true
		}
	}
	return false
}

func governor(cpu int) string {
	return read(fmt.Sprintf("/sys/devices/system/cpu/cpu%d/cpufreq/scaling_governor", cpu))
}

// boost: drivers say it in one of two places, one of them the other way round.
func boost() string {
	switch read("/sys/devices/system/cpu/cpufreq/boost") + read("/sys/devices/system/cpu/intel_pstate/no_turbo") + "-" {
	case "1-":
		if read("/sys/devices/system/cpu/intel_pstate/no_turbo") == "1" {
			return "off"
		}
		return "on"
	case "0-":
		if read("/sys/devices/system/cpu/intel_pstate/no_turbo") == "0" {
			return "on"
		}
		return "off"
	}
	return ""
}

// hypervisor names what the processor says it runs under (CPUID leaf 0x40000000,
// behind the bit that the kernel shows as a flag).
func hypervisor() string {
	if !hasFlag("hypervisor") {
		return ""
	}
	_, b, c, d := cpuid(0x40000000)
	var id []byte
	for _, r := range []uint32{b, c, d} {
		id = append(id, byte(r), byte(r>>8), byte(r>>16), byte(r>>24))
	}
	name := strings.TrimRight(string(id), "\x00 ")
	known := [...][2]string{{"KVMKVMKVM", "KVM"}, {"Microsoft Hv", "Hyper-V"}, {"VMwareVMware", "VMware"}, {"XenVMMXenVMM", "Xen"},
		{"TCGTCGTCGTCG", "QEMU without KVM"}, {"bhyve bhyve", "bhyve"}, {"VBoxVBoxVBox", "VirtualBox"}, {"ACRNACRNACRN", "ACRN"}}
	for _, k := range known {
		if name == k[0] {
			return k[1]
		}
	}
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r > '~' }) {
		return "unknown"
	}
	return name
}

func mitigations() map[string]string {
	all := map[string]string{}
	files, _ := filepath.Glob("/sys/devices/system/cpu/vulnerabilities/*")
	for _, f := range files {
		all[filepath.Base(f)] = read(f)
	}
	return all
}

// libc names the C library of programs in PATH.
func libc(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "getconf", "GNU_LIBC_VERSION").Output(); err == nil {
		return strings.TrimSpace(string(out))
	}
	if found, _ := filepath.Glob("/lib/ld-musl-*.so.1"); len(found) > 0 {
		return "musl"
	}
	return ""
}

// Mitigated lists the vulnerabilities that cost something here, in short.
func Mitigated(m *results.Machine) (names []string) {
	for name, state := range m.Mitigations {
		if strings.HasPrefix(state, "Mitigation") {
			names = append(names, name)
		}
	}
	return names
}
