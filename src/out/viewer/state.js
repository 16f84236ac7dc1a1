// SPDX-License-Identifier: BSD-2-Clause
// State: what is looked at, as text by key, always the same as the URL's
// fragment: a link to the page is a link to the very view, and Back goes back.

const State = (() => {
	const PAUSE = 300; // ms between two addresses
	const listeners = [];
	let values = read();

	function read() {
		const found = {};
		for (const [key, value] of new URLSearchParams(location.hash.slice(1)))
			found[key] = value;
		return found;
	}

	function text(of) {
		const parameters = new URLSearchParams();
		for (const key of Object.keys(of).sort())
			parameters.set(key, of[key]);
		return '#' + parameters.toString().replace(/%2C/g, ',');
	}

	// What the changes make of the state: { values, changed: Set of keys }.
	function changedBy(changes) {
		const next = { ...values }, changed = new Set();
		for (const [key, value] of Object.entries(changes)) {
			const now = value === undefined || value === null || value === false ? '' : String(value);
			if ((next[key] || '') === now)
				continue;
			changed.add(key);
			if (now)
				next[key] = now;
			else
				delete next[key];
		}
		return { next, changed };
	}

	// Browsers refuse too many changes of the address, and a drag makes one a frame.
	let written = 0, waiting = 0, isStep = false;
	function write() {
		clearTimeout(waiting);
		waiting = 0;
		written = performance.now();
		if (isStep)
			history.pushState(null, '', text(values));
		else
			history.replaceState(null, '', text(values));
		isStep = false;
	}

	// A new address takes milliseconds, and nobody waits for it: what is to be seen comes first.
	const stepLater = Dom.afterPaint(() => isStep && write());

	function writeSoon() {
		if (!waiting)
			waiting = setTimeout(write, Math.max(0, PAUSE - (performance.now() - written)));
	}
	window.addEventListener('pagehide', () => (waiting || isStep) && write());

	const tell = changed => listeners.forEach(listener => listener(changed));

	// { key: value }; '' or undefined forgets the key.  step: Back returns to what was before.
	function set(changes, { step = false } = {}) {
		const { next, changed } = changedBy(changes);
		if (!changed.size)
			return;
		if (step) {
			if (waiting || isStep)
				write();
			values = next;
			isStep = true;
			stepLater();
		} else {
			values = next;
			writeSoon();
		}
		tell(changed);
	}

	function reread() {
		const before = values;
		isStep = false;
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
		// The address of what the changes would lead to, for a link.
		link: changes => text(changedBy(changes).next),
		listen: listener => listeners.push(listener),
	};
})();
