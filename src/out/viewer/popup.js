// SPDX-License-Identifier: BSD-2-Clause
// Popup: one dialog at a time over the page; Escape or a click beside it closes it.

const Popup = (() => {
	let current = null;

	function open(name, title, children, closed) {
		if (current)
			current.close();
		const dialog = Dom.el('dialog.' + name, { 'aria-label': title },
			Dom.el('header', null, Dom.el('h1', null, title),
				Dom.el('button.close', { type: 'button', title: 'Close (Escape)', 'aria-label': 'Close',
					onclick: () => dialog.close() }, '×')),
			Dom.el('div.body', null, children));
		dialog.addEventListener('click', event => {
			if (event.target === dialog)
				dialog.close();
		});
		dialog.addEventListener('close', () => {
			dialog.remove();
			if (current === dialog)
				current = null;
			if (closed)
				closed();
		});
		document.body.append(dialog);
		current = dialog;
		dialog.showModal();
		return dialog;
	}

	return { open, isOpen: () => current !== null };
})();
