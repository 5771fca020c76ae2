#!/usr/bin/env python3
"""A tiny Llama with a SentencePiece vocabulary as a GGUF file, and what llama.cpp makes of texts with it.

    python tools/golden/spm_gguf.py LLAMA_CPP golden/spm

LLAMA_CPP is a checkout, or vendor/llama.cpp of the llama-cpp-python source distribution. Needs its requirements (torch, gguf,
transformers), sentencepiece and llama-cpp-python. The vocabulary is trained on this page and has bytes to fall back on, as Llama's;
the weights are random. expected.json: ids and text of each text, and 24 greedy ids after each prompt with the margins by which the
largest logit won, computed in float32 with a float32 cache.
"""
import io, json, logging, pathlib, sys, tempfile
import sentencepiece, torch, transformers

llama, out = map(pathlib.Path, sys.argv[1:3])
sys.path[:0] = [str(llama), str(llama / "gguf-py")]
import gguf, llama_cpp  # noqa: E402
from conversion import get_model_class  # noqa: E402
from conversion.base import ModelBase, ModelType, get_model_architecture  # noqa: E402

logging.basicConfig(level=logging.WARNING)
VOCAB = 400
TEMPLATE = ("{{ bos_token }}{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}{{ eos_token }}"
            "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}")
TEXTS = ["The vocabulary is trained on this page.", " two  spaces and a tail ", "", "line\nbreak\ttab", "Größe, naïve, 日本語 🦙",
         "<|user|>hello<|assistant|> and<|system|>", "</s> is not said", "1234567890", "a\u00a0b", "x" * 40]
PROMPTS = ["The vocabulary", "random weights of", "<|user|>What is a page?</s><|assistant|>"]
transformers.set_seed(7)
torch.set_num_threads(1)
with tempfile.TemporaryDirectory() as tmp:
    folder = pathlib.Path(tmp) / "model"
    config = transformers.LlamaConfig(
        vocab_size=VOCAB, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=256, initializer_range=0.25, tie_word_embeddings=True,
        bos_token_id=1, eos_token_id=2)
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=io.StringIO(pathlib.Path(__file__).read_text()), model_prefix=str(folder / "tokenizer"),
        vocab_size=VOCAB, model_type="bpe", byte_fallback=True, split_digits=True, normalization_rule_name="identity",
        remove_extra_whitespaces=False, user_defined_symbols=["<|user|>", "<|assistant|>", "<|system|>"],
        unk_id=0, bos_id=1, eos_id=2, pad_id=-1, num_threads=1, minloglevel=2)
    (folder / "tokenizer_config.json").write_text(json.dumps({
        "tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "</s>", "chat_template": TEMPLATE,
        "added_tokens_decoder": {str(3 + i): {"content": f"<|{role}|>", "special": role != "system"}
                                 for i, role in enumerate(["user", "assistant", "system"])}}))
    cls = get_model_class(get_model_architecture(ModelBase.load_hparams(folder, False), ModelType.TEXT))
    out.mkdir(parents=True, exist_ok=True)
    file = out / "llama-spm.gguf"
    with torch.inference_mode():
        cls(folder, gguf.LlamaFileType.ALL_F32, file, model_name="llama-spm").write()
model = llama_cpp.Llama(str(file), n_ctx=256, n_threads=1, n_threads_batch=1, logits_all=True, verbose=False, flash_attn=False,
                        type_k=llama_cpp.GGML_TYPE_F32, type_v=llama_cpp.GGML_TYPE_F32)
cases = []
for text in TEXTS:
    ids = model.tokenize(text.encode(), add_bos=True, special=True)
    cases.append({"text": text, "ids": ids, "decoded": model.detokenize(ids, special=False).decode()})
greedy = []
for prompt in PROMPTS:
    ids = model.tokenize(prompt.encode(), add_bos=True, special=True)
    made, margins = [], []
    model.reset()
    model.eval(ids)
    for _ in range(24):
        top = torch.tensor(model.scores[model.n_tokens - 1]).topk(2)
        made.append(int(top.indices[0]))
        margins.append(float("%.3g" % (top.values[0] - top.values[1])))
        model.eval(made[-1:])
    print(repr(prompt), made, "least margin", min(margins))
    greedy.append({"prompt": prompt, "ids": ids, "greedy": made, "margins": margins,
                   "text": model.detokenize(made, prev_tokens=ids).decode(errors="replace")})
(out / "expected.json").write_text(json.dumps(
    {"reference": {"llama_cpp_python": llama_cpp.__version__}, "texts": cases, "greedy": greedy},
    ensure_ascii=False, separators=(",", ":")).replace("},{", "},\n{") + "\n")
print(file.stat().st_size)
