# SPDX-License-Identifier: BSD-2-Clause
"""A MariaDB server of one's own, beside whatever the system has: nothing of that is read or written.

Input: a directory that is made for it, with data, socket and log; what is installed of MariaDB (Debian's
mariadb-server-core suffices, which starts no service).  Output: a server on a port of the loopback
interface that one user may use, with a password made for this run; as root it runs as nobody.

`server.py keep DIRECTORY` is its keeper, a process in a session of its own: it starts the server, and stops it and
removes the directory when it gets a signal, when the server ends, or when its standard input does, which is a
pipe held by whoever wants the server.  So nothing stays, however that process ends.  If the keeper itself is
killed the server ends (PR_SET_PDEATHSIG), and the directory is removed by the next start.
"""
import json
import os
import pwd
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys

DATABASE = USER = "example"
# of the package; the server's own tables, without which it lets nobody in
TABLES = ["/usr/share/mysql/mysql_system_tables.sql", "/usr/share/mariadb/mysql_system_tables.sql"]


class Problem(Exception):
    """One sentence for the user."""


def find_program():
    path = shutil.which("mariadbd", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/libexec")
    tables = [name for name in TABLES if os.path.exists(name)]
    if not path or not tables:
        raise Problem("no MariaDB server is installed: tools/install-deps --examples, or Debian's mariadb-server-core")
    return path, tables[0]


# ---- for those who want a server

def start(directory, lifeline):
    """Makes one in an empty directory; returns (its keeper's number, what connect() wants).

    With lifeline it lasts as long as this process, at most; else until stop().  The keeper is no child: who
    records this process and its children does not record the server.
    """
    find_program()
    os.chmod(directory, 0o711)  # the server's user goes through it
    reader, writer = os.pipe()  # of which nobody else holds the other end, not even the keeper
    with subprocess.Popen(["setsid", "--fork", sys.executable, os.path.abspath(__file__), "keep", directory],
                          stdin=reader if lifeline else subprocess.DEVNULL, stdout=subprocess.PIPE,
                          env=dict(os.environ, MARIADB_LIFELINE="1" if lifeline else "")) as started:
        os.close(reader)
        line = started.stdout.readline()
    if not line:
        raise Problem("the server did not start, see above")
    if not lifeline:
        os.close(writer)
    return is_running(directory), json.loads(line)


def stop(pid):
    """Until everything of it is gone."""
    watch = os.pidfd_open(pid)
    signal.pidfd_send_signal(watch, signal.SIGTERM)
    select.select([watch], [], [])
    os.close(watch)


def is_running(directory):
    """The keeper of this directory, or None."""
    try:
        with open(os.path.join(directory, "keeper.pid")) as file:
            pid = int(file.read())
        with open("/proc/%d/cmdline" % pid, "rb") as file:
            words = file.read().split(b"\0")
    except (OSError, ValueError):
        return None
    # the number may be another's by now
    return pid if os.fsencode(directory) in words and b"keep" in words else None


def is_mine(directory):
    found = os.lstat(directory)
    return found.st_uid == os.getuid() and os.path.isdir(directory) and not os.path.islink(directory)


def settings(directory):
    with open(os.path.join(directory, "settings.json")) as file:
        return json.load(file)


# ---- the keeper

class Keeper:
    def __init__(self, directory):
        self.directory = directory
        self.inner = os.path.join(directory, "server")  # what the server's user owns
        self.server = None
        self.said = []

    def write(self, name, text):
        """Only for this user's eyes: with a name when it is whole."""
        path = os.path.join(self.directory, name)
        with open(os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        os.rename(path + ".new", path)
        return path

    @staticmethod
    def give(path):
        """To the server's user, who is this one unless that is root."""
        if os.getuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(path, nobody.pw_uid, nobody.pw_gid)

    def as_server(self, *options):
        """The command, which ends when its parent does; never as root."""
        become = ["setpriv", "--pdeathsig", "TERM"]
        if os.getuid() == 0:
            become += ["--reuid", "nobody", "--regid", str(pwd.getpwnam("nobody").pw_gid), "--clear-groups"]
        program, _ = find_program()
        return become + [program, "--no-defaults", "--datadir=" + self.inner + "/data", "--tmpdir=" + self.inner + "/tmp",
                         "--innodb-buffer-pool-size=16M", "--innodb-log-file-size=8M", "--innodb-use-native-aio=0",
                         # nothing here must survive a power cut
                         "--innodb-flush-method=nosync", "--sync-frm=0", "--debug-no-sync", *options]

    def make(self, port):
        """Directories, the server's own tables, and the one user."""
        for path in (self.inner, self.inner + "/data", self.inner + "/tmp"):
            os.mkdir(path, 0o700)
            self.give(path)
        with open(find_program()[1]) as tables:
            script = "CREATE DATABASE mysql;\nUSE mysql;\n" + tables.read()
        done = subprocess.run(self.as_server("--bootstrap"), input=script.encode(), stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, cwd=self.inner)
        if done.returncode:
            raise Problem("the server cannot make its tables in %s: %s" % (
                self.inner, done.stderr.decode(errors="replace")[-1500:]))
        password = secrets.token_hex(16)
        first = self.write("first.sql", "CREATE DATABASE %s CHARACTER SET utf8mb4;\n"
                           "CREATE USER %s@'127.0.0.1' IDENTIFIED BY '%s';\nGRANT ALL ON %s.* TO %s@'127.0.0.1';\n" % (
                               DATABASE, USER, password, DATABASE, USER))
        self.give(first)
        self.write("settings.json", json.dumps({"host": "127.0.0.1", "port": port, "user": USER, "password": password,
                                                "database": DATABASE}))
        return first

    def open(self):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        first = self.make(port)
        self.server = subprocess.Popen(
            self.as_server("--init-file=" + first, "--bind-address=127.0.0.1", "--port=%d" % port, "--skip-name-resolve",
                           "--socket=" + self.inner + "/socket", "--pid-file=" + self.inner + "/pid"),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=self.inner)

    def run(self, lifeline):
        """Until the server or the lifeline ends.  What the server says is read on; it shall never wait for that."""
        is_open, rest, sources = False, b"", [self.server.stderr] + ([0] if lifeline else [])
        while True:
            ready, _, _ = select.select(sources, [], [])
            if 0 in ready and not os.read(0, 4096):
                return
            if self.server.stderr not in ready:
                continue
            data = os.read(self.server.stderr.fileno(), 65536)
            if not data:
                raise Problem("the server ended (%d):\n%s" % (self.server.wait(), "\n".join(self.said)))
            *lines, rest = (rest + data).split(b"\n")
            self.said = (self.said + [line.decode(errors="replace") for line in lines])[-15:]
            if not is_open and any(b"ready for connections" in line for line in lines):
                is_open = True
                print(json.dumps(settings(self.directory)), flush=True)
                # who started us may be waiting for the end of what we say
                with open(os.devnull, "w") as nobody:
                    for number in (1,) if lifeline else (1, 2):
                        os.dup2(nobody.fileno(), number)

    def close(self):
        if self.server:
            self.server.terminate()
            try:
                self.server.communicate(timeout=30)
            except subprocess.TimeoutExpired:
                self.server.kill()
                self.server.communicate()
        shutil.rmtree(self.directory)


def keep(directory):
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(0))
    os.chdir("/")
    keeper = Keeper(directory)
    try:
        keeper.write("keeper.pid", "%d\n" % os.getpid())
        keeper.open()
        keeper.run(bool(os.environ.get("MARIADB_LIFELINE")))
    except Problem as problem:
        sys.exit("mariadb: %s" % problem)
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        keeper.close()


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] != "keep":
        sys.exit("server.py is started by run.py")
    keep(sys.argv[2])
