"""Shared pieces of the peer benchmarks: inputs, timing, process facts, the result protocol.

A benchmark child is a process that prints one line per case:

    @@{"case": "1x128", "ms": [..], ...}

Everything else on stdout/stderr is ignored. run.py starts the children, holds the
machine lock around each of them, adds peak RSS and wall time, and stores the lines.
"""
import json
import os
import sys
import time

MARK = "@@"

# ---------------------------------------------------------------- places
HERE = os.path.dirname(os.path.abspath(__file__))
HOME = os.environ.get("PEERS_HOME", os.path.join(HERE, "work"))     # all that setup.sh makes


def home(*parts):
    return os.path.join(HOME, *parts)


def models(*parts):
    return home("models", *parts)


def java():
    h = os.environ.get("JAVA_HOME")
    return os.path.join(h, "bin", "java") if h else "java"


def set_threads(n):
    """Call before importing numpy/torch/onnxruntime/ctranslate2."""
    for k in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[k] = str(n)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")


# ---------------------------------------------------------------- protocol
def emit(**kw):
    sys.stdout.write(MARK + json.dumps(kw) + "\n")
    sys.stdout.flush()


def parse(line):
    return json.loads(line[len(MARK):]) if line.startswith(MARK) else None


def peak_rss_mb():
    with open("/proc/self/status") as f:
        for line in f:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024.0
    return float("nan")


# ---------------------------------------------------------------- timing
def measure(fn, min_iters=10, budget_s=2.5, max_iters=400, warm_s=0.4, warm_iters=1, cap_s=20.0):
    """Milliseconds per call: warm up, then at least min_iters and until budget_s.
    cap_s bounds the whole measurement however slow the call is (at least 2 samples)."""
    t_start = time.perf_counter()
    i = 0
    while i < warm_iters or time.perf_counter() - t_start < warm_s:
        fn()
        i += 1
        if time.perf_counter() - t_start > cap_s / 3:
            break
    out = []
    t0 = time.perf_counter()
    while len(out) < max_iters:
        a = time.perf_counter_ns()
        fn()
        out.append((time.perf_counter_ns() - a) / 1e6)
        el = time.perf_counter() - t0
        if len(out) >= min_iters and el >= budget_s:
            break
        if len(out) >= 2 and el > cap_s:
            break
    return out


def quantile(xs, q):
    s = sorted(xs)
    if not s:
        return float("nan")
    k = (len(s) - 1) * q
    lo = int(k)
    hi = min(lo + 1, len(s) - 1)
    return s[lo] + (s[hi] - s[lo]) * (k - lo)


# ---------------------------------------------------------------- encoder inputs
ENCODER_CASES = ["1x16", "1x128", "1x256", "8x128", "32x128", "32xmix"]
MINILM = dict(layers=6, hidden=384, ffn=1536, heads=12)


def lengths(case):
    b, n = case.split("x", 1)
    b = int(b)
    if n != "mix":
        return [int(n)] * b
    # 8..128 evenly spread, in a fixed shuffled order
    return [8 + (((i * 13) % b) * 120) // (b - 1) for i in range(b)]


def token(b, i, n):
    """Deterministic ids: [CLS] ... [SEP]. The same rule is in java/EncoderOrt.java."""
    if i == 0:
        return 101
    if i == n - 1:
        return 102
    return 1000 + (i * 7919 + b * 104729) % 20000


def ragged(case):
    return [[token(b, i, n) for i in range(n)] for b, n in enumerate(lengths(case))]


def padded(case):
    import numpy as np
    rows = ragged(case)
    m = max(map(len, rows))
    ids = np.zeros((len(rows), m), np.int64)
    mask = np.zeros((len(rows), m), np.int64)
    for b, r in enumerate(rows):
        ids[b, :len(r)] = r
        mask[b, :len(r)] = 1
    return ids, mask


def encoder_flop(case, c=MINILM):
    """Useful FLOP of one forward: real tokens only, no padding.
    sum over sequences of layers * (n * (8 h^2 + 4 h f) + 4 n^2 h)."""
    h, f, L = c["hidden"], c["ffn"], c["layers"]
    return sum(L * (n * (8 * h * h + 4 * h * f) + 4 * n * n * h) for n in lengths(case))


def pool(hidden, mask):
    """Mean over real tokens, then L2: the sentence embedding."""
    import numpy as np
    if hidden.shape[0] == 1 or mask.all():
        v = hidden.mean(axis=1)
    else:
        m = mask.astype(np.float32)
        v = np.matmul(m[:, None, :], hidden)[:, 0, :] / m.sum(1, keepdims=True)
    return v / np.linalg.norm(v, axis=1, keepdims=True)


# ---------------------------------------------------------------- decoder inputs
DECODER_CASES = ["prefill128", "prefill512", "decode128", "decode2048"]
PROMPT = 32


def prompt(n):
    """Deterministic ids inside the 49152-token vocabulary, away from the special ones."""
    return [1000 + (i * 7919) % 40000 for i in range(n)]
