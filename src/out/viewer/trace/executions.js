// SPDX-License-Identifier: BSD-2-Clause
// Executions: a bar for each, as high as it took long, by whose time it was.
// A click chooses one.

class Executions {
	// on: { choose(index) }
	constructor(element, on) {
		this.on = on;
		this.canvas = Dom.el('canvas', { tabIndex: 0, role: 'slider', 'aria-label':
			'Executions: arrow keys choose one', 'aria-valuemin': '1' });
		Dom.fill(element, this.canvas);
		this.element = element;
		this.canvas.addEventListener('click', event => this.at(event) && on.choose(this.at(event).index));
		this.canvas.addEventListener('pointermove', event => this.hover(this.at(event)));
		this.canvas.addEventListener('pointerleave', () => this.hover(null));
		this.canvas.addEventListener('keydown', event => this.key(event));
	}

	// chosen: an execution, or null for all
	show(trace, chosen) {
		this.trace = trace;
		this.chosen = chosen;
		this.element.hidden = trace.executions.length < 2;
		if (!this.layers)
			this.layers = Executions.sums(trace);
		const { executions } = trace;
		this.canvas.setAttribute('aria-valuemax', executions.length);
		this.canvas.setAttribute('aria-valuenow', chosen ? chosen.index + 1 : 0);
		this.canvas.setAttribute('aria-valuetext', chosen ? this.words(chosen) : 'all ' + executions.length);
		this.draw();
	}

	// Self time by execution and layer.
	static sums(trace) {
		return trace.executions.map(({ first, end }) => {
			const sums = [0, 0, 0, 0];
			for (let i = first; i < end; i++)
				sums[trace.layerOf(trace.callLoc[i])] += trace.own[i];
			return sums;
		});
	}

	words(execution) {
		const { trace } = this, what = [execution.partial && 'partial', execution.lost &&
			Text.plural(execution.lost, 'event') + ' lost'].filter(part => part);
		return ['#' + execution.number, Text.duration(execution.ns), trace.threadName(execution.thread),
			When.clock(trace.unixMs(execution)), Text.plural(execution.calls, 'call'), ...what].filter(part => part).join(' · ');
	}

	get step() {
		return Math.min(Executions.STEP, (this.width - 2 * RowsPane.SIDE) / Math.max(1, this.trace.executions.length));
	}

	x(index) {
		return RowsPane.SIDE + index * this.step;
	}

	at(event) {
		const { executions } = this.trace, index = Math.floor((event.offsetX - RowsPane.SIDE) / this.step);
		return executions[index] || null;
	}

	draw() {
		if (!this.trace || this.element.hidden)
			return;
		const height = 46;
		this.width = this.canvas.clientWidth;
		const context = Dom.sizeCanvas(this.canvas, this.width, height), { executions } = this.trace;
		const most = executions.reduce((a, { ns }) => Math.max(a, ns), 1), w = Math.max(RowsPane.LEAST, this.step - (this.step > 3 ? 1 : 0));
		context.clearRect(0, 0, this.width, height);
		executions.forEach((execution, index) => {
			const sums = this.layers[index], room = height - Executions.TOP - 4, x = this.x(index);
			let y = height - 4;
			for (const layer of [0, 1, 2, 3]) {
				const h = Math.max(sums[layer] ? RowsPane.LEAST : 0, room * sums[layer] / most);
				context.fillStyle = Theme.colour(Paint.NAMES[layer] + '-strip');
				context.fillRect(x, y - h, w, h);
				y -= h;
			}
			context.fillStyle = Theme.colour('line');
			context.fillRect(x, height - 4, w, 1);
			if (execution.partial || execution.lost)
				Paint.hatch(context, x, y, w, height - 4 - y, Theme.colour('doubt'));
		});
		this.outline(context, height);
		context.font = '11px ' + Theme.colour('sans');
		context.textBaseline = 'top';
		context.fillStyle = Theme.colour('dim');
		context.fillText('executions, the longest ' + Text.duration(most), RowsPane.SIDE, 2);
	}

	outline(context, height) {
		for (const execution of [this.hovered, this.chosen].filter(each => each)) {
			context.strokeStyle = Theme.colour(execution === this.chosen ? 'text' : 'dim');
			context.lineWidth = 1;
			context.strokeRect(this.x(execution.index) - 1.5, Executions.TOP - 1.5, Math.max(3, this.step - (this.step > 3 ? 1 : 0)) + 3,
				height - Executions.TOP);
		}
	}

	hover(execution) {
		if (execution === this.hovered)
			return;
		this.hovered = execution;
		this.canvas.title = execution ? this.words(execution) : '';
		this.draw();
	}

	key(event) {
		const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key], { executions } = this.trace;
		if (!by)
			return;
		const at = this.chosen ? this.chosen.index + by : by > 0 ? 0 : executions.length - 1;
		this.on.choose(Math.min(executions.length - 1, Math.max(0, at)));
		event.preventDefault();
		event.stopPropagation();
	}
}
Executions.STEP = 26; // pixels
Executions.TOP = 16;
