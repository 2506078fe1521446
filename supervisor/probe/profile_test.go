package probe

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const (
	eperm  = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	enosys = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
)

// TestProfiles runs the probes under profiles like those of containers, and
// wants each forbidden call to be named.
func TestProfiles(t *testing.T) {
	for _, tc := range []struct {
		name     string
		rules    []rule
		calls    map[string]string // forbidden, and the answer
		features map[string]string // not there, and a part of why
		usable   bool
	}{
		{
			name:     "pidfd_getfd, EPERM",
			rules:    []rule{{unix.SYS_PIDFD_GETFD, eperm}},
			calls:    map[string]string{"pidfd_getfd": "EPERM"},
			features: map[string]string{"pidfd_getfd": "seccomp profile answers pidfd_getfd with EPERM"},
			usable:   true,
		},
		{
			name:     "pidfd_getfd, ENOSYS",
			rules:    []rule{{unix.SYS_PIDFD_GETFD, enosys}},
			calls:    map[string]string{"pidfd_getfd": "ENOSYS"},
			features: map[string]string{"pidfd_getfd": "seccomp profile answers pidfd_getfd with ENOSYS"},
			usable:   true,
		},
		{
			name:  "ptrace",
			rules: []rule{{unix.SYS_PTRACE, eperm}},
			calls: map[string]string{"ptrace": "EPERM"},
			features: map[string]string{
				"ptrace_child": "answers ptrace with EPERM", "ptrace_other": "answers ptrace with EPERM", "ret_trace": "answers ptrace with EPERM",
				"ptrace_get_syscall_info": "answers ptrace with EPERM", "ptrace_set_syscall_info": "answers ptrace with EPERM",
				"ptrace_sysemu": "answers ptrace with EPERM", "proc_mem_force_traced": "answers ptrace with EPERM",
			},
		},
		{
			name:  "seccomp",
			rules: []rule{{unix.SYS_SECCOMP, enosys}},
			calls: map[string]string{"seccomp": "ENOSYS"},
			features: map[string]string{
				"seccomp_filter": "answers seccomp with ENOSYS", "user_notif": "answers seccomp with ENOSYS",
				"user_notif_continue": "answers seccomp", "wait_killable_recv": "answers seccomp", "sync_wake_up": "answers seccomp",
				"addfd": "answers seccomp", "addfd_send": "answers seccomp", "ret_trap": "answers seccomp", "ret_trace": "answers seccomp",
				"ret_log": "answers seccomp", "ret_kill_process": "answers seccomp", "vdso_clock": "answers seccomp",
				"second_listener": "answers seccomp",
			},
		},
		{
			name:     "process_vm_*",
			rules:    []rule{{unix.SYS_PROCESS_VM_READV, eperm}, {unix.SYS_PROCESS_VM_WRITEV, eperm}},
			calls:    map[string]string{"process_vm_readv": "EPERM", "process_vm_writev": "EPERM"},
			features: map[string]string{"process_vm_readv": "answers process_vm_readv", "process_vm_writev": "answers process_vm_writev"},
		},
		{
			name:  "memfd_create",
			rules: []rule{{unix.SYS_MEMFD_CREATE, eperm}},
			calls: map[string]string{"memfd_create": "EPERM"},
			features: map[string]string{
				"memfd_exec": "answers memfd_create", "seal_future_write": "answers memfd_create", "map_low": "answers memfd_create",
			},
		},
		{
			name:     "execveat",
			rules:    []rule{{unix.SYS_EXECVEAT, eperm}},
			calls:    map[string]string{"execveat": "EPERM"},
			features: map[string]string{"memfd_exec": "answers execveat"},
		},
		{
			name:  "a profile that kills",
			rules: []rule{{unix.SYS_PTRACE, unix.SECCOMP_RET_KILL_PROCESS}, {unix.SYS_MEMFD_CREATE, unix.SECCOMP_RET_KILL_PROCESS}},
			calls: map[string]string{"ptrace": "killed", "memfd_create": "killed"},
			features: map[string]string{
				"ptrace_child": "kills on ptrace, memfd_create", "ptrace_other": "", "ret_trace": "", "ptrace_get_syscall_info": "",
				"ptrace_set_syscall_info": "", "ptrace_sysemu": "", "proc_mem_force_traced": "", "memfd_exec": "", "seal_future_write": "",
				"map_low": "",
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var list []string
			for _, r := range tc.rules {
				list = append(list, fmt.Sprintf("%d:%#x", r.nr, r.action))
			}
			r := probed(t, nil, "forbid="+strings.Join(list, ","))
			if r.Process.Seccomp != 2 || !r.Process.NoNewPrivs {
				t.Errorf("process: %+v", r.Process)
			}
			for _, c := range r.Calls {
				want, forbidden := tc.calls[c.Name]
				if c.Forbidden != forbidden || forbidden && c.Answer != want {
					t.Errorf("call %+v, want forbidden: %v %s", c, forbidden, want)
				}
			}
			for _, f := range r.Features {
				why, missing := tc.features[f.Name]
				switch {
				case missing && (f.Status == Yes || !strings.Contains(f.Why, why)):
					t.Errorf("%s: %+v, want it missing because of %q", f.Name, f, why)
				case !missing && f.Status != Yes && optional[f.Name] == nil:
					t.Errorf("%s: %+v, which nobody forbade", f.Name, f)
				}
			}
			if r.Usable() != tc.usable {
				t.Errorf("usable: %v: %+v", r.Usable(), r.Mechanisms)
			}
			var text bytes.Buffer
			r.WriteText(&text)
			for name, answer := range tc.calls {
				if !strings.Contains(text.String(), "Forbidden by a seccomp profile") || !strings.Contains(text.String(), name) {
					t.Errorf("the text does not name %s (%s):\n%s", name, answer, text.String())
				}
			}
		})
	}
}

func TestUnderListener(t *testing.T) {
	r := probed(t, nil, "listen")
	if r.Process.Listener != Yes {
		t.Errorf("process: %+v", r.Process)
	}
	for _, name := range []string{"user_notif", "addfd_send", "sync_wake_up"} {
		if f, _ := r.Feature(name); f.Status == Yes || !strings.Contains(f.Why, "already has a listener") {
			t.Errorf("%s: %+v", name, f)
		}
	}
	for _, name := range []string{"ret_trap", "ptrace_child", "ret_trace", "memfd_exec"} {
		if f, _ := r.Feature(name); f.Status != Yes {
			t.Errorf("%s: %+v", name, f)
		}
	}
	for _, m := range r.Mechanisms {
		if m.Usable || m.Available && !strings.Contains(m.Why, "already has a listener") {
			t.Errorf("%s: %+v", m.Name, m)
		}
	}
	if r.Usable() {
		t.Error("said to be usable")
	}
}
