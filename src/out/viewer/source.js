// SPDX-License-Identifier: BSD-2-Clause
// Source: the lines of a function with the time of each.

class SourceView {
	constructor(element) {
		this.element = element;
	}

	// of: { fn, lines: Map line -> { self, total }, marked: Set of lines, note: why this function,
	// title: of what the times are, if not of lines; isWhole: show all of the function }
	show(profile, selection, of) {
		if (!of) {
			Dom.fill(this.element);
			return;
		}
		const { fn, lines } = of, file = profile.fnFile[fn], source = profile.sources.get(file);
		const text = profile.sourceLines(file);
		const title = Dom.el('h3', { title: profile.text(file) }, Dom.el('b', null, profile.place(fn)),
			' · ' + Text.cut(profile.name(fn), 200), of.note ? Dom.el('span.note', null, ' ' + of.note) : null);
		const notes = [];
		if (source && source.changed)
			notes.push(Dom.el('p.doubt', null, '▲ The file may be newer than what the process read: this text may not be what ran.'));
		if (!source && lines.size)
			notes.push(Dom.el('p.note', null, profile.text(file).startsWith('<') ? 'Code without a source file.'
				: 'The text of this file is not in the page.'));
		const rows = text ? this.range(profile, of, text) : [...lines.keys()].filter(line => line).sort((a, b) => a - b);
		const most = Math.max(1, ...[...lines.values()].map(sum => sum.total));
		const list = Dom.el('div.code', null, rows.map(line => this.line(profile, selection, line,
			text ? text[line] : '', lines.get(line), most, of)));
		Dom.fill(this.element, title, notes, list);
		this.reveal(list, lines);
	}

	// From the function's head, if it is near, to its last line with time.
	range(profile, { fn, lines, isWhole }, text) {
		const known = [...lines.keys()].filter(line => line > 0 && line < text.length).sort((a, b) => a - b);
		if (!known.length)
			return [];
		if (isWhole)
			return SourceView.numbers(known[0], Math.min(SourceView.endOf(text, known[0]), known[0] + SourceView.MOST));
		let first = known[0], last = known[known.length - 1];
		const name = profile.name(fn).split('.').pop();
		for (let line = first; line > Math.max(0, first - SourceView.HEAD); line--) {
			const match = /^\s*(?:async\s+def|def|class)\s+(\w+)/.exec(text[line]);
			if (match && match[1] === name) {
				first = line;
				break;
			}
		}
		if (first === known[0])
			first = Math.max(1, first - 2);
		last = Math.min(text.length - 1, last + 2);
		if (last - first > SourceView.MOST) {
			const hot = known.reduce((a, b) => lines.get(b).total > lines.get(a).total ? b : a);
			first = Math.max(first, hot - SourceView.MOST / 2);
			last = Math.min(last, first + SourceView.MOST);
		}
		return SourceView.numbers(first, last);
	}

	static numbers(first, last) {
		return Array.from({ length: last - first + 1 }, (_, i) => first + i);
	}

	// The last line of what begins there: that of a decorator, or of the function.
	static endOf(text, first) {
		const indent = line => text[line].length - text[line].trimStart().length, isBlank = line => !text[line].trim();
		let head = first, end;
		while (head < text.length - 1 && text[head].trimStart().startsWith('@'))
			head++;
		end = head;
		for (let line = head + 1; line < text.length && (isBlank(line) || indent(line) > indent(head)); line++)
			end = isBlank(line) ? end : line;
		return end;
	}

	line(profile, selection, line, text, sum, most, { marked, title }) {
		const row = Dom.el('div.line' + (sum ? '' : '.cold') + (marked && marked.has(line) ? '.marked' : ''),
			sum ? { title: title || 'line ' + line + ': ' + profile.amount(sum.total) + ', ' +
				Text.percent(sum.total, selection.n) + ' of what is selected; ' + profile.amount(sum.self) + ' in the line itself' }
				: null,
			Dom.el('span.time', null, sum ? profile.amount(sum.total) : ''), Dom.el('span.number', null, String(line)),
			Dom.el('span.text', null, Text.cut(text, 400)));
		row.dataset.line = line;
		if (sum)
			row.firstChild.style.setProperty('--heat', (100 * sum.total / most).toFixed(1) + '%');
		return row;
	}

	reveal(list, lines) {
		let hot = 0;
		for (const [line, sum] of lines) {
			if (line && (!hot || sum.total > lines.get(hot).total))
				hot = line;
		}
		const row = list.querySelector('[data-line="' + hot + '"]');
		if (row)
			list.scrollTop = row.offsetTop - row.offsetHeight * Math.floor(list.clientHeight / 2 / row.offsetHeight);
	}
}
SourceView.MOST = 160; // lines
SourceView.HEAD = 300; // lines to look for "def" above the first
