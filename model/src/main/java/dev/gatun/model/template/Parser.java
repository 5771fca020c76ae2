package dev.gatun.model.template;

import dev.gatun.model.template.Lexer.Kind;
import dev.gatun.model.template.Lexer.Token;
import dev.gatun.model.template.Node.Arguments;
import dev.gatun.model.template.Node.Expr;
import dev.gatun.model.template.Node.Stmt;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Recursive descent over the grammar of Jinja 3. */
final class Parser {
    private static final int MAX_DEPTH = 100;
    private static final Set<String> COMPARISONS = Set.of("==", "!=", "<", ">", "<=", ">=");

    private final String file;
    private final List<Token> tokens;
    private int at;
    private int depth;

    private Parser(String file, List<Token> tokens) {
        this.file = file;
        this.tokens = tokens;
    }

    static List<Stmt> parse(String file, String source) {
        var parser = new Parser(file, Lexer.tokens(file, source));
        List<Stmt> body = parser.body();
        if (parser.peek().kind() != Kind.END) {
            throw parser.bad("{% " + parser.tokens.get(parser.at + 1).text() + " %} without its beginning");
        }
        return body;
    }

    private TemplateException bad(String what) {
        return new TemplateException(file + ": chat template, line " + peek().line() + ": " + what);
    }

    private Token peek() {
        return tokens.get(at);
    }

    private Token next() {
        Token token = tokens.get(at);
        if (token.kind() != Kind.END) {
            at++;
        }
        return token;
    }

    private boolean skip(Kind kind, String text) {
        if (peek().is(kind, text)) {
            at++;
            return true;
        }
        return false;
    }

    private boolean operator(String text) {
        return skip(Kind.OPERATOR, text);
    }

    private void expect(Kind kind, String text) {
        if (!skip(kind, text)) {
            throw bad("\"" + text + "\" is missing before \"" + peek().text() + "\"");
        }
    }

    private String name() {
        if (peek().kind() != Kind.NAME) {
            throw bad("a name is missing before \"" + peek().text() + "\"");
        }
        return next().text();
    }

    private void deeper() {
        if (++depth > MAX_DEPTH) {
            throw bad("is nested more than " + MAX_DEPTH + " deep");
        }
    }

    /** Statements up to one that ends or continues an outer block. */
    private List<Stmt> body(String... ends) {
        deeper();
        List<Stmt> body = new ArrayList<>();
        while (true) {
            Token token = peek();
            switch (token.kind()) {
                case TEXT -> body.add(new Node.Text(next().text()));
                case PRINT_BEGIN -> {
                    next();
                    Expr value = expressionOrTuple();
                    expect(Kind.PRINT_END, "");
                    body.add(new Node.Print(value, token.line()));
                }
                case BLOCK_BEGIN -> {
                    String keyword = tokens.get(at + 1).text();
                    if (List.of(ends).contains(keyword) || keyword.startsWith("end") || keyword.startsWith("el")) {
                        depth--;
                        return body;
                    }
                    next();
                    body.add(statement());
                }
                default -> {
                    if (ends.length > 0) {
                        throw bad("the template ends, {% " + ends[ends.length - 1] + " %} is missing");
                    }
                    depth--;
                    return body;
                }
            }
        }
    }

    private void end(String keyword) {
        expect(Kind.BLOCK_BEGIN, "");
        expect(Kind.NAME, keyword);
        if (keyword.equals("endmacro") && peek().kind() == Kind.NAME) {
            next();
        }
        expect(Kind.BLOCK_END, "");
    }

    private Stmt statement() {
        int line = peek().line();
        String keyword = name();
        return switch (keyword) {
            case "if" -> conditional(line);
            case "for" -> loop(line);
            case "set" -> set(line);
            case "macro" -> macro();
            case "call" -> call();
            case "filter" -> filterBlock(line);
            case "generation" -> {
                expect(Kind.BLOCK_END, "");
                List<Stmt> body = body("endgeneration");
                end("endgeneration");
                yield new Node.Group(body);
            }
            case "break" -> {
                expect(Kind.BLOCK_END, "");
                yield new Node.Break();
            }
            case "continue" -> {
                expect(Kind.BLOCK_END, "");
                yield new Node.Continue();
            }
            default -> throw bad("{% " + keyword + " %} is not supported");
        };
    }

    private Stmt conditional(int line) {
        Expr condition = expression();
        expect(Kind.BLOCK_END, "");
        List<Stmt> yes = body("elif", "else", "endif");
        List<Stmt> no = List.of();
        Token keyword = tokens.get(Math.min(at + 1, tokens.size() - 1));
        if (keyword.is(Kind.NAME, "elif")) {
            at += 2;
            deeper();
            no = List.of(conditional(keyword.line()));
            depth--;
            return new Node.If(condition, yes, no, line);
        }
        if (keyword.is(Kind.NAME, "else")) {
            at += 2;
            expect(Kind.BLOCK_END, "");
            no = body("endif");
        }
        end("endif");
        return new Node.If(condition, yes, no, line);
    }

    private List<String> targets() {
        List<String> targets = new ArrayList<>();
        boolean bracket = operator("(");
        do {
            targets.add(name());
        } while (operator(","));
        if (bracket) {
            expect(Kind.OPERATOR, ")");
        }
        return targets;
    }

    private Stmt loop(int line) {
        List<String> targets = targets();
        expect(Kind.NAME, "in");
        Expr over = or();
        if (peek().is(Kind.OPERATOR, ",")) {
            over = tuple(over);
        }
        Expr condition = skip(Kind.NAME, "if") ? expression() : null;
        expect(Kind.BLOCK_END, "");
        List<Stmt> body = body("else", "endfor");
        List<Stmt> otherwise = List.of();
        if (tokens.get(Math.min(at + 1, tokens.size() - 1)).is(Kind.NAME, "else")) {
            at += 2;
            expect(Kind.BLOCK_END, "");
            otherwise = body("endfor");
        }
        end("endfor");
        return new Node.For(targets, over, condition, body, otherwise, line);
    }

    private Stmt set(int line) {
        List<String> names = targets();
        String attribute = operator(".") ? name() : null;
        if (operator("=")) {
            Expr value = expressionOrTuple();
            expect(Kind.BLOCK_END, "");
            return new Node.Set(names, attribute, value, line);
        }
        expect(Kind.BLOCK_END, "");
        List<Stmt> body = body("endset");
        end("endset");
        return new Node.SetBlock(names.getFirst(), body);
    }

    private Stmt macro() {
        String name = name();
        List<String> parameters = new ArrayList<>();
        List<@Nullable Expr> defaults = new ArrayList<>();
        expect(Kind.OPERATOR, "(");
        while (!operator(")")) {
            parameters.add(name());
            defaults.add(operator("=") ? expression() : null);
            if (!peek().is(Kind.OPERATOR, ")")) {
                expect(Kind.OPERATOR, ",");
            }
        }
        expect(Kind.BLOCK_END, "");
        List<Stmt> body = body("endmacro");
        end("endmacro");
        return new Node.Macro(name, parameters, defaults, body);
    }

    private Stmt call() {
        Expr callee = postfix(primary());
        if (!(callee instanceof Node.Call call)) {
            throw bad("{% call %} needs a call");
        }
        expect(Kind.BLOCK_END, "");
        List<Stmt> body = body("endcall");
        end("endcall");
        return new Node.CallBlock(call, body);
    }

    private Stmt filterBlock(int line) {
        String name = name();
        Arguments arguments = operator("(") ? arguments() : Arguments.NONE;
        expect(Kind.BLOCK_END, "");
        List<Stmt> body = body("endfilter");
        end("endfilter");
        return new Node.FilterBlock(name, arguments, body, line);
    }

    private Expr expressionOrTuple() {
        Expr first = expression();
        return peek().is(Kind.OPERATOR, ",") ? tuple(first) : first;
    }

    private Expr tuple(Expr first) {
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

    private Expr expression() {
        deeper();
        Expr value = or();
        while (skip(Kind.NAME, "if")) {
            Expr condition = or();
            value = new Node.Conditional(condition, value, skip(Kind.NAME, "else") ? expression() : null);
        }
        depth--;
        return value;
    }

    private Expr or() {
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
            } else if (token.is(Kind.NAME, "not") && tokens.get(at + 1).is(Kind.NAME, "in")) {
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

    private Expr primary() {
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

    private Expr postfix(Expr start) {
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

    private Arguments arguments() {
        List<Expr> positional = new ArrayList<>();
        Map<String, Expr> named = new LinkedHashMap<>();
        while (!operator(")")) {
            if (peek().kind() == Kind.NAME && tokens.get(at + 1).is(Kind.OPERATOR, "=")) {
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
