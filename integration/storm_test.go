package integration

import (
	"fmt"
	"testing"
)

// TestAlarmStorm makes calls while a signal comes every 50 microseconds. With
// SA_RESTART no call may fail. Without, the kernel lets one fail with EINTR that was
// not yet received by the supervisor (seccomp_do_user_notification): how many do is
// logged, and that they are few.
func TestAlarmStorm(t *testing.T) {
	storm := victim(t, "storm.c", "glibc")
	for _, s := range []struct{ how, what string }{
		{"restart", "raw"}, {"eintr", "raw"}, {"restart", "exec"}, {"eintr", "exec"},
	} {
		t.Run(s.what+", "+s.how, func(t *testing.T) {
			asEach(t, func(t *testing.T, who account) {
				p := program{argv: []string{storm, "50", s.how, s.what, "1"}, user: who}
				for _, argv := range [][]string{p.argv, underReflect(nil, p.argv...)} {
					o := p.run(t, argv)
					var calls, interrupted, wrong, alarms int
					if _, err := fmt.Sscanf(o.stdout, "calls %d interrupted %d wrong %d alarms %d", &calls, &interrupted, &wrong, &alarms); err != nil {
						t.Fatalf("%s %q %q", describe(o.status), o.stdout, o.stderr)
					}
					t.Logf("%d calls, %d interrupted (%.2f %%), %d alarms", calls, interrupted, 100*float64(interrupted)/float64(max(calls, 1)), alarms)
					if wrong > 0 || o.status != 0 || o.stderr != "" || calls == 0 {
						t.Errorf("%d calls, %d wrong, %s, %q", calls, wrong, describe(o.status), o.stderr)
					}
					if s.how == "restart" && interrupted > 0 {
						t.Errorf("%d of %d calls were interrupted in spite of SA_RESTART", interrupted, calls)
					}
					if interrupted > calls/3 {
						t.Errorf("%d of %d calls were interrupted", interrupted, calls)
					}
				}
			})
		})
	}
}

// TestUrgentStorm runs a Go program whose runtime interrupts itself all the time.
// Its handlers have SA_RESTART.
func TestUrgentStorm(t *testing.T) {
	asEach(t, func(t *testing.T, who account) {
		p := program{
			argv:  []string{victim(t, "gostorm", "go"), "1s"},
			user:  who,
			clean: func(s string) string { return digitsOnly.ReplaceAllString(s, "N N\n") },
		}
		p.works(t, "failed: 0 interrupted: 0")
	})
}
