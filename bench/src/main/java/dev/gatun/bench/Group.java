package dev.gatun.bench;

import java.util.Locale;

/** Operations that have a table, and a chart, together. */
enum Group {
    /** Products of activations and weights, 4 rows and more. */
    MATMUL("Matrix products, F32"),
    /** One row of activations with weights beyond the last-level cache, as when a decoder makes a token. */
    MATVEC("Matrix-vector products, weights from memory"),
    /** Attention up to 8192 positions, and one of 32,768. */
    ATTENTION("Attention"),
    /** All attention of 32,768 positions: minutes. */
    LONG("Attention, 32,768 positions"),
    /** Sentence embeddings of a whole model, beside ONNX Runtime's. */
    ENCODER("Sentence embeddings, MiniLM-L6-v2 F32"),
    /** Functions of rows, beyond the last-level cache. */
    ROWS("Rows, from memory to memory"),
    /** The way into native code. */
    CALLS("One call of native code"),
    /** Products of the weights of a model. */
    MODEL("Weights of the model"),
    /** Tokens through a decoder-only model. */
    DECODER("Decoder"),
    /** Sources to targets of an encoder-decoder. */
    SEQ2SEQ("Encoder-decoder"),
    /** Fresh processes until a decoder's first token. */
    FIRST_TOKEN("First token of a fresh process"),
    /** What a program has told the Flight Recorder. */
    RECORDED("Operators of the recording"),
    /** Fresh processes. */
    COLD("Cold start");

    private final String title;

    Group(String title) {
        this.title = title;
    }

    /** Above its table. */
    String title() {
        return title;
    }

    /** The name on the command line and in JSON. */
    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }
}
