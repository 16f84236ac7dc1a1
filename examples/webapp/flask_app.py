# SPDX-License-Identifier: BSD-2-Clause
"""The app as a Flask application: `gunicorn flask_app:app` in this folder serves it, as does run.py.

Input: requests.  Output: the pages of handlers.py.  Needs Flask (Debian's python3-flask).
"""
import flask

import account
import handlers

app = flask.Flask(__name__)
app.wsgi_app = account.measured(app.wsgi_app)


@app.route("/")
def index():
    return {"pages": list(handlers.PAGES)}


@app.route("/report")
def report():
    return flask.Response(handlers.report(), mimetype="application/json")


@app.route("/search")
def search():
    return flask.Response(handlers.search(), mimetype="text/plain")


@app.route("/thumbnail")
def thumbnail():
    return flask.Response(handlers.thumbnail(), mimetype="application/octet-stream")


@app.route("/download")
def download():
    return flask.Response(handlers.download(), mimetype="application/octet-stream")
