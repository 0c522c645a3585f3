"""The daemon as a process: its command line, its addresses, its signals, and the pool of its configuration."""

import json
import os
import re
import signal
import socket
import subprocess
import unittest

import lib
from lib import Daemon


def run(*arguments):
    """A run that ends by itself: exit code, output, complaints."""
    done = subprocess.run([lib.binary(), *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=lib.PATIENCE, check=False)
    return done.returncode, done.stdout, done.stderr


class Case(unittest.TestCase):
    def setUp(self):
        folder = lib.temporary_folder()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name, text=None):
        path = os.path.join(self.folder, name)
        if text is not None:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        return path

    def start(self, *arguments, **more):
        daemon = Daemon(*arguments, **more)
        self.addCleanup(daemon.kill)
        return daemon

    def connect(self, daemon, address=None):
        connection = daemon.connect(address)
        self.addCleanup(connection.close)
        return connection

    def assertRefused(self, done, *words):
        code, out, err = done
        self.assertEqual((code, out), (1, ""), err)
        for word in words:
            self.assertIn(word, err)
        self.assertEqual(len(err.splitlines()), 1, err)


class CommandLine(Case):
    def test_wrong_use_shows_the_usage(self):
        for wrong in (("-x",), ("--nonsense",), ("-c",), ("extra",), ("-m", "-d", self.folder), ("-H",)):
            code, out, err = run(*wrong)
            self.assertEqual((code, out), (2, ""), wrong)
            self.assertIn("usage: taskqd", err)

    def test_help_and_version_go_to_standard_output(self):
        for option in ("-h", "--help"):
            code, out, err = run(option)
            self.assertEqual((code, err), (0, ""))
            self.assertIn("usage: taskqd", out)
        code, out, err = run("-V")
        self.assertEqual((code, err), (0, ""))
        self.assertRegex(out, r"^taskqd \d+\.\d+\.\d+\n$")

    def test_settings_are_checked_without_a_start(self):
        good = self.path("good", "threads = 2\n")
        self.assertEqual(run("-t", "-c", good), (0, good + ": the settings are fine\n", ""))
        bad = self.path("bad", "\nthreads = many\n")
        self.assertRefused(run("-t", "-c", bad), bad + ':2: threads = "many"')
        self.assertRefused(run("-c", bad), bad + ':2: threads = "many"')
        self.assertRefused(run("-t", "-c", self.folder), "Is a directory")


    def test_what_handlers_run_is_looked_for(self):
        path = self.path("c", 'handler "good" { command = {"sh"} }\nhandler "mail" { command = {"%s", "-x"} }\n' % self.path("send"))
        self.assertRefused(run("-t", "-c", path), 'handler "mail": command "%s": it is not there: install it' % self.path("send"))
        os.symlink("/bin/cat", self.path("send"))
        self.assertEqual(run("-t", "-c", path)[0], 0)
        os.remove(self.path("send"))

        # The daemon starts all the same, and says so, once a handler; so does a reload.
        daemon = self.start("-c", path)
        said = r'(level=warning event=handler_unready .* handler=mail setting=command file=%s why="it is not there: install it, .*")'
        daemon._wait_for(said % re.escape(self.path("send")))
        daemon._wait_for("event=(listening)")
        os.kill(daemon.pid, signal.SIGHUP)
        daemon._wait_for(said % re.escape(self.path("send")), 1)
        self.assertEqual(daemon.text().count("event=handler_unready"), 2)
        connection = self.connect(daemon)
        id = connection.call("submit", queue="mail", body=7)["id"]
        os.symlink("/bin/cat", self.path("later"))
        connection.until(lambda job: job["attempt"] >= 1 and job["state"] == "delayed", "job", id=id)
        self.path("c", 'handler "mail" { command = {"%s"} }\n' % self.path("later"))
        os.kill(daemon.pid, signal.SIGHUP)
        connection.call("kick", id=id)
        self.assertEqual(connection.call("result", id=id, timeout=lib.PATIENCE)["result"], 7)
        self.assertEqual(daemon.text().count("event=handler_unready"), 2)


class Addresses(Case):
    def test_several_are_served_and_the_log_names_their_ports(self):
        path = self.path("s")
        daemon = self.start(listen=("127.0.0.1:0", "127.0.0.1:0", "unix:" + path))
        self.assertEqual(len(set(daemon.addresses)), 3)
        for address in daemon.addresses:
            self.assertNotRegex(address, r":0$")
            self.assertEqual(self.connect(daemon, address).call("ping"), {})
        daemon.stop()
        self.assertFalse(os.path.exists(path))

    @unittest.skipUnless(socket.has_ipv6 and os.path.exists("/proc/net/if_inet6"), "no IPv6 here")
    def test_ipv6(self):
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError:
            self.skipTest("no IPv6 loopback here")
        daemon = self.start(listen=("[::1]:0",))
        port = int(re.match(r"\[::1\]:(\d+)$", daemon.address).group(1))
        with socket.create_connection(("::1", port), lib.PATIENCE) as peer:
            peer.sendall(b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n')
            self.assertEqual(json.loads(peer.makefile().readline())["result"], {})

    def test_a_stale_unix_socket_is_replaced_and_a_live_one_is_not(self):
        path = self.path("s")
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(path)
        daemon = self.start(listen=("unix:" + path,))
        self.assertRefused(run("-m", "-l", "unix:" + path), path)
        self.assertEqual(self.connect(daemon).call("ping"), {})

    def test_a_port_in_use_is_one_clear_line(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = "127.0.0.1:%d" % taken.getsockname()[1]
            self.assertRefused(run("-m", "-l", address), address)

    def test_what_others_can_reach_is_refused_without_insecure(self):
        self.assertRefused(run("-m", "-l", "0.0.0.0:0"), "0.0.0.0:0", "insecure")
        for setting in ("listen", "http"):
            config = self.path("t", '%s = {"0.0.0.0:7"}\n' % setting)
            self.assertRefused(run("-t", "-c", config), "0.0.0.0:7", "insecure")
            self.assertEqual(run("-t", "-c", self.path("t", '%s = {"0.0.0.0:7"}\ninsecure = true\n' % setting))[0], 0)
        self.start("-c", self.path("c", "insecure = true\n"), listen=("0.0.0.0:0",))


class Signals(Case):
    def held(self, timeout):
        daemon = self.start("-c", self.path("c", "shutdown_timeout = %s\n" % timeout), data=self.path("data"))
        connection = self.connect(daemon)
        id = connection.call("put", queue="q", body=1)["id"]
        job = connection.call("get", queue="q", timeout=0)
        daemon.terminate()
        daemon._wait_for("event=(stopping)")
        return daemon, connection, id, job

    def test_a_stop_waits_for_what_a_consumer_holds(self):
        daemon, connection, id, job = self.held("60")
        self.assertEqual(connection.call("ack", id=id, delivery=job["delivery"]), {})
        daemon.wait()

    def test_a_stop_waits_no_longer_than_it_was_told(self):
        daemon, _, id, _ = self.held("100ms")
        daemon.wait()
        again = self.connect(self.start(data=self.path("data")))
        self.assertEqual(again.call("get", queue="q", timeout=0)["attempt"], 1)

    def test_a_second_signal_hurries(self):
        daemon, _, _, _ = self.held("3600")
        daemon.terminate()
        daemon.wait()

    def test_a_stop_is_not_held_up_by_sighup(self):
        daemon, connection, id, job = self.held("3600")
        os.kill(daemon.pid, signal.SIGHUP)
        daemon._wait_for("event=reload_ignored .*(the daemon stops)")
        self.assertEqual(connection.call("ack", id=id, delivery=job["delivery"]), {})
        daemon.wait()

    def test_sighup_does_not_end_it(self):
        daemon = self.start()
        os.kill(daemon.pid, signal.SIGHUP)
        daemon._wait_for("event=reload_ignored .*(there is no configuration file)")
        self.assertEqual(self.connect(daemon).call("ping"), {})


class Pool(Case):
    def handlers(self, text, **more):
        return self.start("-c", self.path("c", text), **more)

    def test_the_examples_wordcount_takes_any_path(self):
        example = os.path.join(os.path.dirname(lib.DOCUMENT), "..", "conf", "taskqd.conf")
        daemon = self.start("-c", example)
        connection = self.connect(daemon)
        for name in ("plain", "with space", "quote'\"s", "new\nline\n", "$HOME `x`", "-n", "é"):
            path = self.path(name, "one two three\n")
            id = connection.call("submit", queue="wordcount", body=path)["id"]
            done = connection.call("result", id=id, timeout=lib.PATIENCE)
            self.assertEqual(done["result"], 3, name)

    def test_the_pool_is_shown(self):
        daemon = self.handlers('handler "e" { kind = echo workers = 3 queues = {"a", "b"} }\n')
        connection = self.connect(daemon)
        id = connection.call("submit", queue="a", body=1)["id"]
        connection.call("result", id=id, timeout=lib.PATIENCE)
        connection.until(lambda pool: pool["handlers"][0]["running"] == 0, "pool")
        self.assertEqual(connection.call("pool")["handlers"],
                         [{"handler": "e", "queues": ["a", "b"], "kind": "echo", "state": "running", "workers": 3, "running": 0, "done": 1,
                           "failed": 0, "jobs": []}])

    def running(self, timeout):
        """A daemon whose pool runs a command that waits for the file `go`."""
        os.mkfifo(self.path("go"))
        daemon = self.handlers('shutdown_timeout = %s\nhandler "h" { command = {"cat", "%s"} grace = 1 }\n'
                               % (timeout, self.path("go")), data=self.path("data"))
        connection = self.connect(daemon)
        id = connection.call("submit", queue="h", body=1)["id"]
        connection.until(lambda pool: pool["handlers"][0]["running"] == 1, "pool")
        return daemon, connection, id

    def test_a_stop_lets_a_command_finish(self):
        daemon, _, id = self.running("60")
        daemon.terminate()
        daemon._wait_for("event=(stopping)")
        with open(self.path("go"), "w", encoding="utf-8") as go:
            go.write("7")
        daemon.wait()
        again = self.connect(self.start(data=self.path("data")))
        self.assertEqual(again.call("result", id=id, timeout=0)["result"], 7)

    def test_a_command_that_is_not_done_in_time_is_put_back_uncounted(self):
        daemon, _, id = self.running("100ms")
        daemon.stop()
        again = self.connect(self.start(data=self.path("data")))
        job = again.call("get", queue="h", timeout=0)
        self.assertEqual((job["id"], job["attempt"]), (id, 1))

    def test_a_second_signal_puts_back_what_runs(self):
        daemon, _, id = self.running("3600")
        daemon.terminate()
        daemon._wait_for("event=(stopping)")
        daemon.terminate()
        daemon.wait()
        again = self.connect(self.start(data=self.path("data")))
        job = again.call("get", queue="h", timeout=0)
        self.assertEqual((job["id"], job["attempt"]), (id, 1))

    def test_a_daemon_handler_is_not_waited_for(self):
        daemon = self.handlers('shutdown_timeout = 3600\n'
                               'handler "background" { command = {"sleep", "1000"} daemon = true }\n'
                               'handler "naps" { kind = sleep daemon = true }\n'
                               'handler "waited" { kind = sleep }\n', data=self.path("data"))
        connection = self.connect(daemon)
        ids = {queue: connection.call("submit", queue=queue, body=body)["id"]
               for queue, body in (("background", 1), ("naps", 1000), ("waited", 0.5))}
        connection.until(lambda pool: sum(h["running"] for h in pool["handlers"]) == 3, "pool")
        daemon.stop()
        again = self.connect(self.start(data=self.path("data")))
        self.assertEqual(again.call("result", id=ids["waited"], timeout=0)["state"], "done")
        for queue in ("background", "naps"):
            job = again.call("get", queue=queue, timeout=0)
            self.assertEqual((job["id"], job["attempt"]), (ids[queue], 1))

    def test_the_daemon_ends_when_what_starts_its_commands_is_gone(self):
        daemon = self.handlers('shutdown_timeout = 100ms\nhandler "h" { command = {"cat"} }\n')
        with open("/proc/%d/task/%d/children" % (daemon.pid, daemon.pid), encoding="ascii") as children:
            spawner = int(children.read().split()[0])
        os.kill(spawner, signal.SIGKILL)
        daemon._wait_for("(the process that starts commands is gone)")
        self.assertEqual(daemon._process.wait(lib.PATIENCE), 1)


if __name__ == "__main__":
    lib.main()
