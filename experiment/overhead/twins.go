package overhead

// twice reports whether a contestant has a twin, a second process. How the processor predicts what
// comes by a signal depends on where the process lies in memory, so a session has two of them.
func (c *contestant) twice() bool {
	return (c.mechanism == "trap" || c.mechanism == "sud") && !c.placed
}

// turn lets that process be at work which a session's round has: one has two rounds, there and
// back, then its twin has two.
func (b *bench) turn(round int) {
	if b.turned == (round/2%2 == 1) {
		return
	}
	b.turned = !b.turned
	for _, c := range b.contestants {
		if c.twin != nil {
			c.swap()
		}
	}
}

// both does something with a contestant's process, and with its twin's if it has one.
func (c *contestant) both(do func() error) error {
	err := do()
	if err == nil && c.twin != nil {
		c.swap()
		err = do()
		c.swap()
	}
	return err
}

func (c *contestant) swap() { c.running, *c.twin = *c.twin, c.running }

// settleAll settles a contestant, and its twin.
func (b *bench) settleAll(c *contestant) error {
	return c.both(func() error { return b.settle(c) })
}
