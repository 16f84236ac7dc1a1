// SPDX-License-Identifier: BSD-2-Clause
// Chips: what of the capture is left out or changed, each with a way back.

class Chips {
	constructor(element) {
		this.element = element;
		Keys.add('Page', ['r'], 'show all again', () => State.set(Chips.ALL, { step: true }));
	}

	show(profile, selection, folding, zoom) {
		const chips = [];
		const chip = (text, title, changes) => chips.push(Dom.el('button.chip', { type: 'button', title, onclick: () =>
			State.set(changes) }, Text.cut(text, 60), Dom.el('span.x', { 'aria-hidden': 'true' }, '×')));
		const { what } = selection;
		if (selection.hasSpan) {
			const slice = profile.capture.slice_ns / 1e9;
			chip(Text.seconds(what.from * slice) + ' to ' + Text.seconds(what.to * slice), 'Show the whole time',
				{ from: '', to: '' });
		}
		for (const process of State.list('process').filter(index => index < profile.meta.processes.length))
			chip(profile.processName(process), 'Show all processes', { process: State.list('process')
				.filter(other => other !== process).join(',') });
		for (const thread of State.list('thread').filter(index => index < profile.meta.threads.length))
			chip(profile.threadName(thread), 'Take this thread out of the filter', { thread: State.list('thread')
				.filter(other => other !== thread).join(',') });
		for (const fn of what.hidden)
			chip('without ' + profile.label(fn), 'Show it again', { hide: [...what.hidden]
				.filter(other => other !== fn).join(',') });
		if (folding.own)
			chip('only my code', 'Show the other code, too', { own: '' });
		for (const layer of LAYERS.filter(each => folding.layers.includes(each.letter)))
			chip(layer.name + ' folded', 'Show ' + layer.name, { fold: folding.layers.replace(layer.letter, '') });
		if (folding.lines)
			chip('lines apart', 'Join the lines of a function', { lines: '' });
		if (zoom && zoom.parent)
			chip('zoomed to ' + (zoom.fn >= 0 ? profile.label(zoom.fn) : ''), 'Zoom out (Escape)', { zoom: '' });
		this.element.hidden = !chips.length;
		const all = profile.total;
		const left = selection.n === all ? 'all of ' + profile.amount(all)
			: profile.amount(selection.n) + ' of ' + profile.amount(all) + ', ' + Text.percent(selection.n, all);
		Dom.fill(this.element, Dom.el('span.left', null, left), chips, Dom.el('button.link', { type: 'button',
			title: 'Show all again (r)', onclick: () => State.set(Chips.ALL, { step: true }) }, 'show all'));
	}
}
Chips.ALL = { from: '', to: '', process: '', thread: '', hide: '', own: '', calls: '', apart: '', fold: '', lines: '', zoom: '', q: '' };
