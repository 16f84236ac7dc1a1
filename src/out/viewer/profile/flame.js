// SPDX-License-Identifier: BSD-2-Clause
// Flame: the tree as boxes, root on top, heaviest first.  Painted on a canvas
// as large as what is seen of it; boxes under half a pixel are not made.

class Flame {
	// on: { hover(frame|null), pick(frame), zoom(frame), hide(frame) }
	constructor(element, on) {
		this.on = on;
		this.canvas = Dom.el('canvas', { 'aria-hidden': 'true' });
		this.spacer = Dom.el('div.spacer', null, this.canvas);
		this.pane = Dom.el('div', { id: 'flame', tabIndex: 0, role: 'group', 'aria-label':
			'Flame graph: arrow keys move, Enter zooms, Escape goes back; the table after it has the same' }, this.spacer);
		// What is scrolled out of view is not out of mind.
		this.above = Dom.el('button.more.above', { type: 'button', onclick: () => this.scroll(0) });
		this.below = Dom.el('button.more.below', { type: 'button', onclick: () => this.scroll(this.pane.scrollHeight) });
		element.append(this.pane, this.above, this.below);
		this.rows = [];
		this.widths = new Map(); // text -> pixels
		this.hovered = this.picked = null;
		this.paintSoon = Dom.atFrame(() => {
			this.measure();
			this.paint();
		});
		this.pane.addEventListener('scroll', () => this.paintSoon(), { passive: true });
		this.canvas.addEventListener('pointermove', event => this.hover(this.at(event)));
		this.canvas.addEventListener('pointerleave', () => this.hover(null));
		this.canvas.addEventListener('click', event => this.click(event));
		this.canvas.addEventListener('dblclick', event => {
			const frame = this.at(event);
			if (frame)
				this.on.zoom(frame);
		});
		new ResizeObserver(() => this.resize()).observe(this.pane);
	}

	set hidden(is) {
		this.pane.hidden = is;
		if (is)
			this.sayMore(0, 0);
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

	// Only if it is not what was painted: show() knew already what became of the rows above it.
	resize() {
		if (!this.tree || this.pane.hidden)
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

	// Rows from the root on; a frame knows its x and w.
	layout() {
		const width = this.width - 2 * Flame.SIDE, scale = this.zoom.total ? width / this.zoom.total : 0;
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
					if (w < Flame.LEAST)
						break;
					child.x = x;
					child.w = w;
					x += w;
					next.push(child);
				}
				left = frame.x + frame.below * scale - x;
				frame.restWidth = left > Flame.LEAST ? left : 0;
			}
			level = next;
		}
		const all = Flame.TOP + this.rows.length * Flame.ROW + 6;
		this.spacer.style.height = all + 'px';
		this.top = Math.min(this.top, Math.max(0, all - this.height)); // where the browser will scroll to
	}

	paint() {
		const { width, height, top } = this;
		const context = Dom.sizeCanvas(this.canvas, width, height);
		context.clearRect(0, 0, width, height);
		context.font = Flame.FONT + ' ' + Theme.colour('sans');
		context.textBaseline = 'middle';
		const first = Math.max(0, Math.floor((top - Flame.TOP) / Flame.ROW));
		const last = Math.min(this.rows.length, Math.ceil((top + height - Flame.TOP) / Flame.ROW));
		for (let row = first; row < last; row++) {
			const y = Flame.TOP + row * Flame.ROW - top;
			for (const frame of this.rows[row])
				this.box(context, frame, y, row < this.zoom.depth);
		}
		for (const frame of [this.hovered, this.picked])
			this.outline(context, frame, top);
		this.sayMore(Math.ceil((top - Flame.TOP) / Flame.ROW), this.rows.length - Math.floor((top + height - Flame.TOP) / Flame.ROW));
	}

	sayMore(above, below) {
		const say = (button, n, text) => {
			button.hidden = this.pane.hidden || n <= 0;
			if (!button.hidden && button.textContent !== text)
				button.textContent = text;
		};
		say(this.above, above, '▴ ' + Text.plural(above, 'row') + ' above');
		say(this.below, below, '▾ ' + Text.plural(below, 'row') + ' below');
	}

	// Rows are whole at the upper edge.
	scroll(y) {
		this.pane.scrollTop = y <= 0 ? 0 : Flame.TOP - 1 + Flame.ROW * Math.ceil((y - Flame.TOP) / Flame.ROW);
	}

	box(context, frame, y, above) {
		const x = Flame.SIDE + frame.x, w = Math.max(frame.w - (frame.w > 3 ? 1 : 0), Flame.LEAST), h = Flame.ROW - 1;
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
			this.rest(context, frame, y + Flame.ROW);
		if (frame.w >= Flame.TEXT_LEAST) {
			const isFaint = faint && this.matches;
			context.globalAlpha = isFaint ? 0.6 : 1;
			context.fillStyle = isFaint ? Theme.colour('text') : look.text;
			this.label(context, frame, x + 5, y + h / 2 + 0.5, w - 8);
		}
		context.globalAlpha = 1;
	}

	// Children too narrow for a box each: that they are there is seen.
	rest(context, frame, y) {
		const width = frame.restWidth, x = Flame.SIDE + frame.x + frame.below * this.zoom.w / this.zoom.total - width;
		context.fillStyle = Theme.colour('rest');
		context.fillRect(x, y, width, Flame.ROW - 1);
	}

	outline(context, frame, top) {
		if (!frame || frame.w === undefined || !this.isShown(frame))
			return;
		const y = Flame.TOP + frame.depth * Flame.ROW - top;
		const w = Math.max(frame.w - 1, 2);
		if (frame === this.hovered) {
			context.fillStyle = Theme.colour('glow');
			context.fillRect(Flame.SIDE + frame.x, y, w, Flame.ROW - 1);
		}
		if (frame === this.picked) {
			context.strokeStyle = Theme.colour('text');
			context.lineWidth = 2;
			context.strokeRect(Flame.SIDE + frame.x + 1, y + 1, Math.max(w - 2, 1), Flame.ROW - 3);
		}
	}

	isShown(frame) {
		const row = this.rows[frame.depth];
		return row !== undefined && row.includes(frame);
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

	// The place goes first, then the end of the name.
	label(context, frame, x, y, room) {
		const [name, place] = this.texts(frame), nameWidth = this.textWidth(context, name);
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

	at(event) {
		const row = this.rows[Math.floor((event.offsetY + this.pane.scrollTop - Flame.TOP) / Flame.ROW)];
		const x = event.offsetX - Flame.SIDE;
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
		const y = Flame.TOP + frame.depth * Flame.ROW, { height, top } = this;
		if (y < top)
			this.scroll(y - Flame.ROW);
		else if (y + Flame.ROW > top + height)
			this.scroll(y + 4 * Flame.ROW - height);
	}

	// The frame beside one, in its row.
	beside(frame, by) {
		const row = this.rows[frame.depth] || [], at = row.indexOf(frame);
		return at < 0 ? null : row[at + by] || null;
	}
}
Flame.ROW = 20;
Flame.TOP = 6;
Flame.SIDE = 16;
Flame.LEAST = 0.5; // pixels
Flame.TEXT_LEAST = 24;
Flame.FONT = '12px';
