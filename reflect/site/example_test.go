package site

import (
	"errors"
	"fmt"
)

// From a notified site to the bytes that whoever patches writes: the stub
// first, then the patch.
func ExampleFile_Analyze() {
	// A file with one function: mov $39,%eax; syscall; ret; nops.
	data := oneFunction(0x1000, "getpid", []byte{0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xc3, 0x90, 0x90, 0x90, 0x90}).bytes()
	f, err := Parse(data)
	if err != nil {
		fmt.Println(err)
		return
	}
	const (
		mapped = 0x7f0012345000 // its code, by /proc/PID/maps
		offset = 0
		rip    = 0x7f00123450b7 // a notification's: behind the instruction
		stub   = 0x7f0000000000 // where there is room
		entry  = 0x20000        // the shim's
	)
	bias, _ := f.Bias(mapped, offset)
	plan, err := f.Analyze(rip - 2 - bias)
	if r := new(Refusal); errors.As(err, &r) {
		fmt.Println(r.Reason)
		return
	}
	for _, o := range plan.Options {
		if !o.Online || !o.Stub(bias).Contains(stub) {
			continue
		}
		s, _ := plan.Stub(o, bias, StubSpec{Addr: stub, Entry: entry})
		p, _ := plan.Patch(o, bias, stub)
		addr, old, now, _ := p.Writes[0].Word()
		fmt.Printf("%s %d: %v jump for %v\n", plan.Function.Name, plan.Number, o.Shape, plan.Run[o.First])
		fmt.Printf("stub % x\n", s.Code)
		fmt.Printf("%#x: % x\n     becomes % x\n", addr, old, now)
		break
	}
	// Output:
	// getpid 39: direct jump for mov $0x27,%eax
	// stub b8 27 00 00 00 48 8d 0d ab 50 34 12 41 bb 00 00 02 00 41 ff e3
	// 0x7f00123450b0: b8 27 00 00 00 0f 05 c3
	//      becomes e9 4b af cb ed 0f 05 c3
}
