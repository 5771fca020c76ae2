package dev.gatun.model.text;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.io.JsonStringEncoder;
import dev.gatun.model.weights.GgufFile;
import dev.gatun.model.weights.ModelFormatException;
import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Turns the vocabulary of a GGUF file into a tokenizer.json: {@code tokenizer.ggml.model} "gpt2" is byte-level BPE with merges,
 * "llama" is SentencePiece's BPE, whose merges follow from the scores of its pieces.
 */
public final class GgufTokenizer {
    private static final int CONTROL = 3;
    private static final int USER_DEFINED = 4;

    private static final String GPT2_SPLIT = "";
    private static final String LLAMA3_SPLIT = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r"
            + "\\n"
            + "\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r"
            + "\\n"
            + "]*|\\s*[\\r"
            + "\\n"
            + "]+|\\s+(?!\\S)|\\s+";
    private static final String QWEN2_SPLIT = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r"
            + "\\n"
            + "\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r"
            + "\\n"
            + "]*|\\s*[\\r"
            + "\\n"
            + "]+|\\s+(?!\\S)|\\s+";
    private static final String TEKKEN_SPLIT = "[^\\r"
            + "\\n"
            + "\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+|[^\\r"
            + "\\n"
            + "\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*|\\p{N}|"
            + " ?[^\\s\\p{L}\\p{N}]+[\\r"
            + "\\n"
            + "/]*|\\s*[\\r"
            + "\\n"
            + "]+|\\s+(?!\\S)|\\s+";
    private static final String GPT4O_SPLIT = "[^\\r"
        + "\\n"
        + "\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\\r"
        + "\\n"
        + "\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}|"
        + " ?[^\\s\\p{L}\\p{N}]+[\\r"
        + "\\n"
        + "/]*|\\s*[\\r"
        + "\\n"
        + "]+|\\s+(?!\\S)|\\s+";

    /**
     * How texts are cut before merging.
     *
     * @param split a regular expression; empty for GPT-2's own
     * @param digits whether each digit stands alone
     * @param whole whether a piece that is in the vocabulary is taken without merging
     * @param nfc whether texts are normalised
     * @param bos whether texts start with the begin token unless the file says otherwise
     */
    private record Cut(String split, boolean digits, boolean whole, boolean nfc, boolean bos) {}

    /** By {@code tokenizer.ggml.pre}, as llama.cpp names them. */
    private static final Map<String, Cut> CUTS = Map.ofEntries(
            Map.entry("default", new Cut(GPT2_SPLIT, false, false, false, false)),
            Map.entry("gpt-2", new Cut(GPT2_SPLIT, false, false, false, false)),
            Map.entry("phi-2", new Cut(GPT2_SPLIT, false, false, false, false)),
            Map.entry("olmo", new Cut(GPT2_SPLIT, false, false, false, false)),
            Map.entry("smollm", new Cut(GPT2_SPLIT, true, false, false, false)),
            Map.entry("starcoder", new Cut(GPT2_SPLIT, true, false, false, false)),
            Map.entry("refact", new Cut(GPT2_SPLIT, true, false, false, false)),
            Map.entry("llama-bpe", new Cut(LLAMA3_SPLIT, false, true, false, true)),
            Map.entry("llama3", new Cut(LLAMA3_SPLIT, false, true, false, true)),
            Map.entry("smaug-bpe", new Cut(LLAMA3_SPLIT, false, true, false, false)),
            Map.entry("dbrx", new Cut(LLAMA3_SPLIT, false, false, false, false)),
            Map.entry("qwen2", new Cut(QWEN2_SPLIT, false, false, true, false)),
            Map.entry("deepseek-r1-qwen", new Cut(QWEN2_SPLIT, false, false, true, false)),
            Map.entry("stablelm2", new Cut(QWEN2_SPLIT, false, false, true, false)),
            Map.entry("tekken", new Cut(TEKKEN_SPLIT, false, true, false, true)),
            Map.entry("gpt-4o", new Cut(GPT4O_SPLIT, false, false, false, false)));

    private final GgufFile file;
    private final List<String> tokens;
    private final double[] types;
    private final Map<String, Integer> ids = new HashMap<>();

    private GgufTokenizer(GgufFile file) {
        this.file = file;
        this.tokens = file.requireStrings("tokenizer.ggml.tokens");
        this.types = file.has("tokenizer.ggml.token_type")
                ? file.requireNumbers("tokenizer.ggml.token_type")
                : new double[tokens.size()];
        if (types.length != tokens.size()) {
            throw bad("tokenizer.ggml.token_type has " + types.length + " entries for " + tokens.size() + " tokens");
        }
        for (int id = 0; id < tokens.size(); id++) {
            if (ids.put(tokens.get(id), id) != null) {
                throw bad("tokenizer.ggml.tokens[" + id + "] \"" + tokens.get(id) + "\" stands there twice");
            }
        }
    }

    /**
     * Opens the tokenizer of a GGUF file, which is not needed afterwards.
     *
     * @param maxTokens of a text, at least 16
     * @throws ModelFormatException if it has no vocabulary, a broken one, or one of a kind that we do not know
     * @throws TokenizerUnavailableException if the native library cannot be loaded
     */
    public static HuggingFaceTokenizer open(GgufFile file, int maxTokens) {
        return HuggingFaceTokenizer.of(file.name(), json(file), () -> jsonOf(file.name()), () -> maxTokens);
    }

    private static String jsonOf(String path) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            return json(GgufFile.open(Path.of(path), arena));
        }
    }

    /** The tokenizer.json. */
    public static String json(GgufFile file) {
        String model = file.requireString("tokenizer.ggml.model");
        var tokenizer = new GgufTokenizer(file);
        var text = new StringWriter();
        try (JsonGenerator out = new JsonFactory().createGenerator(text)) {
            out.writeStartObject();
            out.writeStringField("version", "1.0");
            tokenizer.added(out);
            switch (model) {
                case "gpt2" -> tokenizer.byteLevel(out);
                case "llama" -> tokenizer.sentencePiece(out);
                default -> throw tokenizer.bad("tokenizer.ggml.model is \"" + model + "\", known are gpt2 and llama");
            }
            out.writeEndObject();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return text.toString();
    }

    private ModelFormatException bad(String what) {
        return new ModelFormatException(file.name() + ": " + what);
    }

    private void added(JsonGenerator out) throws IOException {
        out.writeArrayFieldStart("added_tokens");
        for (int id = 0; id < types.length; id++) {
            if (types[id] == CONTROL || types[id] == USER_DEFINED) {
                out.writeStartObject();
                out.writeNumberField("id", id);
                out.writeStringField("content", tokens.get(id));
                out.writeBooleanField("single_word", false);
                out.writeBooleanField("lstrip", false);
                out.writeBooleanField("rstrip", false);
                out.writeBooleanField("normalized", false);
                out.writeBooleanField("special", types[id] == CONTROL);
                out.writeEndObject();
            }
        }
        out.writeEndArray();
    }

    private void vocabulary(JsonGenerator out) throws IOException {
        out.writeFieldName("vocab");
        var text = new StringBuilder(32 * tokens.size() + 2);
        text.append('{');
        for (int id = 0; id < tokens.size(); id++) {
            text.append(id == 0 ? "" : ",");
            quote(tokens.get(id), text);
            text.append(':').append(id);
        }
        out.writeRawValue(text.append('}').toString());
    }

    private void bos(JsonGenerator out, boolean byDefault) throws IOException {
        long id = file.optionalInt("tokenizer.ggml.bos_token_id", -1);
        if (!file.optionalBoolean("tokenizer.ggml.add_bos_token", byDefault) || id == -1) {
            return;
        }
        if (id < 0 || id >= tokens.size()) {
            throw bad("tokenizer.ggml.bos_token_id is " + id + ", there are " + tokens.size() + " tokens");
        }
        String token = tokens.get((int) id);
        out.writeObjectFieldStart("post_processor");
        out.writeStringField("type", "TemplateProcessing");
        for (String key : List.of("single", "pair")) {
            out.writeArrayFieldStart(key);
            item(out, "SpecialToken", token, 0);
            item(out, "Sequence", "A", 0);
            if (key.equals("pair")) {
                item(out, "Sequence", "B", 0);
            }
            out.writeEndArray();
        }
        out.writeObjectFieldStart("special_tokens");
        out.writeObjectFieldStart(token);
        out.writeStringField("id", token);
        out.writeArrayFieldStart("ids");
        out.writeNumber(id);
        out.writeEndArray();
        out.writeArrayFieldStart("tokens");
        out.writeString(token);
        out.writeEndArray();
        out.writeEndObject();
        out.writeEndObject();
        out.writeEndObject();
    }

    private static void item(JsonGenerator out, String kind, String id, int type) throws IOException {
        out.writeStartObject();
        out.writeObjectFieldStart(kind);
        out.writeStringField("id", id);
        out.writeNumberField("type_id", type);
        out.writeEndObject();
        out.writeEndObject();
    }

    private void byteLevel(JsonGenerator out) throws IOException {
        String pre = file.optionalString("tokenizer.ggml.pre", "default");
        Cut cut = CUTS.get(pre);
        if (cut == null) {
            throw bad("tokenizer.ggml.pre is \"" + pre + "\", known are " + new java.util.TreeSet<>(CUTS.keySet()));
        }
        if (cut.nfc) {
            out.writeObjectFieldStart("normalizer");
            out.writeStringField("type", "NFC");
            out.writeEndObject();
        }
        out.writeObjectFieldStart("pre_tokenizer");
        out.writeStringField("type", "Sequence");
        out.writeArrayFieldStart("pretokenizers");
        if (cut.digits) {
            out.writeStartObject();
            out.writeStringField("type", "Digits");
            out.writeBooleanField("individual_digits", true);
            out.writeEndObject();
        }
        if (!cut.split.isEmpty()) {
            out.writeStartObject();
            out.writeStringField("type", "Split");
            out.writeObjectFieldStart("pattern");
            out.writeStringField("Regex", cut.split);
            out.writeEndObject();
            out.writeStringField("behavior", "Isolated");
            out.writeBooleanField("invert", false);
            out.writeEndObject();
        }
        out.writeStartObject();
        byteLevelFields(out, cut.split.isEmpty());
        out.writeEndObject();
        out.writeEndArray();
        out.writeEndObject();
        bos(out, cut.bos);
        out.writeObjectFieldStart("decoder");
        byteLevelFields(out, true);
        out.writeEndObject();
        out.writeObjectFieldStart("model");
        out.writeStringField("type", "BPE");
        out.writeBooleanField("ignore_merges", cut.whole);
        vocabulary(out);
        List<String> merges = file.requireStrings("tokenizer.ggml.merges");
        var text = new StringBuilder(32 * merges.size() + 2);
        for (String merge : merges) {
            int space = merge.indexOf(' ', 1);
            if (space < 0) {
                throw bad("tokenizer.ggml.merges has \"" + merge + "\", which is not two pieces");
            }
            pair(merge.substring(0, space), merge.substring(space + 1), text);
        }
        pairs(text, out);
        out.writeEndObject();
    }

    /** A JSON string: of a hundred thousand, most have nothing to escape. Jackson looks at each character of each. */
    private static void quote(String string, StringBuilder text) {
        text.append('"');
        if (isPlain(string)) {
            text.append(string);
        } else {
            text.append(JsonStringEncoder.getInstance().quoteAsString(string));
        }
        text.append('"');
    }

    private static boolean isPlain(String string) {
        for (int i = 0; i < string.length(); i++) {
            char c = string.charAt(i);
            if (c < ' ' || c == '"' || c == '\\') {
                return false;
            }
        }
        return true;
    }

    private static void pair(String left, String right, StringBuilder text) {
        text.append(text.isEmpty() ? "[" : ",[");
        quote(left, text);
        text.append(',');
        quote(right, text);
        text.append(']');
    }

    private static void pairs(StringBuilder text, JsonGenerator out) throws IOException {
        out.writeFieldName("merges");
        out.writeRawValue("[" + text + "]");
    }

    private static void byteLevelFields(JsonGenerator out, boolean regex) throws IOException {
        out.writeStringField("type", "ByteLevel");
        out.writeBooleanField("add_prefix_space", false);
        out.writeBooleanField("trim_offsets", true);
        out.writeBooleanField("use_regex", regex);
    }

    private void sentencePiece(JsonGenerator out) throws IOException {
        boolean prefix = file.optionalBoolean("tokenizer.ggml.add_space_prefix", true);
        out.writeObjectFieldStart("normalizer");
        out.writeStringField("type", "Sequence");
        out.writeArrayFieldStart("normalizers");
        if (prefix) {
            out.writeStartObject();
            out.writeStringField("type", "Prepend");
            out.writeStringField("prepend", "\u2581");
            out.writeEndObject();
        }
        replace(out, " ", "\u2581");
        out.writeEndArray();
        out.writeEndObject();
        bos(out, true);
        out.writeObjectFieldStart("decoder");
        out.writeStringField("type", "Sequence");
        out.writeArrayFieldStart("decoders");
        replace(out, "\u2581", " ");
        for (String type : List.of("ByteFallback", "Fuse")) {
            out.writeStartObject();
            out.writeStringField("type", type);
            out.writeEndObject();
        }
        if (prefix) {
            out.writeStartObject();
            out.writeStringField("type", "Strip");
            out.writeStringField("content", " ");
            out.writeNumberField("start", 1);
            out.writeNumberField("stop", 0);
            out.writeEndObject();
        }
        out.writeEndArray();
        out.writeEndObject();
        out.writeObjectFieldStart("model");
        out.writeStringField("type", "BPE");
        long unknown = file.optionalInt("tokenizer.ggml.unknown_token_id", 0);
        if (unknown < 0 || unknown >= tokens.size()) {
            throw bad("tokenizer.ggml.unknown_token_id is " + unknown + ", there are " + tokens.size() + " tokens");
        }
        out.writeStringField("unk_token", tokens.get((int) unknown));
        out.writeBooleanField("fuse_unk", true);
        out.writeBooleanField("byte_fallback", true);
        vocabulary(out);
        var text = new StringBuilder();
        for (Merge merge : merges()) {
            pair(merge.left, merge.right, text);
        }
        pairs(text, out);
        out.writeEndObject();
    }

    private static void replace(JsonGenerator out, String from, String to) throws IOException {
        out.writeStartObject();
        out.writeStringField("type", "Replace");
        out.writeObjectFieldStart("pattern");
        out.writeStringField("String", from);
        out.writeEndObject();
        out.writeStringField("content", to);
        out.writeEndObject();
    }

    private record Merge(String left, String right, double score, int leftId, int rightId) {}

    /** A longest piece of SentencePiece's is far shorter; a longer one would take the square of its length. */
    private static final int MAX_PIECE = 512;

    /** Every way to put a piece together from two others, best score first: what transformers does with tokenizer.model. */
    private List<Merge> merges() {
        double[] scores = file.requireNumbers("tokenizer.ggml.scores");
        if (scores.length != tokens.size()) {
            throw bad("tokenizer.ggml.scores has " + scores.length + " entries for " + tokens.size() + " tokens");
        }
        Set<Integer> special = new HashSet<>();
        for (int id = 0; id < types.length; id++) {
            if (types[id] == CONTROL) {
                special.add(id);
            }
        }
        List<Merge> merges = new ArrayList<>();
        for (int id = 0; id < tokens.size(); id++) {
            String piece = tokens.get(id);
            if (special.contains(id) || piece.length() > MAX_PIECE) {
                continue;
            }
            for (int cut = 1; cut < piece.length(); cut++) {
                Integer left = ids.get(piece.substring(0, cut));
                Integer right = left == null ? null : ids.get(piece.substring(cut));
                if (left != null && right != null) {
                    merges.add(new Merge(piece.substring(0, cut), piece.substring(cut), scores[id], left, right));
                }
            }
        }
        merges.sort(Comparator.comparingDouble(Merge::score)
                .reversed()
                .thenComparingInt(Merge::leftId)
                .thenComparingInt(Merge::rightId));
        return merges;
    }
}
