"""Holds the instructions that single operations take within bounds: a regression shows on a noisy machine too.

    instructions.py BENCH_MICRO [--print]

Counted by valgrind (callgrind), or by the processor where it lets itself be counted. Skipped where there is neither.
"""
import re
import shutil
import subprocess
import sys

SKIPPED = 77
COUNT = 3200

# What an operation may take, 15 to 20 % above what it took when the row was last looked at (gcc 12, x86-64). Lower a bound when the code
# got faster; raise it only for something that is worth it, and say so in the commit.
BOUNDS = {
    "read_put": 2000,
    "parse_put": 3000,
    "write_put_reply": 290,
    "write_get_reply": 980,
    "engine_put": 1170,
    "engine_get": 790,
    "engine_ack": 950,
    "dispatch_put": 4450,
    "dispatch_get": 4250,
}


def by_valgrind(micro, name):
    command = ["valgrind", "--tool=callgrind", "--toggle-collect=bench_measured", "--callgrind-out-file=/dev/null", micro, name, str(COUNT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if "debuginfo" in done.stderr and not found:
        return None  # built by a compiler that is newer than this valgrind
    if done.returncode or not found:
        sys.exit(f"{name}: valgrind did not count:\n{done.stdout}{done.stderr}")
    return int(found.group(1)) / COUNT


def by_processor(micro, name):
    """None: it cannot be counted here."""
    done = subprocess.run([micro, name, str(COUNT)], capture_output=True, text=True, timeout=120, check=True)
    found = re.search(r"(\d+) instructions", done.stdout)
    return int(found.group(1)) if found else None


def main():
    micro = sys.argv[1]
    count = by_valgrind if shutil.which("valgrind") else by_processor
    worse = []
    for name, bound in BOUNDS.items():
        n = count(micro, name)
        if n is None:
            print("there is neither a valgrind that can read this program nor a processor that counts")
            return SKIPPED
        print(f"{name:16} {n:6.0f} of {bound}")
        if not 0 < n <= bound:
            worse.append(f"{name} takes {n:.0f} instructions, more than {bound}")
    print("\n".join(worse))
    return 1 if worse and "--print" not in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
