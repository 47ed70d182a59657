"""Run one command and print what it took, as JSON: wall and CPU seconds, MiB of its largest process, exit code.

A process of its own, and a small one: Linux counts the memory of the process that starts a program as that program's peak.
Run: python -S -E bench/measure.py OUTPUT_FILE COMMAND …
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time


def main() -> None:
    output_file, *command = sys.argv[1:]
    with open(output_file, "wb") as output:  # noqa: PTH123 - pathlib would cost a megabyte
        began = time.monotonic()
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(child.pid, 0)
        wall = time.monotonic() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    cpu, rss = used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
    print(json.dumps({"wall": wall, "cpu": cpu, "rss": rss, "code": child.returncode}))


if __name__ == "__main__":
    main()
