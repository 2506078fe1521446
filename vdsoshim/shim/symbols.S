/*
 * What the Go side has to know and can't read from C: the generator takes
 * each symbol that begins with go_ for a constant.
 */
#include "shim.h"
#include "sigsys.h"

	.macro CONST name, value
	.globl go_\name
	.hidden go_\name
	.set go_\name, \value
	.endm

	CONST PageSize, PAGE_SIZE
	CONST ImageSize, IMAGE_SIZE
	CONST ControlOff, CONTROL_OFF
	CONST LinkOff, LINK_OFF
	CONST CountersOff, COUNTERS_OFF
	CONST CountersSize, COUNTERS_SIZE
	CONST SlotsOff, SLOTS_OFF
	CONST SlotsSize, SLOTS_SIZE
	CONST LinkSecrets, LINK_SECRETS
	CONST SecretsSize, SECRETS_SIZE
	CONST StubsOff, STUBS_OFF
	CONST StubsSize, STUBS_SIZE
	CONST NearSize, NEAR_SIZE
	CONST StubSize, STUB_SIZE
	CONST StubSite, STUB_SITE
	CONST StubDispatch, STUB_DISPATCH
	CONST StubMade, STUB_MADE
	CONST LinkGenerator, LINK_GENERATOR
	CONST LinkStubs, LINK_STUBS
	CONST LinkNearProgram, LINK_NEAR_PROGRAM
	CONST LinkNearLibraries, LINK_NEAR_LIBRARIES
	CONST LinkNearLater, LINK_NEAR_LATER
	CONST NearLater, NEAR_LATER
	CONST KernelOff, KERNEL_OFF
	CONST KernelRoom, KERNEL_ROOM
	CONST RegionSize, REGION_SIZE
	CONST UserOff, REGION_SIZE
	CONST CounterRows, COUNTER_ROWS
	CONST CounterCalls, COUNTER_CALLS
	CONST CounterSites, COUNTER_SITES
	CONST stubCounter, STUB_COUNTER
	CONST syscallFirst, SYSCALL_FIRST
	CONST StubUnwind, STUB_UNWIND
	CONST CounterRowSize, 1 << COUNTER_ROW_SHIFT
	CONST StepDone, STEP_DONE
	CONST StepLink, STEP_LINK
	CONST StepControl, STEP_CONTROL
	CONST StepCounters, STEP_COUNTERS
	CONST StepAuxv, STEP_AUXV
	CONST StepUser, STEP_USER
	CONST StepProtect, STEP_PROTECT
	CONST StepSigsys, STEP_SIGSYS
	CONST ExitsOff, EXITS_OFF
	CONST ExitsSize, EXITS_SIZE
	CONST ExitsEnd, (EXITS_OFF + EXIT_OPEN)
	CONST SigsysOff, SIGSYS_OFF
	CONST SigsysSize, SIGSYS_SIZE
	CONST TrapData, TRAP_DATA
	CONST CounterTraps, COUNTER_TRAPS
	CONST MaxTraps, (TRAP_RULES - 1)
	CONST SigsysBlocked, BLOCKED
	CONST planSigsys, PLAN_SIGSYS
	CONST sigsysTrap, SIGSYS_TRAP
	CONST sigsysSud, SIGSYS_SUD
	CONST sigsysCount, SIGSYS_COUNT
	CONST sigsysMost, SIGSYS_MOST
	CONST trapRows, TRAP_ROWS
	CONST trapRowSize, TRAP_ROW_SIZE
	CONST trapRules, TRAP_RULES
	CONST trapSignals, TRAP_SIGNALS
	CONST trapSome, TRAP_SOME
	CONST trapOthers, TRAP_OTHERS
	CONST trapKernel, TRAP_KERNEL
	CONST trapConstant, TRAP_CONSTANT
	CONST SitePath, SITE_PATH
	CONST SiteUncounted, SITE_UNCOUNTED
	CONST sigsysFollow, SIGSYS_FOLLOW
	CONST TracedPath, TRACED_PATH
	CONST TracedLater, TRACED_LATER
	CONST TracedNow, TRACED_NOW
	CONST OrdersPath, ORDERS_PATH
	CONST LinkSelf, LINK_SELF
	CONST TracemeCode, TRACEME_CODE
	CONST forwardSlots, FORWARD_SLOTS
	CONST countedSlots, COUNTED_SLOTS
	CONST linkCounted, LINK_COUNTED
	CONST linkGetrandom, LINK_GETRANDOM
	CONST linkClockGettime, LINK_CLOCK_GETTIME
	CONST linkClockGetres, LINK_CLOCK_GETRES
	CONST linkSlots, LINK_SLOTS
	CONST linkBase, LINK_BASE
	CONST planBlocks, PLAN_BLOCKS
	CONST planFallback, PLAN_FALLBACK
	CONST planPatch, PLAN_PATCH
	CONST planMoved, PLAN_MOVED
	CONST maxMoved, MOVED
	CONST planLink, PLAN_LINK
	CONST constantRoom, CONSTANTS
	CONST constantSize, CONSTANT_SIZE
	CONST DispatchCalls, DISPATCH_CALLS
	CONST dispatchForget, DISPATCH_FORGET
	CONST dispatchKernel, DISPATCH_KERNEL
	CONST dispatchValue, DISPATCH_VALUE
	CONST DispatchAnswered, DISPATCH_KERNEL + 1
	CONST planOurs, PLAN_OURS
	CONST maxSymbols, ROOM_SYMBOLS
	CONST maxVersions, ROOM_VERSIONS
	CONST hashBuckets, ROOM_BUCKETS
	CONST bloomWords, ROOM_BLOOM

	.section .plan, "a", @progbits
	.balign 8
	.globl shim_plan
	.hidden shim_plan
	.type shim_plan, @object
shim_plan:
	.zero PLAN_LINK + 4 * LINK_SLOTS
	.size shim_plan, . - shim_plan

/* Copies of what the kernel's vDSO exports as data. No kernel's does so far. */
	.section .copies, "a", @progbits
	.balign 16
	.globl shim_copies
	.hidden shim_copies
	.type shim_copies, @object
shim_copies:
	.zero ROOM_COPIES
	.size shim_copies, . - shim_copies

/* Tells an image of ours from others; the kernel's own notes are put behind
 * it at launch, since old C libraries look there for the kernel's version. */
	.section .note.sysreflect, "a", @note
	.balign 4
	.long 2f - 1f
	.long 4f - 3f
	.long 1
1:	.asciz "sysreflect"
2:	.balign 4
3:	.long 1
4:	.balign 4
