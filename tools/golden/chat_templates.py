#!/usr/bin/env python3
"""Renders conversations as transformers does, with every chat template of a folder, to compare ours with.

    python tools/golden/chat_templates.py TEMPLATES OUT

TEMPLATES has *.jinja files: models/templates of llama.cpp, for example. OUT gets NAME.sys and NAME.nosys, a conversation with and
without a system message; a template that refuses one is a text that starts with ERROR. Needs jinja2. docs/TEMPLATES.md has the results.
"""
import datetime, json, pathlib, sys
import jinja2
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi <b> there"},
            {"role": "assistant", "content": "Hello & welcome"}, {"role": "user", "content": "  What's up? "}]


class Generation(Extension):
    """{% generation %} marks what an assistant has said, for training; it writes what is in it."""
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_write"), [], [], body).set_lineno(line)

    def _write(self, caller):
        return caller()


def refuse(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


templates, out = map(pathlib.Path, sys.argv[1:3])
environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, Generation])
environment.filters["tojson"] = tojson
environment.globals["raise_exception"] = refuse
environment.globals["strftime_now"] = lambda form: datetime.datetime.now().strftime(form)
out.mkdir(parents=True, exist_ok=True)
for file in sorted(templates.glob("*.jinja")):
    for kind, messages in (("sys", MESSAGES), ("nosys", MESSAGES[1:])):
        try:
            text = environment.from_string(file.read_text()).render(
                messages=messages, add_generation_prompt=True, bos_token="<s>", eos_token="</s>")
        except Exception as e:
            text = f"ERROR {e}"
        (out / f"{file.stem}.{kind}").write_text(text)
