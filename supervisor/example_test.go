package supervisor_test

import (
	"fmt"
	"log"
	"os"

	"golang.org/x/sys/unix"

	"github.com/sysreflect/sysreflect/policy"
	"github.com/sysreflect/sysreflect/reflect"
	"github.com/sysreflect/sysreflect/supervisor"
)

// A handler of one's own serves a call of a program that knows nothing of it.
func Example() {
	plan, err := policy.New().Reflect("sysinfo", policy.Action{Kind: policy.Go, Handler: "uptime"}).Plan()
	if err != nil {
		log.Fatal(err)
	}
	c := supervisor.Command(plan, "perl", "-e", `
		my $info = "\0" x 112;
		syscall(99, $info) == 0 or die $!; # sysinfo(2)
		print "up for ", unpack("q", $info), " seconds\n";`)
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	c.Handlers = map[string]reflect.Handler{
		"uptime": reflect.HandlerFunc(func(call *reflect.Call) reflect.Result {
			seconds := []byte{42, 0, 0, 0, 0, 0, 0, 0} // struct sysinfo begins with the uptime
			if _, err := call.Mem.Write(call.Args[0], seconds); err != nil {
				return reflect.Result{Errno: unix.EFAULT}
			}
			return reflect.Result{}
		}),
	}
	if err := c.Run(); err != nil {
		log.Fatal(err)
	}
	for _, n := range c.Counters().Calls {
		fmt.Println(n.Call, "by", n.Implementation, "through", n.Mechanism, n.Count, "times")
	}
	// Output:
	// up for 42 seconds
	// sysinfo by go: uptime through notify 1 times
}
