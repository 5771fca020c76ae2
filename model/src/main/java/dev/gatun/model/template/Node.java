package dev.gatun.model.template;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What a template is made of. */
sealed interface Node {
    /** An expression. */
    sealed interface Expr extends Node {}

    /** A statement. */
    sealed interface Stmt extends Node {}

    record Literal(@Nullable Object value) implements Expr {}

    record Name(String name, int line) implements Expr {}

    record ListOf(List<Expr> items) implements Expr {}

    record DictOf(List<Expr> keys, List<Expr> values) implements Expr {}

    record Attribute(Expr of, String name, int line) implements Expr {}

    record Item(Expr of, Expr index, int line) implements Expr {}

    record Slice(
            Expr of,
            @Nullable Expr from,
            @Nullable Expr to,
            @Nullable Expr step,
            int line) implements Expr {}

    record Call(Expr callee, Arguments arguments, int line) implements Expr {}

    record Filter(Expr value, String name, Arguments arguments, int line) implements Expr {}

    record Test(Expr value, String name, Arguments arguments, boolean negated, int line) implements Expr {}

    record Unary(String operator, Expr value, int line) implements Expr {}

    record Binary(String operator, Expr left, Expr right, int line) implements Expr {}

    record Conditional(Expr condition, Expr yes, @Nullable Expr no) implements Expr {}

    /** Arguments of a call, in order and by name. */
    record Arguments(List<Expr> positional, Map<String, Expr> named) {
        static final Arguments NONE = new Arguments(List.of(), Map.of());
    }

    record Text(String text) implements Stmt {}

    record Print(Expr value, int line) implements Stmt {}

    record If(Expr condition, List<Stmt> yes, List<Stmt> no, int line) implements Stmt {}

    record For(
            List<String> targets, Expr over, @Nullable Expr condition, List<Stmt> body, List<Stmt> otherwise, int line)
            implements Stmt {}

    /** {@code set}: of names, or of an attribute of a namespace. */
    record Set(List<String> names, @Nullable String attribute, Expr value, int line) implements Stmt {}

    record SetBlock(String name, List<Stmt> body) implements Stmt {}

    record Macro(String name, List<String> parameters, List<@Nullable Expr> defaults, List<Stmt> body)
            implements Stmt {}

    record CallBlock(Call call, List<Stmt> body) implements Stmt {}

    record FilterBlock(String name, Arguments arguments, List<Stmt> body, int line) implements Stmt {}

    record Group(List<Stmt> body) implements Stmt {}

    record Break() implements Stmt {}

    record Continue() implements Stmt {}
}
