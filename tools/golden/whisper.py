#!/usr/bin/env python3
"""Makes the golden folders of Whisper, in the format of the others.

    python tools/golden/whisper.py golden/models [NAME ...]

Needs torch, transformers, tokenizers, safetensors, numpy. Random weights, windows of one second. Every expected value is computed by
transformers: spectrograms by WhisperFeatureExtractor, the network with eager attention in float32, ids, scores and times by its
generate, sound beyond a window by its own seeking. Tolerances come from the same network in float64: max(1e-5, 20 x the largest
difference). Ids and times are the same in float64, and with weights moved by 2e-5. See golden/README.md.
"""
import copy, json, pathlib, sys
import numpy as np, torch, transformers
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

RATE = 16000
TOKENS = 14
LANGUAGES = ["en", "de", "zh"]


def tokenizer():
    """Bytes, and the special tokens in the order of OpenAI's; then a time every 20 ms of a window."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE({c: i for i, c in enumerate(letters)}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|startoftranscript|>"] + [f"<|{l}|>" for l in LANGUAGES] + [
        "<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"]
    made.add_special_tokens(special)
    made.add_tokens([AddedToken(f"<|{i * 0.02:.2f}|>", normalized=False, special=False) for i in range(51)])
    return made


def families():
    yield ("whisper", "80 bins; language and task by names, times from the start", 80, dict(max_initial_timestamp_index=20))
    yield ("whisper-large", "128 bins; a prompt in forced_decoder_ids whose language is detected", 128,
           dict(forced=True, max_initial_timestamp_index=30))


def settings(vocab, forced):
    languages = {f"<|{l}|>": vocab[f"<|{l}|>"] for l in LANGUAGES}
    rules = dict(lang_to_id=languages, task_to_id={"transcribe": vocab["<|transcribe|>"], "translate": vocab["<|translate|>"]},
                 is_multilingual=True, no_timestamps_token_id=vocab["<|notimestamps|>"], prev_sot_token_id=vocab["<|startofprev|>"],
                 suppress_tokens=[5, 17, 40, vocab["<|startoflm|>"], vocab["<|startofprev|>"], vocab["<|nospeech|>"],
                                  vocab["<|startoftranscript|>"], vocab["<|translate|>"], vocab["<|transcribe|>"]] + sorted(languages.values()),
                 begin_suppress_tokens=[vocab["\u0120"], vocab["<|endoftext|>"]])
    if forced:
        rules["forced_decoder_ids"] = [[1, None], [2, vocab["<|transcribe|>"]]]
    return rules


def sound(seconds, seed):
    """Tones that come and go over a little noise."""
    g = np.random.default_rng(seed)
    t = np.arange(int(seconds * RATE)) / RATE
    x = 0.003 * g.standard_normal(len(t))
    for _ in range(int(6 * seconds) + 2):
        at, width, hz = g.uniform(0, seconds), g.uniform(0.05, 0.3), 2 ** g.uniform(7, 12.5)
        x += g.uniform(0.05, 0.3) * np.exp(-((t - at) / width) ** 2) * np.sin(2 * np.pi * hz * t + g.uniform(0, 6))
    return (np.round(np.clip(x, -1, 1) * 32767) / 32768).astype(np.float32)


def weights(model, seed):
    g = torch.Generator().manual_seed(seed)
    for name, p in model.named_parameters():
        with torch.no_grad():
            if "encoder.embed_positions" in name:
                continue
            if p.dim() >= 2:
                inner = p[0].numel()
                p.copy_(torch.randn(p.shape, generator=g) * (0.25 if "embed" in name else 1.2 / inner ** 0.5))
            elif name.endswith("bias"):
                p.copy_(torch.randn(p.shape, generator=g) * 0.2)
            else:
                p.copy_(p + torch.randn(p.shape, generator=g) * 0.2)


def forward(model, features, target):
    seen, hooks = {}, []
    for name in ("encoder", "decoder"):
        layers = getattr(model.model, name).layers
        for i, layer in enumerate(layers):
            hooks.append(layer.register_forward_hook(lambda m, a, out, n=name, i=i: seen.__setitem__(
                f"{n}_hidden_states.{i + 1}", out[0] if isinstance(out, tuple) else out)))
        hooks.append(layers[0].register_forward_pre_hook(lambda m, a, k, n=name: seen.__setitem__(
            f"{n}_hidden_states.0", a[0] if a else k["hidden_states"]), with_kwargs=True))
    out = model(input_features=features, decoder_input_ids=target, output_hidden_states=True, use_cache=False)
    for h in hooks:
        h.remove()
    values = dict(sorted(seen.items()))
    values["encoder_last_hidden_state"] = out.encoder_last_hidden_state
    values["decoder_last_hidden_state"] = out.decoder_hidden_states[-1]
    values["logits"] = out.logits
    return values


def timed(model, features, asked):
    """Ids of each source, without the end, and where its segments begin and end."""
    out = model.generate(features, return_timestamps=True, max_new_tokens=TOKENS, num_beams=1, do_sample=False,
                         return_segments=True, **asked)
    eos, time = model.generation_config.eos_token_id, model.generation_config.no_timestamps_token_id + 1
    ids, bounds = [], []
    for segments in out["segments"]:
        row = []
        for s in segments:
            made = [int(i) for i in s["tokens"] if i != eos]
            if len(made) > 1 and made[-2] >= time and made[-1] >= time:
                made.pop()  # where the next segment begins, which is heard again
            row += made
        ids.append(row)
        bounds.append([float(b) for s in segments for b in (s["start"], s["end"])])
    return ids, bounds


def untimed(model, features, asked, beams):
    """Ids of each source behind the prompt, without the end, and scores of beam search: one window, and no seeking in it."""
    out = model.generate(features, return_timestamps=False, max_new_tokens=TOKENS, num_beams=beams, do_sample=False,
                         return_dict_in_generate=True, output_scores=True, force_unique_generate_call=True, **asked)
    config, rows = model.generation_config, []
    for row in out.sequences.tolist():
        if row[0] == config.decoder_start_token_id:
            row = row[row.index(config.no_timestamps_token_id) + 1:]
        rows.append(row[:row.index(config.eos_token_id)] if config.eos_token_id in row else row)
    return rows, out.sequences_scores if beams > 1 else None


def table(rows, fill, dtype):
    n = max(map(len, rows))
    return torch.tensor([r + [fill] * (n - len(r)) for r in rows], dtype=dtype)


def everything(model, extractor, samples, target, asked, long):
    features = extractor([s for s in samples.numpy()], sampling_rate=RATE, return_tensors="pt",
                         **(dict(truncation=False, padding="longest") if long else {})).input_features
    if next(model.parameters()).dtype == torch.float64:  # the extractor's own arithmetic in float64
        features = exact_features(extractor, samples, features.shape[-1])
    values = {"input_features": features}
    window = features[:, :, :100]
    values.update(forward(model, window, target))
    pad = model.generation_config.pad_token_id
    values["language_ids"] = model.detect_language(window, generation_config=model.generation_config)[:, None]
    ids, bounds = timed(model, features, asked)
    values["timestamp_ids"], values["segment_times"] = table(ids, pad, torch.long), table(bounds, -1, torch.float64)
    if not long:
        values["greedy_ids"] = table(untimed(model, window, asked, 1)[0], pad, torch.long)
        ids, values["beam_scores"] = untimed(model, window, asked, 4)
        values["beam_ids"] = table(ids, pad, torch.long)
    return values


def exact_features(extractor, samples, frames):
    from transformers.audio_utils import spectrogram, window_function
    made = []
    for waveform in samples.numpy().astype(np.float64):
        waveform = np.pad(waveform, (0, max(0, extractor.n_samples - len(waveform))))
        log = spectrogram(waveform, window_function(400, "hann"), frame_length=400, hop_length=160, power=2.0,
                          mel_filters=extractor.mel_filters, log_mel="log10", dtype=np.float64)[:, :frames]
        made.append((np.maximum(log, log.max() - 8.0) + 4.0) / 4.0)
    return torch.tensor(np.array(made), dtype=torch.float64)


INTEGERS = ("timestamp_ids", "greedy_ids", "beam_ids", "language_ids", "segment_times")


def same(a, b):
    return all(a[k].shape == b[k].shape and bool((a[k] == b[k]).all()) for k in INTEGERS if k in a)


def make(folder, name, notes, bins, options, seed):
    torch.manual_seed(seed)
    tokens = tokenizer()
    vocab = tokens.get_vocab()
    eos = vocab["<|endoftext|>"]
    config = transformers.WhisperConfig(
        vocab_size=len(vocab), num_mel_bins=bins, d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=64, decoder_ffn_dim=64, max_source_positions=50, max_target_positions=64,
        pad_token_id=eos, bos_token_id=eos, eos_token_id=eos, decoder_start_token_id=vocab["<|startoftranscript|>"],
        suppress_tokens=None, begin_suppress_tokens=None)
    config._attn_implementation = "eager"
    model = transformers.WhisperForConditionalGeneration(config).eval()
    weights(model, seed)
    model.tie_weights()
    rules = settings(vocab, options.get("forced", False))
    rules.update({k: v for k, v in options.items() if k != "forced"})
    model.generation_config = transformers.GenerationConfig(
        pad_token_id=eos, bos_token_id=eos, eos_token_id=eos, decoder_start_token_id=vocab["<|startoftranscript|>"], max_length=64, **rules)
    double = copy.deepcopy(model).double()
    moved = copy.deepcopy(model)
    with torch.no_grad():
        for p in moved.parameters():
            p.add_(2e-5 * torch.randn(p.shape))
    extractor = transformers.WhisperFeatureExtractor(feature_size=bins, chunk_length=1)
    tensors, about, cases = {}, {}, {}
    asked_of = {"batch": {} if options.get("forced") else dict(language="de", task="translate"),
                "short": {} if options.get("forced") else dict(language="en", task="transcribe"),
                "long": {} if options.get("forced") else dict(language="en", task="transcribe")}
    g = torch.Generator().manual_seed(seed + 1)
    for case, asked in asked_of.items():
        seconds = {"batch": 1.0, "short": 0.7, "long": 3.3}[case]
        samples = torch.tensor(np.array([sound(seconds, seed * 10 + i) for i in range(2 if case == "batch" else 1)]))
        target = torch.randint(0, 256, (samples.shape[0], 6), generator=g)
        target[:, 0] = config.decoder_start_token_id
        with torch.no_grad():
            values = everything(model, extractor, samples, target, asked, case == "long")
            first = values["timestamp_ids"][0].tolist()
            if len(set(first)) < 6:
                print(name, seed, case, "repeats", first)
                return False
            if case == "long" and not any(abs(t - round(t)) > 1e-6 for t in values["segment_times"][0].tolist()[2::2] if t >= 0):
                print(name, seed, "never seeks to a time")
                return False
            exact = everything(double, extractor, samples, target, asked, case == "long")
            if not same(values, exact) or not same(values, everything(moved, extractor, samples, target, asked, case == "long")):
                print(name, seed, case, "hangs on rounding")
                return False
        inputs = {"samples": samples, "decoder_input_ids": target}
        for key, v in inputs.items():
            tensors[f"{case}.{key}"] = v.contiguous()
            about[f"{case}.{key}"] = {"role": "input", "dtype": "F32" if v.dtype.is_floating_point else "I64", "shape": list(v.shape)}
        for key, v in values.items():
            full = f"{case}.{key}"
            if key == "segment_times":  # hundredths of a second: numbers to be equal
                v = (v * 100).round().long()
            integers = not v.dtype.is_floating_point
            tensors[full] = v.contiguous().clone() if integers else v.float().contiguous().clone()
            about[full] = entry = {"role": "output", "dtype": "I64" if integers else "F32", "shape": list(v.shape)}
            if not integers:
                difference = float((v.double() - exact[key].double()).abs().max())
                entry["tolerance"] = max(1e-5, float("%.3g" % (20 * difference)))
                entry["fp32_vs_fp64"] = float("%.3g" % difference)
                entry["max_abs"] = float("%.6g" % v.abs().max())
        cases[case] = {"inputs": [f"{case}.{k}" for k in inputs], "outputs": [f"{case}.{k}" for k in values],
                       "generation": {**asked, "max_new_tokens": TOKENS, "num_beams": 4}}
        print(name, seed, case, values["timestamp_ids"].tolist(), values["segment_times"].tolist(), values["language_ids"].tolist())
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    extractor.save_pretrained(folder)
    tokens.save(str(folder / "tokenizer.json"))
    save_file(tensors, folder / "expected.safetensors")
    text = {"family": name, "kind": "speech", "architecture": "WhisperForConditionalGeneration", "notes": notes, "seed": seed,
            "reference": {"torch": torch.__version__.split("+")[0], "transformers": transformers.__version__,
                          "attention": "eager", "dtype": "float32", "made_by": "tools/golden/whisper.py"},
            "tolerance": max(e.get("tolerance", 0) for e in about.values()), "cases": cases, "tensors": about}
    (folder / "expected.json").write_text(json.dumps(text, indent=1) + "\n")
    return True


if __name__ == "__main__":
    out = pathlib.Path(sys.argv[1])
    wanted = set(sys.argv[2:])
    for i, (name, notes, bins, options) in enumerate(families()):
        if not wanted or name in wanted:
            seed = 1000 * (i + 1) + 8  # those before hang on rounding, repeat, or never end
            while not make(out / name, name, notes, bins, options, seed):
                seed += 1
