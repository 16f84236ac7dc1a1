// SPDX-License-Identifier: BSD-2-Clause
// Flame: the tree as boxes, root on top, heaviest first; boxes under half a pixel
// are not made.

class Flame extends RowsPane {
	// on: { hover(frame|null), pick(frame), zoom(frame), hide(frame) }
	constructor(element, on) {
		super(element, 'flame', 'Flame graph: arrow keys move, Enter zooms, Escape goes back; the table after it has the same',
			Flame.TOP);
		this.on = on;
		this.rows = [];
		this.hovered = this.picked = null;
		this.canvas.addEventListener('pointermove', event => this.hover(this.at(event)));
		this.canvas.addEventListener('pointerleave', () => this.hover(null));
		this.canvas.addEventListener('click', event => this.click(event));
		this.canvas.addEventListener('dblclick', event => {
			const frame = this.at(event);
			if (frame)
				this.on.zoom(frame);
		});
	}

	// matches: null, or frame -> found or not
	show(tree, zoom, matches) {
		this.tree = tree;
		this.zoom = zoom;
		this.matches = matches;
		this.measure();
		this.layout();
		this.paint();
	}

	// Rows from the root on; a frame knows its x and w.
	layout() {
		const width = this.width - 2 * RowsPane.SIDE, scale = this.zoom.total ? width / this.zoom.total : 0;
		this.rows = [];
		for (let frame = this.zoom.parent; frame; frame = frame.parent) {
			frame.x = 0;
			frame.w = width;
			frame.restWidth = 0;
			this.rows.unshift([frame]);
		}
		this.zoom.x = 0;
		this.zoom.w = width;
		for (let level = [this.zoom]; level.length;) {
			this.rows.push(level);
			const next = [];
			for (const frame of level) {
				let { x } = frame, left = -1;
				for (const child of frame.children) {
					const w = child.total * scale;
					if (w < RowsPane.LEAST)
						break;
					child.x = x;
					child.w = w;
					x += w;
					next.push(child);
				}
				left = frame.x + frame.below * scale - x;
				frame.restWidth = left > RowsPane.LEAST ? left : 0;
			}
			level = next;
		}
		this.setRows(this.rows.length);
	}

	paint() {
		const { height, top } = this, { context, first, last } = this.begin();
		for (let row = first; row < last; row++) {
			for (const frame of this.rows[row])
				this.box(context, frame, this.y(row), row < this.zoom.depth);
		}
		for (const frame of [this.hovered, this.picked])
			this.outline(context, frame);
		this.sayMore(Math.ceil((top - Flame.TOP) / RowsPane.ROW), this.rows.length - Math.floor((top + height - Flame.TOP) / RowsPane.ROW));
	}

	box(context, frame, y, above) {
		const x = RowsPane.SIDE + frame.x, w = Math.max(frame.w - (frame.w > 3 ? 1 : 0), RowsPane.LEAST), h = RowsPane.ROW - 1;
		const { profile } = this.tree;
		const look = frame.fn < 0 ? { layer: OTHER, fill: Theme.colour('root'), text: Theme.colour('on-pale') }
			: Paint.of(profile, frame.fn);
		const faint = (this.matches && !this.matches(frame)) || above;
		context.globalAlpha = faint ? (this.matches ? 0.3 : 0.6) : 1;
		context.fillStyle = look.fill;
		context.fillRect(x, y, w, h);
		if (look.hatched)
			Paint.hatch(context, x, y, w, h, look.edge);
		if (w > 2)
			Paint.edge(context, look.layer, look.edge, x, y + h, w);
		if (frame.restWidth)
			this.rest(context, frame, y + RowsPane.ROW);
		if (frame.w >= RowsPane.TEXT_LEAST) {
			const isFaint = faint && this.matches;
			context.globalAlpha = isFaint ? 0.6 : 1;
			context.fillStyle = isFaint ? Theme.colour('text') : look.text;
			this.label(context, this.texts(frame), x + 5, y + h / 2 + 0.5, w - 8);
		}
		context.globalAlpha = 1;
	}

	// Children too narrow for a box each: that they are there is seen.
	rest(context, frame, y) {
		const width = frame.restWidth, x = RowsPane.SIDE + frame.x + frame.below * this.zoom.w / this.zoom.total - width;
		context.fillStyle = Theme.colour('rest');
		context.fillRect(x, y, width, RowsPane.ROW - 1);
	}

	outline(context, frame) {
		if (!frame || frame.w === undefined || !this.isShown(frame))
			return;
		const y = this.y(frame.depth);
		const w = Math.max(frame.w - 1, 2);
		if (frame === this.hovered) {
			context.fillStyle = Theme.colour('glow');
			context.fillRect(RowsPane.SIDE + frame.x, y, w, RowsPane.ROW - 1);
		}
		if (frame === this.picked) {
			context.strokeStyle = Theme.colour('text');
			context.lineWidth = 2;
			context.strokeRect(RowsPane.SIDE + frame.x + 1, y + 1, Math.max(w - 2, 1), RowsPane.ROW - 3);
		}
	}

	isShown(frame) {
		const row = this.rows[frame.depth];
		return row !== undefined && row.includes(frame);
	}

	// The texts of a box: name, and the place after it.
	texts(frame) {
		if (!frame.label) {
			const { profile } = this.tree, { fn } = frame;
			if (fn < 0) {
				const title = profile.capture.title || profile.capture.name;
				frame.label = [Text.cut(Text.show(title), 200) || 'all', '  ' + profile.amount(frame.total)];
			} else if (profile.fnKind[fn] >= THREAD) {
				frame.label = [profile.name(fn), '  ' + profile.amount(frame.total)];
			} else {
				const place = profile.fnKind[fn] === KERNEL ? '' : profile.place(fn), [low, high] = frame.lines;
				const line = !low ? '' : ':' + low + (high > low ? '–' + high : '');
				frame.label = [Text.cut(profile.name(fn), 500), place ? ' (' + place + line + ')' : ''];
			}
		}
		return frame.label;
	}

	at(event) {
		const row = this.rows[this.rowAt(event)];
		const x = event.offsetX - RowsPane.SIDE;
		if (!row)
			return null;
		let low = 0, high = row.length;
		while (low < high) {
			const middle = (low + high) >> 1;
			if (row[middle].x + row[middle].w <= x)
				low = middle + 1;
			else
				high = middle;
		}
		return low < row.length && row[low].x <= x ? row[low] : null;
	}

	hover(frame) {
		if (frame === this.hovered)
			return;
		this.hovered = frame;
		this.canvas.style.cursor = frame ? 'pointer' : 'default';
		this.paintSoon();
		this.on.hover(frame);
	}

	click(event) {
		const frame = this.at(event);
		if (frame && event.shiftKey)
			this.on.hide(frame);
		else if (frame)
			this.on.pick(frame);
	}

	pick(frame) {
		this.picked = frame;
		this.paintSoon();
	}

	// Scrolls so that a frame can be seen.
	reveal(frame) {
		this.revealRow(frame.depth);
	}

	// The frame beside one, in its row.
	beside(frame, by) {
		const row = this.rows[frame.depth] || [], at = row.indexOf(frame);
		return at < 0 ? null : row[at + by] || null;
	}
}
Flame.TOP = 6;
