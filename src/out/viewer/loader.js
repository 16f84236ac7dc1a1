// SPDX-License-Identifier: BSD-2-Clause
// Loader: the block of data in the page -> its sections, by tag.
// docs/formats.md describes the bytes; nothing is fetched.

// What a person is told instead of the page.
class Problem extends Error {}

// Reads the numbers of a section one after the other (LEB128).
class Reader {
	constructor(bytes) {
		this.bytes = bytes;
		this.at = 0;
	}

	number() {
		const bytes = this.bytes;
		let byte = bytes[this.at++];
		if (byte < 0x80)
			return byte;
		let value = byte & 0x7f, scale = 128;
		do {
			if (this.at >= bytes.length)
				throw new Problem('The data of this page breaks off within a number.');
			byte = bytes[this.at++];
			value += (byte & 0x7f) * scale;
			scale *= 128;
		} while (byte >= 0x80);
		return value;
	}

	// n numbers as one array
	numbers(n, into = new Uint32Array(n)) {
		for (let i = 0; i < n; i++)
			into[i] = this.number();
		return into;
	}

	take(n) {
		this.at += n;
		return this.bytes.subarray(this.at - n, this.at);
	}
}

const Loader = (() => {
	const DAMAGED = 'The data of this page is damaged or not whole: was the file cut off on its way here?';

	function fromBase64(text) {
		if (Uint8Array.fromBase64)
			return Uint8Array.fromBase64(text);
		const binary = atob(text);
		const bytes = new Uint8Array(binary.length);
		for (let i = 0; i < bytes.length; i++)
			bytes[i] = binary.charCodeAt(i);
		return bytes;
	}

	async function inflate(packed) {
		const stream = new DecompressionStream('deflate');
		const writer = stream.writable.getWriter();
		// Its failure shows at the reading end.
		writer.write(packed).catch(() => {});
		writer.close().catch(() => {});
		return new Uint8Array(await new Response(stream.readable).arrayBuffer());
	}

	function split(bytes) {
		const sections = {};
		const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
		for (let at = 0; at < bytes.length;) {
			const tag = String.fromCharCode(...bytes.subarray(at, at + 4));
			const n = Number(view.getBigUint64(at + 4, true));
			if (at + 12 + n > bytes.length)
				throw new Problem(DAMAGED);
			sections[tag] = bytes.subarray(at + 12, at + 12 + n);
			at += 12 + n;
		}
		return sections;
	}

	async function load() {
		const element = Dom.byId('data');
		if (typeof DecompressionStream !== 'function')
			throw new Problem('This browser cannot unpack the data of the page: it has no DecompressionStream. ' +
				'Chrome and Edge have it from version 80 on, Safari from 16.4, Firefox from 113.');
		let bytes;
		try {
			const packed = fromBase64(element.textContent);
			performance.mark('pitviper:read');
			bytes = await inflate(packed);
			performance.mark('pitviper:unpacked');
		} catch {
			throw new Problem(DAMAGED);
		}
		element.remove(); // it is twice as large as what it holds
		return split(bytes);
	}

	return { load };
})();
