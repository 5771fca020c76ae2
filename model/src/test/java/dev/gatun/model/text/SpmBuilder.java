package dev.gatun.model.text;

import com.google.protobuf.ByteString;
import com.google.protobuf.CodedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;

/** Writes SentencePiece models field by field, right or wrong. */
final class SpmBuilder {
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private final CodedOutputStream out = CodedOutputStream.newInstance(bytes);

    private interface Fields {
        void write(CodedOutputStream out) throws IOException;
    }

    private SpmBuilder message(int field, Fields fields) throws IOException {
        var inner = new ByteArrayOutputStream();
        CodedOutputStream stream = CodedOutputStream.newInstance(inner);
        fields.write(stream);
        stream.flush();
        out.writeByteArray(field, inner.toByteArray());
        return this;
    }

    /** A piece; type by its number in the file. */
    SpmBuilder piece(String text, float score, int type) throws IOException {
        return piece(text.getBytes(StandardCharsets.UTF_8), score, type);
    }

    SpmBuilder piece(byte[] text, float score, int type) throws IOException {
        return message(1, piece -> {
            piece.writeBytes(1, ByteString.copyFrom(text));
            piece.writeFloat(2, score);
            piece.writeEnum(3, type);
        });
    }

    SpmBuilder unknown() throws IOException {
        return piece("<unk>", 0, 2);
    }

    SpmBuilder unkSurface(String text) throws IOException {
        return message(2, trainer -> trainer.writeString(44, text));
    }

    SpmBuilder charsMap(byte[] map) throws IOException {
        return message(3, normalizer -> normalizer.writeByteArray(2, map));
    }

    SpmBuilder denormalizerCharsMap(byte[] map) throws IOException {
        return message(5, normalizer -> normalizer.writeByteArray(2, map));
    }

    byte[] build() throws IOException {
        out.flush();
        return bytes.toByteArray();
    }
}
