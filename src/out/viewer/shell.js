// SPDX-License-Identifier: BSD-2-Clause
// Shell: what all pages share: the bar with target, tabs, search, help and
// theme, the foot, and the start.  The data says which view it is for; a view
// registers its name and takes over from there.

const Shell = (() => {
	const views = new Map(); // name -> start(meta, sections)

	const register = (name, start) => views.set(name, start);

	// What is looked at: "gunicorn: worker [app:app]", then what else is known of it.
	function target(title, facts) {
		const shown = Text.show(title);
		document.title = Text.cut(shown, 80) + ' – pitviper';
		Dom.fill(Dom.byId('target'), [shown, ...facts].join(' · '));
		Dom.byId('target').title = [shown, ...facts].join(' · ');
	}

	// tabs: [{ id, label, title }]; the first is where one starts.  forget: keys of the state
	// that mean nothing in another tab.
	function tabs(list, changed, forget) {
		const current = () => list.some(tab => tab.id === State.get('tab')) ? State.get('tab') : list[0].id;
		const go = id => id !== current() && State.set({ ...Object.fromEntries(forget.map(key => [key, ''])),
			tab: id === list[0].id ? '' : id }, { step: true });
		const buttons = list.map(tab => Dom.el('button', { type: 'button', role: 'tab', id: 'tab-' + tab.id,
			title: tab.title, 'aria-controls': 'view', onclick: () => go(tab.id) }, tab.label));
		const move = by => {
			const at = list.findIndex(tab => tab.id === current());
			go(list[(at + by + list.length) % list.length].id);
		};
		const mark = () => buttons.forEach((button, i) => {
			button.setAttribute('aria-selected', list[i].id === current());
			button.tabIndex = list[i].id === current() ? 0 : -1;
		});
		Dom.fill(Dom.byId('tabs'), buttons);
		Dom.byId('tabs').addEventListener('keydown', event => {
			const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
			if (by) {
				move(by);
				buttons[list.findIndex(tab => tab.id === current())].focus();
				event.preventDefault();
				event.stopPropagation();
			}
		});
		Keys.add('Views', ['[', ']'], 'previous and next view', event => move(event.key === '[' ? -1 : 1));
		State.listen(keys => {
			if (keys.has('tab')) {
				mark();
				changed(current());
			}
		});
		mark();
		return current;
	}

	function foot(hints, colophon) {
		Dom.fill(Dom.byId('hints'), hints);
		Dom.fill(Dom.byId('colophon'), colophon);
	}

	function fail(error) {
		const status = Dom.byId('status');
		status.className = 'bad';
		status.textContent = error instanceof Problem ? error.message
			: 'This page could not show its data, which is a fault of pitviper: ' + error;
		if (!(error instanceof Problem))
			console.error(error);
	}

	async function start() {
		Theme.apply();
		try {
			const sections = await Loader.load();
			const meta = JSON.parse(new TextDecoder().decode(sections.META));
			if (!views.has(meta.view))
				throw new Problem('This page has data for a view that it does not have.');
			Dom.byId('theme-key').addEventListener('click', Theme.toggle);
			Dom.byId('help-key').addEventListener('click', Keys.help);
			Keys.add('Page', ['?'], 'this help', Keys.help);
			Keys.add('Page', ['d'], 'light or dark', Theme.toggle);
			views.get(meta.view)(meta, sections);
			Dom.byId('status').hidden = true;
			Dom.byId('view').removeAttribute('aria-busy');
		} catch (error) {
			fail(error);
		}
	}

	return { register, target, tabs, foot, start };
})();
