// SPDX-License-Identifier: BSD-2-Clause
// Layers: the bar that is legend, totals and switch at once.

class LayerBar {
	constructor(element) {
		this.bar = Dom.el('div', { id: 'layers', role: 'group', 'aria-label': 'Layers: time by the innermost frame' });
		this.beside = Dom.el('div', { id: 'beside-layers' });
		element.append(this.bar, this.beside);
		for (const layer of LAYERS)
			Keys.add('Layers', [layer.key], 'fold or show ' + layer.name, () => LayerBar.toggle(layer.letter));
		Keys.add('Layers', ['o'], 'only my code, or all', () => State.set({ own: State.get('own') ? '' : 1 }));
		Keys.add('Layers', ['i'], 'show or lift out how the interpreter calls', () =>
			State.set({ calls: State.get('calls') ? '' : 1 }));
		Keys.add('Layers', ['p'], 'processes and threads apart, or their equal stacks as one', () =>
			State.set({ apart: State.get('apart') ? '' : 1 }));
		Keys.add('Layers', ['l'], 'lines of a function apart, or as one', () =>
			State.set({ lines: State.get('lines') ? '' : 1 }));
	}

	static toggle(letter) {
		const now = State.get('fold');
		State.set({ fold: now.includes(letter) ? now.replace(letter, '') : now + letter });
	}

	// What a layer's samples are, where a capture does not tell them apart.
	static name(layer, capture) {
		if (layer.id === 'python' && capture.no_native)
			return capture.no_kernel ? 'Python with all it calls' : 'Python with the C it calls';
		if (layer.id === 'native' && capture.no_kernel)
			return 'C and C++ with the kernel';
		return layer.name;
	}

	show(profile, selection) {
		const key = ['fold', 'own', 'calls'].map(State.get).join(';');
		if (this.shown === selection && this.shownKey === key)
			return;
		this.shown = selection;
		this.shownKey = key;
		const n = selection.n, folded = State.get('fold'), { capture } = profile;
		const segments = LAYERS.filter((layer, i) => selection.layers[i] || folded.includes(layer.letter)).map(layer => {
			const samples = selection.layers[LAYERS.indexOf(layer)];
			const name = LayerBar.name(layer, capture), off = folded.includes(layer.letter);
			const share = Text.percent(samples, n, samples / n < 0.1 ? 1 : 0);
			const button = Dom.el('button.layer.' + layer.id + (off ? '.off' : ''), { type: 'button',
				'aria-pressed': String(!off), onclick: () => LayerBar.toggle(layer.letter),
				title: name + ': ' + profile.amount(samples) + ', ' + share + ' of what is selected\n' +
					(off ? 'folded: its time is its callers’. Click or press ' : 'click or press ') + layer.key +
					(off ? ' to show it' : ' to fold it into its callers') },
			Dom.el('span', null, name + ' ' + share + (off ? ' folded' : '')));
			button.style.flexGrow = String(n ? samples / n : 0);
			return button;
		});
		if (selection.layers[OTHER]) {
			const samples = selection.layers[OTHER];
			const rest = Dom.el('div.layer.other', { title: 'innermost frame not known: ' + profile.amount(samples) },
				Dom.el('span', null, 'not known ' + Text.percent(samples, n)));
			rest.style.flexGrow = String(samples / n);
			segments.push(rest);
		}
		Dom.fill(this.bar, segments);
		const beside = [];
		if (selection.gc)
			beside.push(Dom.el('button.link', { type: 'button', title: 'Time in Python’s garbage collector: ' +
				profile.amount(selection.gc) + '; click to mark it', onclick: () => State.set({ q: '^\\[gc\\]$' }) },
			'GC ' + Text.percent(selection.gc, n)));
		const toggle = (key, text, title) => Dom.el('button.toggle', { type: 'button', title,
			'aria-pressed': String(State.get(key) !== ''), onclick: () => State.set({ [key]: State.get(key) ? '' : 1 }) }, text);
		beside.push(toggle('own', 'only my code', 'Only my code: all else is folded into it (o)'));
		if (profile.hasMachinery)
			beside.push(toggle('calls', 'interpreter frames', 'C frames of the interpreter and the C library that lead to Python ' +
				'frames: how Python calls. Without them, time in them is shown apart, and what they call is their caller’s (i)'));
		const { roots } = profile;
		if (roots)
			beside.push(toggle('apart', roots === PROCESS ? 'by process' : 'by thread', 'Each ' + (roots === PROCESS ? 'process'
				: 'thread') + ' with a graph of its own below the root; without it, equal stacks of all are one (p)'));
		Dom.fill(this.beside, beside);
	}
}
