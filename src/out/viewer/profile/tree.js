// SPDX-License-Identifier: BSD-2-Clause
// Trees: the stack tree of what is shown, with equal frames joined, from the root
// down (Calls) or from the leaves up (Callers).  Children are made when they
// are first asked for, so that a large profile costs what of it is seen.

class Frame {
	constructor(key, parent, tree) {
		this.tree = tree;
		this.key = key; // of the folding; -1: the root
		this.parent = parent;
		this.depth = parent ? parent.depth + 1 : 0;
		this.total = 0;
		this.nodes = []; // of the profile
		this.leaves = null; // Callers: the leaf of each of the nodes
		this.kids = null;
		this.below = 0; // samples in children, once they are there
	}

	// Heaviest first.
	get children() {
		if (!this.kids)
			this.tree.expand(this);
		return this.kids;
	}

	// Samples that end here.
	get self() {
		return this.children ? this.total - this.below : 0;
	}

	get fn() {
		return this.key < 0 ? -1 : this.tree.folding.keyFn(this.key);
	}

	// Finds the frame again in another tree of the same profile, and after a reload.
	get id() {
		return this.key < 0 ? '' : this.leaves ? this.leaves[0] + '.' + this.nodes[0] : String(this.nodes[0]);
	}

	// First and last line of the function that is in it; 0: not known.
	get lines() {
		if (this.lineRange === undefined) {
			const { loc, locLine } = this.tree.profile;
			let low = Infinity, high = 0;
			for (const node of this.nodes) {
				const line = locLine[loc[node]];
				if (line) {
					low = Math.min(low, line);
					high = Math.max(high, line);
				}
			}
			this.lineRange = high ? [low, high] : [0, 0];
		}
		return this.lineRange;
	}
}

// What both trees do alike: join by key, order, find.
class Tree {
	constructor(lens) {
		this.lens = lens;
		this.profile = lens.profile;
		this.folding = lens.folding;
		this.groupOf = new Int32Array(this.folding.nKeys).fill(-1);
		this.root = new Frame(-1, null, this);
		this.root.total = lens.selection.n;
	}

	// The group of a key among those being made.
	group(key, parent, groups) {
		let at = this.groupOf[key];
		if (at < 0) {
			at = this.groupOf[key] = groups.length;
			groups.push(new Frame(key, parent, this));
		}
		return groups[at];
	}

	finish(parent, groups) {
		let below = 0;
		for (const frame of groups) {
			this.groupOf[frame.key] = -1;
			below += frame.total;
		}
		// Equal ones in the order of the nodes, so that it is the same each time.
		groups.sort((a, b) => b.total - a.total || a.nodes[0] - b.nodes[0]);
		parent.kids = groups;
		parent.below = below;
	}

	// Keys from the root down to the frame of an id, as it would be here.
	follow(keys) {
		let frame = this.root;
		for (const key of keys) {
			const next = frame.children.find(child => child.key === key);
			if (!next)
				break;
			frame = next;
		}
		return frame;
	}
}

class Calls extends Tree {
	constructor(lens) {
		super(lens);
		this.root.nodes.push(0);
	}

	expand(frame) {
		const { folding, lens } = this, groups = [];
		const add = (node, samples) => {
			const group = this.group(folding.key(node), frame, groups);
			group.nodes.push(node);
			group.total += samples;
		};
		for (const node of frame.nodes) {
			if (lens.mode[node] !== LIFTED)
				lens.callees(node, add);
		}
		this.finish(frame, groups);
	}

	// id: a node.  The frame that has it, or the nearest above that is shown.
	find(id) {
		const node = Number(id);
		if (!Number.isInteger(node) || node < 0 || node >= this.profile.nNodes)
			return this.root;
		return this.follow(this.folding.keysUp(node).reverse());
	}
}

class Callers extends Tree {
	constructor(lens) {
		super(lens);
		this.root.leaves = [];
	}

	expand(frame) {
		const { profile, folding, lens } = this, groups = [];
		const add = (node, leaf) => {
			if (node <= 0)
				return; // nobody called it
			const group = this.group(folding.key(node), frame, groups);
			if (!group.leaves)
				group.leaves = [];
			group.nodes.push(node);
			group.leaves.push(leaf);
			group.total += lens.own[leaf];
		};
		if (frame.key < 0) {
			for (let leaf = 1; leaf < profile.nNodes; leaf++) {
				if (lens.own[leaf] && lens.mode[leaf] !== FOLDED)
					add(leaf, leaf);
			}
		} else {
			frame.nodes.forEach((node, i) => add(folding.caller(node), frame.leaves[i]));
		}
		this.finish(frame, groups);
	}

	// id: a leaf and a node above it.
	find(id) {
		const [leaf, node] = id.split('.').map(Number);
		if (!(leaf > 0 && leaf < this.profile.nNodes && node > 0 && node <= leaf))
			return this.root;
		const keys = [];
		for (let at = this.folding.shown(leaf); at > 0; at = this.folding.caller(at)) {
			keys.push(this.folding.key(at));
			if (at <= node)
				break;
		}
		return this.follow(keys);
	}
}
