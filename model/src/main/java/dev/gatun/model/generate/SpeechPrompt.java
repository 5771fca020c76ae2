package dev.gatun.model.generate;

import dev.gatun.model.weights.JsonConfig;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * How a model of speech is told what to do: by ids behind the start of every target, as its generation_config.json says.
 *
 * @param languages id of each language by its code, {@code en}; empty where a model has one language only
 * @param tasks id of {@code transcribe} and {@code translate}; empty likewise
 * @param forced ids that older files put behind the start, by position from 1; a language that is to be detected is left out
 * @param language what the file asks for, or null
 * @param task what the file asks for, or null
 * @param noTimestamps id that says there are no times; those behind it are times
 * @param mostAtStart of {@link TimestampRules}
 */
public record SpeechPrompt(
        Map<String, Integer> languages,
        Map<String, Integer> tasks,
        Map<Integer, Integer> forced,
        @Nullable String language,
        @Nullable String task,
        int noTimestamps,
        int mostAtStart) {
    /**
     * Reads a checkpoint's settings.
     *
     * @param generate generation_config.json
     * @param vocab ids are 0 to vocab - 1
     * @throws dev.gatun.model.weights.ModelFormatException if a setting is missing or out of range
     */
    public static SpeechPrompt read(JsonConfig generate, int vocab) {
        int last = vocab - 1;
        return new SpeechPrompt(
                ids(generate, "lang_to_id", last),
                ids(generate, "task_to_id", last),
                generate.intPairs("forced_decoder_ids", 0, last),
                generate.has("language") ? plain(generate.requireString("language")) : null,
                generate.has("task") ? generate.requireString("task") : null,
                generate.requireInt("no_timestamps_token_id", 1, last - 1),
                generate.optionalInt("max_initial_timestamp_index", TokenRules.NONE, 0, last));
    }

    private static Map<String, Integer> ids(JsonConfig generate, String key, int last) {
        Map<String, Integer> ids = new TreeMap<>();
        if (generate.has(key)) {
            JsonConfig named = generate.requireObject(key);
            for (String name : named.keys()) {
                ids.put(plain(name), named.requireInt(name, 0, last));
            }
        }
        return ids;
    }

    /** {@code en} of {@code <|en|>}. */
    private static String plain(String name) {
        return name.startsWith("<|") && name.endsWith("|>") ? name.substring(2, name.length() - 2) : name;
    }

    /** The first time. */
    public TimestampRules timestamps() {
        return new TimestampRules(noTimestamps + 1, mostAtStart);
    }

    /** Whether the model has to be asked which language it hears: it knows several, and none is given. */
    public boolean hasToDetect(@Nullable String asked) {
        return !languages.isEmpty() && asked == null && language == null && !forced.containsKey(1);
    }

    /**
     * The ids behind the start.
     *
     * @param askedLanguage its code, or null for the file's
     * @param askedTask {@code transcribe} or {@code translate}, or null for the file's
     * @param detected id of the language that was heard, where none is given; or {@link TokenRules#NONE}
     * @param times whether there are to be times
     * @throws IllegalArgumentException if the model does not know the language or the task
     */
    public int[] ids(@Nullable String askedLanguage, @Nullable String askedTask, int detected, boolean times) {
        String wantedLanguage = askedLanguage == null ? language : askedLanguage;
        String wantedTask = askedTask == null ? task : askedTask;
        List<Integer> ids = new ArrayList<>();
        int heard = wantedLanguage == null ? detected : languageId(wantedLanguage);
        if (heard == TokenRules.NONE) {
            heard = forced.getOrDefault(1, TokenRules.NONE);
        }
        if (heard != TokenRules.NONE) {
            ids.add(heard);
        }
        if (wantedTask != null) {
            ids.add(taskId(wantedTask));
        } else if (wantedLanguage == null && !forced.isEmpty()) {
            for (int position = 2; forced.containsKey(position); position++) {
                ids.add(forced.get(position));
            }
            ids.remove((Object) noTimestamps);
        } else if (wantedLanguage != null && tasks.containsKey("transcribe")) {
            ids.add(taskId("transcribe"));
        }
        if (!times) {
            ids.add(noTimestamps);
        }
        return ids.stream().mapToInt(Integer::intValue).toArray();
    }

    /**
     * The id of a language.
     *
     * @throws IllegalArgumentException if the model does not know it
     */
    public int languageId(String code) {
        return known("language", code, languages);
    }

    /**
     * The id of a task.
     *
     * @throws IllegalArgumentException if the model does not know it
     */
    public int taskId(String name) {
        return known("task", name, tasks);
    }

    private static int known(String what, String name, Map<String, Integer> ids) {
        Integer id = ids.get(name);
        if (id == null) {
            throw new IllegalArgumentException(what + " " + name + ": the model "
                    + (ids.isEmpty() ? "cannot be told a " + what : "knows " + String.join(", ", ids.keySet())));
        }
        return id;
    }
}
