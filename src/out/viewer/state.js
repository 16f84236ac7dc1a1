// SPDX-License-Identifier: BSD-2-Clause
// State: what is looked at, as text by key, always the same as the URL's
// fragment: a link to the page is a link to the very view, and Back goes back.

const State = (() => {
	const listeners = [];
	let values = read();

	function read() {
		const found = {};
		for (const [key, value] of new URLSearchParams(location.hash.slice(1)))
			found[key] = value;
		return found;
	}

	function text() {
		const parameters = new URLSearchParams();
		for (const key of Object.keys(values).sort())
			parameters.set(key, values[key]);
		return '#' + parameters.toString().replace(/%2C/g, ',');
	}

	const tell = changed => listeners.forEach(listener => listener(changed));

	// { key: value }; '' or undefined forgets the key.  step: Back returns to what was before.
	function set(changes, { step = false } = {}) {
		const changed = new Set();
		for (const [key, value] of Object.entries(changes)) {
			const now = value === undefined || value === null || value === false ? '' : String(value);
			if ((values[key] || '') === now)
				continue;
			changed.add(key);
			if (now)
				values[key] = now;
			else
				delete values[key];
		}
		if (!changed.size)
			return;
		if (step)
			history.pushState(null, '', text());
		else
			history.replaceState(null, '', text());
		tell(changed);
	}

	function reread() {
		const before = values;
		values = read();
		const changed = new Set();
		for (const key of new Set([...Object.keys(before), ...Object.keys(values)])) {
			if (before[key] !== values[key])
				changed.add(key);
		}
		if (changed.size)
			tell(changed);
	}
	window.addEventListener('popstate', reread);
	window.addEventListener('hashchange', reread);

	return {
		get: key => values[key] || '',
		number: key => values[key] === undefined || values[key] === '' ? NaN : Number(values[key]),
		// a list of whole numbers
		list: key => (values[key] || '').split(',').filter(part => /^\d+$/.test(part)).map(Number),
		set,
		listen: listener => listeners.push(listener),
	};
})();
