// SPDX-License-Identifier: BSD-2-Clause
// Search: the box in the bar; what is typed -> a test for texts.  Small letters
// find large ones, too.  What is found is the view's to say.

const Search = (() => {
	const TESTED = 2000; // characters of a name
	const box = () => Dom.byId('query');
	let problem = '';
	let step = () => {};

	// null: nothing is searched for; otherwise f(text) -> found or not
	function test() {
		const query = State.get('q');
		problem = '';
		if (!query)
			return null;
		try {
			const expression = new RegExp(query, /[A-Z]/.test(query.replace(/\\./g, '')) ? '' : 'i');
			return text => expression.test(text.length > TESTED ? text.slice(0, TESTED) : text);
		} catch (error) {
			problem = String(error.message).replace(/^Invalid regular expression: /, '');
			return null;
		}
	}

	// What the view found, beside what was typed; an expression that is none is said here, too.
	function say(text) {
		const found = Dom.byId('found');
		found.textContent = problem ? 'not a regular expression' : text;
		found.title = problem;
		found.classList.toggle('bad', problem !== '');
		box().setAttribute('aria-invalid', problem !== '');
	}

	// onStep(direction): to the next or the previous that is found.
	function start(onStep) {
		step = onStep;
		box().value = State.get('q');
		box().addEventListener('input', () => State.set({ q: box().value }));
		box().addEventListener('keydown', event => {
			if (event.key === 'Enter') {
				step(event.shiftKey ? -1 : 1);
				event.preventDefault();
			} else if (event.key === 'Escape') {
				if (box().value)
					State.set({ q: '' });
				else
					box().blur();
				event.preventDefault();
			}
		});
		Dom.byId('find-key').addEventListener('click', focus);
		Keys.add('Search', ['/'], 'search by name, file or regular expression', focus);
		Keys.add('Search', ['n', 'N'], 'next and previous match; Enter and Shift Enter in the box', event =>
			State.get('q') ? step(event.key === 'N' ? -1 : 1) : false);
		State.listen(changed => {
			if (changed.has('q') && box().value !== State.get('q'))
				box().value = State.get('q');
		});
	}

	function focus() {
		box().focus();
		box().select();
	}

	return { start, test, say, focus };
})();
