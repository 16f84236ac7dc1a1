// SPDX-License-Identifier: BSD-2-Clause
// Outline: the flame graph as a table that is there but not seen, for screen
// readers and for the browser's own search.  Made when there is time for it.

class Outline {
	constructor(element) {
		this.body = Dom.el('tbody');
		element.append(Dom.el('table.unseen', { id: 'outline' }, Dom.el('caption', null, 'The flame graph as a table'),
			Dom.el('thead', null, Dom.el('tr', null, ['Level', 'Function', 'Total', 'Share', 'Self'].map(title =>
				Dom.el('th', { scope: 'col' }, title)))), this.body));
		this.fillLater = Dom.whenIdle(flame => this.fill(flame));
	}

	show(flame) {
		this.body.parentElement.dataset.ready = 'no';
		this.fillLater(flame);
	}

	// Depth first, as one reads the graph; the widest first if there are too many.
	fill(flame) {
		const { profile } = flame.tree, all = flame.tree.root.total;
		const frames = flame.rows.flat();
		const least = frames.length > Outline.MOST
			? frames.map(frame => frame.total).sort((a, b) => b - a)[Outline.MOST - 1] : 0;
		const rows = [];
		const walk = frame => {
			rows.push(Dom.el('tr', null, Dom.el('td', null, String(frame.depth)),
				Dom.el('th', { scope: 'row' }, flame.texts(frame).join('')),
				Dom.el('td', null, profile.amount(frame.total)), Dom.el('td', null, Text.percent(frame.total, all)),
				Dom.el('td', null, profile.amount(frame.self))));
		};
		const stack = [flame.rows[0][0]], shown = new Set(frames);
		while (stack.length && rows.length < Outline.MOST) {
			const frame = stack.pop();
			walk(frame);
			for (const child of [...frame.children].reverse()) {
				if (shown.has(child) && child.total >= least)
					stack.push(child);
			}
		}
		this.body.replaceChildren(...rows);
		this.body.parentElement.dataset.ready = 'yes';
	}
}
Outline.MOST = 500;
