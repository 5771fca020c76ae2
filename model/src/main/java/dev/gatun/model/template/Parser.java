package dev.gatun.model.template;

import dev.gatun.model.template.Lexer.Kind;
import dev.gatun.model.template.Lexer.Token;
import dev.gatun.model.template.Node.Arguments;
import dev.gatun.model.template.Node.Expr;
import dev.gatun.model.template.Node.Stmt;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Recursive descent over the statements of Jinja 3. */
final class Parser extends ExpressionParser {
    private Parser(String file, List<Token> tokens) {
        super(file, tokens);
    }

    static List<Stmt> parse(String file, String source) {
        var parser = new Parser(file, Lexer.tokens(file, source));
        List<Stmt> body = parser.body();
        if (parser.peek().kind() != Kind.END) {
            throw parser.bad("{% " + parser.peekBehind().text() + " %} without its beginning");
        }
        return body;
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
                    String keyword = peekBehind().text();
                    if (List.of(ends).contains(keyword) || keyword.startsWith("end") || keyword.startsWith("el")) {
                        shallower();
                        return body;
                    }
                    next();
                    body.add(statement());
                }
                default -> {
                    if (ends.length > 0) {
                        throw bad("the template ends, {% " + ends[ends.length - 1] + " %} is missing");
                    }
                    shallower();
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
        Token keyword = peekBehind();
        if (keyword.is(Kind.NAME, "elif")) {
            next();
            next();
            deeper();
            no = List.of(conditional(keyword.line()));
            shallower();
            return new Node.If(condition, yes, no, line);
        }
        if (keyword.is(Kind.NAME, "else")) {
            next();
            next();
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
        if (peekBehind().is(Kind.NAME, "else")) {
            next();
            next();
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
}
