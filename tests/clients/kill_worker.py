"""Kills the workers of the launcher with the given process id, to simulate a crash: python kill_worker.py PID

A separate program, so that suites in any language can start it.
"""

import sys

import psutil

workers = [
    process
    for process in psutil.Process(int(sys.argv[1])).children(recursive=True)
    if "inkwell.worker" in process.cmdline()
]
assert workers, "no worker runs"
for worker in workers:
    worker.kill()
