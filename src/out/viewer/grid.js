// SPDX-License-Identifier: BSD-2-Clause
// Grid: a table of any length that sorts by its columns; only the rows that
// are seen are elements.

class Grid {
	// columns: [{ id, title, hint, number, value(row), cell(row), wide }]; the first that sorts is where one starts.
	// on: { hover(row|null), pick(row), open(row) }
	constructor(element, name, columns, on) {
		Object.assign(this, { name, columns, on, rows: [], picked: null, first: -1 });
		this.head = Dom.el('div.head', { role: 'row' });
		this.body = Dom.el('div.rows', { role: 'rowgroup' });
		this.pane = Dom.el('div.grid', { id: 'grid-' + name, tabIndex: 0, role: 'table', 'data-enter': '' }, this.head,
			this.body);
		this.empty = Dom.el('p.empty');
		element.append(this.pane);
		this.pane.append(this.empty);
		this.renderSoon = Dom.atFrame(() => this.render());
		this.pane.addEventListener('scroll', () => this.renderSoon(), { passive: true });
		this.pane.addEventListener('keydown', event => this.key(event));
		this.body.addEventListener('pointerover', event => this.on.hover(this.rowOf(event)));
		this.body.addEventListener('pointerleave', () => this.on.hover(null));
		this.body.addEventListener('click', event => this.rowOf(event) !== null && this.on.pick(this.rowOf(event)));
		this.body.addEventListener('dblclick', event => this.rowOf(event) !== null && this.on.open(this.rowOf(event)));
		new ResizeObserver(() => this.renderSoon()).observe(this.pane);
	}

	rowOf(event) {
		const row = event.target.closest('.row');
		return row ? this.rows[Number(row.dataset.at)] : null;
	}

	// The column to sort by, and whether the least comes first.
	get order() {
		const [id, way] = State.get('sort').split('.');
		const column = this.columns.find(each => each.id === id) || this.columns.find(each => each.number);
		return { column, up: column.id === id && way ? way === 'up' : !column.number };
	}

	show(rows, none) {
		const { column, up } = this.order;
		const sign = up ? 1 : -1, values = new Map(rows.map(row => [row, column.value(row)]));
		this.rows = [...rows].sort((a, b) => {
			const x = values.get(a), y = values.get(b);
			return x === y ? 0 : (x < y ? -1 : 1) * sign;
		});
		Dom.fill(this.head, this.columns.map(each => Dom.el('button' + (each.number ? '.number' : '') + '.' + each.id,
			{ type: 'button', role: 'columnheader', title: each.hint || '',
				'aria-sort': each === column ? (up ? 'ascending' : 'descending') : 'none',
				onclick: () => State.set({ sort: each.id + (each === column ? (up ? '.down' : '.up')
					: each.number ? '.down' : '.up') }) }, each.title)));
		this.empty.textContent = rows.length ? '' : none;
		this.body.style.height = this.rows.length * Grid.ROW + 'px';
		this.first = -1;
		this.render();
	}

	render() {
		const top = Math.max(0, this.pane.scrollTop - Grid.ROW), n = Math.ceil(this.pane.clientHeight / Grid.ROW) + 2;
		const first = Math.floor(top / Grid.ROW);
		this.body.replaceChildren(...this.rows.slice(first, first + n).map((row, i) => {
			const element = Dom.el('div.row' + (row === this.picked ? '.picked' : ''), { role: 'row' },
				this.columns.map(column => Dom.el('div' + (column.number ? '.number' : '') + '.' + column.id,
					{ role: 'cell' }, column.cell(row))));
			element.dataset.at = first + i;
			element.style.top = (first + i) * Grid.ROW + 'px';
			return element;
		}));
	}

	pick(row) {
		this.picked = row;
		this.render();
	}

	key(event) {
		const by = { ArrowDown: 1, ArrowUp: -1, PageDown: 15, PageUp: -15 }[event.key];
		if (event.key === 'Enter' && this.picked !== null && event.target === this.pane) {
			this.on.open(this.picked);
		} else if (by && this.rows.length) {
			const at = Math.min(this.rows.length - 1, Math.max(0, this.rows.indexOf(this.picked) + by));
			this.on.pick(this.rows[at]);
			// The head stays above the rows.
			const y = at * Grid.ROW, room = this.pane.clientHeight - this.head.offsetHeight - Grid.ROW;
			if (y < this.pane.scrollTop)
				this.pane.scrollTop = y;
			else if (y > this.pane.scrollTop + room)
				this.pane.scrollTop = y - room;
		} else {
			return;
		}
		event.preventDefault();
		event.stopPropagation();
	}
}
Grid.ROW = 22;
