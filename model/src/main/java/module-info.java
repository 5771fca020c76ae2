/** Transformer models: their weights, text and generation. */
module dev.gatun.model {
    requires static transitive org.jspecify;
    requires transitive dev.gatun.ops;
    requires ai.djl.sentencepiece;
    requires ai.djl.tokenizers;
    requires com.fasterxml.jackson.core;
    requires com.google.protobuf;
    requires org.apache.lucene.core;
    // For ai.djl.api, which logs through it: an automatic module cannot say so, and nothing else would resolve it.
    requires org.slf4j;
    requires transitive java.desktop; // images

    exports dev.gatun.model;
    exports dev.gatun.model.constrain;
    exports dev.gatun.model.decoder;
    exports dev.gatun.model.encoder;
    exports dev.gatun.model.generate;
    exports dev.gatun.model.nn;
    exports dev.gatun.model.seq2seq;
    exports dev.gatun.model.template;
    exports dev.gatun.model.text;
    exports dev.gatun.model.transformer;
    exports dev.gatun.model.verify;
    exports dev.gatun.model.weights;
}
