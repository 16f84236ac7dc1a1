// SPDX-License-Identifier: BSD-2-Clause
// About: how far the data can be trusted, in two lines; green only if all is
// well, otherwise amber, and the causes are one click away.

const About = (() => {
	// Rows of name, value and perhaps what that means.
	const table = (name, rows) => Dom.el(name, null, rows.map(([title, value, meaning]) => Dom.el('tr', null,
		Dom.el('th', { scope: 'row' }, title), Dom.el(meaning === undefined ? 'td' : 'td.number', null, value),
		meaning === undefined ? null : Dom.el('td.meaning', null, meaning))));

	function open(of) {
		const { losses } = of;
		Popup.open('quality', of.title, [
			of.bad.length ? Dom.el('ul.causes', null, of.bad.map(text => Dom.el('li', null, text)))
				: Dom.el('p.well', null, '✓ ' + of.good),
			table('table', of.rows),
			Dom.el('h2', null, losses.length ? 'Lost, marked or delayed, by cause' : 'Losses by cause: none'),
			Dom.el('table.losses', null, losses.map(loss => Dom.el('tr', null,
				Dom.el('td.number', null, Text.count(loss.count)), Dom.el('td', null, Text.show(loss.text))))),
			Dom.el('h2', null, 'What was captured'),
			table('table', of.facts),
		]);
	}

	// What was lost, marked or delayed: [{ name, text, count }]
	const lossesOf = meta => Object.entries(meta.lost).filter(([, count]) => count)
		.map(([name, count]) => ({ name, count, text: meta.causes[name] }));

	// of: { title, bad: sentences, good: if there are none, verdict, details, rows, losses, facts }
	function show(element, of) {
		const well = !of.bad.length;
		const button = Dom.el('button', { id: 'quality', type: 'button', onclick: () => open(of),
			title: [...of.bad, 'Click for all that is known of this capture'].join('\n') },
		Dom.el('span.verdict' + (well ? '.well' : '.doubt'), null, (well ? '✓ ' : '▲ ') + of.verdict),
		Dom.el('span.details', null, of.details.join(' · ') || 'about this capture'));
		Dom.fill(element, button);
	}

	// [[name, text]] of what has a value
	const fact = (name, value) => value ? [[name, Text.show(String(value))]] : [];

	return { show, lossesOf, fact };
})();
