// SPDX-License-Identifier: BSD-2-Clause
// Answer: the verdict in the words of src/analyse/leak.c, the first sentence bold.

const Answer = (() => {
	const lines = meta => meta.verdict.text.map(line => Text.cut(Text.show(line), 1000));

	// What stays where nothing grows is in use, or garbage: no place is accused.
	const accuses = meta => ['growing', 'held', 'lost'].includes(meta.verdict.kind);

	const innocent = meta => meta.verdict.kind === 'clean' ? 'no suspect: what stays is in use, or garbage that waits to be freed' : 'no suspect: whether anything grows is not known';

	// `name` as code, as in the text; a mark that has no second one stays.
	const marked = line => line.split(/`([^`]+)`/).map((part, i) => i % 2 ? Dom.el('code', null, part) : part);

	// Amber is what grows, green is clean.
	function parts(meta) {
		const [first, ...rest] = lines(meta), { kind } = meta.verdict;
		return [Dom.el(kind === 'clean' ? 'b.well' : accuses(meta) ? 'b.doubt' : 'b', null, marked(first || '')), rest.map(line => [' ', marked(line)]),
			!accuses(meta) && meta.sites.length ? Dom.el('span.innocent', null, ' What is shown below stays, and is not accused.') : null].filter(part => part !== null);
	}

	// A command that finds out more; the button copies it, or marks it where the browser does not let it.
	function command(text) {
		// no word of it is broken, a - at whose beginning would not be seen
		const code = Dom.el('code', null, text.split(' ').flatMap((word, i) => [i ? ' ' : '', Dom.el('span', null, word)]));
		const said = Dom.el('button.copy', { type: 'button', title: 'Copy this line', onclick: async () => {
			try {
				await window.navigator.clipboard.writeText(text);
				said.textContent = 'copied';
			} catch {
				window.getSelection().selectAllChildren(code);
				said.textContent = 'marked';
			}
		} }, 'copy');
		return Dom.el('p.next', null, 'next: ', said, code);
	}

	const next = meta => meta.verdict.next ? command(Text.show(meta.verdict.next)) : null;

	return { accuses, innocent, lines, parts, command, next };
})();
