package probe

import (
	"bytes"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A Process is who asked: what of it decides what it may do.
type Process struct {
	UID        int      `json:"uid"` // effective
	SysAdmin   bool     `json:"cap_sys_admin"`
	SysPtrace  bool     `json:"cap_sys_ptrace"`
	NoNewPrivs bool     `json:"no_new_privs"`
	Seccomp    int      `json:"seccomp"`         // 0 none, 1 strict, 2 filters
	Filters    int      `json:"seccomp_filters"` // how many; -1 before Linux 5.9
	Listener   Status   `json:"under_listener"`  // a listener already serves this process
	Tracer     int      `json:"tracer"`          // pid, 0 for none
	UserNS     bool     `json:"user_namespace"`  // not the initial one
	Container  string   `json:"container,omitempty"`
	LSM        []string `json:"lsm"`
	Label      string   `json:"lsm_label,omitempty"` // AppArmor profile, SELinux context
	Yama       int      `json:"yama_ptrace_scope"`   // -1 without Yama
	MinAddr    uint64   `json:"mmap_min_addr"`
	MemfdExec  int      `json:"memfd_noexec"` // vm.memfd_noexec; -1 before Linux 6.3
	Clock      string   `json:"clocksource,omitempty"`
}

// describeProcess reads what /proc says of the calling thread.
func describeProcess() Process {
	p := Process{
		UID: os.Geteuid(), Filters: -1, Listener: Unknown, Label: label(), Container: container(),
		Yama: sysctl("kernel/yama/ptrace_scope"), MemfdExec: sysctl("vm/memfd_noexec"),
		MinAddr: uint64(max(0, sysctl("vm/mmap_min_addr"))), UserNS: inUserNamespace(),
		Clock: read("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
	}
	status, _ := os.ReadFile("/proc/thread-self/status")
	for line := range bytes.Lines(status) {
		key, value, _ := strings.Cut(strings.TrimSpace(string(line)), ":")
		value = strings.TrimSpace(value)
		n, _ := strconv.Atoi(value)
		switch key {
		case "TracerPid":
			p.Tracer = n
		case "NoNewPrivs":
			p.NoNewPrivs = n != 0
		case "Seccomp":
			p.Seccomp = n
		case "Seccomp_filters":
			p.Filters = n
		case "CapEff":
			caps, _ := strconv.ParseUint(value, 16, 64)
			p.SysAdmin = caps>>unix.CAP_SYS_ADMIN&1 != 0
			p.SysPtrace = caps>>unix.CAP_SYS_PTRACE&1 != 0
		}
	}
	return p
}

func read(path string) string {
	b, _ := os.ReadFile(path)
	return strings.TrimSpace(string(b))
}

func sysctl(name string) int {
	n, err := strconv.Atoi(read("/proc/sys/" + name))
	if err != nil {
		return -1
	}
	return n
}

// inUserNamespace: only the initial user namespace maps all ids to themselves.
func inUserNamespace() bool {
	m := strings.Fields(read("/proc/self/uid_map"))
	return len(m) > 0 && (len(m) != 3 || m[0] != "0" || m[1] != "0" || m[2] != "4294967295")
}

func label() string {
	l := strings.TrimRight(read("/proc/thread-self/attr/current"), "\x00")
	if l == "unconfined" {
		return ""
	}
	return l
}

// container names the container's engine by the marks that it leaves.
func container() string {
	if _, err := os.Stat("/.dockerenv"); err == nil {
		return "docker"
	}
	if _, err := os.Stat("/run/.containerenv"); err == nil {
		return "podman"
	}
	if s := read("/run/systemd/container"); s != "" { // man 5 systemd's container interface
		return s
	}
	cgroups := read("/proc/self/cgroup")
	for _, mark := range []string{"kubepods", "docker", "libpod", "lxc", "containerd"} {
		if strings.Contains(cgroups, mark) {
			return mark
		}
	}
	return os.Getenv("container")
}

// lsmNames are the modules by LSM_ID_* - 100, linux/lsm.h.
var lsmNames = [...]string{"capability", "selinux", "smack", "tomoyo", "apparmor", "yama", "loadpin", "safesetid",
	"lockdown", "bpf", "landlock", "ima", "evm", "ipe"}

// securityModules lists the active modules. Linux < 6.8 has no call for it, and
// the file needs securityfs mounted.
func securityModules(n *nursery) []string {
	if s := read("/sys/kernel/security/lsm"); s != "" {
		return strings.Split(s, ",")
	}
	names := []string{}
	if r, err := n.ask("lsm"); err == nil && r.verdict == saysYes {
		for i, name := range lsmNames {
			if r.value>>i&1 != 0 {
				names = append(names, name)
			}
		}
	}
	return names
}
