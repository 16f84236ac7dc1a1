// SPDX-License-Identifier: BSD-2-Clause
// Grip: the upper edge of the panel of details, to drag.

const Grip = (() => {
	function make(panel) {
		const grip = Dom.el('div', { id: 'grip', tabIndex: 0, role: 'separator', 'aria-orientation': 'horizontal',
			'aria-label': 'Height of the details: arrow keys change it, Delete makes it the usual one',
			title: 'Drag for more or less of the details; double click for the usual height' });
		const apply = () => {
			const height = State.number('panel');
			panel.style.height = height >= 60 ? Math.min(height, window.innerHeight - 320) + 'px' : '';
		};
		let from = null;
		grip.addEventListener('pointerdown', event => {
			grip.setPointerCapture(event.pointerId);
			from = { y: event.clientY, height: panel.offsetHeight };
		});
		grip.addEventListener('pointermove', event => from &&
			State.set({ panel: Math.max(60, Math.round(from.height + from.y - event.clientY)) }));
		grip.addEventListener('pointerup', () => { from = null; });
		grip.addEventListener('dblclick', () => State.set({ panel: '' }));
		grip.addEventListener('keydown', event => {
			const by = { ArrowUp: 20, ArrowDown: -20 }[event.key];
			if (!by && event.key !== 'Delete')
				return;
			State.set({ panel: by ? Math.max(60, panel.offsetHeight + by) : '' });
			event.preventDefault();
			event.stopPropagation();
		});
		State.listen(changed => changed.has('panel') && apply());
		apply();
		return grip;
	}

	return { make };
})();
