// SPDX-License-Identifier: BSD-2-Clause
// Theme: light or dark, as the system has it until one is chosen; and the
// colours of the style sheet for those who paint on canvas.

const Theme = (() => {
	const system = window.matchMedia('(prefers-color-scheme: dark)');
	const listeners = [];
	let colours = {};

	const chosen = () => ['light', 'dark'].includes(State.get('theme')) ? State.get('theme') : '';
	const name = () => chosen() || (system.matches ? 'dark' : 'light');

	function apply() {
		document.documentElement.dataset.theme = name();
		colours = {};
		listeners.forEach(listener => listener());
	}

	// The value of --NAME.
	function colour(key) {
		if (!(key in colours))
			colours[key] = getComputedStyle(document.documentElement).getPropertyValue('--' + key).trim();
		return colours[key];
	}

	function toggle() {
		const other = name() === 'dark' ? 'light' : 'dark';
		State.set({ theme: other === (system.matches ? 'dark' : 'light') ? '' : other });
	}

	system.addEventListener('change', apply);
	State.listen(changed => {
		if (changed.has('theme'))
			apply();
	});

	return { apply, colour, toggle, name, listen: listener => listeners.push(listener) };
})();
