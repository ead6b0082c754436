"""Kills the workers of the launcher whose process id is given, as a fault of a model would: python kill_worker.py PID

A program of its own, so that suites of every language can start it.
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
