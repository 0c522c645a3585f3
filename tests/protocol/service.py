"""The daemon under a service manager: it says how it goes, and listens on sockets that are passed on."""

import os
import socket
import sys
import tempfile
import unittest

import lib


# Puts the sockets in their places and becomes the daemon, so that its process id is the daemon's. By way of high numbers,
# since one may stand where another has to go.
BECOME = """
import os, sys
pid, count, passed = sys.argv[1:4]
passed = [int(fd) for fd in passed.split(",") if fd]
for n, fd in enumerate(passed):
    os.dup2(fd, 50 + n)
for n in range(len(passed)):
    os.dup2(50 + n, 3 + n)
os.environ.update(LISTEN_FDS=count, LISTEN_PID=pid or str(os.getpid()))
os.execv(sys.argv[4], sys.argv[4:])
"""


def ping(daemon, address=None):
    with daemon.connect(address) as connection:
        connection.call("ping")


class Notify(unittest.TestCase):
    """sd_notify(3): datagrams to the socket that NOTIFY_SOCKET names."""

    def told(self, manager):
        manager.settimeout(lib.PATIENCE)
        return manager.recv(4096).decode()

    def start_and_stop(self, bind, name):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(bind)
            with lib.Daemon(env={**os.environ, "NOTIFY_SOCKET": name}) as daemon:
                self.assertEqual(self.told(manager), "READY=1")
                ping(daemon)  # ready is when it answers
                daemon.terminate()
                self.assertEqual(self.told(manager), "STOPPING=1")
                daemon.wait()

    def test_ready_and_stopping_are_said(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "notify")
            self.start_and_stop(path, path)

    def test_to_an_abstract_address_too(self):
        name = "taskq-test-%d" % os.getpid()
        self.start_and_stop("\0" + name, "@" + name)

    def test_nobody_listens(self):
        for name in ("/no/such/socket", "relative", "", "/" + 200 * "x"):
            with lib.Daemon(env={**os.environ, "NOTIFY_SOCKET": name}) as daemon:
                ping(daemon)

    def test_handlers_do_not_see_it(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "taskqd.conf")
            with open(path, "w") as file:
                file.write('handler "env" {\n kind = exec\n command = {"env"}\n}\n')
            env = {**os.environ, "NOTIFY_SOCKET": "/no/such/socket", "LISTEN_FDS": "0", "LISTEN_PID": "1",
                   "LISTEN_FDNAMES": "x", "SEEN": "1"}
            with lib.Daemon("-c", path, env=env) as daemon:
                with daemon.connect() as connection:
                    job = connection.call("submit", queue="env", body=None)["id"]
                    printed = connection.call("result", id=job)["result"]
                self.assertIn("SEEN=1", printed)
                for name in ("NOTIFY_SOCKET", "LISTEN_"):
                    self.assertNotIn(name, printed)


class Activation(unittest.TestCase):
    """sd_listen_fds(3): descriptors from 3 on, their number in LISTEN_FDS, for the process LISTEN_PID."""

    def daemon(self, sockets, listen, pid=None, count=None):
        more = {"pass_fds": [s.fileno() for s in sockets]}
        wrap = (sys.executable, "-c", BECOME, str(pid or ""), str(len(sockets) if count is None else count),
                ",".join(str(fd) for fd in more["pass_fds"]))
        return lib.Daemon(listen=listen, wrap=wrap, program=lib.binary(), **more)

    def test_sockets_that_are_passed_on_stand_for_the_settings(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "socket")
            with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as local:
                local.bind(path)
                local.listen()
                port = tcp.getsockname()[1]
                # `listen` is given and not listened on: the log names just the two.
                with self.daemon([tcp, local], ["unix:" + os.path.join(folder, "unused"), "127.0.0.1:0"]) as daemon:
                    self.assertEqual(sorted(daemon.addresses), ["127.0.0.1:%d" % port, "unix:" + path])
                    for address in daemon.addresses:
                        ping(daemon, address)
                    self.assertEqual(os.listdir(folder), ["socket"])
                self.assertEqual(os.listdir(folder), ["socket"], "the file is its maker's")

    def test_those_of_another_process_are_not_taken(self):
        with socket.create_server(("127.0.0.1", 0)) as tcp:
            with self.daemon([tcp], ["127.0.0.1:0"], pid=1) as daemon:
                self.assertNotEqual(daemon.address, "127.0.0.1:%d" % tcp.getsockname()[1])

    def test_what_is_no_listening_socket_is_refused(self):
        with socket.socket() as plain:
            with self.assertRaisesRegex(AssertionError, "descriptor 3, which was passed on, is no socket that listens"):
                self.daemon([plain], ["127.0.0.1:0"])

    def test_others_can_reach_it(self):
        with socket.create_server(("0.0.0.0", 0)) as tcp:
            with self.assertRaisesRegex(AssertionError, "set insecure = true"):
                self.daemon([tcp], ["127.0.0.1:0"])

    def test_a_wrong_number(self):
        for count in ("0", "-1", "x", "1x", "99999999999999999999", "65"):
            with self.daemon([], ["127.0.0.1:0"], count=count) as daemon:
                ping(daemon)


if __name__ == "__main__":
    lib.main()
