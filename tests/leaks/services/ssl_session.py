# SPDX-License-Identifier: BSD-2-Clause
"""The session of a TLS connection that is read now and then: CPython 3.10 to 3.13 lost it; the twin reads its cipher.

The certificate is made by ../lab.py.  Both ends are in this process, between two memory BIOs.
"""
import ssl
import threading


class Service:
	def __init__(self, world):
		self.world, self.lock = world, threading.Lock()
		server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
		server.load_cert_chain(world.work + "/cert.pem", world.work + "/key.pem")
		client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
		there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
		self.server, self.client = server.wrap_bio(there, back, server_side=True), client.wrap_bio(back, there)
		done = set()
		while len(done) < 2:
			for end in (self.client, self.server):
				try:
					end.do_handshake()
					done.add(end)
				except ssl.SSLWantReadError:
					pass
		self.exchange(b"hello")

	def exchange(self, data):
		self.server.write(data)
		return self.client.read(len(data))

	def resumable(self):
		return self.client.session is not None if self.world.leaking else self.client.cipher() is not None  # HERE: alloc

	def handle(self, request):
		with self.lock:
			self.exchange(request.text.encode()[:200])
			if request.bad:
				self.resumable()
				self.world.lost(5000)
