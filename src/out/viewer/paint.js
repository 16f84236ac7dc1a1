// SPDX-License-Identifier: BSD-2-Clause
// Paint: what a frame looks like.  The hue is the layer; the user's own code
// is saturated, libraries are pale.  Without hues they differ by their lower
// edge, too: none Python, a line C, a broken line the kernel.

const Paint = (() => {
	const NAMES = ['python', 'native', 'kernel', 'other'];

	function of(profile, fn) {
		const kind = profile.fnKind[fn], layer = profile.fnLayer[fn];
		const own = profile.fnOwn[fn] === 1;
		return {
			layer,
			fill: Theme.colour(NAMES[layer] + (own ? '-own' : '-pale')),
			text: Theme.colour(own ? NAMES[layer] + '-on-own' : 'on-pale'),
			edge: Theme.colour(NAMES[layer] + '-edge'),
			hatched: kind === MARKER && layer === OTHER,
		};
	}

	// The lower edge of a box, by layer.
	function edge(context, layer, colour, x, y, width) {
		if (layer === 1) {
			context.fillStyle = colour;
			context.fillRect(x, y - 2, width, 2);
		} else if (layer === 2) {
			context.fillStyle = colour;
			for (let at = 0; at < width; at += 6)
				context.fillRect(x + at, y - 2, Math.min(3, width - at), 2);
		}
	}

	// Diagonal lines: something is missing here.
	function hatch(context, x, y, width, height, colour) {
		context.save();
		context.beginPath();
		context.rect(x, y, width, height);
		context.clip();
		context.strokeStyle = colour;
		context.lineWidth = 1;
		context.beginPath();
		for (let at = x - height; at < x + width; at += 6) {
			context.moveTo(at, y + height);
			context.lineTo(at + height, y);
		}
		context.stroke();
		context.restore();
	}

	return { NAMES, of, edge, hatch };
})();
