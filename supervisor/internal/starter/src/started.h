// What the starter leaves to package supervisor: package starter has the same in Go.
struct started {
	u64 pid; // of the program, whose first instruction may have run; 0 where nothing was started
	s64 guardian, connection, listener, region;
	u64 base;
	u64 control, image;    // where the control page and the shim's image are mapped
	u64 plain;             // the listener is without WAIT_KILLABLE_RECV
	u64 waiting;           // whether the notification was received, and has to be answered
	unsigned char notification[80];
	u64 mask; // the signals that were blocked when we began
};
