// SPDX-License-Identifier: BSD-2-Clause
// Answer: the verdict in the words of src/analyse/leak.c, the first sentence bold.

const Answer = (() => {
	const lines = meta => meta.verdict.text.map(line => Text.cut(Text.show(line), 1000));

	// Amber is what grows, green is clean.
	function parts(meta) {
		const [first, ...rest] = lines(meta), { kind } = meta.verdict;
		return [Dom.el(kind === 'clean' ? 'b.well' : kind === 'unknown' || kind === 'not asked' ? 'b' : 'b.doubt', null, first || ''), rest.length ? ' ' + rest.join(' ') : ''];
	}

	// What finds out more, to be copied.
	const next = meta => meta.verdict.next ? Dom.el('p.next', null, 'next: ', Dom.el('code', null, Text.show(meta.verdict.next))) : null;

	return { lines, parts, next };
})();
