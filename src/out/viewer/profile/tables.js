// SPDX-License-Identifier: BSD-2-Clause
// Tables: self and total by function, and by line.

const Tables = (() => {
	const bar = (share, layer) => {
		const element = Dom.el('i.bar.' + Paint.NAMES[layer], { 'aria-hidden': 'true' });
		element.style.width = (100 * share).toFixed(2) + '%';
		return element;
	};

	// A column of samples: sums() by key, the bars as long as the most of them.
	function samples(view, id, title, hint, fn, sums) {
		let of = null, most = 1;
		return { id, title, hint, number: true, value: key => sums()[key], cell: key => {
			const all = view.selection.n;
			if (of !== sums()) {
				of = sums();
				most = of.reduce((a, b) => Math.max(a, b), 1);
			}
			const n = of[key];
			return [bar(n / most, view.profile.fnLayer[fn(key)]),
				Dom.el('span', null, n ? view.profile.amount(n) : ''),
				Dom.el('span.share', null, n ? Text.percent(n, all) : '')];
		} };
	}

	// Columns for keys (functions or locations); fn: key -> function; sums: () -> { self, total }
	function columns(view, fn, name, place, sums) {
		return [
			samples(view, 'self', 'Self', 'time in the code itself, without what it calls', fn, () => sums().self),
			samples(view, 'total', 'Total', 'time in it and in all that it calls', fn, () => sums().total),
			{ id: 'name', title: 'Function', value: name, cell: key => [
				Dom.el('i.dot.' + Paint.NAMES[view.profile.fnLayer[fn(key)]] +
					(view.profile.fnOwn[fn(key)] ? '.own' : ''), { 'aria-hidden': 'true' }),
				Dom.el('span' + (view.profile.fnOwn[fn(key)] ? '.own' : ''), { title: Text.cut(view.profile.label(fn(key)), 500) },
					Text.cut(view.profile.name(fn(key)), 300))] },
			{ id: 'place', title: 'Where', value: place, cell: key => Dom.el('span', { title:
				Text.cut(view.profile.fullPlace(fn(key)), 1000) }, Text.cut(place(key), 300)) },
		];
	}

	function functions(view) {
		return columns(view, key => key, key => view.profile.name(key), key => view.profile.place(key),
			() => view.sums.functions);
	}

	function lines(view) {
		const { profile } = view, of = key => profile.locFn[key];
		const list = columns(view, of, key => profile.name(of(key)), key => profile.place(of(key)) + ':' +
			profile.locLine[key], () => view.sums.locations);
		const [self, total, name, place] = list;
		place.title = 'Line';
		// file, then line: as text ":9" would stand after ":10"
		place.value = key => profile.place(of(key)) + ':' + String(profile.locLine[key]).padStart(9, '0');
		const withC = samples(view, 'withc', 'With its C', 'time in the line and in the C and kernel code that it calls, ' +
			'up to the next Python frame', of, () => view.sums.withC);
		return [withC, self, total, place, name, { id: 'text', title: 'Source', value: key => sourceLine(profile, key), cell: key =>
			Dom.el('code', { title: sourceLine(profile, key) }, sourceLine(profile, key)) }];
	}

	function sourceLine(profile, key) {
		const text = profile.sourceLines(profile.fnFile[profile.locFn[key]]);
		return text ? Text.cut((text[profile.locLine[key]] || '').trim(), 200) : '';
	}

	return { functions, lines };
})();
