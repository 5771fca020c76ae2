"""Makes a tiny tokenizer, an image, and what transformers computes with them and the encoders of golden/models: labels, names in
texts, gaps, answers, and pixels. Run in a venv with torch, torchvision, transformers, tokenizers and pillow:

    python tools/golden/encoder_tasks.py golden/models model/src/test/resources/dev/gatun/model/tasks
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
import transformers as tf
from PIL import Image
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = ["the", "lake", "lock", "ship", "water", "of", "in", "and", "lifts", "is"]
TEXTS = ["the ship is in the lock", "Gatún lifts the 😀 ship", "water", "the lake of the lock and the ship of the lake is water"]


def tokenizer():
    letters = list("abcdefghijklmnopqrstuvwxyz0123456789.,?!")
    vocab = SPECIAL + WORDS + letters + ["##" + letter for letter in letters]
    made = Tokenizer(models.WordPiece({word: i for i, word in enumerate(vocab)}, unk_token="[UNK]"))
    made.add_special_tokens(SPECIAL)
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    made.decoder = decoders.WordPiece()
    return made


def main():
    goldens, target = Path(sys.argv[1]), Path(sys.argv[2])
    target.mkdir(parents=True, exist_ok=True)
    made = tokenizer()
    made.save(str(target / "tokenizer.json"))
    fast = tf.PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
        mask_token="[MASK]", model_max_length=64,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"])
    result = {"texts": TEXTS}

    def model(kind, name):
        return kind.from_pretrained(goldens / name, attn_implementation="eager").eval()

    with torch.no_grad():
        classifier = model(tf.AutoModelForSequenceClassification, "xlm-roberta")
        result["classify"] = [
            classifier(**fast(text, return_tensors="pt", return_token_type_ids=False)).logits.softmax(-1)[0].tolist()
            for text in TEXTS]
        cross = model(tf.AutoModelForSequenceClassification, "bert-classify")
        result["rerank"] = [cross(**fast("the lake", text, return_tensors="pt")).logits.sigmoid()[0, 0].item() for text in TEXTS]
        tokens = tf.pipeline("token-classification", model=model(tf.AutoModelForTokenClassification, "electra"),
                             tokenizer=fast, aggregation_strategy="simple")
        result["entities"] = [
            [[e["entity_group"], float(e["score"]), e["start"], e["end"]] for e in tokens(text)] for text in TEXTS]
        masked = model(tf.AutoModelForMaskedLM, "bert-mlm")
        ids = fast("the [MASK] is in the [MASK]", return_tensors="pt")
        scores = masked(**ids).logits[0].softmax(-1)[ids.input_ids[0] == fast.mask_token_id]
        result["gaps"] = [[[int(i), float(s)] for s, i in zip(*row.topk(3))] for row in scores]
        answerer = model(tf.AutoModelForQuestionAnswering, "bert-qa")
        pair = fast("what lifts the ship?", TEXTS[3], return_tensors="pt", return_offsets_mapping=True)
        offsets = pair.pop("offset_mapping")[0]
        sequences = pair.sequence_ids(0)
        output = answerer(**pair)
        keep = torch.tensor([i == 0 or s == 1 for i, s in enumerate(sequences)])
        start = output.start_logits[0].masked_fill(~keep, -10000).softmax(-1)
        end = output.end_logits[0].masked_fill(~keep, -10000).softmax(-1)
        both = torch.triu(torch.outer(start, end)).tril(14)
        both[0] = 0
        i, j = divmod(int(both.argmax()), both.shape[1])
        result["answer"] = [float(both[i, j]), int(offsets[i, 0]), int(offsets[j, 1])]
    pixels = (np.random.default_rng(7).random((23, 41, 3)) * 255).astype(np.uint8)
    Image.fromarray(pixels).save(target / "noise.png")
    for resample in (2, 3):
        settings = dict(size={"height": 32, "width": 32}, resample=resample, image_mean=[0.5, 0.4, 0.3], image_std=[0.5, 0.6, 0.7])
        small = Image.fromarray(pixels).resize((32, 32), resample=resample)
        scaled = np.asarray(small, dtype=np.float32) * np.float32(1 / 255)
        normal = (scaled - np.float32(settings["image_mean"])) / np.float32(settings["image_std"])
        result[f"pixels{resample}"] = [float(x) for x in normal.transpose(2, 0, 1)[:, ::7, ::5].ravel()]
    (target / "expected.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
