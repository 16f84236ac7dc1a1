// SPDX-License-Identifier: BSD-2-Clause
// RowsPane: a pane of rows as boxes with texts, painted on a canvas as large as
// what is seen of it.  What is in the rows, and where, is its heirs' to know.

class RowsPane {
	// id, label: of the pane; above: pixels before the first row
	constructor(element, id, label, above) {
		this.canvas = Dom.el('canvas', { 'aria-hidden': 'true' });
		this.spacer = Dom.el('div.spacer', null, this.canvas);
		this.pane = Dom.el('div.pane', { id, tabIndex: 0, role: 'group', 'aria-label': label }, this.spacer);
		// What is scrolled out of view is not out of mind.
		this.more = { above: Dom.el('button.more.above', { type: 'button', onclick: () => this.scroll(0) }),
			below: Dom.el('button.more.below', { type: 'button', onclick: () => this.scroll(this.pane.scrollHeight) }) };
		element.append(this.pane, this.more.above, this.more.below);
		this.above = above;
		this.nRows = 0;
		this.widths = new Map(); // text -> pixels
		this.paintSoon = Dom.atFrame(() => {
			this.measure();
			this.paint();
		});
		this.pane.addEventListener('scroll', () => this.paintSoon(), { passive: true });
		new ResizeObserver(() => this.resize()).observe(this.pane);
	}

	set hidden(is) {
		this.pane.hidden = is;
		if (is)
			this.sayMore(0, 0);
	}

	// Only if it is not what was painted: show() knew already what became of the rows above it.
	resize() {
		if (!this.nRows || this.pane.hidden)
			return;
		const { width, height } = this;
		this.measure();
		if (this.width === width && this.height === height)
			return;
		this.layout();
		this.paint();
	}

	// The browser lays out the page to say what size something has: asked once, and remembered.
	measure() {
		this.width = this.pane.clientWidth;
		this.height = this.pane.clientHeight;
		this.top = this.pane.scrollTop;
	}

	// So many rows there are.
	setRows(n) {
		const all = this.above + n * RowsPane.ROW + 6;
		this.nRows = n;
		this.spacer.style.height = all + 'px';
		this.top = Math.min(this.top, Math.max(0, all - this.height)); // where the browser will scroll to
	}

	// An empty canvas; rows first to last are seen.
	begin() {
		const { width, height, top, above } = this;
		const context = Dom.sizeCanvas(this.canvas, width, height);
		context.clearRect(0, 0, width, height);
		context.font = RowsPane.FONT + ' ' + Theme.colour('sans');
		context.textBaseline = 'middle';
		const first = Math.max(0, Math.floor((top - above) / RowsPane.ROW));
		const last = Math.min(this.nRows, Math.ceil((top + height - above) / RowsPane.ROW));
		return { context, first, last };
	}

	y(row) {
		return this.above + row * RowsPane.ROW - this.top;
	}

	// Rows that are hidden above and below.
	sayMore(above, below) {
		const say = (button, n, text) => {
			button.hidden = this.pane.hidden || n <= 0;
			if (!button.hidden && button.textContent !== text)
				button.textContent = text;
		};
		say(this.more.above, above, '▴ ' + Text.plural(above, 'row') + ' above');
		say(this.more.below, below, '▾ ' + Text.plural(below, 'row') + ' below');
	}

	// Rows are whole at the upper edge.
	scroll(y) {
		const { above } = this;
		this.pane.scrollTop = y <= 0 ? 0 : above - 1 + RowsPane.ROW * Math.ceil((y - above) / RowsPane.ROW);
	}

	// Scrolls so that a row can be seen.
	revealRow(row) {
		const y = this.above + row * RowsPane.ROW, { height, top } = this;
		if (y < top + (this.covered || 0))
			this.scroll(y - RowsPane.ROW - (this.covered || 0));
		else if (y + RowsPane.ROW > top + height)
			this.scroll(y + 4 * RowsPane.ROW - height);
	}

	rowAt(event) {
		return Math.floor((event.offsetY + this.pane.scrollTop - this.above) / RowsPane.ROW);
	}

	textWidth(context, text) {
		let width = this.widths.get(text);
		if (width === undefined) {
			if (this.widths.size > 50000)
				this.widths.clear();
			this.widths.set(text, width = context.measureText(text).width);
		}
		return width;
	}

	// The place goes first, then the end of the name.
	label(context, [name, place], x, y, room) {
		const nameWidth = this.textWidth(context, name);
		if (nameWidth <= room) {
			context.fillText(name, x, y);
			const placeWidth = place ? this.textWidth(context, place) : 0;
			if (place && nameWidth + placeWidth <= room) {
				context.globalAlpha *= 0.75;
				context.fillText(place, x + nameWidth, y);
			}
			return;
		}
		let n = Math.floor(name.length * (room - 8) / nameWidth);
		while (n > 0 && this.textWidth(context, name.slice(0, n) + '…') > room)
			n--;
		if (n > 0)
			context.fillText(name.slice(0, n) + '…', x, y);
	}
}
RowsPane.ROW = 20;
RowsPane.SIDE = 16;
RowsPane.LEAST = 0.5; // pixels
RowsPane.TEXT_LEAST = 24;
RowsPane.FONT = '12px';
