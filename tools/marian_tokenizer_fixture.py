"""Writes the ids that transformers' MarianTokenizer gives for the texts of MarianTokenizerTest.

Usage: python marian_tokenizer_fixture.py MODEL_DIR HELD_OUT.json OUT.json
Needs: transformers, sentencepiece. MODEL_DIR is the demo model's folder. A language code is added to a copy of its vocabulary,
since the model has none; its id is the largest.
"""
import json, pathlib, shutil, sys, tempfile

import sentencepiece
import transformers
from transformers import MarianTokenizer

ODD = ["", " ", "\u3000\t\n", "hello", "Hello, WORLD!", "  two   hundred  ", "２０２６ ＡＢＣ ﬁve ㌔ ½ é e\u0301", "五十三", "one五two",
       "😀 𠀀 five", "a\u0000b", "\u00a0one\u00a0", "zero\u200bwidth", "\ufeffbom", "שלום مرحبا", "-" * 50, "two" * 40,
       "<s> <pad", "<0x41>", "▁two ▁", "ﷺ", "\ufffd", "line\nbreak", "\u0085"]
CODES = [">>fra<< two hundred", ">>fra<<two", " >>fra<< two", "two >>fra<<", ">>xyz<< two", ">> two << three", ">>fra<<",
         ">>fra", "<<fra>>", ">><<", ">>fra<<>>fra<< two"]


def main():
    model, held_out, out = map(pathlib.Path, sys.argv[1:])
    texts = [case["source"] for case in json.loads(held_out.read_text())["cases"]] + ODD + CODES
    with tempfile.TemporaryDirectory() as copy:
        shutil.copytree(model, copy, dirs_exist_ok=True)
        vocab_file = pathlib.Path(copy, "vocab.json")
        vocab = json.loads(vocab_file.read_text())
        vocab[">>fra<<"] = len(vocab)
        vocab_file.write_text(json.dumps(vocab, ensure_ascii=False))
        tokenizer = MarianTokenizer.from_pretrained(copy)
        encoded = [{"text": text, "ids": tokenizer(text, split_special_tokens=True)["input_ids"]} for text in texts]
        # Every piece of the vocabulary behind another, and each alone; special tokens are skipped as in generation.
        runs = [list(range(start, len(vocab), 7)) for start in range(7)] + [[i] for i in range(len(vocab))]
        runs += [[], [0], [248, 0, 0], [3, 3, 30, 3, 3], [248, 200, 0, 201, 1, 202]]
        decoded = [{"ids": run, "text": tokenizer.decode(run, skip_special_tokens=True)} for run in runs]
    out.write_text(json.dumps({
        "made_by": "tools/marian_tokenizer_fixture.py",
        "reference": f"transformers {transformers.__version__}, sentencepiece {sentencepiece.__version__}",
        "added_to_vocabulary": {">>fra<<": vocab[">>fra<<"]},
        "encoded": encoded,
        "decoded": decoded,
    }, ensure_ascii=False, indent=None, separators=(",", ":")).replace('},{', '},\n{') + "\n")


if __name__ == "__main__":
    main()
