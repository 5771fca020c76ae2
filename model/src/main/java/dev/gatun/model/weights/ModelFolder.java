package dev.gatun.model.weights;

import dev.gatun.memory.MappedFile;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.List;

/**
 * Where a model's files are: a folder on disk, one in a jar, or a packed model. Files are asked for by plain name, which can lead nowhere else.
 * Immutable and thread-safe; owns nothing, so it needs no closing.
 */
public sealed interface ModelFolder permits DirectoryFolder, PackedFolder, ResourceFolder {
    /**
     * A folder on disk, or a model that was packed into one file; files are mapped.
     *
     * @throws java.nio.file.NoSuchFileException if it does not exist
     * @throws java.nio.file.NotDirectoryException if it is not a folder
     */
    static ModelFolder of(Path folder) throws IOException {
        return PackedFolder.is(folder) ? PackedFolder.open(folder) : DirectoryFolder.checked(folder);
    }

    /**
     * A folder among the resources of {@code owner}'s module or class path; a file of it is copied off the heap when it is opened.
     *
     * @param folder names separated by {@code /}, from the root, for example {@code dev/gatun/model/demo/numerals-en-zh}
     */
    static ModelFolder ofResources(Class<?> owner, String folder) {
        return new ResourceFolder(owner, folder);
    }

    /** What to call it in messages: its path. */
    String name();

    /**
     * Whether there is such a file.
     *
     * @throws IllegalArgumentException if {@code file} is not a plain file name
     */
    boolean has(String file);

    /**
     * The bytes of a file, for the life of {@code arena}.
     *
     * @throws java.nio.file.NoSuchFileException if it is missing
     * @throws IOException if it cannot be read; the message names it
     * @throws IllegalArgumentException if {@code file} is not a plain file name
     */
    MappedFile open(String file, Arena arena) throws IOException;

    /**
     * A folder in this one.
     *
     * @throws java.nio.file.NoSuchFileException if it does not exist on disk
     * @throws IllegalArgumentException if {@code name} is not a plain name
     */
    ModelFolder folder(String name) throws IOException;

    /** Whether a file is a packed model. */
    static boolean isPacked(Path file) throws IOException {
        return PackedFolder.is(file);
    }

    /** Names of what is in the folder, sorted, for messages; empty for a folder in a jar, which cannot be listed. */
    List<String> list() throws IOException;

    /** Whether {@code file} is a plain name that stays inside a folder: no path, no drive, not the folder itself. */
    static boolean isPlainName(String file) {
        for (int i = 0; i < file.length(); i++) {
            char c = file.charAt(i);
            if (c == '/' || c == '\\' || c == ':' || Character.isISOControl(c)) {
                return false;
            }
        }
        return !file.isEmpty() && !file.equals(".") && !file.equals("..");
    }
}
