"""The package as pip and a build make it of what stands in client/python, without a network."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import unittest
import zipfile

import support
import taskq
from support import lib

IGNORED = shutil.ignore_patterns("__pycache__", "build", "*.egg-info", ".mypy_cache")


class Install(unittest.TestCase):
    def setUp(self):
        for module in ("setuptools", "wheel", "pip"):
            support.use_interpreter_with(module)
        folder = lib.temporary_folder()
        self.addCleanup(folder.cleanup)
        self.source = os.path.join(folder.name, "source")
        shutil.copytree(support.PACKAGE, self.source, ignore=IGNORED)  # building leaves things behind
        self.out = os.path.join(folder.name, "out")
        os.mkdir(self.out)

    def run_python(self, *arguments, **more):
        done = subprocess.run([sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=support.PATIENCE * 6, **more)
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def modules(self):
        return {name for name in os.listdir(os.path.join(support.PACKAGE, "taskq")) if name.endswith(".py")}

    def test_pip(self):
        self.run_python("-m", "pip", "install", "--no-index", "--no-build-isolation", "--no-deps", "--quiet", "--target", self.out,
                        self.source, env=dict(os.environ, PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_ROOT_USER_ACTION="ignore"))
        installed = set(os.listdir(os.path.join(self.out, "taskq")))
        self.assertLessEqual(self.modules() | {"py.typed"}, installed)
        with lib.Daemon() as daemon:
            said = self.run_python(
                "-I", "-c", "import sys; sys.path.insert(0, %r)\n"
                "import taskq, taskq.aio, taskq.worker\n"
                "q = taskq.Queue(url=%r); q.put(7); print(q.get(), taskq.__file__)" % (self.out, daemon.address), cwd=self.out)
        self.assertEqual(said.split(), ["7", os.path.join(self.out, "taskq", "__init__.py")])

    def test_what_is_uploaded(self):
        self.run_python("-c", "import setuptools.build_meta as b; b.build_wheel(%r); b.build_sdist(%r)" % (self.out, self.out),
                        cwd=self.source)
        version = taskq.__version__
        with zipfile.ZipFile(os.path.join(self.out, "taskq-%s-py3-none-any.whl" % version)) as wheel:
            names = set(wheel.namelist())
            self.assertEqual({name for name in names if not name.startswith("taskq-")},
                             {"taskq/" + name for name in self.modules() | {"py.typed"}})
            metadata = wheel.read("taskq-%s.dist-info/METADATA" % version).decode()
        self.assertIn("Requires-Python: >=3.9", metadata)
        self.assertNotIn("Requires-Dist", metadata)
        with tarfile.open(os.path.join(self.out, "taskq-%s.tar.gz" % version)) as sdist:
            names = {name.partition("/")[2] for name in sdist.getnames()}
        self.assertLessEqual({"taskq/" + name for name in self.modules() | {"py.typed"}} | {"pyproject.toml", "README.md"}, names)

    def test_one_version(self):
        root = os.path.join(support.HERE, "..", "..", "meson.build")
        self.assertEqual(re.search(r"version: '([^']+)'", support.content(root)).group(1), taskq.__version__)
        self.assertIn('version = "%s"' % taskq.__version__, support.content(os.path.join(support.PACKAGE, "pyproject.toml")))


if __name__ == "__main__":
    support.main()
