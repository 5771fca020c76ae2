package dev.gatun.cli.hub;

import dev.gatun.model.weights.ModelFolder;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Which of a repository's files are read here: many have the same weights in four formats. */
final class NeededFiles {
    static final String INDEX = "model.safetensors.index.json";

    private static final String WEIGHTS = "model.safetensors";
    private static final String ONNX = "model.onnx";
    private static final String GGUF = ".gguf";

    /** Settings, tokenizers and templates. */
    private static final Set<String> SMALL = Set.of(
            "config.json",
            "generation_config.json",
            "preprocessor_config.json",
            "tokenizer.json",
            "tokenizer_config.json",
            "special_tokens_map.json",
            "chat_template.jinja",
            "vocab.json",
            "target_vocab.json",
            "source.spm",
            "target.spm",
            "modules.json",
            "sentence_bert_config.json",
            "config_sentence_transformers.json");

    /** The folders of sentence-transformers' modules. */
    private static final Pattern MODULE =
            Pattern.compile("\\d{1,3}_[A-Za-z]{1,40}/(config\\.json|model\\.safetensors)");

    private static final int LISTED = 20;
    private static final int MAX_SHARDS = 10_000;
    private static final int MAX_PATH = 1000;

    private NeededFiles() {}

    /**
     * The GGUF file that a name asks for, or that is all a repository has.
     *
     * @return its path; null if a folder is meant
     * @throws HubException if there is none, or several could be meant
     */
    static @Nullable String gguf(HubName name, List<String> files) throws HubException {
        List<String> all = files.stream()
                .filter(file -> file.endsWith(GGUF) && isSafe(file))
                .sorted()
                .toList();
        String asked = name.file();
        if (asked == null) {
            if (all.isEmpty() || files.contains(WEIGHTS) || files.contains(INDEX) || files.contains(ONNX)) {
                return null;
            }
            if (all.size() > 1) {
                throw new HubException(name + ": has several GGUF files; say which, as in " + name.repo() + ":"
                        + all.getFirst() + "; " + listed(all));
            }
            return all.getFirst();
        }
        if (all.contains(asked)) {
            return asked;
        }
        String part = asked.toLowerCase(Locale.ROOT);
        List<String> found = all.stream()
                .filter(file -> file.toLowerCase(Locale.ROOT).contains(part))
                .toList();
        if (found.size() != 1) {
            throw new HubException(name + ": " + (found.isEmpty() ? "no" : "more than one") + " GGUF file is called \""
                    + asked + "\"; " + listed(found.isEmpty() ? all : found));
        }
        return found.getFirst();
    }

    /**
     * The files of a folder but for the shards of its weights, of which the index is one.
     *
     * @throws HubException if there are no weights that we read
     */
    static List<String> folder(HubName name, List<String> files) throws HubException {
        Set<String> there = new TreeSet<>(files);
        List<String> needed = new ArrayList<>();
        for (String file : there) {
            if (SMALL.contains(file) || MODULE.matcher(file).matches()) {
                needed.add(file);
            }
        }
        if (there.contains(WEIGHTS)) {
            needed.add(WEIGHTS);
        } else if (there.contains(INDEX)) {
            needed.add(INDEX);
        } else if (there.contains(ONNX)) {
            needed.add(ONNX);
            if (there.contains(ONNX + "_data")) {
                needed.add(ONNX + "_data");
            }
        } else {
            throw new HubException(name + ": has no " + WEIGHTS + ", " + INDEX + " or " + ONNX + ", which are read; "
                    + listed(List.copyOf(there)));
        }
        return needed;
    }

    /**
     * The shards that an index names.
     *
     * @param named file names, as the index says
     * @throws HubException if one is not a file beside the index, or there are too many
     */
    static List<String> shards(HubName name, Set<String> named, List<String> files) throws HubException {
        if (named.size() > MAX_SHARDS) {
            throw new HubException(
                    name + ": " + INDEX + " names " + named.size() + " files, at most " + MAX_SHARDS + " are allowed");
        }
        Set<String> there = Set.copyOf(files);
        for (String shard : named) {
            if (!ModelFolder.isPlainName(shard) || !there.contains(shard)) {
                throw new HubException(name + ": " + INDEX + " names \"" + shard + "\", which is no file beside it");
            }
        }
        return List.copyOf(named);
    }

    /** Whether a path stays below the folder that it is resolved in, on any system. */
    static boolean isSafe(String path) {
        if (path.length() > MAX_PATH) {
            return false;
        }
        for (String part : path.split("/", -1)) {
            if (!ModelFolder.isPlainName(part)) {
                return false;
            }
        }
        return true;
    }

    private static String listed(List<String> files) {
        return files.isEmpty()
                ? "there are none"
                : "there are " + String.join(", ", files.subList(0, Math.min(LISTED, files.size())))
                        + (files.size() > LISTED ? " and " + (files.size() - LISTED) + " more" : "");
    }
}
