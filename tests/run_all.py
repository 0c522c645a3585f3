"""Installs what is missing, builds and runs every test, and ends with a line that counts them.

    tests/run            everything: plain, under ASan+UBSan, the threaded ones under TSan
    tests/run --quick    one build under ASan+UBSan
    tests/run --long     longer: soaks, long fuzzing, long crash and model runs (not for every change)

Each build has a folder of its own (build-test-…), so that a second run compiles only what changed. The exit status is 0 only when every
test passed.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Which build runs which suites. ASan with UBSan finds what is wrong with memory, TSan what is wrong between threads; the plain build has
# the tests that count descriptors and processes in thousands, or look at the tree itself. `except` leaves suites to the other builds.
BUILDS = [
    {"name": "asan", "options": ["-Db_sanitize=address,undefined", "-Db_lundef=false", "-Dbuildtype=debugoptimized"],
     "suites": None, "except": ["lint", "plain"], "sanitizer": "address"},
    {"name": "tsan", "options": ["-Db_sanitize=thread", "-Db_lundef=false", "-Dbuildtype=debugoptimized"],
     "suites": ["threads"], "except": [], "sanitizer": "thread"},
    {"name": "plain", "options": ["-Dbuildtype=debugoptimized", "-Dwerror=true"],
     "suites": ["lint", "plain"], "except": [], "sanitizer": None},
]


def has_sanitizer(name):
    """Some systems' compilers (Alpine's) come without the sanitizers' libraries."""
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder, "t.c")
        source.write_text("int main(void) { return 0; }\n")
        command = [os.environ.get("CC", "cc"), f"-fsanitize={name}", str(source), "-o", str(pathlib.Path(folder, "t"))]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


def run(command, **more):
    return subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, check=False, **more).returncode


def setup(folder, build, long):
    options = build["options"] + [f"-Dlong_tests={'true' if long else 'false'}"]
    if (folder / "build.ninja").exists():
        return run(["meson", "configure", str(folder), *options], stdout=subprocess.DEVNULL)
    shutil.rmtree(folder, ignore_errors=True)
    return run(["meson", "setup", str(folder), *options])


def counts(folder):
    """What the test run wrote down, one JSON document a line."""
    passed = failed = skipped = 0
    names = []
    log = folder / "meson-logs" / "testlog.json"
    for line in log.read_text().splitlines() if log.exists() else []:
        result = json.loads(line)
        if result["result"] in ("OK", "EXPECTEDFAIL"):
            passed += 1
        elif result["result"] == "SKIP":
            skipped += 1
        else:
            failed += 1
            names.append(f"{folder.name}: {result['name']}")
    return passed, failed, skipped, names


def one_build(build, long):
    """Builds and tests once; a build that fails counts as one failed test."""
    folder = ROOT / f"build-test-{build['name']}"
    began = time.monotonic()
    print(f"== {build['name']}: building", flush=True)
    if setup(folder, build, long) or run(["ninja", "-C", str(folder), "--quiet"]):
        return 0, 1, 0, [f"{folder.name}: it does not build"]
    for old in (folder / "meson-logs").glob("testlog.*"):
        old.unlink()
    command = ["meson", "test", "-C", str(folder), "--no-rebuild", "--print-errorlogs"]
    for suite in build["suites"] or []:
        command += ["--suite", suite]
    for suite in build["except"]:
        command += ["--no-suite", suite]
    environment = dict(os.environ, UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1",
                       ASAN_OPTIONS="detect_leaks=1:abort_on_error=0", TSAN_OPTIONS="halt_on_error=1")
    status = run(command, env=environment)
    passed, failed, skipped, names = counts(folder)
    if status and not failed:
        failed, names = 1, [f"{folder.name}: the test runner itself failed"]
    if not passed + failed + skipped:
        failed, names = 1, [f"{folder.name}: no test ran"]
    print(f"== {build['name']}: {passed} passed, {failed} failed in {time.monotonic() - began:.0f} s", flush=True)
    return passed, failed, skipped, names


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one build only")
    parser.add_argument("--long", action="store_true", help="the long soaks as well")
    options = parser.parse_args()

    total = [0, 0, 0]
    failures = []
    for build in BUILDS[:1] if options.quick else BUILDS:
        if build["sanitizer"] and not has_sanitizer(build["sanitizer"]):
            print(f"== {build['name']}: left out, this compiler has no {build['sanitizer']} sanitizer", flush=True)
            total[2] += 1
            continue
        passed, failed, skipped, names = one_build(build, options.long)
        total = [total[0] + passed, total[1] + failed, total[2] + skipped]
        failures += names
    for name in failures:
        print(f"failed: {name}")
    print(f"{total[0]} passed, {total[1]} failed, {total[2]} skipped")
    return 1 if failures or not total[0] else 0


if __name__ == "__main__":
    sys.exit(main())
