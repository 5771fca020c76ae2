package dev.gatun.model.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.gatun.memory.DType;
import dev.gatun.memory.Shape;
import dev.gatun.memory.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class SafetensorsFileTest {
    static final Path GOLDEN = Path.of("../golden/models");

    private final Arena arena = Arena.ofConfined();

    @TempDir
    private Path folder;

    @AfterEach
    void close() {
        arena.close();
    }

    private SafetensorsFile open(String header, int dataBytes) throws IOException {
        return SafetensorsFile.open(RawSafetensors.write(folder.resolve("x.safetensors"), header, dataBytes), arena);
    }

    @Test
    void readsACheckpointWithoutCopyingIt() throws IOException {
        SafetensorsFile file = SafetensorsFile.open(GOLDEN.resolve("marian/model.safetensors"), arena);
        Tensor shared = file.tensors().get("model.shared.weight");
        assertThat(shared).hasToString("F32[120,32]");
        assertThat(shared.segment().isMapped()).isTrue();
        assertThat(shared.segment().isReadOnly()).isTrue();
        long bytes =
                file.tensors().values().stream().mapToLong(Tensor::byteSize).sum();
        assertThat(file.byteSize())
                .isGreaterThan(bytes)
                .isEqualTo(Files.size(GOLDEN.resolve("marian/model.safetensors")));
    }

    @Test
    void readsEveryTypeAndAScalarAndAnEmptyTensor() throws IOException {
        SafetensorsFile file = open("""
            {"__metadata__":{"format":"pt"},
             "f64":{"dtype":"F64","shape":[1],"data_offsets":[0,8]},
             "i64":{"dtype":"I64","shape":[],"data_offsets":[8,16]},
             "f32":{"data_offsets":[16,20],"shape":[1],"dtype":"F32"},
             "i32":{"dtype":"I32","shape":[1,1],"data_offsets":[20,24]},
             "none":{"dtype":"F32","shape":[7,0],"data_offsets":[24,24]},
             "f16":{"dtype":"F16","shape":[1],"data_offsets":[24,26]},
             "bf16":{"dtype":"BF16","shape":[1],"data_offsets":[26,28]},
             "i16":{"dtype":"I16","shape":[1],"data_offsets":[28,30]},
             "i8":{"dtype":"I8","shape":[1],"data_offsets":[30,31]},
             "u8":{"dtype":"U8","shape":[1],"data_offsets":[31,32]},
             "bool":{"dtype":"BOOL","shape":[1],"data_offsets":[32,33]}}  \s
            """, 33);
        assertThat(file.tensors().keySet())
                .containsExactly("f64", "i64", "f32", "i32", "none", "f16", "bf16", "i16", "i8", "u8", "bool");
        assertThat(file.tensors().get("i64").getLong()).isEqualTo(0x0F0E0D0C0B0A0908L);
        assertThat(file.tensors().get("u8").getLong(0)).isEqualTo(31);
        assertThat(file.tensors().get("none").shape()).isEqualTo(Shape.of(7, 0));
        assertThat(file.tensors().get("bf16").dtype()).isEqualTo(DType.BF16);
    }

    @Test
    void aFileWithoutTensorsIsEmpty() throws IOException {
        assertThat(open("{}", 0).tensors()).isEmpty();
    }

    /** GPT-2 as published has a header of 14,283 bytes: its floats start at an odd address. */
    @Test
    void readsDataThatStartsAtAnyByte() throws IOException {
        String header = "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}} ";
        for (int padding = 0; padding < 4; padding++) {
            Tensor a = open(header + " ".repeat(padding), 4).tensors().get("a");
            assertThat(Float.floatToIntBits(a.getFloat(0))).isEqualTo(0x03020100);
        }
    }

    @Test
    void aMissingFileIsAnIoErrorThatNamesIt() {
        assertThatThrownBy(() -> SafetensorsFile.open(folder.resolve("none.safetensors"), arena))
                .isInstanceOf(NoSuchFileException.class)
                .hasMessageContaining("none.safetensors");
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 7})
    void aFileTooShortForTheHeadersLengthIsRefused(int bytes) throws IOException {
        Path file = Files.write(folder.resolve("x.safetensors"), new byte[bytes]);
        refused(file, bytes + " bytes", "8 bytes");
    }

    @Test
    void aHeaderLengthBeyondTheFileIsRefusedWithBothNumbers() throws IOException {
        Path file = RawSafetensors.write(folder.resolve("x.safetensors"), 3, "{}".getBytes(StandardCharsets.UTF_8), 0);
        refused(file, "length is 3", "only 2 bytes follow");
    }

    @ParameterizedTest
    @ValueSource(longs = {100_000_001, Long.MAX_VALUE, -1, Long.MIN_VALUE})
    void aHeaderLengthBeyondTheFormatsLimitIsRefused(long length) throws IOException {
        Path file = RawSafetensors.write(folder.resolve("x.safetensors"), length, new byte[4], 0);
        refused(file, Long.toUnsignedString(length), "100000000");
    }

    @Test
    void aFileTruncatedAnywhereIsRefused() throws IOException {
        byte[] whole = Files.readAllBytes(GOLDEN.resolve("marian/model.safetensors"));
        for (int length = 0; length < whole.length; length += 1 + length / 7) {
            Path file = Files.write(folder.resolve("t.safetensors"), Arrays.copyOf(whole, length));
            refused(file);
        }
        refused(Files.write(folder.resolve("t.safetensors"), Arrays.copyOf(whole, whole.length - 1)), "truncated?");
    }

    static Stream<Arguments> brokenHeaders() {
        String a = "{'dtype':'F32','shape':[2],'data_offsets':[0,8]}";
        return Stream.of(
                row("an empty header", "", 0, "0 bytes", "'{'"),
                row("not JSON", "{'a':nonsense}", 0, "not the JSON it should be", "line 1", "nonsense"),
                row("not starting with a brace", " {}", 0, "does not start with '{'"),
                row("a list", "[]", 0, "does not start with '{'"),
                row("an unfinished object", "{'a':" + a, 8, "not the JSON it should be", "line 1"),
                row("bytes after the object", "{'a':" + a + "}x", 8, "not the JSON"),
                row("a second object", "{'a':" + a + "}{}", 8, "more JSON after its end"),
                row("NUL padding", "{'a':" + a + "}\0\0", 8, "not the JSON"),
                row("nesting", "{'a':" + "[".repeat(100_000), 0, "tensor a", "not described by an object"),
                row("nesting in a shape", "{'a':{'shape':[" + "[".repeat(5000), 0, "tensor a", "nesting depth"),
                row("nesting in metadata", "{'__metadata__':{'a':" + "[".repeat(5000), 0, "__metadata__"),
                row("nested objects in a tensor", "{'a':{'dtype':{'b':{'c':{}}}}}", 0, "tensor a", "dtype"),
                row("metadata that is no map", "{'__metadata__':[]}", 0, "__metadata__ is not a map of strings"),
                row("metadata with a number", "{'__metadata__':{'a':1}}", 0, "__metadata__ is not a map of strings"),
                row("metadata twice", "{'__metadata__':{},'__metadata__':{}}", 0, "__metadata__ stands there twice"),
                row("a tensor twice", "{'a':" + a + ",'a':" + a + "}", 8, "tensor a stands there twice"),
                row("a tensor without a name", "{'':" + a + "}", 8, "without a name"),
                row("a huge name", "{'" + "n".repeat(2000) + "':" + a + "}", 8, "Name length", "1024"),
                row("a tensor that is a number", "{'a':1}", 0, "tensor a", "not described by an object"),
                row(
                        "an unknown key",
                        tensor("'dtype':'F32','shape':[2],'data_offsets':[0,8],'x':1"),
                        8,
                        "tensor a",
                        "\"x\""),
                row("dtype twice", tensor("'dtype':'F32','dtype':'F32'"), 8, "tensor a has dtype twice"),
                row("shape twice", tensor("'shape':[],'shape':[]"), 8, "tensor a has shape twice"),
                row("no dtype", tensor("'shape':[2],'data_offsets':[0,8]"), 8, "tensor a has no dtype"),
                row("no shape", tensor("'dtype':'F32','data_offsets':[0,8]"), 8, "tensor a has no shape"),
                row("no offsets", tensor("'dtype':'F32','shape':[2]"), 8, "tensor a has no data_offsets"),
                row("an unknown dtype", tensor("F99", "[2]", "[0,8]"), 8, "tensor a", "F99", "BF16 BOOL F16"),
                row("an unsupported dtype", tensor("F8_E4M3", "[8]", "[0,8]"), 8, "tensor a", "F8_E4M3"),
                row("a dtype that is a number", tensor("'dtype':32"), 8, "tensor a", "dtype 32"),
                row(
                        "a huge dtype",
                        tensor("F".repeat(100_000), "[8]", "[0,8]"),
                        8,
                        "tensor a",
                        "not described in JSON"),
                row("a shape that is a number", tensor("F32", "2", "[0,8]"), 8, "tensor a", "not a list"),
                row("a negative dimension", tensor("F32", "[-2]", "[0,8]"), 8, "tensor a", "-2", "0 to 2147483647"),
                row("two negative dimensions", tensor("F32", "[-1,-2]", "[0,8]"), 8, "tensor a", "dimension 0 of -1"),
                row("a dimension of 2^31", tensor("F32", "[2147483648]", "[0,8]"), 8, "tensor a", "2147483648"),
                row(
                        "a dimension of 2^64",
                        tensor("F32", "[18446744073709551616]", "[0,8]"),
                        8,
                        "tensor a",
                        "beyond 64 bits"),
                row(
                        "a dimension of many digits",
                        tensor("F32", "[" + "9".repeat(9999) + "]", "[0,8]"),
                        8,
                        "tensor a",
                        "not described in JSON"),
                row("a fraction", tensor("F32", "[2.0]", "[0,8]"), 8, "tensor a", "2.0", "not an integer"),
                row("a dimension that is a string", tensor("F32", "['2']", "[0,8]"), 8, "tensor a", "not an integer"),
                row("null in a shape", tensor("F32", "[null]", "[0,8]"), 8, "tensor a", "null", "not an integer"),
                row("NaN in a shape", tensor("F32", "[NaN]", "[0,8]"), 8, "tensor a", "NaN", "not an integer"),
                row(
                        "a product that wraps around to 0",
                        tensor("F32", "[65536,65536,65536,65536]", "[0,0]"),
                        0,
                        "tensor a",
                        "more than 2^59 elements"),
                row(
                        "too many dimensions",
                        tensor("F32", "[1" + ",1".repeat(16) + "]", "[0,4]"),
                        4,
                        "more than 16 dimensions"),
                row("offsets that are no list", tensor("F32", "[2]", "8"), 8, "list of two integers"),
                row("one offset", tensor("F32", "[2]", "[8]"), 8, "list of two integers"),
                row("three offsets", tensor("F32", "[2]", "[0,8,8]"), 8, "list of two integers"),
                row("a negative offset", tensor("F32", "[2]", "[-8,0]"), 8, "tensor a", "[-8,0]", "0 <= begin <= end"),
                row("reversed offsets", tensor("F32", "[2]", "[8,0]"), 8, "tensor a", "[8,0]", "0 <= begin <= end"),
                row(
                        "offsets beyond the data",
                        tensor("F32", "[4]", "[0,16]"),
                        8,
                        "tensor a",
                        "[0,16]",
                        "8 bytes of data"),
                row(
                        "offsets near the end of a long",
                        tensor("F32", "[2]", "[9223372036854775800,9223372036854775807]"),
                        8,
                        "tensor a",
                        "beyond the 8 bytes"),
                row(
                        "fewer bytes than the shape",
                        tensor("F32", "[3]", "[0,8]"),
                        8,
                        "tensor a",
                        "8 bytes",
                        "F32[3] takes 12"),
                row("more bytes than the shape", tensor("F16", "[3]", "[0,8]"), 8, "tensor a", "F16[3] takes 6"),
                row(
                        "misaligned offsets",
                        "{'u':{'dtype':'U8','shape':[2],'data_offsets':[0,2]},"
                                + "'a':{'dtype':'F32','shape':[1],'data_offsets':[2,6]}}",
                        6,
                        "tensor a",
                        "[2,6]",
                        "not a multiple of the 4 bytes of F32"),
                row(
                        "overlapping tensors",
                        "{'a':" + a + ",'b':{'dtype':'F32','shape':[2],'data_offsets':[4,12]}}",
                        12,
                        "tensor b",
                        "byte 4",
                        "inside tensor a, which ends at 8"),
                row("the same bytes twice", "{'a':" + a + ",'b':" + a + "}", 8, "tensor b", "inside tensor a"),
                row(
                        "a hole between tensors",
                        "{'a':" + a + ",'b':{'dtype':'F32','shape':[1],'data_offsets':[12,16]}}",
                        16,
                        "tensor b",
                        "byte 12",
                        "bytes 8 to there"),
                row("a hole before the first", tensor("F32", "[1]", "[4,8]"), 8, "tensor a", "bytes 0 to there"),
                row("bytes after the last", "{'a':" + a + "}", 9, "end at byte 8", "which has 9"),
                row("data without tensors", "{}", 1, "end at byte 0", "which has 1"),
                row("control characters in a name", "{'a\\u001b[2J':1}", 0, "tensor a\\u001b[2J"));
    }

    private static Arguments row(String what, String header, int dataBytes, String... message) {
        return Arguments.of(what, header.replace('\'', '"'), dataBytes, message);
    }

    private static String tensor(String dtype, String shape, String offsets) {
        return tensor("'dtype':'" + dtype + "','shape':" + shape + ",'data_offsets':" + offsets);
    }

    private static String tensor(String fields) {
        return "{'a':{" + fields + "}}";
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("brokenHeaders")
    void aBrokenHeaderIsOneErrorWithFileTensorAndNumbers(String what, String header, int dataBytes, String[] message)
            throws IOException {
        refused(RawSafetensors.write(folder.resolve("x.safetensors"), header, dataBytes), message);
    }

    @Test
    void aHeaderThatIsNotUtf8IsRefused() throws IOException {
        byte[] json = "{\"a?\":1}".getBytes(StandardCharsets.UTF_8);
        json[3] = (byte) 0xFF;
        refused(RawSafetensors.write(folder.resolve("x.safetensors"), json.length, json, 0), "not UTF-8");
        byte[] wide = "{}".getBytes(StandardCharsets.UTF_16LE);
        refused(RawSafetensors.write(folder.resolve("x.safetensors"), wide.length, wide, 0), "not the JSON");
    }

    private void refused(Path file, String... message) {
        assertThatThrownBy(() -> SafetensorsFile.open(file, arena))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageStartingWith(file + ": ")
                .satisfies(e -> assertThat(e.getMessage())
                        .satisfies(text -> assertThat(message)
                                .allSatisfy(part -> assertThat(text).contains(part)))
                        .hasSizeLessThan(1000)
                        .doesNotContain("\n"));
    }
}
