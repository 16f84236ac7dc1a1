// SPDX-License-Identifier: BSD-2-Clause
// Text: bytes of the target made safe to show, and numbers made readable.
// Names may hold anything.  They are shown by textContent and on canvas only;
// what would be invisible, would move the text around it, or is not UTF-8, is
// shown as \xNN, a byte each, as folded output has it (docs/formats.md).

const Text = (() => {
	// Controls, zero widths, bidirectional marks, separators, halves of surrogate pairs.
	const STRANGE = new RegExp('[\\u0000-\\u001f\\u007f-\\u009f\\u00ad\\u061c\\u200b-\\u200f\\u2028-\\u202e' +
		'\\u2060-\\u206f\\ufeff\\ufff9-\\ufffb]|[\\ud800-\\udbff](?![\\udc00-\\udfff])|' +
		'(?<![\\ud800-\\udbff])[\\udc00-\\udfff]', 'g');
	const encoder = new TextEncoder();
	const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

	const hex = byte => '\\x' + byte.toString(16).padStart(2, '0');

	// A byte that was not UTF-8 travels through JSON as U+DC80 to U+DCFF (base/json.h).
	function escapeOne(found) {
		const code = found.charCodeAt(0);
		if (code >= 0xdc80 && code <= 0xdcff)
			return hex(code - 0xdc00);
		return Array.from(encoder.encode(found), hex).join('');
	}

	const show = text => text.replace(STRANGE, escapeOne);

	// Bytes of the UTF-8 sequence at i, 0 if there is none (RFC 3629).
	function sequence(bytes, i) {
		const b = bytes[i];
		if (b < 0x80)
			return 1;
		const n = b >= 0xc2 && b < 0xe0 ? 2 : b >= 0xe0 && b < 0xf0 ? 3 : b >= 0xf0 && b < 0xf5 ? 4 : 0;
		for (let k = 1; k < n; k++) {
			if ((bytes[i + k] & 0xc0) !== 0x80)
				return 0;
		}
		const second = bytes[i + 1];
		if ((b === 0xe0 && second < 0xa0) || (b === 0xed && second > 0x9f) ||
				(b === 0xf0 && second < 0x90) || (b === 0xf4 && second > 0x8f))
			return 0;
		return n;
	}

	function decode(bytes) {
		try {
			return show(strict.decode(bytes));
		} catch {
			let out = '';
			for (let i = 0, from = 0; i <= bytes.length;) {
				const n = i < bytes.length ? sequence(bytes, i) : 0;
				if (n) {
					i += n;
					continue;
				}
				out += show(strict.decode(bytes.subarray(from, i)));
				if (i < bytes.length)
					out += hex(bytes[i]);
				from = ++i;
			}
			return out;
		}
	}

	// 12345 -> "12,345"
	const count = n => String(Math.round(n)).replace(/\B(?=(\d{3})+$)/g, ',');

	const plural = (n, one, many) => count(n) + ' ' + (n === 1 ? one : many || one + 's');

	// As many digits as say something.
	function seconds(s) {
		if (s === 0)
			return '0 s';
		if (s >= 1000)
			return count(s) + ' s';
		const digits = s >= 9.995 ? 1 : s >= 0.0995 ? 2 : s >= 0.00095 ? 3 : 5;
		return s.toFixed(digits) + ' s';
	}

	function percent(part, whole, digits = 1) {
		const share = whole ? 100 * part / whole : 0;
		const least = 10 ** -digits;
		if (share > 0 && share < least)
			return '<' + least + ' %';
		if (share < 100 && share > 100 - least / 2)
			return '>' + (100 - least).toFixed(digits) + ' %';
		return (share === 100 || share === 0 ? String(share) : share.toFixed(digits)) + ' %';
	}

	// Where in a string of many a cut looks best: at its end.
	const cut = (text, n) => text.length > n ? text.slice(0, n - 1) + '…' : text;

	return { show, decode, count, plural, seconds, percent, cut };
})();
