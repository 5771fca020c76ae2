"""CTranslate2 as an engine of "gatun bench seq2seq": a line asks, a line answers "ok VALUE" or "error WHY".

    seq2seq.py make DIR   a Marian of OPUS-MT's size with random weights, as transformers would save it
    seq2seq.py engine     open NANOS translate BATCH BEAMS SOURCE TARGET THREADS DIR, sample NANOS, peak, close

DIR is a Marian folder (config.json, model.safetensors); its copy for CTranslate2 is made beside it, in DIR.ct2, through
CTranslate2's own specification and as its MarianMTLoader does it. Targets have exactly TARGET tokens. Seq2SeqWorkload.java is the
same of ours.
"""
import json
import os
import subprocess
import sys
import time
import common as c

VOCAB = 58_000
PAD = VOCAB  # as in OPUS-MT the last id, and no word
CONFIG = dict(
    model_type="marian", architectures=["MarianMTModel"], activation_function="swish", d_model=512, vocab_size=VOCAB + 1,
    decoder_vocab_size=VOCAB + 1, encoder_layers=6, decoder_layers=6, encoder_attention_heads=8,
    decoder_attention_heads=8, encoder_ffn_dim=2048, decoder_ffn_dim=2048, max_position_embeddings=512,
    scale_embedding=True, share_encoder_decoder_embeddings=True, tie_word_embeddings=True, is_encoder_decoder=True,
    decoder_start_token_id=PAD, pad_token_id=PAD, eos_token_id=0, bad_words_ids=[[PAD]], num_beams=1)
EOS, UNK = "</s>", "<unk>"


def make(folder):
    import numpy as np
    from safetensors.numpy import save_file
    random = np.random.default_rng(7)
    d, ff = CONFIG["d_model"], CONFIG["encoder_ffn_dim"]
    w = {}

    def linear(name, n, k):
        w[name + ".weight"] = (random.standard_normal((n, k), np.float32) * k ** -0.5).astype(np.float32)
        w[name + ".bias"] = random.standard_normal(n, np.float32) * np.float32(0.02)

    def norm(name):
        w[name + ".weight"] = 1 + random.standard_normal(d, np.float32) * np.float32(0.02)
        w[name + ".bias"] = random.standard_normal(d, np.float32) * np.float32(0.02)

    for stack, attentions in (("encoder", ["self_attn"]), ("decoder", ["self_attn", "encoder_attn"])):
        for i in range(CONFIG[stack + "_layers"]):
            layer = f"model.{stack}.layers.{i}."
            for attention in attentions:
                for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
                    linear(layer + attention + "." + part, d, d)
                norm(layer + attention + "_layer_norm")
            linear(layer + "fc1", ff, d)
            linear(layer + "fc2", d, ff)
            norm(layer + "final_layer_norm")
    shared = random.standard_normal((VOCAB + 1, d), np.float32) * np.float32(d ** -0.5)
    shared[PAD] = 0  # what every target starts with: torch.nn.Embedding's padding_idx
    w["model.shared.weight"] = shared
    w["final_logits_bias"] = np.zeros((1, VOCAB + 1), np.float32)
    os.makedirs(folder, exist_ok=True)
    save_file(w, os.path.join(folder, "model.safetensors"))
    with open(os.path.join(folder, "config.json"), "w") as f:
        json.dump(CONFIG, f, indent=1)


def convert(folder, out):
    import numpy as np
    from ctranslate2.converters import utils
    from ctranslate2.specs import common_spec, transformer_spec
    from safetensors.numpy import load_file
    with open(os.path.join(folder, "config.json")) as f:
        cfg = json.load(f)
    w = load_file(os.path.join(folder, "model.safetensors"))
    d, vocab = cfg["d_model"], cfg["vocab_size"] - 1
    activation = dict(swish=common_spec.Activation.SWISH, relu=common_spec.Activation.RELU)
    spec = transformer_spec.TransformerSpec.from_config(
        (cfg["encoder_layers"], cfg["decoder_layers"]), cfg["encoder_attention_heads"], pre_norm=False,
        activation=activation[cfg["activation_function"]], layernorm_embedding=False)

    def linear(to, name):
        to.weight, to.bias = w[name + ".weight"], w[name + ".bias"]

    def norm(to, name):
        to.gamma, to.beta = w[name + ".weight"], w[name + ".bias"]

    def attention(to, name, own):
        parts = [common_spec.LinearSpec() for _ in range(3)]
        for to_part, part in zip(parts, ("q_proj", "k_proj", "v_proj")):
            linear(to_part, name + "." + part)
        if own:
            utils.fuse_linear(to.linear[0], parts)
        else:
            utils.fuse_linear(to.linear[0], parts[:1])
            utils.fuse_linear(to.linear[1], parts[1:])
        linear(to.linear[-1], name + ".out_proj")
        norm(to.layer_norm, name + "_layer_norm")

    n = cfg["max_position_embeddings"]
    angle = np.arange(n)[:, None] / np.power(10000, 2 * (np.arange(d // 2)[None, :]) / d)
    positions = np.concatenate([np.sin(angle), np.cos(angle)], axis=1).astype(np.float32)
    shared = next(w[key] for key in ("model.shared.weight", "lm_head.weight") if key in w)[:vocab]
    for side, to in (("encoder", spec.encoder), ("decoder", spec.decoder)):
        to.scale_embeddings = d ** 0.5
        to.position_encodings.encodings = positions
        (to.embeddings[0] if side == "encoder" else to.embeddings).weight = shared
        for i, layer in enumerate(to.layer):
            name = f"model.{side}.layers.{i}."
            attention(layer.self_attention, name + "self_attn", True)
            if side == "decoder":
                attention(layer.attention, name + "encoder_attn", False)
            linear(layer.ffn.linear_0, name + "fc1")
            linear(layer.ffn.linear_1, name + "fc2")
            norm(layer.ffn.layer_norm, name + "final_layer_norm")
    spec.decoder.start_from_zero_embedding = True
    spec.decoder.projection.weight = shared
    if np.any(w.get("final_logits_bias", 0)):
        spec.decoder.projection.bias = w["final_logits_bias"][0, :vocab]
    words = [EOS, UNK] + [f"w{i}" for i in range(2, vocab)]
    spec.register_source_vocabulary(words)
    spec.register_target_vocabulary(words)
    spec.config.eos_token = spec.config.decoder_start_token = EOS
    spec.config.unk_token = UNK
    spec.validate()
    spec.optimize(quantization="float32")
    os.makedirs(out, exist_ok=True)
    spec.save(out)


def sources(batch, tokens, vocab):
    """As Seq2SeqWorkload.java: words by a rule, then the end."""
    return [[2 + (b * 104729 + i * 7919) % (vocab - 2) for i in range(tokens - 1)] + [0] for b in range(batch)]


class Workload:
    def __init__(self, batch, beams, source, target, threads, folder):
        import ctranslate2
        copy = folder.rstrip("/") + ".ct2"
        if not os.path.exists(os.path.join(copy, "model.bin")):  # in a process of its own: its memory is not the engine's
            subprocess.run([sys.executable, __file__, "convert", folder, copy], check=True)
        with open(os.path.join(folder, "config.json")) as f:
            vocab = json.load(f)["vocab_size"] - 1
        self.translator = ctranslate2.Translator(
            copy, device="cpu", compute_type="float32", inter_threads=1, intra_threads=threads)
        self.batch = [[EOS if i == 0 else f"w{i}" for i in ids] for ids in sources(batch, source, vocab)]
        self.options = dict(beam_size=beams, length_penalty=1, min_decoding_length=target, max_decoding_length=target)

    def run(self):
        return self.translator.translate_batch(self.batch, **self.options)

    def sample(self, nanos):
        """Nanoseconds a call."""
        start = time.perf_counter_ns()
        calls = 0
        while calls == 0 or time.perf_counter_ns() - start < nanos:
            self.run()
            calls += 1
        return (time.perf_counter_ns() - start) / calls

    def first(self):
        """The ids of the first target."""
        return [0 if word == EOS else 1 if word == UNK else int(word[1:]) for word in self.run()[0].hypotheses[0]]


def serve():
    import ctranslate2
    print("ok CTranslate2", ctranslate2.__version__, "float32", flush=True)
    work = None
    for line in sys.stdin:
        try:
            word, _, rest = line.rstrip("\n").partition(" ")
            if word == "open":
                nanos, kind, *numbers, folder = rest.split(" ", 7)
                if kind != "translate":
                    print("ok NaN", flush=True)
                    continue
                work = Workload(*map(int, numbers), folder)
                work.sample(int(nanos))
                print("ok", work.sample(int(nanos)), flush=True)
            elif word == "sample":
                print("ok", work.sample(int(rest)), flush=True)
            elif word == "peak":
                print("ok", c.peak_rss_mb() * 2 ** 20, flush=True)
            else:
                work = None
                print("ok 0", flush=True)
        except Exception as e:
            print("error", str(e).replace("\n", " "), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(sys.argv[2])
    elif sys.argv[1] == "convert":
        convert(sys.argv[2], sys.argv[3])
    else:
        serve()
