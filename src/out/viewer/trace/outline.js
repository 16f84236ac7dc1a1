// SPDX-License-Identifier: BSD-2-Clause
// Outline: the calls of what is shown as a table that is there but not seen,
// for screen readers and for the browser's own search.

class Outline {
	constructor(element) {
		this.body = Dom.el('tbody');
		this.caption = Dom.el('caption');
		element.append(Dom.el('table.unseen', { id: 'outline' }, this.caption, Dom.el('thead', null, Dom.el('tr', null,
			['Level', 'Function', 'Begins', 'Total', 'Self', 'Marks'].map(title => Dom.el('th', { scope: 'col' }, title)))), this.body));
		this.fillLater = Dom.whenIdle((trace, executions) => this.fill(trace, executions));
	}

	show(trace, executions) {
		this.body.parentElement.dataset.ready = 'no';
		this.fillLater(trace, executions);
	}

	// In the order of time; the longest if there are too many.
	fill(trace, executions) {
		const calls = executions.flatMap(({ first, end }) => Array.from({ length: end - first }, (_, i) => first + i));
		const least = calls.length > Outline.MOST ? calls.map(call => trace.ns[call]).sort((a, b) => b - a)[Outline.MOST - 1] : 0;
		const chosen = calls.filter(call => trace.ns[call] >= least).slice(0, Outline.MOST);
		this.caption.textContent = 'Calls of ' + executions.map(({ number }) => '#' + number).slice(0, 20).join(', ') +
			(chosen.length < calls.length ? ', the longest ' + chosen.length + ' of ' + Text.count(calls.length) : '');
		this.body.replaceChildren(...chosen.map(call => Dom.el('tr', null, Dom.el('td', null, String(trace.depth[call])),
			Dom.el('th', { scope: 'row' }, Text.cut(trace.labelOf(trace.callLoc[call]), 500)),
			Dom.el('td', null, (trace.start[call] / 1e6).toFixed(3) + ' ms'), Dom.el('td', null, Text.duration(trace.ns[call])),
			Dom.el('td', null, Text.duration(trace.own[call])), Dom.el('td', null, trace.marks(call).join(', ')))));
		this.body.parentElement.dataset.ready = 'yes';
	}
}
Outline.MOST = 500;
