package dev.gatun.model.text;

import com.google.protobuf.CodedInputStream;
import com.google.protobuf.WireFormat;
import dev.gatun.memory.MappedFile;
import dev.gatun.model.weights.ModelFormatException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * What a {@code .spm} file says, a ModelProto of sentencepiece_model.proto, as far as we need it ourselves or the native library
 * would break on it.
 *
 * @param pieces in the order of their ids
 * @param unkId the id of the one piece of type UNKNOWN
 * @param unkSurface what that piece is decoded to
 * @param charsMap the rules by which text is normalized, see {@link CharsMap}; empty if there are none
 * @param denormalizes whether decoded text would go through rules of its own
 */
record SentencePieceModel(List<Piece> pieces, int unkId, String unkSurface, byte[] charsMap, boolean denormalizes) {
    /** Type of a piece, in the order of its number in the file, from 1. */
    enum Type {
        NORMAL,
        UNKNOWN,
        CONTROL,
        USER_DEFINED,
        UNUSED,
        BYTE
    }

    /** One piece. */
    record Piece(String text, Type type) {}

    private static final long MAX_BYTES = 64 << 20;

    /** The library builds its tries recursively, a level a byte, and later releases refuse pieces of 8,000 bytes. */
    private static final int MAX_PIECE_BYTES = 1000;

    /** The library takes at most 64 matches at a place into an array on the stack, and does not stop there. */
    private static final int MAX_USER_DEFINED_BYTES = 64;

    private static final int PIECES = lengthDelimited(1);
    private static final int TRAINER_SPEC = lengthDelimited(2);
    private static final int NORMALIZER_SPEC = lengthDelimited(3);
    private static final int DENORMALIZER_SPEC = lengthDelimited(5);
    private static final int PIECE_TEXT = lengthDelimited(1);
    private static final int PIECE_SCORE = tag(2, WireFormat.WIRETYPE_FIXED32);
    private static final int PIECE_TYPE = tag(3, WireFormat.WIRETYPE_VARINT);
    private static final int TRAINER_UNK_SURFACE = lengthDelimited(44);
    private static final int NORMALIZER_CHARSMAP = lengthDelimited(2);

    private static int tag(int field, int wireType) {
        return field << 3 | wireType;
    }

    private static int lengthDelimited(int field) {
        return tag(field, WireFormat.WIRETYPE_LENGTH_DELIMITED);
    }

    /**
     * Reads and checks a file.
     *
     * @param bytes the whole file
     * @throws ModelFormatException if it is not such a file, or has pieces the library would break on
     */
    static SentencePieceModel parse(String file, byte[] bytes) {
        return new Parser(file, CodedInputStream.newInstance(bytes)).parse();
    }

    /** All bytes of a file that is not too long. */
    static byte[] bytes(MappedFile file) {
        if (file.byteSize() > MAX_BYTES) {
            throw new ModelFormatException(
                    file.name() + ": " + file.byteSize() + " bytes, at most " + MAX_BYTES + " are allowed");
        }
        return file.bytes(0, (int) file.byteSize());
    }

    private interface Field {
        /** Reads the value of a field, or says that it is none of interest. */
        boolean read(int tag) throws IOException;
    }

    private static final class Parser {
        private final String file;
        private final CodedInputStream in;
        private final List<Piece> pieces = new ArrayList<>();
        private int unkId = -1;
        private String unkSurface = " \u2047 ";
        private byte[] charsMap = {};
        private boolean denormalizes;

        Parser(String file, CodedInputStream in) {
            this.file = file;
            this.in = in;
        }

        SentencePieceModel parse() {
            try {
                fields(this::model);
            } catch (IOException e) { // only ever protobuf's own: the bytes are in memory
                throw new ModelFormatException(
                        file + ": not a SentencePiece model, at byte " + in.getTotalBytesRead() + ": " + e.getMessage(),
                        e);
            }
            if (unkId < 0) {
                throw bad("none of its " + pieces.size() + " pieces is of type UNKNOWN");
            }
            return new SentencePieceModel(List.copyOf(pieces), unkId, unkSurface, charsMap, denormalizes);
        }

        private boolean model(int tag) throws IOException {
            if (tag == PIECES) {
                piece();
            } else if (tag == TRAINER_SPEC) {
                message(this::trainerSpec);
            } else if (tag == NORMALIZER_SPEC) {
                message(this::normalizerSpec);
            } else if (tag == DENORMALIZER_SPEC) {
                message(field -> {
                    denormalizes |= field == NORMALIZER_CHARSMAP;
                    return false;
                });
            } else {
                return false;
            }
            return true;
        }

        private boolean trainerSpec(int tag) throws IOException {
            if (tag == TRAINER_UNK_SURFACE) {
                unkSurface = utf8("unk_surface", in.readByteArray());
                return true;
            }
            return false;
        }

        private boolean normalizerSpec(int tag) throws IOException {
            if (tag == NORMALIZER_CHARSMAP) {
                charsMap = in.readByteArray();
                return true;
            }
            return false;
        }

        private void piece() throws IOException {
            int id = pieces.size();
            var piece = new Object() {
                byte[] text = {};
                float score;
                Type type = Type.NORMAL;
            };
            message(tag -> {
                if (tag == PIECE_TEXT) {
                    piece.text = in.readByteArray();
                } else if (tag == PIECE_SCORE) {
                    piece.score = in.readFloat();
                } else if (tag == PIECE_TYPE) {
                    int type = in.readEnum();
                    if (type >= 1
                            && type <= Type.values().length) { // proto2: any other number is as if it was not there
                        piece.type = Type.values()[type - 1];
                    }
                } else {
                    return false;
                }
                return true;
            });
            int bytes = piece.text.length;
            if (bytes == 0 || bytes > MAX_PIECE_BYTES) {
                throw bad("piece " + id + " has " + bytes + " bytes, allowed is 1 to " + MAX_PIECE_BYTES);
            }
            if (piece.type == Type.USER_DEFINED && bytes > MAX_USER_DEFINED_BYTES) {
                throw bad("piece " + id + ", user-defined, has " + bytes + " bytes, allowed is 1 to "
                        + MAX_USER_DEFINED_BYTES);
            }
            if (!Float.isFinite(piece.score)) {
                throw bad("piece " + id + " has a score of " + piece.score);
            }
            String text = utf8("piece " + id, piece.text);
            if (text.indexOf('\0') >= 0) {
                throw bad("piece " + id + " contains a NUL");
            }
            if (piece.type == Type.BYTE && !text.matches("<0x[0-9A-F]{2}>")) {
                throw bad("piece " + id + ", \"" + text + "\", is of type BYTE but not <0x00> to <0xFF>");
            }
            if (piece.type == Type.UNKNOWN) {
                if (unkId >= 0) {
                    throw bad("pieces " + unkId + " and " + id + " are both of type UNKNOWN");
                }
                unkId = id;
            }
            pieces.add(new Piece(text, piece.type));
        }

        private void message(Field field) throws IOException {
            int outer = in.pushLimit(in.readRawVarint32());
            fields(field);
            in.popLimit(outer);
        }

        private void fields(Field field) throws IOException {
            for (int tag; (tag = in.readTag()) != 0; ) {
                if (!field.read(tag)) {
                    in.skipField(tag);
                }
            }
        }

        private String utf8(String what, byte[] bytes) {
            try {
                return StandardCharsets.UTF_8
                        .newDecoder()
                        .decode(ByteBuffer.wrap(bytes))
                        .toString();
            } catch (CharacterCodingException e) {
                throw new ModelFormatException(file + ": " + what + " is not UTF-8", e);
            }
        }

        private ModelFormatException bad(String what) {
            return new ModelFormatException(file + ": " + what);
        }
    }
}
