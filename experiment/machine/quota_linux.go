package machine

import (
	"path"
	"strconv"
	"strings"
)

// Quota is how many processors' time the control groups around this process leave it
// at most, 0 for no limit (cgroup v2, cpu.max: a quota and a period in microseconds).
func Quota() float64 {
	_, group, ok := strings.Cut(read("/proc/self/cgroup"), "0::")
	if !ok {
		return 0
	}
	group, _, _ = strings.Cut(group, "\n")
	least := 0.0
	for dir := path.Clean("/" + group); ; dir = path.Dir(dir) {
		if q := quota(read("/sys/fs/cgroup" + dir + "/cpu.max")); q > 0 && (least == 0 || q < least) {
			least = q
		}
		if dir == "/" {
			return least
		}
	}
}

func quota(text string) float64 {
	f := strings.Fields(text)
	if len(f) != 2 {
		return 0
	}
	most, err1 := strconv.ParseFloat(f[0], 64) // or "max"
	period, err2 := strconv.ParseFloat(f[1], 64)
	if err1 != nil || err2 != nil || period <= 0 {
		return 0
	}
	return most / period
}
