package dev.gatun.model.template;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Expected texts are what Python's Jinja 3.1 gives with trim_blocks and lstrip_blocks. */
class ChatTemplateTest {
    private static final List<Map<String, String>> MESSAGES =
            List.of(Map.of("role", "system", "content", "Be brief."), Map.of("role", "user", "content", " Hi <b> "));

    private static String render(String template) {
        return ChatTemplate.parse("m", template, "<s>", "</s>").render(MESSAGES, true);
    }

    @Test
    void writesAConversation() {
        assertThat(render("{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n"
                        + "' + message['content'] + '<|im_end|>' + '\\n"
                        + "'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n"
                        + "' }}{% endif %}"))
                .isEqualTo("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n Hi <b> <|im_end|>\n"
                        + "<|im_start|>assistant\n");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '#',
            quoteCharacter = '\u0001',
            value = {
                "{{ messages[1].content | trim }}#Hi <b>",
                "{{ messages[-1]['content'].strip().split(' ')[-1] }}#<b>",
                "{{ messages[::-1] | map(attribute='role') | join(',') }}#user,system",
                "{{ messages[1:] | length }}#1",
                "{{ bos_token ~ 1 + 2 ~ none ~ true }}#<s>12NoneTrue",
                "{{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 3 }}#3 -4 2 3.5 8",
                "{{ 'a' if messages is defined and x is not defined else 'b' }}#a",
                "{{ x | default('d') }}{{ x }}{{ '' | default('e', true) }}#de",
                "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + loop.index %}{% endfor %}{{"
                        + " ns.n }}#3",
                "{% set n = 0 %}{% for m in messages %}{% set n = 5 %}{% endfor %}{{ n }}#0",
                "{% for k, v in {'a': 1, 'b': [2, 'x']}.items() %}{{ k }}={{ v }};{% endfor %}#a=1;b=[2, 'x'];",
                "{{ {'a': [1, true, none, 'q\"']} | tojson }}#{\"a\": [1, true, null, \"q\\\"\"]}",
                "{% macro f(a, b='z') %}[{{ a }}{{ b }}]{% endmacro %}{{ f(1) }}{{ f('x', b='y') }}#[1z][xy]",
                "{% for m in messages if m.role == 'user' %}{{ loop.first }}{{ m.role }}{% else %}none{% endfor"
                        + " %}#Trueuser",
                "{% for i in range(5) %}{% if i == 1 %}{% continue %}{% elif i == 3 %}{% break %}{% endif %}{{ i }}{%"
                        + " endfor %}#02",
                "{{ messages | selectattr('role', 'equalto', 'user') | list | length }}#1",
                "{{ 'ab'.startswith('a') and not 'ab'.endswith('a') and 'b' in 'abc' and 1 not in [2] }}#True",
                "{%- set t -%}  x  {%- endset -%}{{ t }}|{{ '%}' }}#x|%}",
                "{{ 1 < 2 < 3 }}{{ 3 is odd }}{{ messages is iterable }}{{ messages[0] is mapping }}#TrueTrueTrueTrue",
                "{{ '{}-{1}'.format(1, 2) if false else 'a-b'.replace('-', '+') }}#a+b",
                "{{ ('x' * 3) | upper | list | join('.') }}#X.X.X"
            })
    void computesAsPythonsJinja(String template, String expected) {
        assertThat(render(template)).isEqualTo(expected);
    }

    @Test
    void commentsGoAndRawTextStays() {
        assertThat(render("{# gone #}{% raw %}{{ kept }}{% endraw %}")).isEqualTo("{{ kept }}");
    }

    @Test
    void blocksTakeTheirLineAlong() {
        assertThat(render("a\n  {% if true %}\n  b\n  {% endif %}\nc\n")).isEqualTo("a\n  b\nc");
        assertThat(render("a \n {%- if true -%} \n b {% endif +%}\n")).isEqualTo("ab ");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{% for i in range(1000000) %}{% for j in range(1000000) %}{% endfor %}{% endfor %}",
                "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
                "{% set ns = namespace(s='xxxxxxxx') %}{% for i in range(100) %}{% set ns.s = ns.s ~ ns.s %}{% endfor"
                        + " %}",
                "{{ 'x' * 1000000000 }}",
                "{% for i in range(99999999999) %}{% endfor %}",
                "{{ raise_exception('no system here') }}",
                "{{ undefined.attribute }}",
                "{{ 1 + 'a' }}",
                "{{ messages | nofilter }}",
                "{{ nofunction() }}",
                "{{ 1 / 0 }}"
            })
    void whatLoopsOrFailsIsOneError(String template) {
        assertThatThrownBy(() -> render(template))
                .isInstanceOf(TemplateException.class)
                .hasMessageStartingWith("m: chat template");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{% if x %}",
                "{{ 'open",
                "{{ }}",
                "{% nothing %}",
                "{% endfor %}",
                "{{ (1 }}",
                "{# open",
                "{% for x %}{% endfor %}"
            })
    void whatIsNoTemplateSaysWhere(String template) {
        assertThatThrownBy(() -> render(template))
                .isInstanceOf(TemplateException.class)
                .hasMessageContaining("chat template, line 1");
    }
}
