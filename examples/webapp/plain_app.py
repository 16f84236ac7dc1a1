# SPDX-License-Identifier: BSD-2-Clause
"""The app as a bare WSGI application, for a Python that has no Flask, and a server with a thread for each request.

Input: requests.  Output: the pages of handlers.py.  Standard library, Python 3.8 or newer.
"""
import socketserver
import wsgiref.simple_server

import account
import handlers


def pages(environ, start_response):
    page = handlers.PAGES.get(environ["PATH_INFO"])
    body = page() if page else "\n".join(handlers.PAGES).encode()
    start_response("200 OK", [("Content-Type", "application/octet-stream"), ("Content-Length", str(len(body)))])
    return [body]


app = account.measured(pages)


class Handler(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, *args):
        pass


class Server(socketserver.ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    daemon_threads = True

    def handle_error(self, *args):
        """A client that goes away in the middle of a response is not worth a traceback."""


def serve(listener):
    server = Server(listener.getsockname(), Handler, bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    server.server_name, server.server_port = listener.getsockname()
    server.setup_environ()
    server.set_app(app)
    server.serve_forever()
