"""OpenAI's Python client, as it is, against the server at argv[1], whose models are tiny (texts) and mini (vectors)."""

import asyncio
import json
import math
import sys
from enum import Enum

import openai
from pydantic import BaseModel

BASE = sys.argv[1]
client = openai.OpenAI(base_url=BASE, api_key="none is needed", max_retries=0)
MESSAGES = [
    {"role": "system", "content": "trained on this page"},
    {"role": "user", "content": "What is a page?"},
]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"enum": ["Colon", "Panama"]}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}


def chat(**settings):
    defaults = {"model": "tiny", "messages": MESSAGES, "max_completion_tokens": 12, "temperature": 0}
    return client.chat.completions.create(**(defaults | settings))


def models():
    assert [model.id for model in client.models.list()] == ["tiny", "mini", "cross", "demo"]
    assert client.models.retrieve("tiny").id == "tiny"


def a_chat():
    completion = chat()
    choice = completion.choices[0]
    assert choice.message.role == "assistant" and choice.message.content, completion
    assert choice.finish_reason == "length", completion
    assert completion.usage.completion_tokens == 12, completion
    assert completion.usage.total_tokens == completion.usage.prompt_tokens + 12, completion
    logged = chat(logprobs=True, top_logprobs=2).choices[0]
    assert logged.message.content == choice.message.content
    tokens = logged.logprobs.content
    assert len(tokens) == 12 and all(len(token.top_logprobs) == 2 and token.logprob <= 0 for token in tokens)
    stop = choice.message.content[6:8]
    stopped = chat(stop=stop).choices[0]
    assert stopped.finish_reason == "stop"
    assert stopped.message.content == choice.message.content[: choice.message.content.index(stop)]


def a_stream():
    whole = chat(temperature=1, seed=5)
    text = ""
    usage = None
    for chunk in chat(temperature=1, seed=5, stream=True, stream_options={"include_usage": True}):
        if chunk.choices:
            text += chunk.choices[0].delta.content or ""
        usage = chunk.usage or usage
    assert text == whole.choices[0].message.content, (text, whole)
    assert usage == whole.usage or usage.completion_tokens == 12, usage
    with client.chat.completions.stream(
        model="tiny", messages=MESSAGES, max_completion_tokens=12, temperature=1, seed=5
    ) as stream:
        deltas = "".join(event.delta for event in stream if event.type == "content.delta")
        assert deltas == text, (deltas, text)
        # get_final_completion refuses texts that are as long as they may be.
        assert stream.current_completion_snapshot.choices[0].message.content == text


async def many_at_once():
    """Texts that share a batch are those that each is alone."""
    alone = [chat(temperature=1, seed=seed).choices[0].message.content for seed in range(6)]
    async with openai.AsyncOpenAI(base_url=BASE, api_key="none is needed", max_retries=0) as concurrent:

        async def one(seed):
            stream = await concurrent.chat.completions.create(
                model="tiny", messages=MESSAGES, max_completion_tokens=12, temperature=1, seed=seed, stream=True
            )
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])

        assert await asyncio.gather(*(one(seed) for seed in range(6))) == alone


class Size(str, Enum):
    SMALL = "small"
    LARGE = "large"


class Lock(BaseModel):
    chambers: int
    open: bool
    size: Size


def json_schema():
    completion = client.chat.completions.parse(
        model="tiny", messages=MESSAGES, max_completion_tokens=200, temperature=1, seed=3, response_format=Lock
    )
    lock = completion.choices[0].message.parsed
    assert isinstance(lock, Lock), completion
    schema = {"type": "array", "items": {"type": "boolean"}, "minItems": 2, "maxItems": 2}
    completion = chat(
        max_completion_tokens=100,
        response_format={"type": "json_schema", "json_schema": {"name": "pair", "strict": True, "schema": schema}},
    )
    pair = json.loads(completion.choices[0].message.content)
    assert len(pair) == 2 and all(isinstance(item, bool) for item in pair), pair
    free = chat(max_completion_tokens=200, temperature=1, seed=1, response_format={"type": "json_object"}).choices[0]
    assert free.finish_reason == "length" or isinstance(json.loads(free.message.content), dict), free


def tools():
    settings = {"tools": [WEATHER], "max_completion_tokens": 200}
    message = chat(tool_choice="required", **settings).choices[0].message
    call = message.tool_calls[0]
    assert call.function.name == "weather", call
    assert json.loads(call.function.arguments)["city"] in ("Colon", "Panama"), call
    name, arguments = "", ""
    for chunk in chat(tool_choice="required", stream=True, **settings):
        for part in chunk.choices[0].delta.tool_calls or [] if chunk.choices else []:
            name += part.function.name or ""
            arguments += part.function.arguments or ""
    assert (name, arguments) == (call.function.name, call.function.arguments), (name, arguments)
    answer = chat(
        messages=[*MESSAGES, message, {"role": "tool", "tool_call_id": call.id, "content": "rain"}],
        tools=[WEATHER],
        max_completion_tokens=5,
    )
    assert answer.choices[0].message.content is not None, answer


def embeddings():
    texts = ["hello world", "a lock"]
    packed = client.embeddings.create(model="mini", input=texts)  # base64, unless told otherwise
    floats = client.embeddings.create(model="mini", input=texts, encoding_format="float")
    assert [item.index for item in packed.data] == [0, 1]
    for a, b in zip(packed.data, floats.data):
        assert len(a.embedding) == 384 and math.dist(a.embedding, b.embedding) < 1e-6
        assert abs(math.hypot(*a.embedding) - 1) < 1e-5
    assert abs(packed.data[0].embedding[0] + 0.034477) < 1e-5
    assert floats.usage.prompt_tokens > 0


def completions():
    completion = client.completions.create(
        model="tiny", prompt=["The vocabulary", "random weights of"], max_tokens=6, temperature=0
    )
    assert [choice.index for choice in completion.choices] == [0, 1] and all(c.text for c in completion.choices)


def raises(error, part, **settings):
    try:
        chat(**settings)
    except error as raised:
        assert part in str(raised), raised
    else:
        raise AssertionError(f"{settings}: no {error.__name__}")


def errors():
    raises(openai.NotFoundError, 'no model "huge"', model="huge")
    raises(openai.BadRequestError, "for embedding, not for chat", model="mini")
    raises(openai.BadRequestError, "temperature", temperature=-1)


for test in (models, a_chat, a_stream, json_schema, tools, embeddings, completions, errors):
    test()
    print(test.__name__)
asyncio.run(many_at_once())
print(many_at_once.__name__)
client.close()
