/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * --if EXPR.  Input: the user's text, the names of the arguments.  Output: struct
 * pv_condition, whose steps stand in the order in which a stack machine takes them.
 */
#include "session/condition.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

#include "session/constant.h"

enum { DEPTH_MAX = 16 };

struct parser {
	const char *text;
	size_t at;
	const struct pv_condition_scope *scope;
	struct pv_condition condition;
	unsigned int depth;
};

struct operand {
	uint8_t code;
	size_t at;
	const struct pv_condition_constant *constant; /* NULL: an argument */
};

static struct pv_err *refuse(const struct parser *p, size_t at, const char *why)
{
	return pv_err_create(PV_ERR_USAGE, "--if \"%s\": column %zu: %s", p->text, at + 1, why);
}

static void skip_spaces(struct parser *p)
{
	p->at += strspn(p->text + p->at, " \t\n");
}

static size_t word_length(const char *text)
{
	size_t n = 0;

	if (isdigit((unsigned char)*text))
		return 0;
	while (isalnum((unsigned char)text[n]) || text[n] == '_' || (unsigned char)text[n] >= 0x80)
		n++;
	return n;
}

/* Is this sign, or this word, the next?  Then it is passed. */
static bool next_is(struct parser *p, const char *token)
{
	size_t n = strlen(token);

	skip_spaces(p);
	if (strncmp(p->text + p->at, token, n) != 0 ||
	    (isalpha((unsigned char)token[0]) && word_length(p->text + p->at) != n))
		return false;
	p->at += n;
	return true;
}

static struct pv_err *add_step(struct parser *p, enum pv_condition_op op, uint8_t left,
			       uint8_t right)
{
	if (p->condition.n_steps == PV_CONDITION_STEPS)
		return refuse(p, p->at, "the condition is too long");
	p->condition.steps[p->condition.n_steps++] = (struct pv_condition_step){
		.op = (uint8_t)op,
		.left = left,
		.right = right,
	};
	return NULL;
}

/* arg1, arg2 ... */
static bool by_number(const char *word, size_t n, size_t *ret)
{
	size_t number = 0;

	if (n < 4 || n > 6 || strncmp(word, "arg", 3) != 0 || word[3] == '0')
		return false;
	for (size_t i = 3; i < n; i++) {
		if (!isdigit((unsigned char)word[i]))
			return false;
		number = 10 * number + (size_t)(word[i] - '0');
	}
	*ret = number - 1;
	return true;
}

static struct pv_err *find_argument(struct parser *p, size_t n, struct operand *ret)
{
	const struct pv_condition_scope *scope = p->scope;
	const char *word = p->text + p->at;
	size_t i;

	for (i = 0; scope->names && i < scope->n; i++) {
		if (strncmp(scope->names[i], word, n) == 0 && !scope->names[i][n])
			break;
	}
	if ((!scope->names || i == scope->n) && !by_number(word, n, &i))
		return refuse(p, p->at,
			      scope->names ? "the function has no such argument"
					   : "arguments are arg1, arg2 ... here");
	if (i >= scope->n)
		return refuse(p, p->at, "it has not so many arguments");
	if (i >= PV_VALUES_MAX)
		return refuse(p, p->at, "only the first 16 arguments are looked at");
	ret->code = (uint8_t)i;
	p->at += n;
	return NULL;
}

static struct pv_err *parse_operand(struct parser *p, struct operand *ret)
{
	struct pv_condition *condition = &p->condition;
	struct pv_condition_constant constant;
	const char *why;
	size_t n;

	skip_spaces(p);
	*ret = (struct operand){ .at = p->at };
	n = pv_constant_parse(p->text + p->at, p->scope->old, &constant, &why);
	if (why)
		return refuse(p, p->at, why);
	if (n) {
		if (condition->n_constants == PV_CONDITION_CONSTANTS)
			return refuse(p, p->at, "there are more than 8 constants");
		ret->constant = &condition->constants[condition->n_constants];
		ret->code = (uint8_t)(PV_CONDITION_CONSTANT | condition->n_constants);
		condition->constants[condition->n_constants++] = constant;
		p->at += n;
		return NULL;
	}
	n = word_length(p->text + p->at);
	if (!n)
		return refuse(p, p->at,
			      p->text[p->at] ? "an argument or a constant is expected here"
					     : "it ends too early");
	return find_argument(p, n, ret);
}

/* The operator of a comparison, 0: none is next. */
static enum pv_condition_op parse_operator(struct parser *p)
{
	static const struct {
		const char *sign;
		enum pv_condition_op op;
	} list[] = {
		{ "==", PV_CONDITION_EQ }, { "!=", PV_CONDITION_NE }, { "<=", PV_CONDITION_LE },
		{ ">=", PV_CONDITION_GE }, { "<", PV_CONDITION_LT },  { ">", PV_CONDITION_GT },
	};

	for (size_t i = 0; i < sizeof(list) / sizeof(*list); i++) {
		if (next_is(p, list[i].sign))
			return list[i].op;
	}
	return 0;
}

static bool is_text(const struct operand *operand)
{
	return operand->constant && (operand->constant->value.tag == PV_VALUE_STR ||
				     operand->constant->value.tag == PV_VALUE_RAW);
}

/* NAME.startswith('text'), behind the dot. */
static struct pv_err *parse_prefix(struct parser *p, const struct operand *left)
{
	struct operand text;
	struct pv_err *err;

	if (left->constant || !next_is(p, "startswith") || !next_is(p, "("))
		return refuse(p, p->at, "only .startswith('...') can follow the dot");
	err = parse_operand(p, &text);
	if (err)
		return err;
	if (!is_text(&text))
		return refuse(p, text.at, "startswith() takes a text");
	if (!next_is(p, ")"))
		return refuse(p, p->at, "a ) is missing");
	return add_step(p, PV_CONDITION_PREFIX, left->code, text.code);
}

static struct pv_err *parse_identity(struct parser *p, const struct operand *left)
{
	enum pv_condition_op op = next_is(p, "not") ? PV_CONDITION_NE : PV_CONDITION_EQ;
	struct operand none;
	struct pv_err *err = parse_operand(p, &none);

	if (err)
		return err;
	if (left->constant || !none.constant || none.constant->value.tag != PV_VALUE_NONE)
		return refuse(p, none.at, "\"is\" compares an argument with None only");
	return add_step(p, op, left->code, none.code);
}

/* The same with left and right exchanged. */
static enum pv_condition_op mirrored(enum pv_condition_op op)
{
	switch (op) {
	case PV_CONDITION_LT:
		return PV_CONDITION_GT;
	case PV_CONDITION_LE:
		return PV_CONDITION_GE;
	case PV_CONDITION_GT:
		return PV_CONDITION_LT;
	case PV_CONDITION_GE:
		return PV_CONDITION_LE;
	default:
		return op;
	}
}

static struct pv_err *parse_comparison(struct parser *p)
{
	struct operand left, right;
	struct pv_err *err = parse_operand(p, &left);
	enum pv_condition_op op;
	size_t at;

	if (err)
		return err;
	if (next_is(p, "."))
		return parse_prefix(p, &left);
	if (next_is(p, "is"))
		return parse_identity(p, &left);
	skip_spaces(p);
	at = p->at;
	op = parse_operator(p);
	if (!op && left.constant)
		return refuse(p, left.at, "a constant alone says nothing");
	if (!op)
		return add_step(p, PV_CONDITION_TRUTH, left.code, 0);
	err = parse_operand(p, &right);
	if (err)
		return err;
	if (left.constant && right.constant)
		return refuse(p, left.at, "two constants are compared");
	if (op != PV_CONDITION_EQ && op != PV_CONDITION_NE && (is_text(&left) || is_text(&right)))
		return refuse(p, at, "texts can only be compared by == and !=");
	skip_spaces(p);
	at = p->at;
	if (parse_operator(p))
		return refuse(p, at, "comparisons cannot be chained: write a < b && b < c");
	return left.constant ? add_step(p, mirrored(op), right.code, left.code)
			     : add_step(p, op, left.code, right.code);
}

static struct pv_err *parse_or(struct parser *p);

static struct pv_err *parse_group(struct parser *p)
{
	struct pv_err *err = parse_or(p);

	if (err)
		return err;
	if (!next_is(p, ")"))
		return refuse(p, p->at, "a ) is missing");
	skip_spaces(p);
	if (parse_operator(p))
		return refuse(p, p->at, "what is in parentheses cannot be compared");
	return NULL;
}

/* What ! negates: not only the left operand of a comparison, as in C, nor all of it. */
static struct pv_err *parse_negated(struct parser *p)
{
	struct operand operand;
	struct pv_err *err = parse_operand(p, &operand);
	size_t at;

	if (err)
		return err;
	if (operand.constant)
		return refuse(p, operand.at, "a constant alone says nothing");
	skip_spaces(p);
	at = p->at;
	if (next_is(p, "."))
		return parse_prefix(p, &operand);
	if (parse_operator(p) || next_is(p, "is"))
		return refuse(p, at, "write !(a == b), or a != b");
	return add_step(p, PV_CONDITION_TRUTH, operand.code, 0);
}

static struct pv_err *parse_not(struct parser *p)
{
	bool sign, word = false;
	struct pv_err *err;

	if (++p->depth > DEPTH_MAX)
		return refuse(p, p->at, "it is nested too deep");
	skip_spaces(p);
	/* "!=" is no negation */
	sign = p->text[p->at] == '!' && p->text[p->at + 1] != '=' && next_is(p, "!");
	if (!sign)
		word = next_is(p, "not");
	if (sign || word) {
		skip_spaces(p);
		if (word || p->text[p->at] == '!' || p->text[p->at] == '(')
			err = parse_not(p);
		else
			err = parse_negated(p);
		if (!err)
			err = add_step(p, PV_CONDITION_NOT, 0, 0);
	} else {
		err = next_is(p, "(") ? parse_group(p) : parse_comparison(p);
	}
	p->depth--;
	return err;
}

static struct pv_err *parse_and(struct parser *p)
{
	struct pv_err *err = parse_not(p);

	while (!err && (next_is(p, "&&") || next_is(p, "and"))) {
		err = parse_not(p);
		if (!err)
			err = add_step(p, PV_CONDITION_AND, 0, 0);
	}
	return err;
}

static struct pv_err *parse_or(struct parser *p)
{
	struct pv_err *err = parse_and(p);

	while (!err && (next_is(p, "||") || next_is(p, "or"))) {
		err = parse_and(p);
		if (!err)
			err = add_step(p, PV_CONDITION_OR, 0, 0);
	}
	return err;
}

struct pv_err *pv_condition_parse(const char *text, const struct pv_condition_scope *scope,
				  struct pv_condition *ret)
{
	struct parser parser = { .text = text, .scope = scope };
	struct pv_err *err = parse_or(&parser);

	if (err)
		return err;
	skip_spaces(&parser);
	if (text[parser.at])
		return refuse(&parser, parser.at, "this cannot follow");
	*ret = parser.condition;
	return NULL;
}
