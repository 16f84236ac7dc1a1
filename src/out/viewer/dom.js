// SPDX-License-Identifier: BSD-2-Clause
// Dom: elements made from text, never from HTML.

const Dom = (() => {
	const byId = id => document.getElementById(id);

	// el('p.note', { title: 'x', onclick: f }, 'text', child): text goes in as text.
	function el(name, properties, ...children) {
		const [tag, ...classes] = name.split('.');
		const element = document.createElement(tag || 'div');
		if (classes.length)
			element.className = classes.join(' ');
		for (const [key, value] of Object.entries(properties || {})) {
			if (value === undefined || value === null)
				continue;
			if (key.startsWith('on'))
				element.addEventListener(key.slice(2), value);
			else if (key.includes('-') || key === 'role' || key === 'for')
				element.setAttribute(key, value);
			else
				element[key] = value;
		}
		element.append(...children.flat(Infinity).filter(child => child !== null && child !== undefined));
		return element;
	}

	function fill(element, ...children) {
		element.replaceChildren(...children.flat(Infinity).filter(child => child !== null && child !== undefined));
		return element;
	}

	// f at most once a frame, with the last arguments.
	function atFrame(f) {
		let waiting = null;
		return (...args) => {
			if (!waiting)
				requestAnimationFrame(() => {
					const last = waiting;
					waiting = null;
					f(...last);
				});
			waiting = args;
		};
	}

	// The same once the frame has been painted: for what may come a moment later.
	function afterPaint(f) {
		let waiting = null;
		return (...args) => {
			if (!waiting)
				requestAnimationFrame(() => setTimeout(() => {
					const last = waiting;
					waiting = null;
					f(...last);
				}));
			waiting = args;
		};
	}

	// The same when nothing was asked for during a moment and there is nothing else to do.
	function whenIdle(f, pause = 100) {
		let timer = 0, job = 0;
		return (...args) => {
			clearTimeout(timer);
			if (window.cancelIdleCallback)
				cancelIdleCallback(job);
			timer = setTimeout(() => {
				if (window.requestIdleCallback)
					job = requestIdleCallback(() => f(...args), { timeout: 300 });
				else
					f(...args);
			}, pause);
		};
	}

	// A canvas with as many pixels as the screen has; the context's unit is the CSS pixel.
	function sizeCanvas(canvas, width, height) {
		const ratio = window.devicePixelRatio || 1;
		const w = Math.max(1, Math.round(width * ratio)), h = Math.max(1, Math.round(height * ratio));
		if (canvas.width !== w || canvas.height !== h) {
			canvas.width = w;
			canvas.height = h;
			canvas.style.width = width + 'px';
			canvas.style.height = height + 'px';
		}
		const context = canvas.getContext('2d');
		context.setTransform(ratio, 0, 0, ratio, 0, 0);
		return context;
	}

	return { byId, el, fill, atFrame, afterPaint, whenIdle, sizeCanvas };
})();
