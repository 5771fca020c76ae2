package dev.gatun.model.weights;

import dev.gatun.memory.MappedFile;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** A folder on disk. */
record DirectoryFolder(Path path) implements ModelFolder {
    static DirectoryFolder checked(Path path) throws IOException {
        if (!Files.exists(path)) {
            throw new NoSuchFileException(path.toString(), null, "no such model folder");
        }
        if (!Files.isDirectory(path)) {
            throw new NotDirectoryException(path.toString());
        }
        return new DirectoryFolder(path);
    }

    @Override
    public String name() {
        return path.toString();
    }

    @Override
    public boolean has(String file) {
        return Files.exists(resolve(file));
    }

    @Override
    public MappedFile open(String file, Arena arena) throws IOException {
        return MappedFile.open(resolve(file), arena);
    }

    @Override
    public ModelFolder folder(String name) throws IOException {
        return checked(resolve(name));
    }

    @Override
    public List<String> list() throws IOException {
        try (Stream<Path> files = Files.list(path)) {
            return files.map(file -> String.valueOf(file.getFileName()))
                    .sorted()
                    .toList();
        }
    }

    private Path resolve(String file) {
        if (!ModelFolder.isPlainName(file)) {
            throw new IllegalArgumentException(path + ": \"" + file + "\" is not the plain name of a file");
        }
        return path.resolve(file);
    }
}
