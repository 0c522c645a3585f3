"""The manual pages and the completion: complete, well-formed, and what the programs themselves say.

    manuals.py PATH-OF-TASKQD PATH-OF-TASKQ PATH-OF-THE-TREE
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

DAEMON, PROGRAM, TREE = (os.path.abspath(path) for path in sys.argv[1:4])


def run(*command, **more):
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60, **more).stdout


def plain(page):
    """A page without its markup."""
    return re.sub(r"\\f[BRIP]", "", page).replace("\\-", "-").replace("\\e", "\\")


def script(name, *arguments):
    return run(sys.executable, os.path.join(TREE, "conf", "man", name), *arguments)


class Pages(unittest.TestCase):
    def pages(self):
        with open(os.path.join(TREE, "conf", "man", "taskqd.8")) as file:
            daemon = file.read()
        return {"taskq.1": run(PROGRAM, "help", "--man"),
                "taskq.3": script("taskq.3.py", os.path.join(TREE, "client", "taskq.h"), "1.2.3"),
                "taskqd.conf.5": script("taskqd.conf.5.py", DAEMON, "1.2.3"),
                "taskqd-metrics.7": script("taskqd-metrics.7.py", DAEMON, "1.2.3"), "taskqd.8": daemon}

    def test_the_daemons_page_has_each_of_its_options(self):
        options = re.findall(r"(?m)^ +(?:-\w, |)(?:    |)(--[\w-]+)", run(DAEMON, "--help"))
        self.assertGreater(len(options), 8)
        page = plain(self.pages()["taskqd.8"])
        self.assertEqual([option for option in options if option not in page], [])

    def test_the_programs_page_has_each_command_and_each_exit_code(self):
        page = plain(self.pages()["taskq.1"])
        overview = run(PROGRAM, "help")
        commands = re.findall(r"(?m)^  (\w+)  ", overview.partition("Exit codes")[0])
        self.assertGreater(len(commands), 25)
        self.assertEqual([name for name in commands if "\n.SS %s\n" % name not in page], [])
        for text in re.findall(r"(?m)^  \d  (.*)$", overview):
            self.assertIn(text, page)

    def test_the_librarys_page_has_each_function(self):
        with open(os.path.join(TREE, "client", "taskq.h")) as file:
            functions = re.findall(r"(?m)^TASKQ_API [^(]*?\b(taskq_\w+)\(", file.read())
        self.assertGreater(len(functions), 40)
        page = plain(self.pages()["taskq.3"])
        self.assertEqual([name for name in functions if name + "(" not in page], [])

    def test_the_settings_page_has_each_setting(self):
        names = re.findall(r"(?m)^ *(\w+) = |^(\w+)$", run(DAEMON, "--help-config"))
        page = plain(self.pages()["taskqd.conf.5"])
        self.assertGreater(len(names), 30)
        for name in (a or b for a, b in names):
            self.assertRegex(page, r"(?m)^\.TP\n%s( =|$)" % name)

    def test_the_metrics_page_has_each_metric(self):
        with open(os.path.join(TREE, "server", "metrics", "metric.h")) as file:
            names = re.findall(r'(?m)^ +X\(\w+, "(\w+)"', file.read())
        self.assertGreater(len(names), 30)
        page = plain(self.pages()["taskqd-metrics.7"])
        for name in names:
            self.assertRegex(page, r"(?m)^\.TP\n%s(\{|$)" % name)

    @unittest.skipUnless(shutil.which("man"), "there is no man here")
    def test_troff_has_nothing_to_complain_about(self):
        for name, page in self.pages().items():
            with tempfile.NamedTemporaryFile("w", suffix="." + name[-1]) as file:
                file.write(page)
                file.flush()
                ran = subprocess.run(["man", "--warnings", "-l", file.name], capture_output=True, text=True, timeout=60,
                                     env={**os.environ, "MANWIDTH": "100", "LC_ALL": "C.UTF-8"})
                self.assertEqual((name, ran.returncode, ran.stderr), (name, 0, ""))


class Completion(unittest.TestCase):
    def complete(self, *words):
        """What bash offers for the last of the words."""
        with tempfile.TemporaryDirectory() as folder:
            fake = os.path.join(folder, "taskq")  # a daemon is another test's matter
            with open(fake, "w") as file:
                file.write('#!/bin/sh\nprintf \'%s\\n\' \'{"queue":"emails","ready":1}\' \'{"queue":"images"}\' \'{"queue":"a\\"b"}\'\n')
            os.chmod(fake, 0o755)
            path = os.path.join(folder, "completion")
            with open(path, "w") as file:
                file.write(run(PROGRAM, "help", "--completion", "bash"))
            code = '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _taskq; printf "%s\\n" "${COMPREPLY[@]}"'
            return run("bash", "-c", code, "bash", path, "taskq", *words,
                       env={**os.environ, "PATH": folder + ":" + os.environ["PATH"]}, cwd=folder).split()

    @unittest.skipUnless(shutil.which("bash"), "there is no bash here")
    def test_bash(self):
        self.assertEqual(self.complete("rel"), ["release"])
        self.assertEqual(self.complete("put", "em"), ["emails"])
        self.assertEqual(self.complete("put", ""), ["emails", "images"])
        self.assertEqual(self.complete("-a", "somewhere", "put", "im"), ["images"])
        self.assertEqual(self.complete("jobs", "--state", "de"), ["delayed", "dead"])
        self.assertEqual(self.complete("put", "--prio"), ["--priority"])
        self.assertIn("--json", self.complete("ping", "--"))
        self.assertEqual(self.complete("help", "resu"), ["result", "resume"])
        self.assertIn("completion", self.complete("backup", "comp"))  # a file

    def test_the_others_are_scripts(self):
        for shell in ("fish", "zsh"):
            text = run(PROGRAM, "help", "--completion", shell)
            self.assertIn("release", text)
            if shutil.which(shell):
                subprocess.run([shell, "-n"], input=text, text=True, check=True, timeout=60)
        ran = subprocess.run([PROGRAM, "help", "--completion", "tcsh"], capture_output=True, text=True, timeout=60)
        self.assertEqual((ran.returncode, ran.stdout), (2, ""))
        self.assertIn("bash, fish or zsh".replace(" or", " and"), ran.stderr)


if __name__ == "__main__":
    program = unittest.main(argv=[sys.argv[0], *sys.argv[4:]], exit=False)
    sys.exit(not program.result.wasSuccessful())
