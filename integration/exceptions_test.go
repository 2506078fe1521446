package integration

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// subjects are the programs of behaviour/, in the order of the table.
var subjects = []subject{
	{source: "registers.c", how: "glibc"},
	{source: "buffers.c", how: "glibc"},
	{source: "signals.c", how: "glibc"},
	{source: "interrupts.c", how: "glibc"},
	{source: "sigsys.c", how: "glibc"},
	{source: "faults.c", how: "glibc"},
	{source: "threads.c", how: "glibc"},
	{source: "threadends.c", how: "glibc"},
	{source: "processes.c", how: "glibc"},
	{source: "clones.c", how: "glibc"},
	{source: "execs.c", how: "glibc"},
	{source: "debug.c", how: "glibc"},
	{source: "filters.c", how: "glibc"},
	{source: "code.c", how: "glibc"},
	{source: "self.c", how: "glibc"},
	{source: "registers.c", how: "musl", only: []string{"general_registers", "red_zone", "stack_of_800_bytes"}},
	{source: "registers.c", how: "glibc-no-pie", only: []string{"general_registers", "red_zone"}},
	{source: "buffers.c", how: "static-pie", only: []string{"bad_pointers", "straddles_a_page_boundary", "clock_pointers"}},
	{source: "signals.c", how: "musl-static", only: []string{"handler_makes_reflected_calls", "dispositions_read_back"}},
	{source: "signals.c", how: "glibc-static", only: []string{"nested_handlers", "alternate_stack"}},
	{source: "interrupts.c", how: "musl-static", only: []string{"jumps_out_of_reflected_calls", "waiting_for_signals"}},
	{source: "threads.c", how: "musl", only: []string{"sixty_four_threads", "user_changes_in_all_threads", "signal_to_one_thread"}},
	{source: "threadends.c", how: "musl", only: []string{"cancellation"}},
	{source: "threads.c", how: "static-pie", only: []string{"create_and_join", "thread_storage"}},
	{source: "processes.c", how: "musl-static", only: []string{"fork_makes_a_copy", "vfork_and_exec"}},
	{source: "clones.c", how: "musl-static", only: []string{"clone_with_its_own_stack"}},
	{source: "execs.c", how: "glibc-no-pie", only: []string{"exec_in_its_forms", "exec_by_another_thread"}},
	{source: "execs.c", how: "musl", only: []string{"exec_in_its_forms", "exec_that_fails"}},
}

// An exception is a behaviour that differs in some columns, for a reason that
// docs/mechanisms.md gives.
type exception struct {
	row     string
	columns string // names, separated by blanks; every is all of them
	shows   string // what the difference contains
	reason  string
	anchor  string // the heading in docs/mechanisms.md
}

const every = "every"

// inProgram are the columns in which calls are answered, and passed through, by code in
// the program.
const inProgram = "auto nobody patch patch*"

var exceptions = []exception{
	{"registers/direction_flag_in_r11", "auto nobody patch", "+ getrandom: 64 of 64 right, r11",
		"without a stack the direction flag can't be read into r11", "patch"},
	{"registers/alignment_flag_in_r11", "auto nobody patch", ", r11",
		"without a stack the alignment flag can't be read into r11", "patch"},
	{"registers/alignment_flag_and_buffer", "auto nobody patch", "the end:",
		"where the program has its alignment checked, the shim's accesses are checked too", "patch"},
	{"faults/single_steps", inProgram, "- 5 steps",
		"a program that steps through itself counts the shim's instructions", "patch"},
	{"debug/tracer_single_steps", inProgram, " steps, ",
		"a debugger that steps by instructions goes through the stub and the shim", "patch"},
	{"filters/filter_by_instruction_pointer_of_passed_calls", inProgram, "+ 0 -97",
		"a call that is passed through comes from a stub", "patch"},
	{"filters/filter_by_instruction_pointer", "patch*", "+ 0 -97",
		"a call that is passed through comes from a stub", "patch"},
	{"interrupts/timer_storm_without_restart", "notify notify*", "came 1, wrong 0",
		"a signal without SA_RESTART interrupts a call before the supervisor has taken it", "eintr-the-one-exception"},
	{"filters/strict_mode", every, "+ prctl: Invalid argument",
		"strict mode can't follow a filter", "what-a-program-can-still-notice"},
	{"filters/filter_with_a_listener", every, "+ Device or resource busy",
		"there is one listener to a process", "other-things-that-change"},
	{"debug/trace_me_and_stop", byTracer, "+ PTRACE_TRACEME: Operation not permitted", oneTracer, "what-a-tracer-changes"},
	{"debug/system_call_stops", byTracer, "+ PTRACE_TRACEME: Operation not permitted", oneTracer, "what-a-tracer-changes"},
	{"debug/tracer_of_many", byTracer, "+ PTRACE_TRACEME: Operation not permitted", oneTracer, "what-a-tracer-changes"},
	{"debug/tracee_with_the_number_of_another", byTracer, "+ PTRACE_TRACEME: Operation not permitted", oneTracer, "what-a-tracer-changes"},
	{"debug/tracer_changes_a_result", byTracer, "+ PTRACE_TRACEME: Operation not permitted", oneTracer, "what-a-tracer-changes"},
	{"debug/tracer_asks_for_another_call", byTracer, "+ PTRACE_TRACEME: Operation not permitted", oneTracer, "what-a-tracer-changes"},
	{"debug/tracer_sees_whole_numbers", byTracer, "+ PTRACE_TRACEME: Operation not permitted", oneTracer, "what-a-tracer-changes"},
	{"debug/tracer_sees_events", byTracer, "+ PTRACE_TRACEME: Operation not permitted", oneTracer, "what-a-tracer-changes"},
	{"debug/tracer_skips_calls", byTracer, "+ PTRACE_TRACEME: Operation not permitted", oneTracer, "what-a-tracer-changes"},
	{"debug/followed_from_vfork_on", byTracer, "+ PTRACE_TRACEME: Operation not permitted", oneTracer, "what-a-tracer-changes"},
	{"debug/tracer_and_signals", byTracer, "+ PTRACE_TRACEME: Operation not permitted", oneTracer, "what-a-tracer-changes"},
	{"debug/tracer_and_signals_at_entries", byTracer, "+ PTRACE_TRACEME: Operation not permitted", oneTracer, "what-a-tracer-changes"},
	{"debug/seize_and_interrupt", byTracer, "+ seize: Operation not permitted", oneTracer, "what-a-tracer-changes"},
	{"debug/tracer_single_steps", byTracer, "+ PTRACE_TRACEME: Operation not permitted", oneTracer, "what-a-tracer-changes"},
	{"debug/seized_executes", byTracer, "+ seize: Operation not permitted", oneTracer, "what-a-tracer-changes"},
	{"debug/attach_and_wait_for_nothing", byTracer, "+ attach: Operation not permitted", oneTracer, "what-a-tracer-changes"},
	{"debug/under_strace", byTracer, "PTRACE_TRACEME", oneTracer, "what-a-tracer-changes"},
	{"debug/under_gdb", byTracer, "- made", oneTracer, "what-a-tracer-changes"},
	{"registers/below_the_red_zone", inHandler, "right, below the red zone", needsStack, "trap"},
	{"registers/stack_pointer_zero", inHandler, "+ signal segmentation fault", needsStack, "trap"},
	{"registers/stack_pointer_not_canonical", inHandler, "+ signal segmentation fault", needsStack, "trap"},
	{"registers/stack_pointer_into_read_only_memory", inHandler, "+ signal segmentation fault", needsStack, "trap"},
	{"registers/stack_of_800_bytes", inHandler, "+ signal segmentation fault", needsStack, "trap"},
	{"registers/stack_of_800_bytes/musl", inHandler, "+ signal segmentation fault", needsStack, "trap"},
	{"sigsys/caught_signals_in_status", inHandler, "+ SigCgt:\t0000000040000000", "SIGSYS is caught", "trap"},
	{"sigsys/sigsys_by_descriptor", inHandler, "+ signalfd: Resource temporarily unavailable, Resource temporarily unavailable, 0",
		"what signalfd reads is pending, and SIGSYS never is", "trap"},
	{"sigsys/sigsys_through_exec", inHandler, "+ ignored: 0 handled, 0 good, blocked 0, pending 0, default",
		"for the kernel SIGSYS is neither ignored nor blocked at an exec", "trap"},
	{"filters/filter_by_instruction_pointer", "trap* sud sud1 sud*", "+ 0 -97", fromExit, "sud"},
	{"filters/filter_by_instruction_pointer_of_passed_calls", inHandler, "+ 0 -97", fromExit, "trap"},
	{"faults/single_steps", inHandler, "- 5 steps", "a program that steps through itself counts the shim's instructions", "trap"},
	{"faults/vsyscall_page", byRules, "+ bad pointer 0: -14", "the kernel has left the vsyscall page when the handler begins", "trap"},
	{"self/tracer_in_status", byTracer, "- TracerPid:\t0", "the supervisor is its tracer", "what-a-tracer-changes"},
}

// byTracer are the columns in which the supervisor traces the program.
const (
	byTracer  = "ptrace ptrace-all ptrace* ptrace-all*"
	oneTracer = "a thread has one tracer, which is the supervisor"
)

// inHandler are the columns in which calls come to a handler of SIGSYS.
const (
	inHandler  = "trap sud sud1 trap* sud*"
	byRules    = "trap sud trap* sud*" // where the reflected calls are many
	needsStack = "the frame of a signal needs a stack"
	fromExit   = "a call is made from an exit of the shim's"
)

// A warning is what reflect says on standard error in a row.
type warning struct {
	row          string
	columns      string
	text         string
	unprivileged bool // only to a user without privilege
}

// untraced are the columns in which a program can have a tracer of its own.
const untraced = "auto vdso patch notify nobody patch* notify*"

var warnings = []warning{
	{"debug/tracer_sees_events", untraced, "the process has a tracer of its own", false},
	{"debug/seized_executes", untraced, "the process has a tracer of its own", false},
	{"debug/under_strace", untraced, "the process has a tracer of its own", false},
	{"debug/under_gdb", untraced, "the process has a tracer of its own", false},
	{"filters/not_dumpable", "auto nobody patch notify ptrace ptrace-all", "a process's memory can't be reached, its calls go to the kernel", true},
	{"filters/not_dumpable", untraced, "the process has a tracer of its own, or is another user's", true},
}

// warningsOf are the warnings that must be said in a cell.
func warningsOf(row string, c column) (texts []string) {
	for _, w := range warnings {
		if w.unprivileged && os.Getuid() == 0 && c.user.cred == nil {
			continue
		}
		if w.row == row && slices.Contains(strings.Fields(w.columns), c.name) {
			texts = append(texts, w.text)
		}
	}
	return texts
}

// exceptionOf is the exception for a cell of the table, or nil.
func exceptionOf(row string, c column) *exception {
	for i := range exceptions {
		if e := &exceptions[i]; e.row == row && (e.columns == every || slices.Contains(strings.Fields(e.columns), c.name)) {
			return e
		}
	}
	return nil
}

// checkExceptions wants every exception explained in the documentation, and for a row
// that there is.
func checkExceptions(t *testing.T, columns []column, rows []string) {
	t.Helper()
	text, err := os.ReadFile("../docs/mechanisms.md")
	must(t, err)
	known := anchors(string(text))
	for _, e := range exceptions {
		if e.columns != every && !slices.ContainsFunc(columns, func(c column) bool { return slices.Contains(strings.Fields(e.columns), c.name) }) {
			continue // of mechanisms that can't be used here
		}
		if !known["#"+e.anchor] || !slices.Contains(rows, e.row) || e.reason == "" || e.columns == "" || e.shows == "" {
			t.Errorf("exception %+v: no such row or heading, or something is missing", e)
		}
	}
	for _, w := range warnings {
		if !slices.Contains(rows, w.row) {
			t.Errorf("warning %+v: no such row", w)
		}
	}
}
