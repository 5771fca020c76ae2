package dev.gatun.model.template;

import dev.gatun.model.template.Lexer.Kind;
import dev.gatun.model.template.Lexer.Token;
import dev.gatun.model.template.Node.Arguments;
import dev.gatun.model.template.Node.Expr;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Recursive descent over the expressions of Jinja 3, and the place in the tokens. */
sealed class ExpressionParser permits Parser {
    private static final int MAX_DEPTH = 100;
    private static final Set<String> COMPARISONS = Set.of("==", "!=", "<", ">", "<=", ">=");

    private final String file;
    private final List<Token> tokens;
    private int at;
    private int depth;

    ExpressionParser(String file, List<Token> tokens) {
        this.file = file;
        this.tokens = tokens;
    }

    final TemplateException bad(String what) {
        return new TemplateException(file + ": chat template, line " + peek().line() + ": " + what);
    }

    final Token peek() {
        return tokens.get(at);
    }

    /** The token after the next one; the last one at the end. */
    final Token peekBehind() {
        return tokens.get(Math.min(at + 1, tokens.size() - 1));
    }

    final Token next() {
        Token token = tokens.get(at);
        if (token.kind() != Kind.END) {
            at++;
        }
        return token;
    }

    final boolean skip(Kind kind, String text) {
        if (peek().is(kind, text)) {
            at++;
            return true;
        }
        return false;
    }

    final boolean operator(String text) {
        return skip(Kind.OPERATOR, text);
    }

    final void expect(Kind kind, String text) {
        if (!skip(kind, text)) {
            throw bad("\"" + text + "\" is missing before \"" + peek().text() + "\"");
        }
    }

    final String name() {
        if (peek().kind() != Kind.NAME) {
            throw bad("a name is missing before \"" + peek().text() + "\"");
        }
        return next().text();
    }

    final void deeper() {
        if (++depth > MAX_DEPTH) {
            throw bad("is nested more than " + MAX_DEPTH + " deep");
        }
    }

    final void shallower() {
        depth--;
    }

    final Expr expressionOrTuple() {
        Expr first = expression();
        return peek().is(Kind.OPERATOR, ",") ? tuple(first) : first;
    }

    final Expr tuple(Expr first) {
        List<Expr> items = new ArrayList<>(List.of(first));
        while (operator(",")) {
            Kind kind = peek().kind();
            if (kind == Kind.BLOCK_END || kind == Kind.PRINT_END || peek().is(Kind.OPERATOR, ")")) {
                break;
            }
            items.add(expression());
        }
        return new Node.ListOf(items);
    }

    final Expr expression() {
        deeper();
        Expr value = or();
        while (skip(Kind.NAME, "if")) {
            Expr condition = or();
            value = new Node.Conditional(condition, value, skip(Kind.NAME, "else") ? expression() : null);
        }
        depth--;
        return value;
    }

    final Expr or() {
        Expr left = and();
        while (peek().is(Kind.NAME, "or")) {
            int line = next().line();
            left = new Node.Binary("or", left, and(), line);
        }
        return left;
    }

    private Expr and() {
        Expr left = not();
        while (peek().is(Kind.NAME, "and")) {
            int line = next().line();
            left = new Node.Binary("and", left, not(), line);
        }
        return left;
    }

    private Expr not() {
        if (peek().is(Kind.NAME, "not")) {
            int line = next().line();
            deeper();
            Expr value = not();
            depth--;
            return new Node.Unary("not", value, line);
        }
        return comparison();
    }

    private Expr comparison() {
        Expr left = sum();
        Expr all = null;
        while (true) {
            Token token = peek();
            String operator;
            if (token.kind() == Kind.OPERATOR && COMPARISONS.contains(token.text())) {
                operator = next().text();
            } else if (token.is(Kind.NAME, "in")) {
                next();
                operator = "in";
            } else if (token.is(Kind.NAME, "not") && peekBehind().is(Kind.NAME, "in")) {
                at += 2;
                operator = "not in";
            } else {
                return all == null ? left : all;
            }
            Expr right = sum();
            Expr one = new Node.Binary(operator, left, right, token.line());
            all = all == null ? one : new Node.Binary("and", all, one, token.line());
            left = right;
        }
    }

    private Expr sum() {
        Expr left = concatenation();
        while (peek().is(Kind.OPERATOR, "+") || peek().is(Kind.OPERATOR, "-")) {
            Token token = next();
            left = new Node.Binary(token.text(), left, concatenation(), token.line());
        }
        return left;
    }

    private Expr concatenation() {
        Expr left = product();
        while (peek().is(Kind.OPERATOR, "~")) {
            int line = next().line();
            left = new Node.Binary("~", left, product(), line);
        }
        return left;
    }

    private Expr product() {
        Expr left = power();
        while (peek().kind() == Kind.OPERATOR && Set.of("*", "/", "//", "%").contains(peek().text())) {
            Token token = next();
            left = new Node.Binary(token.text(), left, power(), token.line());
        }
        return left;
    }

    private Expr power() {
        Expr left = unary(true);
        while (peek().is(Kind.OPERATOR, "**")) {
            int line = next().line();
            left = new Node.Binary("**", left, unary(true), line);
        }
        return left;
    }

    private Expr unary(boolean filters) {
        Token token = peek();
        Expr value;
        if (token.is(Kind.OPERATOR, "-") || token.is(Kind.OPERATOR, "+")) {
            next();
            deeper();
            value = new Node.Unary(token.text(), unary(false), token.line());
            depth--;
        } else {
            value = postfix(primary());
        }
        return filters ? filtersAndTests(value) : value;
    }

    final Expr primary() {
        Token token = next();
        return switch (token.kind()) {
            case NAME ->
                switch (token.text()) {
                    case "true", "True" -> new Node.Literal(true);
                    case "false", "False" -> new Node.Literal(false);
                    case "none", "None" -> new Node.Literal(null);
                    default -> new Node.Name(token.text(), token.line());
                };
            case STRING -> {
                var text = new StringBuilder(token.text());
                while (peek().kind() == Kind.STRING) {
                    text.append(next().text());
                }
                yield new Node.Literal(text.toString());
            }
            case INTEGER -> new Node.Literal(integer(token.text()));
            case FLOAT -> new Node.Literal(Double.parseDouble(token.text()));
            case OPERATOR -> bracket(token);
            default -> throw bad("an expression is missing");
        };
    }

    private Long integer(String digits) {
        try {
            return Long.parseLong(digits);
        } catch (NumberFormatException e) {
            throw bad("the number " + digits + " is beyond 64 bits");
        }
    }

    @SuppressWarnings("RefactorSwitch") // its cases take several statements
    private Expr bracket(Token token) {
        switch (token.text()) {
            case "(" -> {
                if (operator(")")) {
                    return new Node.ListOf(List.of());
                }
                Expr inner = expressionOrTuple();
                expect(Kind.OPERATOR, ")");
                return inner;
            }
            case "[" -> {
                List<Expr> items = new ArrayList<>();
                while (!operator("]")) {
                    items.add(expression());
                    if (!peek().is(Kind.OPERATOR, "]")) {
                        expect(Kind.OPERATOR, ",");
                    }
                }
                return new Node.ListOf(items);
            }
            case "{" -> {
                List<Expr> keys = new ArrayList<>();
                List<Expr> values = new ArrayList<>();
                while (!operator("}")) {
                    keys.add(expression());
                    expect(Kind.OPERATOR, ":");
                    values.add(expression());
                    if (!peek().is(Kind.OPERATOR, "}")) {
                        expect(Kind.OPERATOR, ",");
                    }
                }
                return new Node.DictOf(keys, values);
            }
            default -> throw bad("\"" + token.text() + "\" is no expression");
        }
    }

    final Expr postfix(Expr start) {
        Expr value = start;
        while (true) {
            int line = peek().line();
            if (operator(".")) {
                value = peek().kind() == Kind.INTEGER
                        ? new Node.Item(value, new Node.Literal(integer(next().text())), line)
                        : new Node.Attribute(value, name(), line);
            } else if (operator("[")) {
                value = subscript(value, line);
            } else if (operator("(")) {
                value = new Node.Call(value, arguments(), line);
            } else {
                return value;
            }
        }
    }

    private Expr subscript(Expr of, int line) {
        Expr from = peek().is(Kind.OPERATOR, ":") ? null : expression();
        if (!operator(":")) {
            expect(Kind.OPERATOR, "]");
            if (from == null) {
                throw bad("an index is missing");
            }
            return new Node.Item(of, from, line);
        }
        Expr to = peek().is(Kind.OPERATOR, ":") || peek().is(Kind.OPERATOR, "]") ? null : expression();
        Expr step = operator(":") && !peek().is(Kind.OPERATOR, "]") ? expression() : null;
        expect(Kind.OPERATOR, "]");
        return new Node.Slice(of, from, to, step, line);
    }

    final Arguments arguments() {
        List<Expr> positional = new ArrayList<>();
        Map<String, Expr> named = new LinkedHashMap<>();
        while (!operator(")")) {
            if (peek().kind() == Kind.NAME && peekBehind().is(Kind.OPERATOR, "=")) {
                String name = name();
                next();
                named.put(name, expression());
            } else {
                positional.add(expression());
            }
            if (!peek().is(Kind.OPERATOR, ")")) {
                expect(Kind.OPERATOR, ",");
            }
        }
        return new Arguments(positional, named);
    }

    private Expr filtersAndTests(Expr start) {
        Expr value = start;
        while (true) {
            int line = peek().line();
            if (operator("|")) {
                String name = name();
                value = new Node.Filter(value, name, operator("(") ? arguments() : Arguments.NONE, line);
            } else if (skip(Kind.NAME, "is")) {
                boolean negated = skip(Kind.NAME, "not");
                String name = name();
                value = new Node.Test(value, name, testArguments(), negated, line);
            } else if (peek().is(Kind.OPERATOR, "(") && value instanceof Node.Filter) {
                next();
                value = new Node.Call(value, arguments(), line);
            } else {
                return value;
            }
        }
    }

    private Arguments testArguments() {
        if (operator("(")) {
            return arguments();
        }
        Token token = peek();
        boolean operand = token.kind() == Kind.STRING
                || token.kind() == Kind.INTEGER
                || token.kind() == Kind.FLOAT
                || token.is(Kind.OPERATOR, "[")
                || token.kind() == Kind.NAME
                        && !Set.of("and", "or", "else", "if", "is", "in", "not").contains(token.text());
        return operand ? new Arguments(List.of(postfix(primary())), Map.of()) : Arguments.NONE;
    }
}
