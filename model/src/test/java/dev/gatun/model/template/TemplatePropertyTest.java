package dev.gatun.model.template;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Map;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Whatever a template says, it writes a text or is refused with one line, and soon. */
class TemplatePropertyTest {
    private static final List<Map<String, Object>> MESSAGES = List.of(
            Map.of("role", "system", "content", "Be brief."),
            Map.of("role", "user", "content", List.of(Map.of("type", "text", "text", "Hi"))));

    private static final String[] VALUES = {
        "messages",
        "messages[0]",
        "messages[0].content",
        "loop",
        "ns",
        "x",
        "m",
        "none",
        "true",
        "1",
        "0",
        "-1",
        "2.5",
        "''",
        "'a b'",
        "[1, 'b', none]",
        "{'k': [1]}",
        "range(3)",
        "namespace()",
        "dict(a=1)",
        "9223372036854775807",
        "[]",
        "messages[1:]",
        "x.y.z",
        "raise_exception",
        "lambda",
        "ns.items",
        "'%s'"
    };
    private static final String[] CALLS = {
        "trim",
        "upper",
        "lower",
        "capitalize",
        "title",
        "string",
        "length",
        "tojson",
        "tojson(indent=2)",
        "join",
        "join(',')",
        "default('d')",
        "first",
        "last",
        "list",
        "items",
        "dictsort",
        "reverse",
        "unique",
        "sort",
        "sort(reverse=true)",
        "int",
        "float",
        "abs",
        "round",
        "round(400)",
        "sum",
        "max",
        "min",
        "replace('a', 'bb')",
        "replace('', 'b')",
        "indent",
        "indent('x')",
        "escape",
        "map('upper')",
        "map(attribute='role')",
        "map",
        "select",
        "select('odd')",
        "reject('none')",
        "selectattr('role')",
        "selectattr('role', 'equalto', 'user')",
        "rejectattr('role', 'in', ['a'])",
        "safe",
        "nothing"
    };
    private static final String[] METHODS = {
        "strip()",
        "lstrip('a')",
        "split()",
        "split('')",
        "split(' ', 1)",
        "rsplit('b')",
        "splitlines()",
        "replace('a', 'b')",
        "find('a')",
        "count('')",
        "join([1])",
        "format(1)",
        "isdigit()",
        "removeprefix('a')",
        "items()",
        "keys()",
        "get('role')",
        "get()",
        "get([1])",
        "index(1)",
        "index()",
        "cycle()",
        "cycle(1, 2)",
        "startswith()",
        "endswith(['a', 1])",
        "append(1)",
        "title()",
        "zzz()"
    };
    private static final String[] OPERATORS = {
        "+",
        "-",
        "*",
        "/",
        "//",
        "%",
        "**",
        "~",
        "==",
        "!=",
        "<",
        ">=",
        "in",
        "not in",
        "and",
        "or",
        "is sameas",
        "is divisibleby",
        "if 1 else"
    };
    private static final String[] TESTS = {
        "odd", "even", "defined", "mapping", "iterable", "divisibleby(0)", "in(1)", "eq", "zzz"
    };

    private static String of(Random random, String[] choices) {
        return choices[random.nextInt(choices.length)];
    }

    private static String expression(Random random, int depth) {
        String a = depth == 0 ? of(random, VALUES) : expression(random, depth - 1);
        return switch (random.nextInt(8)) {
            case 0 -> "(" + a + ") | " + of(random, CALLS);
            case 1 -> "(" + a + ")." + of(random, METHODS);
            case 2 -> "(" + a + ") is " + of(random, TESTS);
            case 3, 4 -> "(" + a + ") " + of(random, OPERATORS) + " (" + of(random, VALUES) + ")";
            case 5 -> "(" + a + ")[" + of(random, VALUES) + "]";
            case 6 -> "[" + a + ", {" + of(random, VALUES) + ": " + a + "}]";
            default -> a;
        };
    }

    private static String statement(Random random) {
        String a = expression(random, random.nextInt(4));
        return switch (random.nextInt(8)) {
            case 0 -> "{{ " + a + " }}";
            case 1 -> "{% set x = " + a + " %}{{ x }}";
            case 2 ->
                "{% set ns = namespace(a=1) %}{% for i in range(5) %}{% set ns.a = [ns.a, " + a
                        + "] %}{% endfor %}{{ ns }}";
            case 3 -> "{% for m in " + a + " %}{{ loop.index }}{{ m }}{{ loop.cycle('a') }}{% else %}-{% endfor %}";
            case 4 -> "{% if " + a + " %}{{ messages }}{% elif x %}{% else %}{% endif %}";
            case 5 ->
                "{% macro f(a, b=" + a + ") %}{{ b }}{{ caller }}{% endmacro %}{{ f(1) }}{% call f(2) %}{{ x }}"
                        + "{% endcall %}";
            case 6 -> "{% filter upper %}{{ " + a + " }}{% endfilter %}";
            default ->
                of(random, new String[] {
                    "{% break %}", "{% endfor %}", "{{", "%}", "{#", "{% raw %}", "text", "\n", "-%}", "{%-"
                });
        };
    }

    private static String template(long seed) {
        var random = new Random(seed);
        var text = new StringBuilder();
        for (int i = random.nextInt(4); i >= 0; i--) {
            text.append(statement(random));
        }
        return text.toString();
    }

    private static void renderOrRefuse(String template) {
        try {
            assertThat(ChatTemplate.parse("m", template, "<s>", "</s>").render(MESSAGES, true))
                    .isNotNull();
        } catch (TemplateException e) {
            assertThat(e).hasMessageStartingWith("m: chat template");
        }
    }

    @Property(tries = 3000)
    void aTemplateWritesATextOrIsRefused(@ForAll long seed) {
        renderOrRefuse(template(seed));
    }

    @Property(tries = 1000)
    void aTemplateWithOtherCharactersIsReadOrRefused(
            @ForAll long seed,
            @ForAll @Size(min = 1, max = 4) List<@IntRange(min = 0, max = 400) Integer> at,
            @ForAll char with) {
        var changed = new StringBuilder(template(seed));
        for (int i : at) {
            changed.setCharAt(i % changed.length(), i % 2 == 0 ? with : "{}%#'\"()[]|-.".charAt(i % 13));
        }
        renderOrRefuse(changed.toString());
    }

    /** Each would take ages, or all memory, if it were not for a limit. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "{% for i in range(-9223372036854775807, 9223372036854775807) %}{% endfor %}",
                "{{ 'ab' * 4611686019501129728 }}",
                "{% set l = range(1000000) %}{{ l | select('in', l) | list }}",
                "{% set ns = namespace(l=[]) %}{% for i in range(1000) %}{% set ns.l = ns.l + ['x' * 16000000] %}{%"
                        + " endfor %}",
                "{% set ns = namespace(l=[1]) %}{% for i in range(45) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{"
                        + " ns.l }}",
                "{% set ns = namespace(l=[1]) %}{% for i in range(45) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{"
                        + " ns.l | tojson }}",
                "{% set ns = namespace(l=[1], r=[1]) %}{% for i in range(45) %}{% set ns.l = [ns.l, ns.l] %}{% set"
                        + " ns.r = [ns.r, ns.r] %}{% endfor %}{{ ns.l == ns.r }}",
                "{% set ns = namespace(l=[1]) %}{% for i in range(45) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{"
                        + " {ns.l: 1} }}",
                "{% set ns = namespace(l=[1]) %}{% for i in range(45) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{"
                        + " [ns.l] | unique }}",
                "{% set ns = namespace(l=[1]) %}{% for i in range(45) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{"
                        + " messages[0][ns.l] }}",
                "{% set ns = namespace() %}{% set ns.a = ns %}{{ ns }}",
                "{% set ns = namespace() %}{% set ns.a = ns %}{{ ns == namespace(a=ns) }}{{ ns | tojson }}",
                "{% set l = range(1000000) %}{% for i in range(1000000) %}{% set x = l | list %}{% endfor %}",
                "{% set l = range(1000000) %}{% for i in range(1000000) %}{% set x = l[1:] %}{% endfor %}",
                "{% set l = range(1000000) %}{% for i in range(1000000) %}{% set x = -1 in l %}{% endfor %}",
                "{% set s = 'x' * 16000000 %}{% for i in range(1000000) %}{% set x = s | upper %}{% endfor %}",
                "{% set s = 'x' * 16000000 %}{% for i in range(1000000) %}{% set x = s.strip('y') %}{% endfor %}",
                "{% set s = 'x' * 16000000 %}{% for i in range(1000000) %}{% set x = 'y' in s %}{% endfor %}",
                "{% for i in 'x' * 16000000 %}{% endfor %}",
                "{{ ('x\n' * 8000000) | indent('x' * 1000000) }}",
                "{{ ('a' * 16000000).split('a') | length }}",
                "{{ ('a' * 4000000).replace('a', 'b' * 4000000) }}",
                "{{ ('a' * 4000000).format() }}{{ ('{}' * 1000000).format('a' * 1000000) }}",
                "{{ (range(1000000) | list).join }}{{ ('a' * 1000000).join(range(1000000)) }}",
                "{% macro f(n) %}{{ f(n) }}{{ f(n) }}{% endmacro %}{{ f(1) }}"
            })
    void whatGrowsIsRefused(String template) {
        assertThatThrownBy(() ->
                        ChatTemplate.parse("m", template, "<s>", "</s>").render(List.of(Map.of("role", "user")), true))
                .isInstanceOf(TemplateException.class)
                .hasMessageStartingWith("m: chat template");
    }
}
