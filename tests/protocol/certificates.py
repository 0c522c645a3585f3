"""Certificates for tests, made by the openssl command: an authority of one's own, what it issues, and what it takes back.

    ca = Authority(folder)
    server = ca.issue("localhost")                     # server.certificate, server.key: paths of PEM files
    client = ca.issue("worker 1", usage="client")
    ca.revoke(client); ca.crl()                        # the path of the list of revoked ones
"""

import datetime
import os
import subprocess

CONFIGURATION = """\
[ca]
default_ca = this
[this]
database = {folder}/index
serial = {folder}/serial
crlnumber = {folder}/crlnumber
new_certs_dir = {folder}
certificate = {folder}/ca.pem
private_key = {folder}/ca.key
default_md = sha256
policy = anything
unique_subject = no
email_in_dn = no
[anything]
commonName = optional
[req]
prompt = no
distinguished_name = subject
[subject]
"""
USAGES = {"server": "extendedKeyUsage=serverAuth\n", "client": "extendedKeyUsage=clientAuth\n", "both": "",
          "ca": "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n"}
KEYS = {"ec": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "rsa": ["-newkey", "rsa:2048"],
        "weak": ["-newkey", "rsa:1024"]}


def openssl(*arguments, **more):
    done = subprocess.run(["openssl", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, **more)
    if done.returncode:
        raise AssertionError("openssl %s: %s" % (" ".join(arguments), done.stderr))
    return done.stdout


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def subject(name):
    """A subject as the command takes it; no name: an empty one."""
    return "/" if name is None else "/CN=" + name.replace("\\", "\\\\").replace("/", "\\/")


class Pair:
    """A certificate and its key, as paths of PEM files."""

    def __init__(self, certificate, key):
        self.certificate = certificate
        self.key = key


class Authority(Pair):
    """An authority with its files in a folder of its own within `folder`."""

    def __init__(self, folder, name="test authority"):
        self.folder = os.path.join(folder, "ca-" + "".join(c if c.isalnum() else "-" for c in name))
        os.mkdir(self.folder)
        super().__init__(self._path("ca.pem"), self._path("ca.key"))
        self._count = 0
        self._configuration = write(self._path("configuration"), CONFIGURATION.format(folder=self.folder))
        write(self._path("index"), "")
        write(self._path("serial"), "1000\n")
        write(self._path("crlnumber"), "01\n")
        openssl("req", "-x509", "-new", "-nodes", "-config", self._configuration, *KEYS["ec"], "-subj", subject(name),
                "-days", "3650", "-keyout", self.key, "-out", self.certificate,
                "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def _path(self, name):
        return os.path.join(self.folder, name)

    def issue(self, name, names=("DNS:localhost", "IP:127.0.0.1"), usage="server", begins=-1, ends=365, key="ec"):
        """A pair for `name` (CN; None: no subject) and the alternative names; it is valid from `begins` to `ends`, days from
        now. The usage is server, client, both or ca; the key ec, rsa or weak."""
        self._count += 1
        base = self._path("issued-%d" % self._count)
        extensions = write(base + ".extensions", USAGES[usage] + ("subjectAltName=" + ",".join(names) + "\n" if names else ""))
        openssl("req", "-new", "-nodes", "-utf8", "-config", self._configuration, *KEYS[key], "-subj", subject(name),
                "-keyout", base + ".key", "-out", base + ".request")
        openssl("ca", "-batch", "-notext", "-utf8", "-config", self._configuration, "-in", base + ".request", "-out", base + ".pem",
                "-subj", subject(name), "-extfile", extensions, "-startdate", self._date(begins), "-enddate", self._date(ends))
        return Pair(base + ".pem", base + ".key")

    @staticmethod
    def _date(days):
        return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)).strftime("%Y%m%d%H%M%SZ")

    def revoke(self, pair):
        openssl("ca", "-config", self._configuration, "-revoke", pair.certificate)

    def crl(self, seconds=86400, path=None):
        """The list of those revoked until now, good for so many seconds from now."""
        path = path or self._path("crl.pem")
        openssl("ca", "-config", self._configuration, "-gencrl", "-crlsec", str(seconds), "-out", path)
        return path
