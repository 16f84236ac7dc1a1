// SPDX-License-Identifier: BSD-2-Clause
// Keys: every key of the page, and the page of help that lists them.

const Keys = (() => {
	const groups = new Map(); // title -> [{ keys, text }]
	const actions = new Map(); // key -> f
	const notes = [];
	let dialog = null;

	// keys: ['1'] or, in words, [['ArrowUp', '↑']]; f returns false if the key meant nothing to it.
	function add(title, keys, text, f) {
		if (!groups.has(title))
			groups.set(title, []);
		groups.get(title).push({ keys: keys.map(key => Array.isArray(key) ? key[1] : key), text });
		if (f)
			keys.forEach(key => actions.set(Array.isArray(key) ? key[0] : key, f));
	}

	// What else the help says, in paragraphs: f returns elements.
	const explain = f => notes.push(f);

	function help() {
		if (dialog) {
			dialog.close();
			return;
		}
		const lists = [...groups].map(([title, rows]) => Dom.el('section', null, Dom.el('h2', null, title),
			Dom.el('dl', null, rows.map(row => [
				Dom.el('dt', null, row.keys.map(key => Dom.el('kbd', null, key))),
				Dom.el('dd', null, row.text)]))));
		dialog = Popup.open('help', 'Keys', [Dom.el('div.columns', null, lists), notes.map(note => note())], () => {
			dialog = null;
		});
	}

	const isTyping = target => target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement ||
		target instanceof HTMLSelectElement;

	document.addEventListener('keydown', event => {
		if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented)
			return;
		if (Popup.isOpen() ? event.key !== '?' : isTyping(event.target) && event.key !== 'Escape')
			return;
		// Enter and the space bar belong to the button or row that has the focus.
		if ((event.key === 'Enter' || event.key === ' ') && event.target.closest('button, a, [data-enter]'))
			return;
		const action = actions.get(event.key);
		if (action && action(event) !== false)
			event.preventDefault();
	});

	return { add, explain, help };
})();
