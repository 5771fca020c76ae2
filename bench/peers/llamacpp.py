"""Thin layer over the C API that llama-cpp-python exposes (no high-level Llama object)."""
import ctypes
import llama_cpp.llama_cpp as lib

_quiet = lib.llama_log_callback(lambda level, text, user: None)
lib.llama_log_set(_quiet, None)
lib.llama_backend_init()


def load(path):
    p = lib.llama_model_default_params()
    p.n_gpu_layers = 0
    m = lib.llama_model_load_from_file(path.encode(), p)
    if not m:
        raise RuntimeError(f"cannot load {path}")
    return m


def context(model, threads, n_ctx, n_batch=2048, n_seq=1, embeddings=False, flash=-1):
    """flash: -1 auto, 0 off, 1 on."""
    p = lib.llama_context_default_params()
    p.n_ctx = n_ctx
    p.n_batch = n_batch
    p.n_ubatch = n_batch if embeddings else min(512, n_batch)
    p.n_seq_max = n_seq
    p.n_threads = threads
    p.n_threads_batch = threads
    p.embeddings = embeddings
    p.flash_attn_type = flash
    if embeddings:
        p.pooling_type = 1          # mean
        p.kv_unified = True
    ctx = lib.llama_init_from_model(model, p)
    if not ctx:
        raise RuntimeError("no context")
    return ctx


def fill(rows, logits="last", pos0=0):
    """One batch with row s as sequence s. The caller keeps it; it is never freed."""
    n = sum(map(len, rows))
    b = lib.llama_batch_init(n, 0, len(rows))
    k = 0
    for s, row in enumerate(rows):
        for i, t in enumerate(row):
            b.token[k] = t
            b.pos[k] = pos0 + i
            b.n_seq_id[k] = 1
            b.seq_id[k][0] = s
            b.logits[k] = 1 if logits == "all" or i == len(row) - 1 else 0
            k += 1
    b.n_tokens = n
    return b


def clear(ctx):
    lib.llama_memory_clear(lib.llama_get_memory(ctx), True)


def truncate(ctx, length):
    """Forgets all positions from length on."""
    if not lib.llama_memory_seq_rm(lib.llama_get_memory(ctx), 0, length, -1):
        raise RuntimeError(f"llama_memory_seq_rm from {length}")


def free(model, ctx):
    lib.llama_free(ctx)
    lib.llama_model_free(model)


def decode(ctx, batch):
    rc = lib.llama_decode(ctx, batch)
    if rc != 0:
        raise RuntimeError(f"llama_decode: {rc}")


def argmax(ctx, n_vocab, i=-1):
    import numpy as np
    return int(np.ctypeslib.as_array(lib.llama_get_logits_ith(ctx, i), (n_vocab,)).argmax())


def n_vocab(model):
    return lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(model))


def quantize(src, dst, ftype):
    p = lib.llama_model_quantize_default_params()
    p.ftype = ftype
    p.allow_requantize = True
    p.nthread = 1
    rc = lib.llama_model_quantize(src.encode(), dst.encode(), ctypes.byref(p))
    if rc != 0:
        raise RuntimeError(f"llama_model_quantize: {rc}")


def info():
    return lib.llama_print_system_info().decode()


def version():
    import llama_cpp
    return llama_cpp.__version__


def tokenize(model, text):
    data = text.encode()
    out = (lib.llama_token * (len(data) + 8))()
    n = lib.llama_tokenize(lib.llama_model_get_vocab(model), data, len(data), out, len(out), True, False)
    if n < 0:
        raise RuntimeError(f"llama_tokenize: {n}")
    return list(out[:n])


def piece(model, token):
    out = ctypes.create_string_buffer(256)
    n = lib.llama_token_to_piece(lib.llama_model_get_vocab(model), token, out, len(out), 0, True)
    return out.raw[:max(0, n)].decode(errors="replace")
