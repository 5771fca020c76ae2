#!/usr/bin/env python3
"""Makes the golden folders of encoder-decoders that the published set does not have, in the same format.

    python tools/golden/seq2seq.py golden/models [NAME ...]

Needs torch, transformers, safetensors, numpy. Random weights; every expected value is computed by transformers (eager attention,
float32), ids and scores by its generate with the settings that the folder has; tolerances come from the same network in float64:
max(1e-5, 20 x the largest difference). Ids are the same in float64, and with weights moved by 2e-5. See golden/README.md.
"""
import copy, json, pathlib, sys
import torch, transformers
from safetensors.torch import load_file, save_file

V = 120
SMALL = dict(vocab_size=V, d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4, decoder_attention_heads=4,
             encoder_ffn_dim=64, decoder_ffn_dim=64, max_position_embeddings=64, activation_function="gelu")
TOKENS = 12


def families():
    t = transformers
    ids = dict(pad_token_id=1, bos_token_id=0, eos_token_id=2, decoder_start_token_id=2, forced_bos_token_id=None, forced_eos_token_id=2)
    yield ("mbart", "pre-norm with a norm after the embeddings and one at the end; a language code is forced",
           t.MBartForConditionalGeneration, t.MBartConfig(**{**SMALL, **ids, "scale_embedding": True}),
           dict(forced_bos_token_id=117, no_repeat_ngram_size=2))
    yield ("pegasus", "pre-norm, sinusoidal positions, a norm at the end only", t.PegasusForConditionalGeneration,
           t.PegasusConfig(**{**SMALL, "scale_embedding": True, "activation_function": "relu", "pad_token_id": 0, "eos_token_id": 1,
                              "forced_eos_token_id": 1, "decoder_start_token_id": 0}),
           dict(length_penalty=0.8, min_length=6, no_repeat_ngram_size=2))
    yield ("mt5", "gated gelu, a tied head without a scale, heads that are not d_model wide together", t.MT5ForConditionalGeneration,
           t.MT5Config(vocab_size=V, d_model=32, d_kv=12, d_ff=48, num_layers=2, num_decoder_layers=2, num_heads=3,
                       pad_token_id=0, eos_token_id=1, decoder_start_token_id=0), {})
    yield ("opus-mt", "as published: settings in config.json, tied weights under all of their names, a table of positions",
           t.MarianMTModel, t.MarianConfig(**{**SMALL, "activation_function": "swish", "pad_token_id": V - 1, "eos_token_id": 0,
                                              "decoder_start_token_id": V - 1, "forced_eos_token_id": 0, "scale_embedding": True}),
           dict(bad_words_ids=[[V - 1]]))
    yield ("bart-rules", "every rule on ids that generation_config.json has", t.BartForConditionalGeneration,
           t.BartConfig(**{**SMALL, **ids}),
           dict(forced_bos_token_id=0, no_repeat_ngram_size=3, min_length=6, length_penalty=2.0, early_stopping=True,
                repetition_penalty=1.3, bad_words_ids=[[7], [40, 41]], suppress_tokens=[9, 33], begin_suppress_tokens=[60]))
    yield ("marian-separate", "a vocabulary, and an embedding, for sources and another for targets", t.MarianMTModel,
           t.MarianConfig(**{**SMALL, "activation_function": "swish", "pad_token_id": 89, "eos_token_id": 0, "decoder_vocab_size": 90,
                             "decoder_start_token_id": 89, "forced_eos_token_id": 0, "scale_embedding": True,
                             "share_encoder_decoder_embeddings": False}),
           dict(bad_words_ids=[[89]]))


def weights(model, seed):
    """Larger than an initialisation's, so that layers do something and generated ids vary."""
    g = torch.Generator().manual_seed(seed)
    for name, p in model.named_parameters():
        with torch.no_grad():
            if "embed_positions" in name and not p.requires_grad:
                continue  # sinusoidal
            if p.dim() >= 2:
                embedding = "shared" in name or "embed" in name
                p.copy_(torch.randn(p.shape, generator=g) * ((0.06 if isinstance(model, transformers.PegasusForConditionalGeneration) else 0.25) if embedding else 1.2 / p.shape[-1] ** 0.5))
            elif name.endswith("bias"):
                p.copy_(torch.randn(p.shape, generator=g) * 0.2)
            else:
                p.copy_(p + torch.randn(p.shape, generator=g) * 0.2)
    for name, b in model.named_buffers():
        if name == "final_logits_bias":
            b.copy_(torch.randn(b.shape, generator=g) * 0.2)


def stack(model, name):
    body = getattr(model, "model", model)
    part = getattr(body, name)
    return part.block if hasattr(part, "block") else part.layers


def forward(model, ids, mask, target):
    seen, hooks = {}, []
    for name in ("encoder", "decoder"):
        layers = stack(model, name)
        for i, layer in enumerate(layers):
            hooks.append(layer.register_forward_hook(lambda m, a, out, n=name, i=i: seen.__setitem__(
                f"{n}_hidden_states.{i + 1}", out[0] if isinstance(out, tuple) else out)))
        hooks.append(layers[0].register_forward_pre_hook(lambda m, a, k, n=name: seen.__setitem__(
            f"{n}_hidden_states.0", a[0] if a else k["hidden_states"]), with_kwargs=True))
    out = model(input_ids=ids, attention_mask=mask, decoder_input_ids=target, output_hidden_states=True, use_cache=False)
    for h in hooks:
        h.remove()
    values = dict(sorted(seen.items()))
    values["encoder_last_hidden_state"] = out.encoder_last_hidden_state
    values["decoder_last_hidden_state"] = out.decoder_hidden_states[-1]
    values["logits"] = out.logits
    start = torch.full((ids.shape[0], 1), model.config.decoder_start_token_id)
    values["first_logits"] = model(input_ids=ids, attention_mask=mask, decoder_input_ids=start, use_cache=False).logits[:, 0]
    return values


def generate(model, ids, mask):
    settings = dict(input_ids=ids, attention_mask=mask, max_new_tokens=TOKENS, do_sample=False, return_dict_in_generate=True)
    greedy = model.generate(**settings, num_beams=1, output_logits=True)
    values = {"greedy_ids": greedy.sequences[:, 1:], "greedy_logits": torch.stack(greedy.logits, 1)}
    ends = (values["greedy_ids"] == model.config.eos_token_id).long()
    produced = (ends.cumsum(1) - ends == 0).long()
    values["greedy_mask"] = produced
    values["greedy_logits"] = values["greedy_logits"] * produced[..., None]
    beam = model.generate(**settings, num_beams=4, num_return_sequences=4, output_scores=True)
    n = ids.shape[0]
    nbest = beam.sequences[:, 1:].reshape(n, 4, -1)
    scores = beam.sequences_scores.reshape(n, 4)
    values.update(beam_ids=nbest[:, 0], beam_scores=scores[:, 0], beam_nbest_ids=nbest, beam_nbest_scores=scores)
    return values


def same_ids(a, b):
    return all(a[k].shape == b[k].shape and bool((a[k] == b[k]).all()) for k in ("greedy_ids", "beam_nbest_ids"))


def make(folder, name, notes, cls, config, rules, seed):
    torch.manual_seed(seed)
    config._attn_implementation = "eager"
    model = cls(config).eval()
    weights(model, seed)
    model.tie_weights()
    model.generation_config = transformers.GenerationConfig.from_model_config(model.config)
    for key, value in rules.items():
        setattr(model.generation_config, key, value)
    double = copy.deepcopy(model).double()
    moved = copy.deepcopy(model)
    with torch.no_grad():
        for p in moved.parameters():
            p.add_(2e-5 * torch.randn(p.shape))
    g = torch.Generator().manual_seed(seed + 1)
    tensors, about, cases = {}, {}, {}
    length_penalty = rules.get("length_penalty", 1.0)
    for case, (n, size, target) in {"batch": (2, 12, 6), "single": (1, 30, 5)}.items():
        ids = torch.randint(3, 100, (n, size), generator=g)
        mask = torch.ones((n, size), dtype=torch.long)
        if case == "batch":
            mask[1, 7:] = 0
            ids[1, 7:] = model.config.pad_token_id
        decoder_ids = torch.randint(3, min(100, getattr(config, "decoder_vocab_size", V) - 1), (n, target), generator=g)
        decoder_ids[:, 0] = model.config.decoder_start_token_id
        with torch.no_grad():
            made = generate(model, ids, mask)
            if len(set(made["greedy_ids"][0].tolist())) < 4:  # a loop shows nothing
                print(name, seed, "repeats", made["greedy_ids"][0].tolist())
                return False
            if not same_ids(made, generate(double, ids, mask)) or not same_ids(made, generate(moved, ids, mask)):
                print(name, seed, "hangs on rounding")
                return False
            values = {**forward(model, ids, mask, decoder_ids), **made}
            exact = {**forward(double, ids, mask, decoder_ids), **generate(double, ids, mask)}
        inputs = {"input_ids": ids, "attention_mask": mask, "decoder_input_ids": decoder_ids,
                  "decoder_attention_mask": torch.ones_like(decoder_ids)}
        for key, v in inputs.items():
            tensors[f"{case}.{key}"] = v.contiguous()
            about[f"{case}.{key}"] = {"role": "input", "dtype": "I64", "shape": list(v.shape)}
        for key, v in values.items():
            full = f"{case}.{key}"
            integers = not v.dtype.is_floating_point
            if key.startswith("encoder"):
                v = v * mask[..., None]
            tensors[full] = v.contiguous().clone()
            about[full] = entry = {"role": "output", "dtype": "I64" if integers else "F32", "shape": list(v.shape)}
            if key.startswith("encoder"):
                entry["valid"] = {"mask": f"{case}.attention_mask", "axis": 1}
            if key == "greedy_logits":
                entry["valid"] = {"mask": f"{case}.greedy_mask", "axis": 1}
            if not integers:
                e = exact[key] * mask[..., None] if key.startswith("encoder") else exact[key]
                difference = float((v.double() - e).abs().max())
                entry["tolerance"] = max(1e-5, float("%.3g" % (20 * difference)))
                entry["fp32_vs_fp64"] = float("%.3g" % difference)
                entry["max_abs"] = float("%.6g" % v.abs().max())
        cases[case] = {"inputs": [f"{case}.{k}" for k in inputs], "outputs": [f"{case}.{k}" for k in values],
                       "generation": {"greedy": {"max_new_tokens": TOKENS, "do_sample": False},
                                      "beam": {"num_beams": 4, "length_penalty": length_penalty, "max_new_tokens": TOKENS}}}
    folder.mkdir(parents=True, exist_ok=True)
    # What settings of beam search are for, transformers does not save beside num_beams 1, though models are published so.
    model.generation_config = transformers.GenerationConfig.from_model_config(model.config)
    model.save_pretrained(folder)
    settings = json.loads((folder / "generation_config.json").read_text())
    (folder / "generation_config.json").write_text(json.dumps({**settings, **rules}, indent=2, sort_keys=True) + "\n")
    if name == "opus-mt":
        as_published(model, folder, rules)
    save_file(tensors, folder / "expected.safetensors")
    text = {"family": name, "kind": "seq2seq", "architecture": cls.__name__, "notes": notes, "seed": seed,
            "reference": {"torch": torch.__version__.split("+")[0], "transformers": transformers.__version__,
                          "attention": "eager", "dtype": "float32", "made_by": "tools/golden/seq2seq.py"},
            "tolerance": max(e.get("tolerance", 0) for e in about.values()), "cases": cases, "tensors": about}
    (folder / "expected.json").write_text(json.dumps(text, indent=1) + "\n")
    print(name, "seed", seed, {c: values["greedy_ids"].tolist() for c in ["single"]})
    return True


def as_published(model, folder, rules):
    """What the folders of OPUS-MT look like: weights saved by transformers 4, settings of generation in config.json."""
    state = load_file(folder / "model.safetensors")
    shared = next(v for k, v in state.items() if k.endswith("shared.weight") or k.endswith("embed_tokens.weight") or k == "lm_head.weight")
    for key in ("model.shared.weight", "model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight", "lm_head.weight"):
        state[key] = shared.clone()
    for part in ("encoder", "decoder"):
        state[f"model.{part}.embed_positions.weight"] = getattr(model.model, part).embed_positions.weight.detach().clone()
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    generation = json.loads((folder / "generation_config.json").read_text())
    for key in ("bad_words_ids", "forced_eos_token_id", "decoder_start_token_id"):
        if generation.get(key) is not None:
            config[key] = generation[key]
    config.pop("dtype", None)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    (folder / "generation_config.json").unlink()


if __name__ == "__main__":
    out = pathlib.Path(sys.argv[1])
    wanted = set(sys.argv[2:])
    for i, (name, notes, cls, config, rules) in enumerate(families()):
        if not wanted or name in wanted:
            seed = 1000 * (i + 1)
            while not make(out / name, name, notes, cls, copy.deepcopy(config), rules, seed):
                seed += 1
