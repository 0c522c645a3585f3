"""Looks at the tree itself: which file includes which, what is documented, what stands at the top.

Each check is a function that yields complaints; its name is its argument on the command line.
"""
import ast
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SKIPPED = 77

# A folder may include headers of its own and of those listed: includes go only downwards.
MAY_INCLUDE = {
    "common": [],
    "client": ["common"],
    "client/cli": ["common", "client"],
    "server/access": ["common"],
    "server/engine": ["common"],
    "server/store": ["common"],
    "server/pool": ["common", "server/engine", "server"],
    "server/metrics": ["common", "server/engine", "server/pool", "server"],
    "server/rpc": ["common", "server/access", "server/engine", "server/metrics", "server/pool", "server"],
    "server/net": ["common", "server/access", "server/engine", "server/rpc", "server/tls", "server"],
    "server/tls": ["common"],
    "server/admin": ["common", "server/access", "server/tls", "server/engine", "server/metrics", "server/rpc", "server/net", "server"],
    "server": ["common", "server/access", "server/engine", "server/store", "server/pool", "server/metrics", "server/rpc", "server/net",
               "server/tls", "server/admin"],
}
# Of the files right in server/ those that join the parts; the others are what the parts stand on.
JOINS = {"main", "daemon", "parts", "state", "wiring", "ports", "main_loop", "reload", "stop", "settings"}

TOP = {"server", "client", "common", "tests", "conf", "meson.build", "meson_options.txt", "README.md", "LICENSE"}


def tracked(*patterns):
    names = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [pathlib.PurePosixPath(name) for name in names.split("\n") if name]


def lines_of(path):
    return enumerate((ROOT / path).read_text().splitlines(), 1)


def place(path):
    """The longest listed folder that the file is in."""
    folder = str(path.parent)
    while folder not in MAY_INCLUDE and "/" in folder:
        folder = folder.rsplit("/", 1)[0]
    return folder


def layering():
    for path in tracked("server/*.[ch]", "client/*.[ch]", "common/*.[ch]"):
        if "examples" in path.parts:
            continue
        own = place(path)
        for number, line in lines_of(path):
            found = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            if not found:
                continue
            target = pathlib.PurePosixPath(found.group(1))
            there = place(target)
            if not (ROOT / target).exists() and "/" in str(target):
                continue  # made by the build
            if not (ROOT / target).exists():
                yield f"{path}:{number}: {target} is not named from the root"
            elif there != own and there not in MAY_INCLUDE[own]:
                yield f"{path}:{number}: {own} may not include {target}: includes go only downwards"
            elif own.startswith("server/") and str(target.parent) == "server" and target.stem in JOINS:
                yield f"{path}:{number}: {target} joins the parts; a part may not know it"


def engine_is_pure():
    """The engine knows no socket, no thread, no clock, no disk."""
    banned = re.compile(r"#\s*include\s+<(pthread|time|sys/(socket|time|eventfd|stat)|unistd|fcntl|event2?/.*|poll)\.h>")
    calls = re.compile(r"\b(clock_now|clock_ns|pthread_\w+|open|read|write|socket|time)\s*\(")
    for path in tracked("server/engine/*.[ch]"):
        for number, line in lines_of(path):
            code = line.split("//")[0]
            if banned.search(code) or calls.search(code):
                yield f"{path}:{number}: the engine must not do this: {line.strip()}"


def top_level():
    for name in {path.parts[0] for path in tracked()}:
        if name not in TOP and not name.startswith("."):
            yield f"{name}: nothing else belongs at the top"


def headers():
    """Every header says what it is for and guards itself; every function of taskq.h is documented."""
    for path in tracked("*.h"):
        text = (ROOT / path).read_text()
        if not text.startswith(("//", "/*")):
            yield f"{path}: begins without saying what it is for"
        if "#ifndef" not in text:
            yield f"{path}: no include guard"
    lines = (ROOT / "client" / "taskq.h").read_text().splitlines()
    functions = [i for i, line in enumerate(lines) if line.startswith("TASKQ_API")]
    if not functions:
        yield "client/taskq.h: no function found: the check has lost them"
    for i in functions:
        if not lines[i - 1].strip().endswith("*/") and not lines[i - 1].startswith("//"):
            yield f"client/taskq.h:{i + 1}: undocumented: {lines[i]}"


def errors_documented():
    text = (ROOT / "common" / "protocol.md").read_text()
    rows = re.findall(r'X\(\w+, (-\d+), "(\w+)"', (ROOT / "common" / "error.h").read_text())
    if not rows:
        yield "common/error.h: no rows found: the check has lost the table"
    for code, name in rows:
        if name not in text or code not in text:
            yield f"common/protocol.md: the error {name} ({code}) is not described"


def settings_documented():
    """Every setting of the tables stands in the example configuration."""
    example = (ROOT / "conf" / "taskqd.conf").read_text()
    for path, table in [("server/engine/settings.h", "QUEUE_SETTINGS"),
                        ("server/pool/handler_settings.h", "HANDLER_SETTINGS"),
                        ("server/access/identity.h", "TOKEN_SETTINGS"),
                        ("server/access/identity.h", "GRANT_SETTINGS"),
                        ("server/access/quota.h", "QUOTAS"),
                        ("server/settings.h", "SETTINGS")]:
        text = (ROOT / path).read_text()
        found = re.search(r"#define " + table + r"\(X\)(.*?[^\\])\n", text, re.S)
        rows = re.findall(r"\bX\(\s*(\w+),", found.group(1)) if found else []
        if not rows:
            yield f"{path}: no rows of {table} found: the check has lost the table"
        for name in rows:
            if not re.search(rf"\b{name}\b", example):
                yield f"conf/taskqd.conf: {name} ({path}) is not shown"


def log_events():
    rows = re.findall(r'X\(([A-Z_]+), "([a-z_]+)", [A-Z]+, *([A-Z]+),', (ROOT / "common/log_events.h").read_text())
    if len(rows) < 40:
        yield "common/log_events.h: the table cannot be read"
    used = {}
    for path in tracked("server/*.c", "common/*.c"):
        for number, line in lines_of(path):
            for call, constant in re.findall(r"(log_event|log_aloud|log_job|log_write)\(LOG_([A-Z_]+)", line):
                used.setdefault(constant, []).append((call, "%s:%d" % (path, number)))
    for constant, _, kind in rows:
        if constant not in used:
            yield f"common/log_events.h: nobody says {constant}"
        for call, where in used.get(constant, []):
            if (call == "log_job") != (kind in ("JOB", "BOTH")):
                yield f"{where}: {constant} is {kind}, so it is not for {call}"


def words():
    """Nothing is left undone silently."""
    undone = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    for path in tracked("server", "client", "common", "conf", "tests", "README.md", "meson.build"):
        if path.name == "lint.py" or "corpus" in path.parts:
            continue
        try:
            for number, line in lines_of(path):
                if undone.search(line):
                    yield f"{path}:{number}: left undone: {line.strip()}"
        except UnicodeDecodeError:
            continue


def no_sleeps():
    """Tests wait for conditions, never for time."""
    nap = re.compile(r"\b(sleep|usleep|nanosleep|time\.sleep)\s*\(\s*[\w.]+\s*\)\s*;?$")
    for path in tracked("tests/*.c", "tests/*.py"):
        if path.name == "lint.py":
            continue
        for number, line in lines_of(path):
            if nap.search(line):
                yield f"{path}:{number}: sleeps: {line.strip()}"


def page():
    """The web page: text never becomes markup, nothing comes from elsewhere, every file is served, and every script can be read."""
    markup = re.compile(r"\b(innerHTML|outerHTML|insertAdjacentHTML|createContextualFragment|srcdoc|DOMParser|document\.write|eval|Function)\b"
                        r"|\bstyle=|\bon\w+=\"|<script>|<style")
    elsewhere = re.compile(r"https?://(?!www\.w3\.org/2000/svg\b)|[\"'(]//")
    files = tracked("server/admin/web")
    listed = set(re.findall(r"'([\w./]+)'", (ROOT / "server/admin/web/meson.build").read_text()))
    scripts = [path for path in files if path.suffix == ".js"]
    if not scripts:
        yield "server/admin/web: no script found: the check has lost them"
    for path in files:
        if path.name == "meson.build":
            continue
        if str(path.relative_to("server/admin/web")) not in listed:
            yield f"{path}: it is not listed in the folder's meson.build, and so not served"
        for number, line in lines_of(path):
            for pattern, what in ((markup, "what could make markup or code of text"), (elsewhere, "another host")):
                if pattern.search(line):
                    yield f"{path}:{number}: {what}: {line.strip()}"
    if shutil.which("node"):
        parse = "for (const f of process.argv.slice(1)) new (require('vm').SourceTextModule)(require('fs').readFileSync(f, 'utf8'), { identifier: f })"
        done = subprocess.run(["node", "--no-warnings", "--experimental-vm-modules", "-e", parse, *map(str, scripts)], cwd=ROOT,
                              capture_output=True, text=True, check=False)
        if done.returncode:
            yield f"server/admin/web: {done.stderr.strip()}"


def formatting():
    """clang-format decides; versions differ in small things, so only the one that the tree was formatted with is asked."""
    try:
        version = subprocess.run(["clang-format", "--version"], capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        version = ""
    if " 14." not in version:
        sys.exit(SKIPPED)
    files = [str(path) for path in tracked("*.c", "*.h")]
    done = subprocess.run(["clang-format", "--dry-run", "-Werror", *files], cwd=ROOT, capture_output=True, text=True,
                          check=False)
    yield from (line for line in done.stderr.splitlines() if "error:" in line)


def python_types():
    """mypy --strict, as pyproject.toml has it."""
    try:
        done = subprocess.run(["mypy", "--cache-dir=/dev/null", "--no-error-summary"], cwd=ROOT / "client" / "python", capture_output=True,
                              text=True, check=False)
    except FileNotFoundError:
        print("there is no mypy here")
        sys.exit(SKIPPED)
    if done.returncode:
        yield from (done.stdout + done.stderr).splitlines()


def python_is_old_enough():
    """What Python 3.9 cannot read; mypy looks at what its library does not have."""
    for path in tracked("client/python/*.py"):
        try:
            ast.parse((ROOT / path).read_text(), str(path), feature_version=(3, 9))
        except SyntaxError as error:
            yield f"{path}:{error.lineno}: {error.msg}"


def python_documented():
    """Every public module, class, function and method of the package says what it does."""
    files = tracked("client/python/taskq/*.py")
    if not files:
        yield "client/python/taskq: no files found: the check has lost them"
    for path in files:
        tree = ast.parse((ROOT / path).read_text())
        if not ast.get_docstring(tree):
            yield f"{path}: no docstring"
        if not path.name.startswith("_") or path.name in PUBLIC_THOUGH_NOT_NAMED_SO:
            yield from undocumented(path, tree)


PUBLIC_THOUGH_NOT_NAMED_SO = {"_futures.py", "_iterators.py", "_methods.py", "_simple.py"}  # parts of public classes


def undocumented(path, tree):
    for node in tree.body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and not node.name.startswith("_"):
            if not ast.get_docstring(node) and not any(getattr(each, "attr", "") == "setter" for each in node.decorator_list):
                yield f"{path}:{node.lineno}: {node.name}: no docstring"
            if isinstance(node, ast.ClassDef):
                yield from undocumented(path, node)


CHECKS = [layering, engine_is_pure, top_level, headers, errors_documented, settings_documented, log_events, words, no_sleeps, page, formatting,
          python_types, python_is_old_enough, python_documented]


def main():
    names = sys.argv[1:] or [check.__name__ for check in CHECKS]
    complaints = [c for check in CHECKS if check.__name__ in names for c in check()]
    print("\n".join(complaints))
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
