#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The bundled web app under its own load: a Flask application in gunicorn's workers, asked by another process.

Input: options (--help).  Output: one line when it has answered, with the PID to record (gunicorn's master; its
workers are children of it) and the address; when it ends, by a signal or after --seconds, what
its own clock says of where the CPU time went (account.py), to hold beside what a profiler says.
Needs Flask and gunicorn (Debian's python3-flask and gunicorn); with --server plain nothing but
Python 3.8 or newer.
"""
import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", choices=["flask", "plain"], default="flask",
                        help="flask: Flask in gunicorn (default); plain: wsgiref, one process, a thread for each request")
    parser.add_argument("--workers", type=int, default=2, help="processes of gunicorn (2)")
    parser.add_argument("--threads", type=int, default=1, help="threads of each (1)")
    parser.add_argument("--load", type=int, default=4, help="clients at once; 0: no load of its own (4)")
    parser.add_argument("--seconds", type=int, default=600, help="ends by itself after so long (600)")
    return parser.parse_args()


def start_load(arguments, port, say):
    """Its standard input is a pipe of which only this process holds the other end: it ends when that is gone.

    A shell starts it and ends, so that it is no child of the app: whoever records the app and its
    children does not record the load.
    """
    reader, writer = os.pipe()
    os.set_inheritable(writer, False)
    command = '"$0" "$@" <&%d &' % reader
    subprocess.run(["/bin/sh", "-c", command, sys.executable, os.path.join(HERE, "load.py"), "--port", str(port),
                    "--threads", str(arguments.load), "--seconds", str(arguments.seconds), "--say", say], pass_fds=[reader], check=True)
    os.close(reader)
    return writer


def serve_flask(arguments, listener, running, forked, ended):
    try:
        import flask  # noqa: F401
        import gunicorn.app.base
    except ImportError as error:
        sys.exit("run.py: %s for %s: install Debian's python3-flask and gunicorn, or take --server plain" % (
            error, sys.executable))

    class Application(gunicorn.app.base.BaseApplication):
        def load_config(self):
            settings = {"bind": "fd://%d" % listener.fileno(), "workers": arguments.workers,
                        "threads": arguments.threads, "loglevel": "warning", "timeout": 120, "graceful_timeout": 2,
                        "when_ready": lambda server: running(), "post_fork": lambda server, worker: forked(),
                        "on_exit": lambda server: ended()}
            for name, value in settings.items():
                self.cfg.set(name, value)

        def load(self):
            import flask_app
            return flask_app.app

    Application().run()


def serve_plain(listener, running, ended):
    import plain_app
    running()
    try:
        plain_app.serve(listener)
    finally:
        ended()


def main():
    arguments = options()
    directory = os.environ.get("WEBAPP_ACCOUNT")
    own = directory is None
    if own:
        directory = os.environ["WEBAPP_ACCOUNT"] = tempfile.mkdtemp(prefix="webapp-")
    import account  # looks at WEBAPP_ACCOUNT

    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    port = listener.getsockname()[1]
    master = os.getpid()
    pipes = []

    def running():
        say = "webapp: running, pid %d, http://127.0.0.1:%d/" % (master, port)
        if arguments.load:
            pipes.append(start_load(arguments, port, say))
        else:
            print(say, flush=True)

    def forked():
        """In a worker: a busy one does not look whether its master is gone, so the load must."""
        for pipe in pipes:
            os.close(pipe)

    def ended():
        table = account.table(directory)
        if own:
            shutil.rmtree(directory, ignore_errors=True)
        print(table, flush=True)  # last: perhaps nobody reads it any more

    # gunicorn's master takes SIGTERM as its end, and so does the plain server here
    signal.signal(signal.SIGALRM, lambda number, frame: os.kill(master, signal.SIGTERM))
    signal.alarm(arguments.seconds)
    if arguments.server == "flask":
        serve_flask(arguments, listener, running, forked, ended)
    else:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: sys.exit(0))
        serve_plain(listener, running, ended)


main()
