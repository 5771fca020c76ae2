package dev.gatun.cli.hub;

import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * What users call a model of the Hub: {@code org/name}, {@code org/name@revision}, and {@code org/name:FILE} for one of its GGUF
 * files.
 *
 * @param repo {@code org/name}
 * @param revision a branch, a tag or a commit
 * @param file the file that was asked for, or a part of its name; null for the model's folder
 */
public record HubName(
        String repo, String revision, @Nullable String file) {
    /** What is meant where no revision is. */
    static final String MAIN = "main";

    private static final String PART = "[A-Za-z0-9_][A-Za-z0-9_.-]*";
    private static final Pattern NAME = Pattern.compile(
            "(?<repo>" + PART + "/" + PART + ")(@(?<revision>" + PART + "(/" + PART + ")*))?(:(?<file>[^:@]+))?");
    private static final int MAX_LENGTH = 96; // of a repository's name, by the Hub's rule

    /** The name that {@code text} is; null if it cannot be one. */
    public static @Nullable HubName of(String text) {
        Matcher name = NAME.matcher(text);
        if (!name.matches()) {
            return null;
        }
        String repo = name.group("repo");
        // Two dashes separate the parts of a folder's name in the cache.
        if (repo.length() > MAX_LENGTH || repo.contains("--") || text.contains("..")) {
            return null;
        }
        String revision = name.group("revision");
        return new HubName(repo, revision == null ? MAIN : revision, name.group("file"));
    }

    /** As users write it. */
    @Override
    public String toString() {
        return repo + (revision.equals(MAIN) ? "" : "@" + revision) + (file == null ? "" : ":" + file);
    }
}
