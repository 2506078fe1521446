// One packet of a connection, as sendmsg(2) and recvmsg(2) have it.

// unix(7), SCM_RIGHTS with one or two descriptors.
struct iovec_ {
	void *base;
	u64 len;
};
struct rights {
	u64 len;
	s32 level, type, fd[2];
};
struct msghdr_ {
	u64 name;
	u32 namelen, pad0;
	struct iovec_ *iov;
	u64 iovlen;
	struct rights *control;
	u64 controllen;
	u32 flags, pad1;
};
