// What the starter leaves to package supervisor: package starter has the same in Go.
struct notification { // struct seccomp_notif
	u64 id;
	u32 pid, flags;
	s32 nr;
	u32 arch;
	u64 ip, args[6];
};

struct started {
	u64 pid; // of the program, whose first instruction may have run; 0 where nothing was started
	s64 guardian, connection, listener, region;
	u64 base;
	u64 control, image;    // where the control page and the shim's image are mapped
	u64 plain;             // the listener is without WAIT_KILLABLE_RECV
	u64 mask;              // the signals that were blocked when we began
	s64 wake;              // an eventfd: there is something for the supervisor
	u32 adopted;           // the supervisor receives notifications itself
	u32 thread;            // which does it before; 0 where there is none any more
	u32 pad;
	u32 received;          // how many wait for their answers
	struct notification notifications[16];
};
