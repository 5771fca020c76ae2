package dev.gatun.model.template;

import dev.gatun.model.template.Node.Arguments;
import dev.gatun.model.template.Node.Expr;
import dev.gatun.model.template.Node.Stmt;
import dev.gatun.model.template.Values.Function;
import dev.gatun.model.template.Values.Namespace;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Renders one template once, within limits. */
@SuppressWarnings("ReferenceEquality") // UNDEFINED is one object
final class Interpreter {
    /** Statements, expressions and rounds of loops: a template for a long conversation takes some thousands. */
    static final int MAX_STEPS = 2_000_000;

    /** Characters of the result, and of any string on the way. */
    static final int MAX_OUTPUT = 1 << 24;

    private static final int MAX_DEPTH = 200;
    private static final int CHARS_A_STEP = 256;
    private static final int ITEMS_A_STEP = 16;

    /** Names of a block, and where to look further. */
    private static final class Scope {
        final @Nullable Scope parent;
        final Map<String, @Nullable Object> names = new HashMap<>();

        Scope(@Nullable Scope parent) {
            this.parent = parent;
        }

        @Nullable
        Object get(String name) {
            for (Scope scope = this; scope != null; scope = scope.parent) {
                if (scope.names.containsKey(name)) {
                    return scope.names.get(name);
                }
            }
            return Values.UNDEFINED;
        }
    }

    private enum Flow {
        NEXT,
        BREAK,
        CONTINUE
    }

    private final String file;
    private StringBuilder out = new StringBuilder();
    private int steps;
    private int depth;

    private Interpreter(String file) {
        this.file = file;
    }

    static String render(String file, List<Stmt> template, Map<String, @Nullable Object> variables) {
        var interpreter = new Interpreter(file);
        var scope = new Scope(null);
        scope.names.putAll(Builtins.globals());
        scope.names.putAll(variables);
        interpreter.run(template, scope);
        return interpreter.out.toString();
    }

    private void step() {
        if (++steps > MAX_STEPS) {
            throw new TemplateException("takes more than " + MAX_STEPS + " steps; does it loop?");
        }
    }

    /** Work on a large value takes more than one step. */
    private <T extends @Nullable Object> T charged(T value) {
        if (value instanceof String s) {
            steps += s.length() / CHARS_A_STEP;
        } else if (value instanceof List<?> list) {
            steps += list.size() / ITEMS_A_STEP;
        }
        step();
        return value;
    }

    /** What was made takes memory, too. */
    private <T extends @Nullable Object> T made(T value) {
        if (value instanceof List<?> list) {
            steps += list.size();
        } else if (value instanceof String s) {
            Values.checkLength(s.length());
        }
        return charged(value);
    }

    private void write(String text) {
        if (text.length() > MAX_OUTPUT - out.length()) {
            throw new TemplateException("writes more than " + MAX_OUTPUT + " characters");
        }
        out.append(text);
    }

    private Flow run(List<Stmt> body, Scope scope) {
        for (Stmt statement : body) {
            step();
            Flow flow = run(statement, scope);
            if (flow != Flow.NEXT) {
                return flow;
            }
        }
        return Flow.NEXT;
    }

    private Flow run(Stmt statement, Scope scope) {
        switch (statement) {
            case Node.Text text -> write(text.text());
            case Node.Print print ->
                at(print.line(), () -> {
                    write(Values.text(eval(print.value(), scope)));
                    return null;
                });
            case Node.If branch -> {
                boolean yes = Values.truth(at(branch.line(), () -> eval(branch.condition(), scope)));
                return run(yes ? branch.yes() : branch.no(), scope);
            }
            case Node.For loop -> loop(loop, scope);
            case Node.Set set ->
                at(set.line(), () -> {
                    set(set, scope);
                    return null;
                });
            case Node.SetBlock set -> scope.names.put(set.name(), captured(set.body(), new Scope(scope)));
            case Node.Macro macro -> scope.names.put(macro.name(), macro(macro, scope));
            case Node.CallBlock call -> {
                Function caller = (positional, named) -> captured(call.body(), new Scope(scope));
                Scope inner = new Scope(scope);
                inner.names.put("caller", caller);
                write(Values.text(call(call.call(), inner, caller)));
            }
            case Node.FilterBlock filter -> {
                String text = captured(filter.body(), new Scope(scope));
                write(Values.text(at(
                        filter.line(),
                        () -> filtered(
                                filter.name(),
                                text,
                                positional(filter.arguments(), scope),
                                named(filter.arguments(), scope)))));
            }
            case Node.Group group -> {
                return run(group.body(), scope);
            }
            case Node.Break _ -> {
                return Flow.BREAK;
            }
            case Node.Continue _ -> {
                return Flow.CONTINUE;
            }
        }
        return Flow.NEXT;
    }

    private interface Work {
        @Nullable
        Object run();
    }

    /** Says where what goes wrong goes wrong. */
    private @Nullable Object at(int line, Work work) {
        try {
            return work.run();
        } catch (TemplateException e) {
            String message = String.valueOf(e.getMessage());
            throw message.startsWith(file + ": chat template")
                    ? e
                    : new TemplateException(file + ": chat template, line " + line + ": " + message);
        }
    }

    private String captured(List<Stmt> body, Scope scope) {
        StringBuilder before = out;
        out = new StringBuilder();
        try {
            run(body, scope);
            return out.toString();
        } finally {
            out = before;
        }
    }

    private void set(Node.Set set, Scope scope) {
        Object value = eval(set.value(), scope);
        if (set.attribute() != null) {
            if (!(scope.get(set.names().getFirst()) instanceof Namespace namespace)) {
                throw new TemplateException(
                        set.names().getFirst() + " is not a namespace: its attributes cannot be set");
            }
            namespace.put(set.attribute(), value);
        } else {
            assign(set.names(), value, scope);
        }
    }

    private static void assign(List<String> names, @Nullable Object value, Scope scope) {
        if (names.size() == 1) {
            scope.names.put(names.getFirst(), value);
            return;
        }
        List<@Nullable Object> items = Values.items(value);
        if (items.size() != names.size()) {
            throw new TemplateException(items.size() + " values for " + names.size() + " names");
        }
        for (int i = 0; i < items.size(); i++) {
            scope.names.put(names.get(i), items.get(i));
        }
    }

    private void loop(Node.For loop, Scope scope) {
        List<@Nullable Object> items = new ArrayList<>();
        at(loop.line(), () -> {
            for (Object item : Values.items(eval(loop.over(), scope))) {
                step();
                Scope inner = new Scope(scope);
                assign(loop.targets(), item, inner);
                if (loop.condition() == null || Values.truth(eval(loop.condition(), inner))) {
                    items.add(item);
                }
            }
            return null;
        });
        if (items.isEmpty()) {
            run(loop.otherwise(), scope);
            return;
        }
        for (int i = 0; i < items.size(); i++) {
            step();
            Scope inner = new Scope(scope);
            assign(loop.targets(), items.get(i), inner);
            inner.names.put("loop", loopVariables(items, i));
            if (run(loop.body(), inner) == Flow.BREAK) {
                return;
            }
        }
    }

    private static Map<String, @Nullable Object> loopVariables(List<@Nullable Object> items, int i) {
        int n = items.size();
        Map<String, @Nullable Object> loop = new HashMap<>();
        loop.put("index", i + 1L);
        loop.put("index0", (long) i);
        loop.put("revindex", (long) n - i);
        loop.put("revindex0", n - i - 1L);
        loop.put("first", i == 0);
        loop.put("last", i == n - 1);
        loop.put("length", (long) n);
        loop.put("previtem", i == 0 ? Values.UNDEFINED : items.get(i - 1));
        loop.put("nextitem", i == n - 1 ? Values.UNDEFINED : items.get(i + 1));
        Function cycle =
                (positional, named) -> Builtins.argument(positional, positional.isEmpty() ? 0 : i % positional.size());
        loop.put("cycle", cycle);
        return loop;
    }

    private Function macro(Node.Macro macro, Scope defined) {
        return (positional, named) -> {
            if (++depth > MAX_DEPTH) {
                throw new TemplateException("macros call each other more than " + MAX_DEPTH + " deep");
            }
            try {
                Scope scope = new Scope(defined);
                for (int i = 0; i < macro.parameters().size(); i++) {
                    String name = macro.parameters().get(i);
                    Expr byDefault = macro.defaults().get(i);
                    Object value = i < positional.size()
                            ? positional.get(i)
                            : named.containsKey(name)
                                    ? named.get(name)
                                    : byDefault == null ? Values.UNDEFINED : eval(byDefault, scope);
                    scope.names.put(name, value);
                }
                if (named.containsKey("caller")) {
                    scope.names.put("caller", named.get("caller"));
                }
                return captured(macro.body(), scope);
            } finally {
                depth--;
            }
        };
    }

    private List<@Nullable Object> positional(Arguments arguments, Scope scope) {
        List<@Nullable Object> values = new ArrayList<>();
        for (Expr argument : arguments.positional()) {
            values.add(eval(argument, scope));
        }
        return values;
    }

    private Map<String, @Nullable Object> named(Arguments arguments, Scope scope) {
        Map<String, @Nullable Object> values = new LinkedHashMap<>();
        arguments.named().forEach((name, value) -> values.put(name, eval(value, scope)));
        return values;
    }

    private @Nullable Object eval(Expr expression, Scope scope) {
        step();
        return switch (expression) {
            case Node.Literal literal -> literal.value();
            case Node.Name name -> scope.get(name.name());
            case Node.ListOf list -> {
                List<@Nullable Object> items = new ArrayList<>();
                list.items().forEach(item -> items.add(eval(item, scope)));
                yield items;
            }
            case Node.DictOf dict -> {
                Map<@Nullable Object, @Nullable Object> map = new LinkedHashMap<>();
                for (int i = 0; i < dict.keys().size(); i++) {
                    map.put(
                            Values.key(eval(dict.keys().get(i), scope)),
                            eval(dict.values().get(i), scope));
                }
                yield map;
            }
            case Node.Attribute attribute -> attribute(eval(attribute.of(), scope), attribute.name());
            case Node.Item item -> {
                Object of = eval(item.of(), scope);
                Object index = eval(item.index(), scope);
                Object found = Values.item(of, index);
                yield found == Values.UNDEFINED && index instanceof String name && !(of instanceof Map)
                        ? attribute(of, name)
                        : found;
            }
            case Node.Slice slice ->
                charged(Values.slice(
                        charged(eval(slice.of(), scope)),
                        slice.from() == null ? null : eval(slice.from(), scope),
                        slice.to() == null ? null : eval(slice.to(), scope),
                        slice.step() == null ? null : eval(slice.step(), scope)));
            case Node.Call call -> call(call, scope, null);
            case Node.Filter filter ->
                filtered(
                        filter.name(),
                        eval(filter.value(), scope),
                        positional(filter.arguments(), scope),
                        named(filter.arguments(), scope));
            case Node.Test test ->
                test(test.name(), eval(test.value(), scope), positional(test.arguments(), scope)) != test.negated();
            case Node.Unary unary -> unary(unary.operator(), eval(unary.value(), scope));
            case Node.Binary binary -> binary(binary, scope);
            case Node.Conditional conditional ->
                Values.truth(eval(conditional.condition(), scope))
                        ? eval(conditional.yes(), scope)
                        : conditional.no() == null ? Values.UNDEFINED : eval(conditional.no(), scope);
        };
    }

    private boolean test(String name, @Nullable Object value, List<@Nullable Object> arguments) {
        arguments.forEach(this::charged);
        return Builtins.test(name, charged(value), arguments);
    }

    private @Nullable Object filtered(
            String name,
            @Nullable Object value,
            List<@Nullable Object> positional,
            Map<String, @Nullable Object> named) {
        positional.forEach(this::charged);
        Object result = Filters.filter(this::test, name, charged(value), positional, named);
        return result instanceof List ? charged(result) : made(result);
    }

    private static @Nullable Object unary(String operator, @Nullable Object value) {
        return switch (operator) {
            case "not" -> !Values.truth(value);
            case "-" -> value instanceof Double d ? (Object) (-d) : (Object) (-(long) Values.number(value));
            default -> value;
        };
    }

    private @Nullable Object binary(Node.Binary binary, Scope scope) {
        Object left = eval(binary.left(), scope);
        if (binary.operator().equals("and")) {
            return Values.truth(left) ? eval(binary.right(), scope) : left;
        }
        if (binary.operator().equals("or")) {
            return Values.truth(left) ? left : eval(binary.right(), scope);
        }
        Object right = eval(binary.right(), scope);
        return made(Values.binary(binary.operator(), charged(left), charged(right)));
    }

    private @Nullable Object attribute(@Nullable Object of, String name) {
        if (of == Values.UNDEFINED) {
            throw new TemplateException("something undefined has no attribute " + name);
        }
        if (of instanceof Map<?, ?> map && map.containsKey(name)) {
            return map.get(name);
        }
        Function method = Builtins.method(charged(of), name);
        return method == null ? Values.UNDEFINED : method;
    }

    private @Nullable Object call(Node.Call call, Scope scope, @Nullable Function caller) {
        Object callee = eval(call.callee(), scope);
        if (!(callee instanceof Function function)) {
            throw new TemplateException((call.callee() instanceof Node.Name name
                            ? name.name()
                            : call.callee() instanceof Node.Attribute attribute ? attribute.name() : "this")
                    + " is " + Values.kind(callee) + " and cannot be called");
        }
        Map<String, @Nullable Object> named = named(call.arguments(), scope);
        if (caller != null) {
            named.put("caller", caller);
        }
        List<@Nullable Object> positional = positional(call.arguments(), scope);
        positional.forEach(this::charged);
        return made(function.call(positional, named));
    }
}
