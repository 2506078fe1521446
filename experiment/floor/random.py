"""Asks os.urandom for 16 bytes, many times over: random.py WINDOWS CALLS.

Prints nanoseconds per call for each window; the first tenth of the windows is
warm-up and not printed.
"""

import os
import sys
import time

windows, calls = int(sys.argv[1]), int(sys.argv[2])
took = []
for _ in range(windows):
    start = time.perf_counter_ns()
    for _ in range(calls):
        os.urandom(16)
    took.append(time.perf_counter_ns() - start)
for t in took[windows // 10:]:
    print("%.2f" % (t / calls))
