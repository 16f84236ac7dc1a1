// SPDX-License-Identifier: BSD-2-Clause
// Text: bytes of the target made safe to show, and numbers made readable.
// Names may hold anything.  They are shown by textContent and on canvas only;
// what would be invisible, would move the text around it, or is not UTF-8, is
// shown as \xNN, a byte each, as folded output has it (docs/formats.md).

const Text = (() => {
	// What is obeyed rather than shown: as pv_text_is_command() in src/base/text.c has it, which
	// tests/lint/strange.py compares.  And halves of surrogate pairs, which are no characters.
	const COMMANDS = [
		[0x00, 0x1f], [0x7f, 0x9f], [0xad, 0xad],
		[0x600, 0x605], [0x61c, 0x61c], [0x6dd, 0x6dd],
		[0x70f, 0x70f], [0x890, 0x891], [0x8e2, 0x8e2],
		[0x180b, 0x180f], [0x200b, 0x200f], [0x2028, 0x202e],
		[0x2060, 0x206f], [0x3164, 0x3164], [0xfeff, 0xfeff],
		[0xfff0, 0xfffb], [0x110bd, 0x110bd], [0x110cd, 0x110cd],
		[0x13430, 0x1343f], [0x1bca0, 0x1bca3], [0x1d173, 0x1d17a],
		[0xe0000, 0xe0fff],
	];
	const HALVES = [0xd800, 0xdfff];
	// The last two of each plane: never a character.
	const NEVER = Array.from({ length: 17 }, (_, plane) => [plane * 0x10000 + 0xfffe, plane * 0x10000 + 0xffff]);
	const STRANGE = new RegExp('[' + [...COMMANDS, HALVES, ...NEVER].map(([first, last]) =>
		'\\u{' + first.toString(16) + '}-\\u{' + last.toString(16) + '}').join('') + ']', 'gu');
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

	// Three digits: "812 ns", "12.3 µs", "3.06 ms", "1.50 s".
	function duration(ns) {
		let value = ns, unit = 0;
		while (unit < 3 && value >= 999.5) {
			value /= 1000;
			unit++;
		}
		const digits = !unit || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
		return value.toFixed(digits) + ' ' + ['ns', 'µs', 'ms', 's'][unit];
	}

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
		const scale = 10 ** digits, all = 100 * scale;
		if (!part || !whole || part === whole)
			return (part && whole ? 100 : 0) + ' %';
		// In whole numbers, so that a half is rounded up as everywhere (pv_text_percent() in src/base/text.c).
		const units = Math.floor((2 * all * part + whole) / (2 * whole));
		if (all * part < whole)
			return '<' + (1 / scale).toFixed(digits) + ' %';
		if (part < whole && units === all)
			return '>' + (100 - 1 / scale).toFixed(digits) + ' %';
		return (units / scale).toFixed(digits) + ' %';
	}

	// Where in a string of many a cut looks best: at its end.
	const cut = (text, n) => text.length > n ? text.slice(0, n - 1) + '…' : text;

	return { show, decode, count, plural, duration, seconds, percent, cut };
})();
