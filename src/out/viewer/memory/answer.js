// SPDX-License-Identifier: BSD-2-Clause
// Answer: the verdict in the words of src/analyse/leak.c, the first sentence bold.

const Answer = (() => {
	const lines = meta => meta.verdict.text.map(line => Text.cut(Text.show(line), 1000));

	function parts(meta) {
		const [first, ...rest] = lines(meta);
		return [Dom.el('b.' + meta.verdict.kind, null, first || ''), rest.length ? ' ' + rest.join(' ') : ''];
	}

	// What finds out more, to be copied.
	const next = meta => meta.verdict.next ? Dom.el('p.next', null, 'next: ', Dom.el('code', null, Text.show(meta.verdict.next))) : null;

	return { lines, parts, next };
})();
